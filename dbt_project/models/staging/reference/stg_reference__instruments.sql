with

source as (

    select * from {{ source('reference', 'instruments') }}

),

final as (

    select
        symbol,
        title,
        kind,
        sector,
        groups,
        provider_order,
        has_volume,
        required,
        stale_after_sessions,
    from source

)

select * from final
