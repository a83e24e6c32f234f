with

source as (

    select * from {{ source('raw', 'fund_shares') }}

),

final as (

    select
        fund_id,
        traded_on,
        nav_usd,
        shares_outstanding,
        total_net_assets_usd,
        known_on,
        known_on_basis,
        source,
        fetched_at,
    from source
    where {{ was_known() }}
    {{ first_row_per(['fund_id', 'traded_on'], ['known_on desc', 'fetched_at desc']) }}

)

select * from final
