with

source as (

    select * from {{ source('raw', 'fred_release_dates') }}
    where {{ was_known() }}

),

final as (

    select
        release_id,
        release_name,
        release_on,
        known_on,
        known_on_basis,
        source,
        loaded_as_of,
    from source
    {{ first_row_per(['release_id', 'release_on'], ['known_on desc']) }}

)

select * from final
