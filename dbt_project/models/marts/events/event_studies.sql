with

event_returns as (

    select * from {{ ref('int_event_returns_measured') }}

),

final as (

    select
        event_kind,
        universe_id,
        event_on,
        horizon_sessions,
        ends_on,
        is_over,
        small_return_pct,
        large_return_pct,
        relative_return_pct,
        small_total_return_pct,
        large_total_return_pct,
        relative_total_return_pct,
    from event_returns

)

select * from final
order by event_kind, universe_id, event_on, horizon_sessions
