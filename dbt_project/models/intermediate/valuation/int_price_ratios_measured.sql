with

prices as (

    select
        prices.symbol,
        prices.traded_on,
        prices.close,
        prices.adj_close,
    from {{ ref('int_instrument_prices_adjusted') }} as prices
    inner join {{ ref('stg_reference__sessions') }} as sessions
        on prices.traded_on = sessions.traded_on

),

-- Index closes carry no dividends; of the two funds the total return is compared.
pairs (pair_id, small_symbol, large_symbol, is_total_return) as (

    values
    ('small_vs_large', '^RUT', '^GSPC', false),
    ('small_value_vs_large_growth', 'IWN', 'IWF', true)

),

ratios as (

    select
        pairs.pair_id,
        small.traded_on,
        case
            when pairs.is_total_return then small.adj_close / nullif(large.adj_close, 0)
            else cast(small.close as double) / nullif(cast(large.close as double), 0)
        end as price_ratio,
    from pairs
    inner join prices as small
        on pairs.small_symbol = small.symbol
    inner join prices as large
        on pairs.large_symbol = large.symbol
        and small.traded_on = large.traded_on

),

measured as (

    select
        pair_id,
        traded_on,
        price_ratio,
        ln(price_ratio) as log_price_ratio,
    from ratios
    where price_ratio > 0

),

final as (

    select
        pair_id,
        traded_on,
        price_ratio,
        log_price_ratio,
        {{ trailing_z('log_price_ratio', 2520, 'traded_on', 'pair_id') }} as log_price_ratio_z,
        {{ trailing_percentile('log_price_ratio', 2520, 'traded_on', 'pair_id') }}
            as log_price_ratio_percentile,
        100 * (
            price_ratio / max(price_ratio) over (
                partition by pair_id
                order by traded_on
                rows between unbounded preceding and current row
            )
            - 1
        ) as price_ratio_drawdown_pct,
    from measured

)

select * from final
