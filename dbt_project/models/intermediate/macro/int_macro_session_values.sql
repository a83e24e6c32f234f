with

sessions as (

    select * from {{ ref('int_macro_sessions') }}

),

known_states as (

    select * from {{ ref('int_macro_known_states') }}

),

-- The catalogue counts from the date that a value is about, which says nothing of projections:
-- their age counts from their last publication, four times a year, and one round may change nothing.
limits as (

    select
        series_id,
        case when frequency = 'annual' then 200 else stale_after_days end as stale_after_days,
    from {{ ref('stg_reference__series') }}
    union all
    select
        'DFEDTAR_MID' as series_id,
        stale_after_days,
    from {{ ref('stg_reference__series') }}
    where series_id = 'DFEDTARU'

),

firsts as (

    select
        series_id,
        min(known_on) as known_on,
    from known_states
    group by series_id

),

pairs as (

    select
        sessions.traded_on,
        firsts.series_id,
    from sessions
    inner join firsts
        on sessions.traded_on >= firsts.known_on

),

joined as (

    select
        pairs.series_id,
        pairs.traded_on,
        known_states.known_on as state_known_on,
        known_states.observed_on,
        known_states.value,
        known_states.value_known_on,
        known_states.known_on_basis,
        known_states.source,
    from pairs
    {{ asof_left_join(
        'known_states',
        ['pairs.series_id = known_states.series_id'],
        'pairs.traded_on >= known_states.known_on'
    ) }}

),

final as (

    select
        joined.series_id,
        joined.traded_on,
        joined.observed_on,
        joined.value,
        joined.value_known_on,
        joined.known_on_basis,
        joined.source,
        coalesce(
            joined.traded_on - least(joined.observed_on, joined.state_known_on)
                > limits.stale_after_days,
            false
        ) as is_stale,
    from joined
    left join limits
        on joined.series_id = limits.series_id

)

select * from final
