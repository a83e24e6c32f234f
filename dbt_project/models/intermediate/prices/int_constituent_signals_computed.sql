{#-
    A window of n closes is full when n closes exist and the oldest is at most n + 9 sessions back:
    the last n + 10 sessions, today's included. Averages are compared as close x n > sum, in
    DECIMAL, so that a tie is a tie.
-#}
{% set above = {'is_above_20d': 20, 'is_above_50d': 50, 'is_above_200d': 200} -%}
{% set year = 252 -%}
{% set slack = 10 -%}
{% set longest_pause = 5 -%}

with

prices as (

    select * from {{ ref('int_constituent_prices_adjusted') }}

),

sessions as (

    select * from {{ ref('stg_reference__sessions') }}

),

numbered as (

    select
        prices.symbol,
        prices.traded_on,
        prices.close,
        prices.volume,
        sessions.session_no,
    from prices
    inner join sessions
        on prices.traded_on = sessions.traded_on

),

windows as (

    select
        symbol,
        traded_on,
        close,
        volume,
        session_no,
        lag(close) over by_symbol as previous_close,
        lag(session_no) over by_symbol as previous_no,
        {%- for n in above.values() %}
        lag(session_no, {{ n - 1 }}) over by_symbol as oldest_no_{{ n }},
        sum(close) over (
            partition by symbol
            order by session_no
            rows between {{ n - 1 }} preceding and current row
        ) as sum_{{ n }},
        {%- endfor %}
        lag(session_no, {{ year - 1 }}) over by_symbol as oldest_no_{{ year }},
        max(close) over (
            partition by symbol
            order by session_no
            rows between {{ year - 1 }} preceding and current row
        ) as highest,
        min(close) over (
            partition by symbol
            order by session_no
            rows between {{ year - 1 }} preceding and current row
        ) as lowest,
    from numbered
    window by_symbol as (partition by symbol order by session_no)

),

final as (

    select
        symbol,
        traded_on,
        volume,
        {%- for name, n in above.items() %}
        case
            when oldest_no_{{ n }} > session_no - {{ n + slack }}
                then close * {{ n }} > sum_{{ n }}
        end as {{ name }},
        {%- endfor %}
        case
            when oldest_no_{{ year }} > session_no - {{ year + slack }} then close = highest
        end as is_new_high_52w,
        case
            when oldest_no_{{ year }} > session_no - {{ year + slack }} then close = lowest
        end as is_new_low_52w,
        case
            when previous_no >= session_no - {{ longest_pause }}
                then cast(sign(close - previous_close) as tinyint)
        end as direction,
        -- the difference first, since it is exact; a decimal, so that sums over members do not
        -- depend on the order of adding
        case
            when previous_no >= session_no - {{ longest_pause }}
                then
                    cast(
                        cast(close - previous_close as double) / cast(previous_close as double)
                        as decimal(24, 15)
                    )
        end as return_ratio,
    from windows

)

select * from final
