with

states as (

    select
        known_states.series_id,
        known_states.known_on,
        known_states.observed_on,
        known_states.value_known_on,
        known_states.known_on_basis,
    from {{ ref('int_macro_known_states') }} as known_states
    inner join {{ ref('stg_reference__series') }} as series
        on known_states.series_id = series.series_id
    where
        series.frequency = 'monthly'
        and known_states.observed_on is not null

),

vintages as (

    select * from {{ ref('int_macro_vintages') }}

),

-- 15 months: three for each of the thirteen 3-month means that the Sahm figure compares.
steps (months_back) as (

    values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13), (14)

),

wanted as (

    select
        states.series_id,
        states.known_on,
        steps.months_back,
        {{ add_months('states.observed_on', '-steps.months_back') }} as month_on,
    from states
    cross join steps

),

valued as (

    select
        wanted.series_id,
        wanted.known_on,
        wanted.months_back,
        vintages.value,
    from wanted
    {{ asof_left_join(
        'vintages',
        [
            'wanted.series_id = vintages.series_id',
            'wanted.month_on = vintages.observed_on',
        ],
        'wanted.known_on >= vintages.known_on'
    ) }}

),

averaged as (

    select
        series_id,
        known_on,
        months_back,
        value,
        case
            when count(value) over three_months >= 2 and count(*) over three_months = 3
                then avg(value) over three_months
        end as mean_3m,
    from valued
    window three_months as (
        partition by series_id, known_on
        order by months_back
        rows between current row and 2 following
    )

),

pivoted as (

    select
        series_id,
        known_on,
        max(value) filter (where months_back = 0) as value,
        max(value) filter (where months_back = 3) as value_3m_before,
        max(value) filter (where months_back = 12) as value_12m_before,
        max(mean_3m) filter (where months_back = 0) as mean_3m,
        case
            when count(mean_3m) filter (where months_back between 1 and 12) = 12
                then min(mean_3m) filter (where months_back between 1 and 12)
        end as lowest_mean_3m_previous_12m,
    from averaged
    group by series_id, known_on

),

final as (

    select
        states.series_id,
        states.known_on,
        states.observed_on,
        states.value_known_on,
        states.known_on_basis,
        pivoted.value,
        pivoted.value_3m_before,
        pivoted.value_12m_before,
        pivoted.mean_3m,
        pivoted.lowest_mean_3m_previous_12m,
        100 * (pivoted.value / nullif(pivoted.value_12m_before, 0) - 1) as yoy_pct,
        100 * (power(pivoted.value / nullif(pivoted.value_3m_before, 0), 4) - 1)
            as annualized_3m_pct,
        (pivoted.value - pivoted.value_3m_before) / 3 as avg_change_3m,
        pivoted.mean_3m - pivoted.lowest_mean_3m_previous_12m as rise_over_low_pts,
    from states
    inner join pivoted
        on states.series_id = pivoted.series_id
        and states.known_on = pivoted.known_on

)

select * from final
