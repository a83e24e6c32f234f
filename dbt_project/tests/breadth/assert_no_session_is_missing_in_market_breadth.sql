-- Between its first and its last row a universe has a row on every session.
with

breadth as (

    select * from {{ ref('market_breadth') }}
    where sector = 'all'

),

sessions as (

    select * from {{ ref('stg_reference__sessions') }}

),

spans as (

    select
        universe_id,
        min(traded_on) as first_on,
        max(traded_on) as last_on,
    from breadth
    group by universe_id

),

final as (

    select
        spans.universe_id,
        sessions.traded_on,
    from spans
    inner join sessions
        on sessions.traded_on between spans.first_on and spans.last_on
    left join breadth
        on spans.universe_id = breadth.universe_id
        and sessions.traded_on = breadth.traded_on
    where breadth.traded_on is null

)

select * from final
