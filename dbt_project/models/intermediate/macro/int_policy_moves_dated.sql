with

versions as (

    select
        observed_on,
        known_on,
        value as mid_pct,
    from {{ ref('int_policy_targets_combined') }}

),

ordered as (

    select
        observed_on,
        known_on,
        max(observed_on) over (
            order by known_on, observed_on
            rows between unbounded preceding and 1 preceding
        ) as reached_on,
    from versions

),

-- Between two rewritings of the past the history only grows at its end, so one path serves all
-- sessions between them: the moves of a session are those of its path, known by then.
path_starts as (

    select date '1900-01-01' as path_from
    union
    select known_on as path_from
    from ordered
    where observed_on <= reached_on

),

paths as (

    select
        path_from,
        lead(path_from, 1, date '9999-12-31') over (order by path_from) as path_until,
    from path_starts

),

path_days as (

    select
        paths.path_from,
        paths.path_until,
        versions.observed_on,
        versions.known_on,
        versions.mid_pct,
    from paths
    inner join versions
        on paths.path_until > versions.known_on
    {{ first_row_per(
        ['paths.path_from', 'versions.observed_on'],
        ['versions.known_on desc']
    ) }}

),

compared as (

    select
        path_from,
        path_until,
        observed_on,
        mid_pct,
        lag(mid_pct) over each_path as mid_before_pct,
        greatest(known_on, lag(known_on) over each_path) as known_on,
        min(observed_on) over (partition by path_from) as history_from_on,
    from path_days
    where mid_pct is not null
    window each_path as (partition by path_from order by observed_on)

),

moves as (

    select
        path_from,
        path_until,
        observed_on as moved_on,
        known_on,
        case when mid_pct < mid_before_pct then 'cut' else 'hike' end as move,
        mid_before_pct,
        mid_pct as mid_after_pct,
        history_from_on,
    from compared
    where mid_pct <> mid_before_pct

),

final as (

    select
        path_from,
        path_until,
        moved_on,
        known_on,
        move,
        mid_before_pct,
        mid_after_pct,
        max(moved_on) filter (where move = 'cut') over before_it as previous_cut_on,
        case
            when move = 'hike' then false
            when max(moved_on) filter (where move = 'cut') over before_it is not null
                then moved_on - max(moved_on) filter (where move = 'cut') over before_it > 183
            -- With less than 183 days of history an earlier cut may lie before it.
            when moved_on - history_from_on >= 183 then true
        end as is_first_cut_after_pause,
    from moves
    window before_it as (
        partition by path_from
        order by moved_on
        rows between unbounded preceding and 1 preceding
    )

)

select * from final
