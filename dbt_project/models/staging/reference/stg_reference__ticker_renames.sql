with

source as (

    select * from {{ source('reference', 'ticker_renames') }}

),

final as (

    select
        universe_ticker,
        price_symbol,
        valid_from,
        valid_to,
        note,
    from source

)

select * from final
