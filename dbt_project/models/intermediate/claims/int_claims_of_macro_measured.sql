with

claims as (

    select * from {{ ref('int_claims_dated') }}

),

regime as (

    select * from {{ ref('macro_regime') }}

),

on_session as (

    select
        claims.claim_id,
        claims.measure,
        claims.about_on,
        claims.session_on,
        regime.last_cut_on,
        regime.previous_cut_on,
        regime.fed_target_mid_observed_on,
        regime.fomc_core_pce_this_year_pct,
        regime.fomc_core_pce_next_year_pct,
        regime.fomc_core_pce_year_after_pct,
        regime.fomc_core_pce_in_three_years_pct,
        regime.fomc_projections_known_on,
    from claims
    inner join regime
        on claims.session_on = regime.traded_on

),

of_cuts as (

    select
        claim_id,
        cast(last_cut_on - previous_cut_on as double) / 30.4375 as measured_value,
        cast(null as double) as figure,
        cast(null as varchar) as figure_unit,
        cast(null as double) as second_value,
        cast(null as double) as second_figure,
        1 as n,
        true as is_complete,
        fed_target_mid_observed_on as observed_on,
        'marts.macro_regime ' || session_on || ' last_cut_on, previous_cut_on' as measured_row,
        'FRED DFEDTARU, DFEDTARL' as source,
    from on_session
    where measure = 'months_between_cuts'

),

-- FRED names a projection by its year; the mart by the distance to it.
projections as (

    select
        claim_id,
        measure,
        session_on,
        fomc_projections_known_on,
        case year(about_on) - year(session_on)
            when 0 then fomc_core_pce_this_year_pct
            when 1 then fomc_core_pce_next_year_pct
            when 2 then fomc_core_pce_year_after_pct
            when 3 then fomc_core_pce_in_three_years_pct
        end as projected_pct,
        case year(about_on) - year(session_on)
            when 0 then 'fomc_core_pce_this_year_pct'
            when 1 then 'fomc_core_pce_next_year_pct'
            when 2 then 'fomc_core_pce_year_after_pct'
            when 3 then 'fomc_core_pce_in_three_years_pct'
        end as column_name,
    from on_session
    where measure in ('core_pce_at_year_end', 'core_pce_projection')

),

of_projections as (

    select
        claim_id,
        projected_pct as measured_value,
        cast(null as double) as figure,
        cast(null as varchar) as figure_unit,
        cast(null as double) as second_value,
        cast(null as double) as second_figure,
        1 as n,
        true as is_complete,
        -- a projection stands until the next one
        case when fomc_projections_known_on is not null then session_on end as observed_on,
        'marts.macro_regime ' || session_on || ' ' || column_name as measured_row,
        'FRED JCXFEMD' as source,
    from projections
    where measure = 'core_pce_projection' and projected_pct is not null

),

-- the last row, by the clock, whose inflation is of the month spoken of or before it
inflation as (

    select
        claims.claim_id,
        claims.about_on,
        regime.traded_on,
        regime.core_pce_yoy_pct,
        regime.core_pce_observed_on,
    from claims
    inner join regime
        on claims.clock_on >= regime.traded_on
        and claims.about_on >= regime.core_pce_observed_on
    where claims.measure = 'core_pce_at_year_end'
    {{ first_row_per(['claims.claim_id'], ['regime.traded_on desc']) }}

),

of_inflation as (

    select
        inflation.claim_id,
        inflation.core_pce_yoy_pct as measured_value,
        cast(null as double) as figure,
        cast(null as varchar) as figure_unit,
        projections.projected_pct as second_value,
        cast(null as double) as second_figure,
        1 as n,
        coalesce(
            date_trunc('month', inflation.core_pce_observed_on)
            = date_trunc('month', inflation.about_on)
            and projections.projected_pct is not null,
            false
        ) as is_complete,
        inflation.core_pce_observed_on as observed_on,
        'marts.macro_regime ' || inflation.traded_on || ' core_pce_yoy_pct' as measured_row,
        'FRED PCEPILFE, JCXFEMD' as source,
    from inflation
    left join projections
        on inflation.claim_id = projections.claim_id

),

vintages as (

    select * from {{ ref('int_macro_vintages') }}
    where value is not null

),

quarter_days as (

    select
        claims.claim_id,
        claims.subject,
        claims.until_on,
        vintages.observed_on,
        vintages.value,
        vintages.observed_on >= claims.quarter_from as is_in_quarter,
        row_number() over (
            partition by claims.claim_id, vintages.observed_on >= claims.quarter_from
            order by vintages.observed_on
        ) as place,
        row_number() over (
            partition by claims.claim_id, vintages.observed_on >= claims.quarter_from
            order by vintages.observed_on desc
        ) as place_from_end,
    from claims
    inner join vintages
        on claims.subject = vintages.series_id
        and vintages.observed_on between
            {{ add_months('claims.quarter_from', '-3') }} and claims.until_on
        and claims.clock_on >= vintages.known_on
        and claims.clock_on < vintages.superseded_on
    where claims.measure = 'quarter_direction'

),

