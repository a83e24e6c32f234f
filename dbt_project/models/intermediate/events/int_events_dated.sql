with

sessions as (

    select traded_on from {{ ref('stg_reference__sessions') }}

),

record_highs as (

    select * from {{ ref('record_highs') }}
    where index_id = 'russell_2000'

),

-- The first Tuesday after the first Monday of November lies between the 2nd and the 8th.
election_years as (

    select distinct cast(cast(year(traded_on) as varchar) || '-11-02' as date) as earliest_on
    from sessions
    where year(traded_on) % 4 = 0

),

election_weeks as (

    select
        earliest_on,
        cast(date_trunc('week', earliest_on) as date) + 1 as tuesday_on,
    from election_years

),

election_days as (

    select case when tuesday_on < earliest_on then tuesday_on + 7 else tuesday_on end as voted_on
    from election_weeks

),

-- Where the exchange was closed: the session before, whose close is as ignorant of the result.
elections as (

    select sessions.traded_on
    from election_days
    {{ asof_left_join('sessions', [], 'election_days.voted_on >= sessions.traded_on') }}
    where sessions.traded_on is not null

),

unioned as (

    select
        'record_high' as event_kind,
        index_id as universe_id,
        traded_on as event_on,
    from record_highs
    union all
    select
        'breakout' as event_kind,
        index_id as universe_id,
        traded_on as event_on,
    from record_highs
    where is_breakout
    union all
    select
        'election' as event_kind,
        'all' as universe_id,
        traded_on as event_on,
    from elections
    union all
    select
        'first_cut' as event_kind,
        'all' as universe_id,
        traded_on as event_on,
    from {{ ref('macro_regime') }}
    where is_first_cut_after_pause
    union all
    select
        'breadth_thrust' as event_kind,
        universe_id,
        traded_on as event_on,
    from {{ ref('market_breadth') }}
    where sector = 'all' and is_zweig_thrust and is_reliable

),

final as (

    select
        event_kind,
        universe_id,
        event_on,
    from unioned

)

select * from final
