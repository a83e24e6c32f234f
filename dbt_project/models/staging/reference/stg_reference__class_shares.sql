with

source as (

    select * from {{ source('reference', 'class_shares') }}

),

final as (

    select
        universe_ticker,
        price_symbol,
    from source

)

select * from final
