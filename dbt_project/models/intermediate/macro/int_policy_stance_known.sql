with

sessions as (

    select * from {{ ref('int_macro_sessions') }}

),

moves as (

    select * from {{ ref('int_policy_moves_dated') }}

),

first_days as (

    select
        known_on,
        min(observed_on) as observed_on,
    from {{ ref('int_policy_targets_combined') }}
    group by known_on

),

history as (

    select
        known_on,
        min(observed_on) over (
            order by known_on
            rows between unbounded preceding and current row
        ) as history_from_on,
    from first_days

),

known_moves as (

    select
        sessions.traded_on,
        moves.moved_on,
        moves.move,
        moves.previous_cut_on,
        moves.is_first_cut_after_pause,
        moves.known_on > sessions.previous_on as is_news,
    from sessions
    inner join moves
        on sessions.traded_on >= moves.path_from
        and sessions.traded_on < moves.path_until
        and sessions.traded_on >= moves.known_on

),

last_moves as (

    select
        traded_on,
        moved_on,
        move,
    from known_moves
    {{ first_row_per(['traded_on'], ['moved_on desc']) }}

),

last_cuts as (

    select
        traded_on,
        moved_on,
        previous_cut_on,
        is_first_cut_after_pause,
        is_news,
    from known_moves
    where move = 'cut'
    {{ first_row_per(['traded_on'], ['moved_on desc']) }}

),

final as (

    select
        sessions.traded_on,
        history.history_from_on,
        last_moves.move as last_move,
        last_moves.moved_on as last_move_on,
        last_cuts.moved_on as last_cut_on,
        last_cuts.previous_cut_on,
        -- An event has one session: the first on which the cut was known.
        case
            when last_cuts.traded_on is null or not last_cuts.is_news then false
            else last_cuts.is_first_cut_after_pause
        end as is_first_cut_after_pause,
        case
            when last_moves.moved_on is not null and sessions.traded_on - last_moves.moved_on <= 183
                then case last_moves.move when 'cut' then 'cutting' else 'hiking' end
            when sessions.traded_on - coalesce(last_moves.moved_on, history.history_from_on) > 183
                then 'on_hold'
        end as policy_phase,
    from sessions
    {{ asof_left_join('history', [], 'sessions.traded_on >= history.known_on') }}
    left join last_moves
        on sessions.traded_on = last_moves.traded_on
    left join last_cuts
        on sessions.traded_on = last_cuts.traded_on
    where history.history_from_on is not null

)

select * from final
