with

expectations as (

    select * from {{ ref('stg_reference__release_expectations') }}

),

release_dates as (

    select * from {{ ref('stg_fred__release_dates') }}

),

vintages as (

    select * from {{ ref('int_macro_vintages') }}

),

first_values as (

    select
        series_id,
        observed_on,
        known_on as arrived_on,
        known_on_basis as arrived_on_basis,
    from vintages
    where value is not null
    {{ first_row_per(['series_id', 'observed_on'], ['known_on']) }}

),

newest as (

    select
        series_id,
        max(observed_on) as newest_observed_on,
        (max(observed_on) - date '1970-01-05') % 7 as weekday_no,
    from first_values
    group by series_id

),

-- Of a weekly series only the weekday that its dates bear; Saturday where there is none yet.
periods as (

    select
        expectations.*,
        newest.newest_observed_on,
    from expectations
    left join newest
        on expectations.series_id = newest.series_id
    where
        expectations.frequency != 'weekly'
        or expectations.weekday_no = coalesce(newest.weekday_no, 5)

),

-- The release date nearest to the rule's day, if one is near: 3 days for weekly series, else 15.
announced as (

    select
        periods.series_id,
        periods.observed_on,
        release_dates.release_name,
        release_dates.release_on,
    from periods
    inner join release_dates
        on periods.release_id = release_dates.release_id
        and release_dates.release_on > periods.observed_on
        and abs(release_dates.release_on - periods.expected_on)
        <= case periods.frequency when 'weekly' then 3 else 15 end
    where periods.frequency != 'daily'
    {{ first_row_per(
        ['periods.series_id', 'periods.observed_on'],
        ['abs(release_dates.release_on - periods.expected_on)', 'release_dates.release_on']
    ) }}

),

joined as (

    select
        periods.series_id,
        periods.observed_on,
        periods.release_id,
        announced.release_name,
        coalesce(announced.release_on, periods.expected_on) as expected_on,
        case when announced.release_on is null then 'rule' else 'release_dates' end
            as expected_on_basis,
        first_values.arrived_on,
        first_values.arrived_on_basis,
        periods.newest_observed_on,
        periods.is_known_hole,
    from periods
    left join announced
        on periods.series_id = announced.series_id
        and periods.observed_on = announced.observed_on
    left join first_values
        on periods.series_id = first_values.series_id
        and periods.observed_on = first_values.observed_on

),

final as (

    select
        series_id,
        observed_on,
        release_id,
        release_name,
        expected_on,
        expected_on_basis,
        arrived_on,
        arrived_on_basis,
        case
            when arrived_on is not null and arrived_on_basis = 'estimated' then null
            when is_known_hole and arrived_on is null then null
            when arrived_on is null and observed_on < newest_observed_on then null
            else cast(greatest(coalesce(arrived_on, {{ as_of() }}) - expected_on, 0) as integer)
        end as days_late,
        case
            when arrived_on is not null and arrived_on_basis = 'estimated' then 'arrived'
            when arrived_on > expected_on then 'arrived_late'
            when arrived_on is not null then 'arrived'
            when is_known_hole then 'known_hole'
            when observed_on < newest_observed_on then 'skipped'
            when expected_on > {{ as_of() }} then 'expected'
            when newest_observed_on is null then 'never_seen'
            else 'late'
        end as status,
    from joined

)

select * from final
order by series_id, observed_on
