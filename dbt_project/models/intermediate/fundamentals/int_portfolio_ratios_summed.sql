{#- Name, the company's figure. -#}
{%- set measures = [
    ('earnings', 'net_income_ttm_usd'),
    ('book', 'equity_usd'),
    ('sales', 'revenue_ttm_usd'),
] -%}

with

members as (

    select * from {{ ref('int_member_fundamentals_joined') }}

),

measured as (

    select
        *,
        {%- for name, figure in measures %}
        coalesce(value_usd > 0 and held_ratio > 0 and {{ figure }} is not null, false)
            as has_{{ name }},
        held_ratio * {{ figure }} as held_{{ name }}_usd,
        {%- endfor %}
        case
            when shares_basis = 'filed' then implied_shares_outstanding / shares_outstanding - 1
        end as implied_gap,
    from members

),

-- two share classes are two members and one company
companies as (

    select
        universe_id,
        month_on,
        count(distinct cik) as companies_with_earnings,
        count(distinct case when net_income_ttm_usd < 0 then cik end) as companies_with_loss,
    from measured
    where has_earnings
    group by universe_id, month_on

),

sums as (

    select
        universe_id,
        month_on,
        cast(count(*) as integer) as members,
        cast(count(*) filter (where has_earnings) as integer) as members_with_earnings,
        {%- for name, figure in measures %}
        {{ decimal_sum('value_usd', 'has_' ~ name) }} as value_with_{{ name }}_usd,
        {{ decimal_sum('held_' ~ name ~ '_usd', 'has_' ~ name) }} as {{ name }}_usd,
        100 * {{ decimal_sum('weight_pct', 'has_' ~ name) }}
        / nullif({{ decimal_sum('weight_pct', 'true') }}, 0)
            as {{ name }}_coverage_pct,
        {%- endfor %}
        {{ decimal_sum('value_usd', 'has_earnings and net_income_ttm_usd >= 0') }}
            as value_of_earners_usd,
        {{ decimal_sum('held_earnings_usd', 'has_earnings and net_income_ttm_usd >= 0') }}
            as earnings_of_earners_usd,
        -- diluted shares by the last quarter's earnings per share against the count in use
        100
        * coalesce({{ decimal_sum('weight_pct', 'has_earnings and abs(implied_gap) <= 0.10') }}, 0)
        / nullif({{ decimal_sum('weight_pct', 'has_earnings and implied_gap is not null') }}, 0)
            as shares_confirmed_pct,
        max(membership_as_of_on) as membership_as_of_on,
        max(newest_filed_on) as newest_filed_on,
    from measured
    group by universe_id, month_on

),

final as (

    select
        sums.universe_id,
        sums.month_on,
        sums.members,
        sums.members_with_earnings,
        case when sums.earnings_usd > 0 then sums.value_with_earnings_usd / sums.earnings_usd end
            as pe_ratio,
        case
            when sums.earnings_of_earners_usd > 0
                then sums.value_of_earners_usd / sums.earnings_of_earners_usd
        end as pe_without_losses_ratio,
        100 * sums.earnings_usd / nullif(sums.value_with_earnings_usd, 0) as earnings_yield_pct,
        case when sums.book_usd > 0 then sums.value_with_book_usd / sums.book_usd end as pb_ratio,
        case when sums.sales_usd > 0 then sums.value_with_sales_usd / sums.sales_usd end as ps_ratio,
        100.0e0 * companies.companies_with_loss / nullif(companies.companies_with_earnings, 0)
            as pct_members_with_loss,
        coalesce(sums.earnings_coverage_pct, 0) as earnings_coverage_pct,
        coalesce(sums.book_coverage_pct, 0) as book_coverage_pct,
        coalesce(sums.sales_coverage_pct, 0) as sales_coverage_pct,
        sums.shares_confirmed_pct,
        sums.membership_as_of_on,
        cast(sums.month_on - sums.membership_as_of_on as integer) as membership_age_days,
        sums.newest_filed_on,
        -- Foreign filers, new issues and quarters of other lengths have no four quarters: a tenth
        -- of the weight. With less than four fifths the companies left out could move the ratio.
        coalesce(
            least(sums.earnings_coverage_pct, sums.book_coverage_pct, sums.sales_coverage_pct) >= 80
            and sums.month_on - sums.membership_as_of_on <= 100,
            false
        ) as is_reliable,
    from sums
    left join companies
        on sums.universe_id = companies.universe_id
        and sums.month_on = companies.month_on

)

select * from final
order by universe_id, month_on
