with

estimates as (

    select * from {{ ref('int_signal_evidence_estimated') }}

),

scores as (

    select
        signal_id,
        count(score_z) as scores,
    from {{ ref('signal_scorecard') }}
    group by signal_id

),

signals as (

    select distinct pillar as signal_id
    from {{ ref('stg_reference__signal_inputs') }}
    union all
    select 'composite' as signal_id
    from {{ ref('stg_reference__signal_inputs') }}
    having count(*) > 0

),

horizons (horizon_sessions) as (

    values (21), (63), (126), (252)

),

joined as (

    select
        signals.signal_id,
        horizons.horizon_sessions,
        coalesce(scores.scores, 0) as scores,
        coalesce(estimates.n, 0) as n,
        coalesce(estimates.n_without_overlap, 0) as n_without_overlap,
        cast(estimates.first_on as date) as first_on,
        cast(estimates.last_on as date) as last_on,
        estimates.rank_correlation,
        estimates.hit_rate_pct,
        estimates.small_beats_large_pct,
        estimates.mean_relative_return_pct,
        estimates.slope_pct_per_z,
        estimates.newey_west_t,
        {%- for quintile in range(1, 6) %}
        estimates.mean_return_quintile_{{ quintile }}_pct,
        {%- endfor %}
        coalesce(estimates.n_in_quintiles, 0) as n_in_quintiles,
    from signals
    cross join horizons
    left join scores
        on signals.signal_id = scores.signal_id
    left join estimates
        on signals.signal_id = estimates.signal_id
        and horizons.horizon_sessions = estimates.horizon_sessions

),

judged as (

    select
        *,
        case
            when scores = 0 then 'no session has a score'
            when n = 0 then 'no horizon is over yet'
            when newey_west_t is null and n <= horizon_sessions
                then 'fewer sessions than one horizon: all of them overlap'
            when newey_west_t is null then 'the score did not vary'
        end as reason,
    from joined

),

-- Without evidence there is no figure either: a mean of three sessions would be read as one.
final as (

    select
        signal_id,
        cast(horizon_sessions as integer) as horizon_sessions,
        reason is null as has_evidence,
        coalesce(reason, '') as no_evidence_because,
        cast(n as integer) as n,
        cast(n_without_overlap as integer) as n_without_overlap,
        n_without_overlap < 10 as is_thin,
        first_on,
        last_on,
        {%- for column in [
            'rank_correlation', 'hit_rate_pct', 'small_beats_large_pct', 'mean_relative_return_pct',
            'slope_pct_per_z', 'newey_west_t',
        ] %}
        case when reason is null then {{ column }} end as {{ column }},
        {%- endfor %}
        {%- for quintile in range(1, 6) %}
        case when reason is null then mean_return_quintile_{{ quintile }}_pct end
            as mean_return_quintile_{{ quintile }}_pct,
        {%- endfor %}
        cast(n_in_quintiles as integer) as n_in_quintiles,
    from judged

)

select * from final
order by signal_id, horizon_sessions
