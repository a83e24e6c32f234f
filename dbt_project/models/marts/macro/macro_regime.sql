with

sessions as (

    select * from {{ ref('int_macro_sessions') }}

),

inputs as (

    select * from {{ ref('int_macro_inputs_pivoted') }}

),

monthly_figures as (

    select * from {{ ref('int_macro_monthly_figures') }}

),

weekly_means as (

    select * from {{ ref('int_macro_weekly_means') }}

),

core_pce as (

    select * from monthly_figures
    where series_id = 'PCEPILFE'

),

payrolls as (

    select * from monthly_figures
    where series_id = 'PAYEMS'

),

unemployment as (

    select * from monthly_figures
    where series_id = 'UNRATE'

),

claims as (

    select * from weekly_means
    where series_id = 'ICSA'

),

stance as (

    select * from {{ ref('int_policy_stance_known') }}

),

projections as (

    select * from {{ ref('int_fomc_projections_known') }}

),

windows as (

    select
        traded_on,
        max(change_63d) filter (where series_id = 'DGS2') as yield_2y_change_63d_pts,
        max(change_63d) filter (where series_id = 'DGS10') as yield_10y_change_63d_pts,
        max(change_63d) filter (where series_id = 'T10Y2Y') as slope_10y_2y_change_63d_pts,
        max(change_63d) filter (where series_id = 'T10Y3M') as slope_10y_3m_change_63d_pts,
        max(change_63d) filter (where series_id = 'DFII10') as real_yield_10y_change_63d_pts,
        max(z_756d) filter (where series_id = 'BAMLH0A0HYM2') as high_yield_spread_z_756d,
        max(z_2520d) filter (where series_id = 'BAMLH0A0HYM2') as high_yield_spread_z_2520d,
        max(z_756d) filter (where series_id = 'BAA10Y') as baa_spread_z_756d,
        max(z_2520d) filter (where series_id = 'BAA10Y') as baa_spread_z_2520d,
        max(change_63d_pct) filter (where series_id = 'DTWEXBGS') as broad_dollar_change_63d_pct,
        max(change_252d_pct) filter (where series_id = 'DTWEXBGS') as broad_dollar_change_252d_pct,
    from {{ ref('int_macro_session_windows') }}
    group by traded_on

),

figures as (

    select
        sessions.traded_on,
        core_pce.yoy_pct as core_pce_yoy_pct,
        core_pce.annualized_3m_pct as core_pce_3m_annualized_pct,
        payrolls.avg_change_3m as payrolls_3m_avg_change_thousand,
        unemployment.rise_over_low_pts as sahm_pts,
        claims.mean_4w as claims_4w_mean,
    from sessions
    {{ asof_left_join('core_pce', [], 'sessions.traded_on >= core_pce.known_on') }}
    {{ asof_left_join('payrolls', [], 'sessions.traded_on >= payrolls.known_on') }}
    {{ asof_left_join('unemployment', [], 'sessions.traded_on >= unemployment.known_on') }}
    {{ asof_left_join('claims', [], 'sessions.traded_on >= claims.known_on') }}

),

