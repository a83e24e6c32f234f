-- The provider's adjusted close and its list of distributions are two tellings of one fact: a day's
-- adjusted return is the price return with that day's distributions put back in, to within 0.1
-- points (in real data 0.012 at most). More means a distribution that is missing or counted twice.
-- Looked at over the newest 250 bars of a symbol: older breaks were told of when they were new.
{{ config(severity='warn') }}

with

bars as (

    select
        symbol,
        traded_on,
        total_return_ratio,
        cast(close as double) as close_usd,
        cast(lag(close) over by_symbol as double) as previous_close_usd,
        row_number() over (partition by symbol order by traded_on desc) as newest_no,
    from {{ ref('stg_prices__instrument_bars') }}
    window by_symbol as (partition by symbol order by traded_on)

),

distributions as (

    select
        symbol,
        event_on,
        sum(amount_usd) as amount_usd,
    from {{ ref('stg_prices__instrument_events') }}
    where event_kind in ('dividend', 'capital_gain')
    group by symbol, event_on

),

compared as (

    select
        bars.symbol,
        bars.traded_on,
        bars.newest_no,
        100 * (bars.total_return_ratio - 1) as adjusted_pct,
        100 * (
            (bars.close_usd + coalesce(distributions.amount_usd, 0))
            / nullif(bars.previous_close_usd, 0) - 1
        ) as with_distributions_pct,
    from bars
    left join distributions
        on bars.symbol = distributions.symbol
        and bars.traded_on = distributions.event_on
    where bars.total_return_ratio is not null

)

select
    symbol,
    traded_on,
    adjusted_pct,
    with_distributions_pct,
from compared
where
    newest_no <= 250
    and abs(adjusted_pct - with_distributions_pct) > 0.1
