with

ratios as (

    select * from {{ ref('int_portfolio_ratios_summed') }}

),

final as (

    select
        universe_id,
        month_on,
        members,
        members_with_earnings,
        pe_ratio,
        pe_without_losses_ratio,
        earnings_yield_pct,
        pb_ratio,
        ps_ratio,
        pct_members_with_loss,
        earnings_coverage_pct,
        book_coverage_pct,
        sales_coverage_pct,
        shares_confirmed_pct,
        membership_as_of_on,
        membership_age_days,
        newest_filed_on,
        is_reliable,
    from ratios

)

select * from final
order by universe_id, month_on
