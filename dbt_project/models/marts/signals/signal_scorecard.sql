with

averaged as (

    select * from {{ ref('int_signals_averaged') }}

),

first_score as (

    select min(traded_on) as traded_on
    from averaged
    where score_z is not null

),

-- Two latches, each with its last decisive session: on at 0.5, off past 0.4 or without a score.
-- Between 0.4 and 0.5 nothing is decided, so no state need be carried from row to row.
decisions as (

    select
        averaged.*,
        max(case when averaged.score_z >= 0.5 then averaged.traded_on end) over so_far as tailwind_on,
        max(case when coalesce(averaged.score_z, 0) < 0.4 then averaged.traded_on end) over so_far
            as no_tailwind_on,
        max(case when averaged.score_z <= -0.5 then averaged.traded_on end) over so_far as headwind_on,
        max(case when coalesce(averaged.score_z, 0) > -0.4 then averaged.traded_on end) over so_far
            as no_headwind_on,
    from averaged
    inner join first_score
        on averaged.traded_on >= first_score.traded_on
    window so_far as (
        partition by averaged.signal_id
        order by averaged.traded_on
        rows between unbounded preceding and current row
    )

),

states as (

    select
        *,
        case
            when score_z is null then null
            when tailwind_on > coalesce(no_tailwind_on, date '1900-01-01') then 'tailwind'
            when headwind_on > coalesce(no_headwind_on, date '1900-01-01') then 'headwind'
            else 'neutral'
        end as state,
    from decisions

),

changes as (

    select
        *,
        case
            when state != coalesce(lag(state) over (partition by signal_id order by traded_on), 'none')
                then traded_on
        end as changed_on,
    from states

),

final as (

    select
        signal_id,
        traded_on,
        score_z,
        state,
        case
            when state is not null
                then max(changed_on) over (
                    partition by signal_id
                    order by traded_on
                    rows between unbounded preceding and current row
                )
        end as state_since_on,
        inputs_expected,
        inputs_used,
        missing_inputs,
        missing_because,
    from changes

)

select * from final
order by signal_id, traded_on
