-- FRED publishes the slopes ahead of the yields: both are compared where both exist, per date, in
-- the vintages that stand now. The Board has corrected a yield without the slope before: a warning.
{{ config(severity='warn') }}

with

standing as (

    select
        series_id,
        observed_on,
        value,
    from {{ ref('int_macro_vintages') }}
    where
        superseded_on = date '9999-12-31'
        and value is not null

),

slopes (slope_id, short_id) as (

    values ('T10Y2Y', 'DGS2'), ('T10Y3M', 'DGS3MO')

)

select
    slopes.slope_id,
    slope.observed_on,
    slope.value as slope_pts,
    long_yield.value - short_yield.value as difference_pts,
from slopes
inner join standing as slope
    on slopes.slope_id = slope.series_id
inner join standing as short_yield
    on slopes.short_id = short_yield.series_id
    and slope.observed_on = short_yield.observed_on
inner join standing as long_yield
    on long_yield.series_id = 'DGS10'
    and slope.observed_on = long_yield.observed_on
where abs(slope.value - (long_yield.value - short_yield.value)) > 0.02 + 1e-9
