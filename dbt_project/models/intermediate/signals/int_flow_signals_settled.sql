with

flow_signals as (

    select * from {{ ref('flow_signals') }}
    where group_id in ('small_cap', 'large_cap')

),

sessions as (

    select
        traded_on,
        session_no,
    from {{ ref('stg_reference__sessions') }}

),

both_groups as (

    select
        traded_on,
        max(small_minus_large_flow_21d_pct) as small_minus_large_flow_21d_pct,
        max(small_minus_large_flow_63d_pct) as small_minus_large_flow_63d_pct,
        max(known_on) as known_on,
    from flow_signals
    group by traded_on

),

-- A count is judged by the five that follow it: until they are there, a flow may still be taken back.
-- A late count makes every sum that holds it late.
dated as (

    select
        *,
        max(known_on) over (
            order by traded_on
            rows between 62 preceding and 5 following
        ) as settled_on,
        count(*) over (
            order by traded_on
            rows between 1 following and 5 following
        ) as rows_that_followed,
    from both_groups

),

settled as (

    select
        dated.*,
        sessions.session_no,
    from dated
    inner join sessions
        on dated.traded_on = sessions.traded_on
    where dated.rows_that_followed = 5
    {{ first_row_per(['dated.settled_on'], ['dated.traded_on desc']) }}

),

-- What settles late behind a newer row says nothing new.
ordered as (

    select
        *,
        max(traded_on) over (
            order by settled_on
            rows between unbounded preceding and 1 preceding
        ) as reached_on,
    from settled

),

newest as (

    select
        *,
        lead(settled_on, 1, date '9999-12-31') over (order by settled_on) as until,
    from ordered
    where traded_on > coalesce(reached_on, date '1900-01-01')

),

horizon as (

    select max(known_on) as last_on from both_groups

),

-- Six sessions old in the rule; ten leave four without a row before the sum is no longer today's.
final as (

    select
        sessions.traded_on,
        newest.traded_on as flow_on,
        newest.settled_on,
        newest.small_minus_large_flow_21d_pct,
        newest.small_minus_large_flow_63d_pct,
        sessions.session_no - newest.session_no <= 10 as is_reliable,
    from newest
    inner join sessions
        on sessions.traded_on >= newest.settled_on and sessions.traded_on < newest.until
    inner join horizon
        on sessions.traded_on <= horizon.last_on

)

select * from final
