with

vintages as (

    select * from {{ ref('int_macro_vintages') }}
    where series_id in ('DFEDTARU', 'DFEDTARL')

),

upper_limits as (

    select * from vintages
    where series_id = 'DFEDTARU'

),

lower_limits as (

    select * from vintages
    where series_id = 'DFEDTARL'

),

moments as (

    select distinct
        observed_on,
        known_on,
    from vintages

),

with_upper as (

    select
        moments.observed_on,
        moments.known_on,
        upper_limits.value,
        upper_limits.known_on as value_known_on,
        upper_limits.known_on_basis,
        upper_limits.source,
    from moments
    {{ asof_left_join(
        'upper_limits',
        ['moments.observed_on = upper_limits.observed_on'],
        'moments.known_on >= upper_limits.known_on'
    ) }}

),

with_both as (

    select
        with_upper.observed_on,
        with_upper.known_on,
        (with_upper.value + lower_limits.value) / 2 as value,
        case
            when lower_limits.known_on > with_upper.value_known_on
                then lower_limits.known_on_basis
            else with_upper.known_on_basis
        end as known_on_basis,
        with_upper.source,
    from with_upper
    {{ asof_left_join(
        'lower_limits',
        ['with_upper.observed_on = lower_limits.observed_on'],
        'with_upper.known_on >= lower_limits.known_on'
    ) }}

),

-- Before both limits of a day are known there is no middle, and nothing to retract.
complete as (

    select
        *,
        max(value) over (
            partition by observed_on
            order by known_on
            rows between unbounded preceding and current row
        ) as value_so_far,
    from with_both

),

final as (

    select
        'DFEDTAR_MID' as series_id,
        observed_on,
        known_on,
        coalesce(
            lead(known_on) over (partition by observed_on order by known_on),
            date '9999-12-31'
        ) as superseded_on,
        value,
        known_on_basis,
        source,
    from complete
    where value_so_far is not null

)

select * from final
