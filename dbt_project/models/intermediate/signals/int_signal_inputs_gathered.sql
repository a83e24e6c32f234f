{#- The mart columns that the signal catalogue may name: mart, its rows, the flag that must be true,
    columns. Flows come as they had settled by the session. -#}
{%- set gathered = [
    ('valuation_gaps', "pair_id = 'small_vs_large'", 'true', [
        'log_price_ratio_z',
    ]),
    ('valuation_gaps', "pair_id = 'small_vs_large'", 'is_book_reliable', [
        'small_fair_value_gap_pct',
        'pb_gap_pct',
    ]),
    ('market_breadth', "universe_id = 'russell_2000' and sector = 'all'", 'is_reliable', [
        'pct_above_200d',
        'mcclellan_summation',
        'new_highs_52w',
        'new_lows_52w',
    ]),
    ('flow_signals', 'true', 'is_reliable', [
        'small_minus_large_flow_21d_pct',
        'small_minus_large_flow_63d_pct',
    ]),
    ('macro_regime', 'true', 'true', [
        'yield_10y_change_63d_pts',
        'real_policy_rate_pct',
        'core_pce_gap_to_target_pts',
        'slope_10y_2y_pts',
        'high_yield_spread_pct',
        'baa_spread_pct',
        'nfci',
        'broad_dollar_change_63d_pct',
    ]),
] -%}

with

valuation_gaps as (

    select * from {{ ref('valuation_gaps') }}

),

market_breadth as (

    select * from {{ ref('market_breadth') }}

),

flow_signals as (

    select * from {{ ref('int_flow_signals_settled') }}

),

macro_regime as (

    select * from {{ ref('macro_regime') }}

),

final as (
    {% for mart, rows, flag, columns in gathered %}
    {%- set is_last_mart = loop.last %}
    {%- for column in columns %}
    select
        '{{ mart }}' as mart,
        '{{ column }}' as column_name,
        traded_on,
        cast({{ column }} as double) as value,
        {{ flag }} as is_reliable,
    from {{ mart }}
    where {{ rows }}
    {% if not (is_last_mart and loop.last) -%}
    union all
    {% endif -%}
    {% endfor -%}
    {% endfor %}
)

select * from final
