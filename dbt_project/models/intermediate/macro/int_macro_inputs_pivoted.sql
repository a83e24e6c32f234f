{%- set inputs = macro_regime_inputs() -%}
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
