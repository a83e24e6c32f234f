with

fred as (

    select
        series_id,
        observed_on,
        known_on,
        value,
        known_on_basis,
        source,
        max(value) over (
            partition by series_id, observed_on
            order by known_on
            rows between unbounded preceding and current row
        ) as value_so_far,
    from {{ ref('stg_fred__observations') }}

),

-- A '.' that replaces a value is a retraction and stays; one that never had a value before is no
-- observation, and an agency may fill it.
fred_observed as (

    select
        series_id,
        observed_on,
        known_on,
        value,
        known_on_basis,
        source,
    from fred
    where value_so_far is not null

),

fred_first as (

    select
        series_id,
        observed_on,
        min(known_on) as known_on,
    from fred_observed
    group by series_id, observed_on

),

-- Only what FRED had not said by then: from the day on which FRED has a value, FRED's counts.
agencies as (

    select
        agency.series_id,
        agency.observed_on,
        agency.known_on,
        agency.value,
        agency.known_on_basis,
        agency.source,
    from {{ ref('stg_agencies__observations') }} as agency
    left join fred_first
        on agency.series_id = fred_first.series_id
        and agency.observed_on = fred_first.observed_on
    where
        agency.value is not null
        and (fred_first.known_on is null or agency.known_on < fred_first.known_on)
    {{ first_row_per(
        ['agency.series_id', 'agency.observed_on', 'agency.known_on'],
        ['agency.source']
    ) }}

),

unioned as (

    select * from fred_observed
    union all
    select * from agencies

),

final as (

    select
        series_id,
        observed_on,
        known_on,
        coalesce(
            lead(known_on) over (partition by series_id, observed_on order by known_on),
            date '9999-12-31'
        ) as superseded_on,
        value,
        known_on_basis,
        source,
    from unioned

)

select * from final