quarters as (

    select
        claim_id,
        subject,
        until_on,
        avg(cast(value as decimal(18, 6))) filter (where is_in_quarter) as mean,
        avg(cast(value as decimal(18, 6))) filter (where not is_in_quarter) as mean_before,
        max(value) filter (where is_in_quarter and place = 1) as first_value,
        max(value) filter (where is_in_quarter and place_from_end = 1) as last_value,
        cast(count(*) filter (where is_in_quarter) as integer) as n,
        min(observed_on) filter (where is_in_quarter) as first_on,
        max(observed_on) filter (where is_in_quarter) as last_on,
        max(observed_on) filter (where not is_in_quarter) as last_before_on,
    from quarter_days
    group by claim_id, subject, until_on

),

of_quarters as (

    select
        claim_id,
        cast(sign(mean - mean_before) as double) as measured_value,
        100 * (mean / mean_before - 1) as figure,
        'percent' as figure_unit,
        cast(sign(last_value - first_value) as double) as second_value,
        100 * (last_value / first_value - 1) as second_figure,
        n,
        -- a week is how late the newest day of such an index is
        coalesce(until_on - last_on <= 7 and first_on - last_before_on <= 7, false) as is_complete,
        last_on as observed_on,
        'raw.fred_observations ' || subject || ' ' || first_on || ' to ' || last_on
        || ' value' as measured_row,
        'FRED ' || subject as source,
    from quarters

),

quarter_sessions as (

    select
        claims.claim_id,
        claims.session_on,
        regime.traded_on,
        regime.ecb_deposit_rate_pct,
        regime.fed_target_mid_pct,
        least(regime.ecb_deposit_rate_observed_on, regime.fed_target_mid_observed_on)
            as observed_on,
    from claims
    inner join regime
        on regime.traded_on between claims.quarter_from and claims.session_on
    where claims.measure = 'policy_divergence'

),

quarter_starts as (

    select
        *,
        row_number() over (partition by claim_id order by traded_on) = 1 as is_first,
    from quarter_sessions

),

policies as (

    select
        claim_id,
        session_on,
        min(ecb_deposit_rate_pct) as ecb_lowest_pct,
        max(ecb_deposit_rate_pct) as ecb_highest_pct,
        max(fed_target_mid_pct) filter (where is_first) as fed_first_pct,
        max(fed_target_mid_pct) filter (where traded_on = session_on) as fed_last_pct,
        count(*) as sessions,
        count(ecb_deposit_rate_pct) as ecb_sessions,
        count(fed_target_mid_pct) as fed_sessions,
        max(observed_on) filter (where traded_on = session_on) as observed_on,
        min(traded_on) as first_on,
    from quarter_starts
    group by claim_id, session_on

),

of_policies as (

    select
        claim_id,
        case
            when sessions = ecb_sessions and sessions = fed_sessions
                then cast(
                    ecb_lowest_pct = ecb_highest_pct and fed_last_pct < fed_first_pct as double
                )
        end as measured_value,
        fed_last_pct - fed_first_pct as figure,
        'points of the Fed''s target' as figure_unit,
        cast(null as double) as second_value,
        cast(null as double) as second_figure,
        cast(sessions as integer) as n,
        true as is_complete,
        observed_on,
        'marts.macro_regime ' || first_on || ' to ' || session_on
        || ' fed_target_mid_pct, ecb_deposit_rate_pct' as measured_row,
        'FRED DFEDTARU, DFEDTARL, ECBDFR' as source,
    from policies

),

years_apart as (

    select
        claims.claim_id,
        claims.session_on,
        {{ add_months('claims.until_on', '-12') }} as year_before_on,
    from claims
    where claims.measure = 'payrolls_direction'

),

of_payrolls as (

    select
        years_apart.claim_id,
        sign(now.payrolls_3m_avg_change_thousand - before.payrolls_3m_avg_change_thousand)
            as measured_value,
        now.payrolls_3m_avg_change_thousand - before.payrolls_3m_avg_change_thousand as figure,
        'thousand jobs a month' as figure_unit,
        cast(null as double) as second_value,
        cast(null as double) as second_figure,
        2 as n,
        true as is_complete,
        now.payrolls_observed_on as observed_on,
        'marts.macro_regime ' || now.traded_on || ' and ' || before.traded_on
        || ' payrolls_3m_avg_change_thousand' as measured_row,
        'FRED PAYEMS' as source,
    from years_apart
    inner join regime as now
        on years_apart.session_on = now.traded_on
    {{ asof_left_join('regime as before', [], 'years_apart.year_before_on >= before.traded_on') }}

),

unioned as (

    select * from of_cuts
    union all
    select * from of_projections
    union all
    select * from of_inflation
    union all
    select * from of_quarters
    union all
    select * from of_policies
    union all
    select * from of_payrolls

),

final as (

    select
        claim_id,
        measured_value,
        figure,
        figure_unit,
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
