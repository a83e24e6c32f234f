with

source as (

    select * from {{ source('reference', 'funds') }}

),

final as (

    select
        fund_id,
        title,
        issuer,
        group_id,
        sector,
        universe_id,
        has_holdings,
        has_shares,
    from source

)

select * from final
