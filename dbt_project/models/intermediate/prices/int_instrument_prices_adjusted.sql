{#-
    Closes as they are, and closes with dividends put back in, per symbol.

    adj_close_t = close_T x product over s in (t, T] of 1 / total_return_ratio_s, T being the
    symbol's newest bar. A missing ratio (first bar of a payload) counts as the plain ratio of the
    closes. The product is the exponential of a sum of logarithms, one pass whatever the length; the
    sum is DECIMAL, so that the same bars give the same digits in every build.
-#}
with

bars as (

    select * from {{ ref('stg_prices__instrument_bars') }}

),

returns as (

    select
        symbol,
        traded_on,
        close,
        volume,
        source,
        row_number() over (partition by symbol order by traded_on) as observation_no,
        cast(ln(coalesce(
            total_return_ratio,
            cast(close as double)
            / lag(close) over (partition by symbol order by traded_on),
            1.0
        )) as decimal(18, 15)) as log_return,
    from bars

),

accumulated as (

    select
        *,
        sum(log_return) over (
            partition by symbol
            order by traded_on
            rows between unbounded preceding and current row
        ) as log_level,
        last_value(close) over (
            partition by symbol
            order by traded_on
            rows between unbounded preceding and unbounded following
        ) as newest_close,
        sum(log_return) over (
            partition by symbol
            order by traded_on
            rows between unbounded preceding and unbounded following
        ) as newest_log_level,
    from returns

),

final as (

    select
        symbol,
        traded_on,
        close,
        newest_close * exp(cast(log_level - newest_log_level as double)) as adj_close,
        volume,
        cast(observation_no as integer) as observation_no,
        source,
    from accumulated

)

select * from final
order by symbol, traded_on
