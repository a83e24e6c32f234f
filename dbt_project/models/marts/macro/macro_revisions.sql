with

vintages as (

    select
        series_id,
        observed_on,
        value,
        known_on,
        known_on_basis,
        min(case when value is not null then known_on end) over (
            partition by series_id, observed_on
        ) as first_known_on,
    from {{ ref('stg_fred__observations') }}

),

-- The owners of some series ask before their values are passed on one by one.
series as (

    select * from {{ ref('stg_reference__series') }}
    where rights != 'preapproval_required'

),

-- A '.' that never had a value before is no observation; one that replaces a value takes it back.
numbered as (

    select
        vintages.*,
        series.unit,
        series.has_vintages,
        count(*) over (partition by vintages.series_id, vintages.observed_on) as number_of_vintages,
        row_number() over (
            partition by vintages.series_id, vintages.observed_on
            order by vintages.known_on desc
        ) as from_newest,
    from vintages
    inner join series
        on vintages.series_id = series.series_id
    where vintages.known_on >= vintages.first_known_on

),

observations as (

    select
        series_id,
        observed_on,
        max(unit) as unit,
        bool_or(has_vintages) as has_vintages,
        max(number_of_vintages) as number_of_vintages,
        max(case when known_on = first_known_on then value end) as first_value,
        max(first_known_on) as first_known_on,
        max(case when known_on = first_known_on then known_on_basis end) as first_known_on_basis,
        max(case when from_newest = 1 then value end) as latest_value,
        max(case when from_newest = 1 then known_on end) as latest_known_on,
        max(case when from_newest = 1 then known_on_basis end) as latest_known_on_basis,
    from numbered
    group by series_id, observed_on

),

changes as (

    select
        series_id,
        cast(
            latest_value - lag(latest_value) over (partition by series_id order by observed_on)
            as decimal(38, 9)
        ) as change,
    from observations
    where latest_value is not null

),

-- Sums of decimals, so that the same values give the same digits in every build.
spreads as (

    select
        series_id,
        count(change) as changes,
        cast(sum(change) as double) as change_sum,
        cast(sum(change * change) as double) as change_square_sum,
    from changes
    group by series_id

),

scales as (

    select
        series_id,
        case
            when changes >= 24
                then sqrt(greatest(change_square_sum - change_sum * change_sum / changes, 0) / (changes - 1))
        end as change_sd,
    from spreads

),

revisions as (

    select
        observations.*,
        case
            when observations.first_known_on_basis != 'estimated'
                then observations.latest_value - observations.first_value
        end as revision,
        scales.change_sd,
    from observations
    left join scales
        on observations.series_id = scales.series_id
    where observations.has_vintages or observations.number_of_vintages > 1

),

final as (

    select
        series_id,
        observed_on,
        unit,
        first_value,
        first_known_on,
        first_known_on_basis,
        latest_value,
        latest_known_on,
        latest_known_on_basis,
        number_of_vintages,
        revision as revision_units,
        change_sd as change_sd_units,
        revision / nullif(change_sd, 0) as revision_in_sd,
        cast(latest_known_on - first_known_on as integer) as days_from_first_release,
    from revisions

)

select * from final
order by series_id, observed_on
