-- Between its first and its last session every signal has a row on every session.
with

bounds as (

    select
        min(traded_on) as first_on,
        max(traded_on) as last_on,
    from {{ ref('signal_scorecard') }}

),

signals as (

    select distinct pillar as signal_id
    from {{ ref('stg_reference__signal_inputs') }}
    union all
    select 'composite' as signal_id

)

select
    signals.signal_id,
    sessions.traded_on,
from {{ ref('stg_reference__sessions') }} as sessions
inner join bounds
    on sessions.traded_on between bounds.first_on and bounds.last_on
cross join signals
left join {{ ref('signal_scorecard') }} as scorecard
    on signals.signal_id = scorecard.signal_id
    and sessions.traded_on = scorecard.traded_on
where scorecard.traded_on is null
