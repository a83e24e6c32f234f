-- Seven series come from FRED and from the agency that makes them. Newest vintage against newest
-- vintage, date by date, they agree to the digit in real data; 0.005 points, or 0.05 % of an index,
-- allows for rounding. A revision that has reached one of the two only warns until it has reached
-- the other.
{{ config(severity='warn') }}

with

fred as (

    select * from {{ ref('stg_fred__observations') }}
    where realtime_end = date '9999-12-31'

),

agencies as (

    select * from {{ ref('stg_agencies__observations') }}
    where realtime_end = date '9999-12-31'

)

select
    fred.series_id,
    fred.observed_on,
    fred.value as fred_value,
    agencies.value as agency_value,
    agencies.source,
from fred
inner join agencies
    on fred.series_id = agencies.series_id
    and fred.observed_on = agencies.observed_on
where abs(fred.value - agencies.value) > greatest(0.005, 0.0005 * abs(agencies.value))
