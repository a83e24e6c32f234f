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
    ('JCXFEMD', 0), ('JCXFEMD', 1), ('JCXFEMD', 2), ('JCXFEMD', 3),
    ('FEDTARMD', 0), ('FEDTARMD', 1), ('FEDTARMD', 2), ('FEDTARMD', 3)

),

-- FRED dates a projection by the first day of the projected year.
wanted as (

    select
        sessions.traded_on,
        steps.series_id,
        steps.years_ahead,
        {{ add_months("date_trunc('year', sessions.traded_on)", '12 * steps.years_ahead') }}
            as year_on,
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
        max(value) filter (where series_id = 'JCXFEMD' and years_ahead = 0)
            as core_pce_this_year_pct,
        max(value) filter (where series_id = 'JCXFEMD' and years_ahead = 1)
            as core_pce_next_year_pct,
        max(value) filter (where series_id = 'JCXFEMD' and years_ahead = 2)
            as core_pce_year_after_pct,
        max(value) filter (where series_id = 'JCXFEMD' and years_ahead = 3)
            as core_pce_in_three_years_pct,
        max(value) filter (where series_id = 'FEDTARMD' and years_ahead = 0)
            as funds_rate_this_year_pct,
        max(value) filter (where series_id = 'FEDTARMD' and years_ahead = 1)
            as funds_rate_next_year_pct,
        max(value) filter (where series_id = 'FEDTARMD' and years_ahead = 2)
            as funds_rate_year_after_pct,
        max(value) filter (where series_id = 'FEDTARMD' and years_ahead = 3)
            as funds_rate_in_three_years_pct,
        max(known_on) filter (where value is not null) as known_on,
    from valued
    group by traded_on

)

select * from final
