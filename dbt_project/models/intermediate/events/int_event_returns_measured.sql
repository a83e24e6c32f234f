with

events as (

    select * from {{ ref('int_events_dated') }}

),

forward_returns as (

    select * from {{ ref('int_forward_returns_measured') }}

),

final as (

    select
        events.event_kind,
        events.universe_id,
        events.event_on,
        forward_returns.session_no,
        forward_returns.horizon_sessions,
        forward_returns.ends_on,
        forward_returns.is_over,
        forward_returns.small_return_pct,
        forward_returns.large_return_pct,
        forward_returns.relative_return_pct,
        forward_returns.small_total_return_pct,
        forward_returns.large_total_return_pct,
        forward_returns.relative_total_return_pct,
    from events
    inner join forward_returns
        on events.event_on = forward_returns.traded_on

)

select * from final
order by event_kind, universe_id, event_on, horizon_sessions
