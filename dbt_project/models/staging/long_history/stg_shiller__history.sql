with

source as (

    select * from {{ source('raw', 'shiller_history') }}
    where {{ was_known() }}

),

final as (

    select
        observed_on,
        measure,
        value,
        edition,
        known_on,
        known_on_basis,
        source,
        loaded_as_of,
    from source

)

select * from final
