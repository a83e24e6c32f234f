with

source as (

    select * from {{ source('raw', 'sec_companies') }}
    where {{ was_known() }}

),

final as (

    select
        ticker,
        cik,
        title,
        known_on,
        known_on_basis,
        source,
        loaded_as_of,
    from source
    {{ first_row_per(['ticker'], ['known_on desc']) }}

)

select * from final
