with

editions as (

    select * from {{ ref('stg_funds__file_editions') }}

),

funds as (

    select * from {{ ref('stg_reference__funds') }}
    where universe_id is not null

),

sessions as (

    select * from {{ ref('stg_reference__sessions') }}

),

readable as (

    select
        funds.universe_id,
        editions.fund_id,
        editions.as_of_on,
        editions.edition,
        editions.known_on,
        greatest(editions.known_on, editions.as_of_on + 1) as readable_on,
    from editions
    inner join funds
        on editions.fund_id = funds.fund_id

),

usable as (

    select
        readable.*,
        sessions.traded_on as usable_from,
    from readable
    {{ asof_left_join('sessions', [], 'readable.readable_on <= sessions.traded_on') }}

),

-- of the files that become usable on one session only the newest is ever in force
newest_of_session as (

    select *
    from usable
    where usable_from is not null
    {{ first_row_per(
        ['universe_id', 'usable_from'], ['as_of_on desc', 'known_on desc', 'edition desc']
    ) }}

),

-- a file that arrives after a newer one (a backfill of an old date seen late) is never in force
compared as (

    select
        *,
        max(as_of_on) over (
            partition by universe_id
            order by usable_from
            rows between unbounded preceding and 1 preceding
        ) as newest_before,
    from newest_of_session

),

in_force as (

    select
        *,
        lead(usable_from) over (
            partition by universe_id
            order by usable_from
        ) as superseded_on,
    from compared
    where newest_before is null or as_of_on >= newest_before

),

final as (

    select
        in_force.universe_id,
        in_force.fund_id,
        in_force.as_of_on,
        in_force.edition,
        in_force.known_on,
        in_force.usable_from,
        coalesce(sessions.previous_on, date '9999-12-31') as usable_to,
    from in_force
    left join sessions
        on in_force.superseded_on = sessions.traded_on

)

select * from final
