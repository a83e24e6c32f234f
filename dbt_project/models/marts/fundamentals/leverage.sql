with

members as (

    select * from {{ ref('int_member_fundamentals_joined') }}

),

-- the row of a quarter's last session
quarter_ends as (

    select
        *,
        last_day(month_on) as quarter_on,
    from members
    where month(month_on) % 3 = 0

),

-- Two share classes are one company with one debt: it counts once, with the weight of both. What no
-- company is behind stays a line of its own.
companies as (

    select
        universe_id,
        quarter_on,
        any_value(cik) as cik,
        bool_or(is_financial) as is_financial,
        sum(weight_pct) as weight_pct,
        max(membership_as_of_on) as membership_as_of_on,
        max(month_on) as month_on,
        max(newest_filed_on) as newest_filed_on,
        any_value(debt_usd) as debt_usd,
        any_value(cash_usd) as cash_usd,
        any_value(equity_usd) as equity_usd,
        any_value(ebitda_ttm_usd) as ebitda_usd,
        any_value(operating_income_ttm_usd) as operating_income_usd,
        any_value(interest_expense_ttm_usd) as interest_usd,
    from quarter_ends
    group by universe_id, quarter_on, coalesce(cik, price_symbol)

),

measured as (

    select
        *,
        debt_usd - cash_usd as net_debt_usd,
        debt_usd is not null and equity_usd is not null as has_equity,
        debt_usd is not null and cash_usd is not null and ebitda_usd is not null as has_ebitda,
        -- no debt and no interest named: nothing to cover
        operating_income_usd is not null
        and (interest_usd is not null or coalesce(debt_usd = 0, false)) as has_cover,
        coalesce(interest_usd > 0 and operating_income_usd < interest_usd, false)
            as is_below_cover,
    from companies

),

sums as (

    select
        universe_id,
        quarter_on,
        cast(count(*) as integer) as companies,
        cast(count(*) filter (where is_financial) as integer) as financials,
        cast(count(*) filter (where has_ebitda and not is_financial) as integer)
            as companies_with_net_debt,
        {{ decimal_sum('debt_usd', 'has_equity and not is_financial') }} as debt_usd,
        {{ decimal_sum('equity_usd', 'has_equity and not is_financial') }} as equity_usd,
        {{ decimal_sum('debt_usd', 'has_equity and is_financial') }} as financials_debt_usd,
        {{ decimal_sum('equity_usd', 'has_equity and is_financial') }} as financials_equity_usd,
        {{ decimal_sum('net_debt_usd', 'has_ebitda and not is_financial') }} as net_debt_usd,
        {{ decimal_sum('ebitda_usd', 'has_ebitda and not is_financial') }} as ebitda_usd,
        count(*) filter (where has_cover and not is_financial) as companies_with_cover,
        count(*) filter (where has_cover and is_below_cover and not is_financial)
            as companies_below_cover,
        {{ decimal_sum('weight_pct', 'not is_financial') }} as weight_pct,
        {{ decimal_sum('weight_pct', 'is_financial') }} as financials_weight_pct,
        {{ decimal_sum('weight_pct', 'has_equity and not is_financial') }} as equity_weight_pct,
        {{ decimal_sum('weight_pct', 'has_equity and is_financial') }}
            as financials_equity_weight_pct,
        {{ decimal_sum('weight_pct', 'has_ebitda and not is_financial') }} as ebitda_weight_pct,
        {{ decimal_sum('weight_pct', 'has_cover and not is_financial') }} as cover_weight_pct,
        max(membership_as_of_on) as membership_as_of_on,
        max(month_on) as month_on,
        max(newest_filed_on) as newest_filed_on,
    from measured
    group by universe_id, quarter_on

),

ratios as (

    select
        *,
        case when equity_usd > 0 then debt_usd / equity_usd end as debt_to_equity_ratio,
        case when ebitda_usd > 0 then net_debt_usd / ebitda_usd end as net_debt_to_ebitda_ratio,
        case when financials_equity_usd > 0 then financials_debt_usd / financials_equity_usd end
            as financials_debt_to_equity_ratio,
        100 * coalesce(equity_weight_pct, 0) / nullif(weight_pct, 0) as debt_coverage_pct,
        100 * coalesce(ebitda_weight_pct, 0) / nullif(weight_pct, 0) as net_debt_coverage_pct,
        100 * coalesce(cover_weight_pct, 0) / nullif(weight_pct, 0) as interest_cover_coverage_pct,
        100 * coalesce(financials_equity_weight_pct, 0) / nullif(financials_weight_pct, 0)
            as financials_debt_coverage_pct,
    from sums

),

-- as in portfolio_fundamentals
judged as (

    select
        *,
        cast(month_on - membership_as_of_on as integer) as membership_age_days,
        coalesce(
            net_debt_coverage_pct >= 80
            and debt_coverage_pct >= 80
            and month_on - membership_as_of_on <= 100,
            false
        ) as is_reliable,
    from ratios

),

large as (

    select
        quarter_on,
        net_debt_to_ebitda_ratio,
        is_reliable,
    from judged
    where universe_id = 'sp_500'

),

final as (

    select
        judged.universe_id,
        judged.quarter_on,
        judged.companies,
        judged.financials,
        judged.companies_with_net_debt,
        judged.debt_to_equity_ratio,
        judged.net_debt_to_ebitda_ratio,
        100.0e0 * judged.companies_below_cover / nullif(judged.companies_with_cover, 0)
            as pct_members_interest_cover_below_1,
        case
            when judged.universe_id = 'russell_2000' and large.net_debt_to_ebitda_ratio > 0
                then judged.net_debt_to_ebitda_ratio / large.net_debt_to_ebitda_ratio
        end as small_over_large_leverage_ratio,
        judged.debt_coverage_pct,
        judged.net_debt_coverage_pct,
        judged.interest_cover_coverage_pct,
        judged.financials_debt_to_equity_ratio,
        judged.financials_debt_coverage_pct,
        judged.membership_as_of_on,
        judged.membership_age_days,
        judged.newest_filed_on,
        judged.is_reliable,
        judged.universe_id = 'russell_2000' and judged.is_reliable
        and coalesce(large.is_reliable, false) as is_small_over_large_reliable,
    from judged
    left join large
        on judged.quarter_on = large.quarter_on

)

select * from final
order by universe_id, quarter_on
