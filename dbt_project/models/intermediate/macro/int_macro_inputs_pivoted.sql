{#- The series that macro_regime stands on: block, series, prefix of its columns. One list, so that
    a figure, its dates and its staleness cannot come apart. -#}
{%- set inputs = [
    ('inflation', 'PCEPILFE', 'core_pce'),
    ('inflation', 'T10YIE', 'breakeven_10y'),
    ('projections', 'JCXFEMD', 'fomc_core_pce'),
    ('projections', 'FEDTARMD', 'fomc_funds_rate'),
    ('policy', 'DFEDTAR_MID', 'fed_target_mid'),
    ('rates', 'DGS3MO', 'yield_3m'),
    ('rates', 'DGS2', 'yield_2y'),
    ('rates', 'DGS10', 'yield_10y'),
    ('rates', 'T10Y2Y', 'slope_10y_2y'),
    ('rates', 'T10Y3M', 'slope_10y_3m'),
    ('rates', 'DFII10', 'real_yield_10y'),
    ('credit', 'BAMLH0A0HYM2', 'high_yield_spread'),
    ('credit', 'BAA10Y', 'baa_spread'),
    ('credit', 'NFCI', 'nfci'),
    ('dollar', 'DTWEXBGS', 'broad_dollar'),
    ('dollar', 'ECBDFR', 'ecb_deposit_rate'),
    ('labour', 'PAYEMS', 'payrolls'),
    ('labour', 'UNRATE', 'unemployment'),
    ('labour', 'ICSA', 'claims'),
    ('cycle', 'USREC', 'recession'),
] -%}
{%- set blocks = inputs | map('first') | unique | list -%}

with

session_values as (

    select * from {{ ref('int_macro_session_values') }}

),

final as (

    select
        traded_on,
        {% for block, series_id, name in inputs -%}
        max(value) filter (where series_id = '{{ series_id }}') as {{ name }}_value,
        max(observed_on) filter (where series_id = '{{ series_id }}') as {{ name }}_observed_on,
        max(value_known_on) filter (where series_id = '{{ series_id }}') as {{ name }}_known_on,
        max(known_on_basis) filter (where series_id = '{{ series_id }}')
            as {{ name }}_known_on_basis,
        {% endfor -%}
        {% for name in blocks -%}
        coalesce(
            bool_and(not is_stale) filter (
                where observed_on is not null and series_id in (
                    {%- for block, series_id, _ in inputs if block == name -%}
                        '{{ series_id }}'{{ ', ' if not loop.last }}
                    {%- endfor -%}
                )
            ),
            false
        ) as is_{{ name }}_reliable,
        {% endfor -%}
        coalesce(
            string_agg(series_id, ', ' order by series_id) filter (
                where is_stale and series_id in (
                    {%- for block, series_id, _ in inputs -%}
                        '{{ series_id }}'{{ ', ' if not loop.last }}
                    {%- endfor -%}
                )
            ),
            ''
        ) as stale_inputs,
    from session_values
    group by traded_on

)

select * from final
