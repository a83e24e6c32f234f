-- Between a fund's first and last row stands a row for every session.
with

flows as (

    select * from {{ ref('fund_flows') }}

),

sessions as (

    select * from {{ ref('stg_reference__sessions') }}

),

spans as (

    select
        fund_id,
        min(traded_on) as first_on,
        max(traded_on) as last_on,
        count(*) as rows_there,
    from flows
    group by fund_id

),

wanted as (

    select
        spans.fund_id,
        count(*) as sessions_there,
    from spans
    inner join sessions
        on sessions.traded_on between spans.first_on and spans.last_on
    group by spans.fund_id

)

select
    spans.fund_id,
    spans.rows_there,
    wanted.sessions_there,
from spans
inner join wanted
    on spans.fund_id = wanted.fund_id
where spans.rows_there != wanted.sessions_there
