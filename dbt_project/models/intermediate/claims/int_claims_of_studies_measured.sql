with

claims as (

    select * from {{ ref('int_claims_dated') }}

),

studies as (

    select * from {{ ref('event_studies') }}
    where is_over

),

horizon_ends as (

    select max(measured_until_on) as measured_until_on
    from {{ ref('int_forward_returns_measured') }}

),

measured_until as (

    select
        claims.claim_id,
        least(claims.until_on, horizon_ends.measured_until_on) as observed_on,
    from claims
    cross join horizon_ends

),

-- only horizons that were over by the date of the claim: later events change no old claim
after_events as (

    select
        claims.claim_id,
        claims.measure,
        claims.subject,
        claims.horizon_sessions,
        measured_until.observed_on,
        studies.event_on,
        studies.relative_return_pct,
        studies.relative_total_return_pct,
        case claims.other_subject
            when 'small' then studies.small_return_pct
            when 'large' then studies.large_return_pct
            when 'relative' then studies.relative_return_pct
        end as return_pct,
        case claims.other_subject
            when 'small' then studies.small_total_return_pct
            when 'large' then studies.large_total_return_pct
            when 'relative' then studies.relative_total_return_pct
        end as total_return_pct,
    from claims
    inner join studies
        on claims.subject = studies.event_kind
        and claims.horizon_sessions = studies.horizon_sessions
        and claims.until_on >= studies.ends_on
    inner join measured_until
        on claims.claim_id = measured_until.claim_id
    where claims.measure in ('mean_after_event', 'share_small_ahead')

),

of_events as (

    select
        claim_id,
        case any_value(measure)
            when 'mean_after_event' then avg(cast(return_pct as decimal(38, 15)))
            else
                100.0e0 * count(*) filter (where relative_return_pct > 0)
                / nullif(count(relative_return_pct), 0)
        end as measured_value,
        case any_value(measure)
            when 'mean_after_event' then avg(cast(total_return_pct as decimal(38, 15)))
            else
                100.0e0 * count(*) filter (where relative_total_return_pct > 0)
                / nullif(count(relative_total_return_pct), 0)
        end as second_value,
        cast(null as double) as figure,
        cast(null as double) as second_figure,
        cast(count(return_pct) as integer) as n,
        true as is_complete,
        any_value(observed_on) as observed_on,
        'marts.event_studies ' || any_value(subject) || ' ' || any_value(horizon_sessions)
        || ' sessions, ' || min(event_on) || ' to ' || max(event_on) as measured_row,
        'closes of ^RUT and ^GSPC; adjusted closes of IWM and SPY' as source,
    from after_events
    group by claim_id

),

betas as (

    select * from {{ ref('sector_rate_sensitivity') }}

),

wanted_funds as (

    select
        claim_id,
        session_on,
        subject as fund_id,
    from claims
    where measure = 'yield_beta'
    union all
    select
        claim_id,
        session_on,
        other_subject as fund_id,
    from claims
    where measure = 'yield_beta' and other_subject is not null

),

fund_betas as (

    select
        wanted_funds.claim_id,
        wanted_funds.fund_id,
        betas.traded_on,
        betas.window_to_on,
        betas.beta_yield_10y_pct_per_pt as beta,
    from wanted_funds
    {{ asof_left_join(
        'betas',
        ['wanted_funds.fund_id = betas.fund_id'],
        'wanted_funds.session_on >= betas.traded_on'
    ) }}

),

-- what is said of two funds must hold of both: the lower beta decides
lower_betas as (

    select
        claim_id,
        min(beta) as lowest,
        max(beta) as highest,
        count(*) as wanted,
        count(beta) as n,
        min(window_to_on) as observed_on,
        string_agg(fund_id || ' ' || traded_on, ', ' order by fund_id) as fund_rows,
        string_agg(fund_id, ', ' order by fund_id) as fund_ids,
    from fund_betas
    group by claim_id

),

of_betas as (

    select
        claim_id,
        case when n = wanted then sign(lowest) end as measured_value,
        case when n = wanted and wanted > 1 then sign(highest) end as second_value,
        case when n = wanted then lowest end as figure,
        case when n = wanted and wanted > 1 then highest end as second_figure,
        cast(n as integer) as n,
        true as is_complete,
        observed_on,
        'marts.sector_rate_sensitivity ' || fund_rows || ' beta_yield_10y_pct_per_pt'
            as measured_row,
        'adjusted closes of ' || fund_ids || ', SPY; FRED DGS10, T10YIE, DTWEXBGS' as source,
    from lower_betas
    where n > 0

),

unioned as (

    select * from of_events
    union all
    select * from of_betas

),

final as (

    select
        claim_id,
        measured_value,
        figure,
        case when figure is not null then 'percent per point of yield' end as figure_unit,
        second_value,
        second_figure,
        n,
        is_complete,
        false as is_suspect,
        observed_on,
        measured_row,
        source,
    from unioned

)

select * from final
order by claim_id
