with

states as (

    select
        known_states.series_id,
        known_states.known_on,
        known_states.observed_on,
    from {{ ref('int_macro_known_states') }} as known_states
    inner join {{ ref('stg_reference__series') }} as series
        on known_states.series_id = series.series_id
    where
        series.frequency = 'weekly'
        and known_states.observed_on is not null

),

vintages as (

    select * from {{ ref('int_macro_vintages') }}

),

steps (weeks_back) as (

    values (0), (1), (2), (3)

),

wanted as (

    select
        states.series_id,
        states.known_on,
        states.observed_on,
        states.observed_on - 7 * steps.weeks_back as week_on,
    from states
    cross join steps

),

valued as (

    select
        wanted.series_id,
        wanted.known_on,
        wanted.observed_on,
        vintages.value,
    from wanted
    {{ asof_left_join(
        'vintages',
        [
            'wanted.series_id = vintages.series_id',
            'wanted.week_on = vintages.observed_on',
        ],
        'wanted.known_on >= vintages.known_on'
    ) }}

),

final as (

    select
        series_id,
        known_on,
        observed_on,
        -- decimals: a sum of doubles has other last digits in another order
        case when count(value) = 4 then {{ decimal_sum('value') }} / 4.0e0 end as mean_4w,
    from valued
    group by series_id, known_on, observed_on

)

select * from final
