-- Counted again by comparing each record with every bar before it.
with

records as (

    select
        *,
        case index_id when 'russell_2000' then '^RUT' else '^GSPC' end as symbol,
    from {{ ref('record_highs') }}

),

prices as (

    select * from {{ ref('int_instrument_prices_adjusted') }}
    where symbol in ('^RUT', '^GSPC')

),

final as (

    select
        records.index_id,
        records.traded_on,
        count(*) as earlier_bars,
        max(prices.close) as highest_before,
    from records
    inner join prices
        on records.symbol = prices.symbol
        and records.traded_on > prices.traded_on
    group by records.index_id, records.traded_on, records.close
    having max(prices.close) >= records.close or count(*) < 252

)

select * from final
