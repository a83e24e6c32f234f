-- The composite is the mean of the pillars that have a score, and counts them.
with

pillars as (

    select
        traded_on,
        avg(score_z) as mean_z,
        count(score_z) as scored,
    from {{ ref('signal_scorecard') }}
    where signal_id != 'composite'
    group by traded_on

)

select
    composite.traded_on,
    composite.score_z,
    composite.inputs_used,
    pillars.mean_z,
    pillars.scored,
from {{ ref('signal_scorecard') }} as composite
inner join pillars
    on composite.traded_on = pillars.traded_on
where
    composite.signal_id = 'composite'
    and (composite.inputs_used != pillars.scored or abs(composite.score_z - pillars.mean_z) > 1e-9)
