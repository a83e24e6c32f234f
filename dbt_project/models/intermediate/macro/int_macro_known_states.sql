with

vintages as (

    select * from {{ ref('int_macro_vintages') }}
    union all
    select * from {{ ref('int_policy_targets_combined') }}

),

arrivals as (

    select
        series_id,
        known_on,
        max(observed_on) filter (where value is not null) as observed_on,
    from vintages
    group by series_id, known_on

),

reached as (

    select
        series_id,
        known_on,
        max(observed_on) over (
            partition by series_id
            order by known_on
            rows between unbounded preceding and current row
        ) as observed_on,
    from arrivals

),

valued as (

    select
        reached.series_id,
        reached.known_on,
        reached.observed_on,
        vintages.value,
    from reached
    {{ asof_left_join(
        'vintages',
        [
            'reached.series_id = vintages.series_id',
            'reached.observed_on = vintages.observed_on',
        ],
        'reached.known_on >= vintages.known_on'
    ) }}

),

-- Rare: the newest observation was retracted, so the newest one that still stands counts.
fallbacks as (

    select
        valued.series_id,
        valued.known_on,
        max(vintages.observed_on) as observed_on,
    from valued
    inner join vintages
        on valued.series_id = vintages.series_id
        and valued.known_on >= vintages.known_on
        and valued.known_on < vintages.superseded_on
    where
        valued.value is null
        and vintages.value is not null
    group by valued.series_id, valued.known_on

),

chosen as (

    select
        valued.series_id,
        valued.known_on,
        case when valued.value is null then fallbacks.observed_on else valued.observed_on end
            as observed_on,
    from valued
    left join fallbacks
        on valued.series_id = fallbacks.series_id
        and valued.known_on = fallbacks.known_on

),

final as (

    select
        chosen.series_id,
        chosen.known_on,
        chosen.observed_on,
        vintages.value,
        vintages.known_on as value_known_on,
        vintages.known_on_basis,
        vintages.source,
    from chosen
    {{ asof_left_join(
        'vintages',
        [
            'chosen.series_id = vintages.series_id',
            'chosen.observed_on = vintages.observed_on',
        ],
        'chosen.known_on >= vintages.known_on'
    ) }}

)

select * from final
