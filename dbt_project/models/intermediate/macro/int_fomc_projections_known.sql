with

sessions as (

    select * from {{ ref('int_macro_sessions') }}

),

vintages as (

    select * from {{ ref('int_macro_vintages') }}
    where series_id in ('JCXFEMD', 'FEDTARMD')

),

steps (series_id, years_ahead) as (

    values
    {% for series_id in ['JCXFEMD', 'FEDTARMD'] -%}
        {% set last_series = loop.last -%}
        {% for years in range(4) -%}
            ('{{ series_id }}', {{ years }}){{ ', ' if not (last_series and loop.last) }}
        {%- endfor %}
    {% endfor %}

),

-- FRED dates a projection by the first day of the projected year.
wanted as (

    select
        sessions.traded_on,
        steps.series_id,
        steps.years_ahead,
        cast(
            {{ dbt.dateadd('year', 'steps.years_ahead', "date_trunc('year', sessions.traded_on)") }}
            as date
        ) as year_on,
    from sessions
    cross join steps

),

valued as (

    select
        wanted.traded_on,
        wanted.series_id,
        wanted.years_ahead,
        vintages.value,
        vintages.known_on,
    from wanted
    {{ asof_left_join(
        'vintages',
        [
            'wanted.series_id = vintages.series_id',
            'wanted.year_on = vintages.observed_on',
        ],
        'wanted.traded_on >= vintages.known_on'
    ) }}

),

final as (

    select
        traded_on,
        {% for series_id, name in [('JCXFEMD', 'core_pce'), ('FEDTARMD', 'funds_rate')] -%}
        {% set years = ['this_year', 'next_year', 'year_after', 'in_three_years'] -%}
        {% for year in years -%}
        max(value) filter (where series_id = '{{ series_id }}' and years_ahead = {{ loop.index0 }})
            as {{ name }}_{{ year }}_pct,
        {% endfor -%}
        {% endfor -%}
        max(known_on) filter (where value is not null) as known_on,
    from valued
    group by traded_on

)

select * from final
