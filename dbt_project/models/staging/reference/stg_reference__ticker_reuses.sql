with

source as (

    select * from {{ source('reference', 'ticker_reuses') }}

),

final as (

    select
        price_symbol,
        valid_from,
        valid_to,
        note,
    from source

)

select * from final
