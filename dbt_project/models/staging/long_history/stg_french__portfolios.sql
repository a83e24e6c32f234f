with

source as (

    select * from {{ source('raw', 'french_portfolios') }}
    where {{ was_known() }}

),

final as (

    select
        file_id,
        table_id,
        frequency,
        portfolio,
        period_on,
        value,
        edition,
        known_on,
        known_on_basis,
        source,
        loaded_as_of,
    from source

)

select * from final