joined as (

    select
        sessions.traded_on,

        figures.core_pce_yoy_pct,
        figures.core_pce_3m_annualized_pct,
        figures.core_pce_yoy_pct - 2.0 as core_pce_gap_to_target_pts,
        inputs.core_pce_observed_on,
        inputs.core_pce_known_on,
        inputs.core_pce_known_on_basis,
        inputs.breakeven_10y_value as breakeven_10y_pct,
        inputs.breakeven_10y_observed_on,
        projections.core_pce_this_year_pct as fomc_core_pce_this_year_pct,
        projections.core_pce_next_year_pct as fomc_core_pce_next_year_pct,
        projections.core_pce_year_after_pct as fomc_core_pce_year_after_pct,
        projections.core_pce_in_three_years_pct as fomc_core_pce_in_three_years_pct,
        projections.funds_rate_this_year_pct as fomc_funds_rate_this_year_pct,
        projections.funds_rate_next_year_pct as fomc_funds_rate_next_year_pct,
        projections.funds_rate_year_after_pct as fomc_funds_rate_year_after_pct,
        projections.funds_rate_in_three_years_pct as fomc_funds_rate_in_three_years_pct,
        projections.known_on as fomc_projections_known_on,

        inputs.fed_target_mid_value as fed_target_mid_pct,
        inputs.fed_target_mid_observed_on,
        inputs.fed_target_mid_known_on,
        inputs.fed_target_mid_known_on_basis,
        stance.last_move,
        stance.last_move_on,
        stance.last_cut_on,
        stance.previous_cut_on,
        (sessions.traded_on - stance.last_cut_on) / 30.4375 as months_since_last_cut,
        stance.is_first_cut_after_pause,
        inputs.fed_target_mid_value - figures.core_pce_yoy_pct as real_policy_rate_pct,

        inputs.yield_3m_value as yield_3m_pct,
        inputs.yield_3m_observed_on,
        inputs.yield_2y_value as yield_2y_pct,
        inputs.yield_2y_observed_on,
        inputs.yield_10y_value as yield_10y_pct,
        inputs.yield_10y_observed_on,
        inputs.yield_10y_known_on,
        inputs.yield_10y_known_on_basis,
        inputs.slope_10y_2y_value as slope_10y_2y_pts,
        inputs.slope_10y_2y_observed_on,
        inputs.slope_10y_3m_value as slope_10y_3m_pts,
        inputs.slope_10y_3m_observed_on,
        inputs.real_yield_10y_value as real_yield_10y_pct,
        inputs.real_yield_10y_observed_on,
        windows.yield_2y_change_63d_pts,
        windows.yield_10y_change_63d_pts,
        windows.slope_10y_2y_change_63d_pts,
        windows.slope_10y_3m_change_63d_pts,
        windows.real_yield_10y_change_63d_pts,

        inputs.high_yield_spread_value as high_yield_spread_pct,
        inputs.high_yield_spread_observed_on,
        inputs.baa_spread_value as baa_spread_pct,
        inputs.baa_spread_observed_on,
        windows.high_yield_spread_z_756d,
        windows.high_yield_spread_z_2520d,
        windows.baa_spread_z_756d,
        windows.baa_spread_z_2520d,
        inputs.nfci_value as nfci,
        inputs.nfci_observed_on,

        inputs.broad_dollar_value as broad_dollar_index,
        inputs.broad_dollar_observed_on,
        windows.broad_dollar_change_63d_pct,
        windows.broad_dollar_change_252d_pct,
        inputs.ecb_deposit_rate_value as ecb_deposit_rate_pct,
        inputs.ecb_deposit_rate_observed_on,
        inputs.fed_target_mid_value - inputs.ecb_deposit_rate_value as policy_divergence_pts,

        figures.payrolls_3m_avg_change_thousand,
        inputs.payrolls_observed_on,
        inputs.payrolls_known_on,
        inputs.payrolls_known_on_basis,
        inputs.unemployment_value as unemployment_pct,
        figures.sahm_pts,
        inputs.unemployment_observed_on,
        inputs.unemployment_known_on,
        inputs.unemployment_known_on_basis,
        figures.claims_4w_mean,
        inputs.claims_observed_on,

        inputs.recession_value = 1 as is_recession,
        inputs.recession_observed_on,
        stance.policy_phase,
        case
            when abs(figures.core_pce_yoy_pct - 2.0) <= 0.25 then 'at_target'
            when figures.core_pce_3m_annualized_pct < figures.core_pce_yoy_pct - 0.1 then 'easing'
            when figures.core_pce_3m_annualized_pct > figures.core_pce_yoy_pct + 0.1 then 'rising'
            when figures.core_pce_3m_annualized_pct - figures.core_pce_yoy_pct is not null then 'steady'
        end as inflation_phase,

        coalesce(inputs.is_inflation_reliable, false) as is_inflation_reliable,
        coalesce(inputs.is_projections_reliable, false) as is_projections_reliable,
        coalesce(inputs.is_policy_reliable, false) as is_policy_reliable,
        coalesce(inputs.is_rates_reliable, false) as is_rates_reliable,
        coalesce(inputs.is_credit_reliable, false) as is_credit_reliable,
        coalesce(inputs.is_dollar_reliable, false) as is_dollar_reliable,
        coalesce(inputs.is_labour_reliable, false) as is_labour_reliable,
        coalesce(inputs.is_cycle_reliable, false) as is_cycle_reliable,
        coalesce(inputs.stale_inputs, '') as stale_inputs,
    from sessions
    left join inputs
        on sessions.traded_on = inputs.traded_on
    left join figures
        on sessions.traded_on = figures.traded_on
    left join stance
        on sessions.traded_on = stance.traded_on
    left join projections
        on sessions.traded_on = projections.traded_on
    left join windows
        on sessions.traded_on = windows.traded_on

),

final as (

    select
        *,
        -- No figure is computed from the projections or from the recession flag, so their age
        -- does not count here.
        is_inflation_reliable
        and is_policy_reliable
        and is_rates_reliable
        and is_credit_reliable
        and is_dollar_reliable
        and is_labour_reliable as is_reliable,
    from joined
    where traded_on >= date '1990-01-02'

)

select * from final
