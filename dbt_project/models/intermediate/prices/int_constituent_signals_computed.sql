{{ config(materialized='view') }}
{#-
    A window of n closes is full when n closes exist and the oldest is at most n + 9 sessions back:
    the last n + 10 sessions, today's included.

    The windows are put together from windows half as long: the sum of 4 closes is the sum of 2 and
    that of the 2 before, and so are highest and lowest. Each step follows the rows as they lie,
    where a window of its own would sort them (see the macro `along`). Closes are whole millionths
    of a dollar, so that sums are exact and a tie is a tie.
-#}
{% set in_order = along(['symbol'], 'session_no') -%}
{% set above = {'is_above_20d': 20, 'is_above_50d': 50, 'is_above_200d': 200} -%}
{% set year = 252 -%}
{% set lengths = above.values() | list + [year] -%}
{% set slack = 10 -%}
{% set longest_pause = 5 -%}

with

prices as (

    select * from {{ ref('int_constituent_prices_adjusted') }}

),

on_sessions as (

    select
        symbol,
        traded_on,
        session_no,
        volume,
        cast(round(cast(close as double) * 1e6) as bigint) as micros,
    from prices
    where session_no is not null

),

last_2 as (

    select
        *,
        lag(symbol) {{ in_order }} as previous_symbol,
        lag(session_no) {{ in_order }} as previous_no,
        lag(micros) {{ in_order }} as previous_micros,
        {%- for n in lengths %}
        lag(symbol, {{ n - 1 }}) {{ in_order }} as oldest_symbol_{{ n }},
        lag(session_no, {{ n - 1 }}) {{ in_order }} as oldest_no_{{ n }},
        {%- endfor %}
        micros + lag(micros) {{ in_order }} as sum_2,
        greatest(micros, lag(micros) {{ in_order }}) as highest_2,
        least(micros, lag(micros) {{ in_order }}) as lowest_2,
    from on_sessions

),
{% for half in [2, 4, 8, 16, 32, 64] %}
last_{{ 2 * half }} as (

    select
        *,
        sum_{{ half }} + lag(sum_{{ half }}, {{ half }}) {{ in_order }} as sum_{{ 2 * half }},
        greatest(highest_{{ half }}, lag(highest_{{ half }}, {{ half }}) {{ in_order }})
            as highest_{{ 2 * half }},
        least(lowest_{{ half }}, lag(lowest_{{ half }}, {{ half }}) {{ in_order }})
            as lowest_{{ 2 * half }},
    from last_{{ half }}

),
{% endfor %}
-- 20 = 16 + 4, 50 = 32 + 16 + 2, 200 = 128 + 64 + 8; the two windows of 128 overlap in 252
windows as (

    select
        *,
        sum_16 + lag(sum_4, 16) {{ in_order }} as sum_20,
        sum_32 + lag(sum_16, 32) {{ in_order }} + lag(sum_2, 48) {{ in_order }} as sum_50,
        sum_128 + lag(sum_64, 128) {{ in_order }} + lag(sum_8, 192) {{ in_order }} as sum_200,
        greatest(highest_128, lag(highest_128, {{ year - 128 }}) {{ in_order }}) as highest,
        least(lowest_128, lag(lowest_128, {{ year - 128 }}) {{ in_order }}) as lowest,
    from last_128

),

-- what lies n rows back counts only where it is the same symbol's
judged as (

    select
        *,
        {%- for n in lengths %}
        oldest_symbol_{{ n }} = symbol and oldest_no_{{ n }} > session_no - {{ n + slack }}
            as is_full_{{ n }},
        {%- endfor %}
        previous_symbol = symbol and previous_no >= session_no - {{ longest_pause }}
            as has_previous,
    from windows

),

final as (

    select
        symbol,
        traded_on,
        volume,
        {%- for name, n in above.items() %}
        case when is_full_{{ n }} then micros * {{ n }} > sum_{{ n }} end as {{ name }},
        {%- endfor %}
        case when is_full_{{ year }} then micros = highest end as is_new_high_52w,
        case when is_full_{{ year }} then micros = lowest end as is_new_low_52w,
        case when has_previous then cast(sign(micros - previous_micros) as tinyint) end
            as direction,
        -- a decimal, so that sums over members do not depend on the order of adding
        case
            when has_previous
                then
                    cast(
                        cast(micros - previous_micros as double) / previous_micros
                        as decimal(18, 12)
                    )
        end as return_ratio,
    from judged

)

select * from final
