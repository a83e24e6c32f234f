with

ratios as (

    select * from {{ ref('int_portfolio_ratios_summed') }}

),

-- the corner portfolios of the other pair have no universe of holdings
pairs (pair_id, small_universe_id, large_universe_id) as (

    values ('small_vs_large', 'russell_2000', 'sp_500')

),

final as (

    select
        pairs.pair_id,
        small.month_on as known_on,
        small.pe_ratio as pe_small_ratio,
        large.pe_ratio as pe_large_ratio,
        100 * (small.pe_ratio / large.pe_ratio - 1) as pe_gap_pct,
        small.pe_without_losses_ratio as pe_without_losses_small_ratio,
        large.pe_without_losses_ratio as pe_without_losses_large_ratio,
        100 * (small.pe_without_losses_ratio / large.pe_without_losses_ratio - 1)
            as pe_without_losses_gap_pct,
        small.pct_members_with_loss as pct_small_members_with_loss,
        large.pct_members_with_loss as pct_large_members_with_loss,
        small.earnings_coverage_pct as small_earnings_coverage_pct,
        large.earnings_coverage_pct as large_earnings_coverage_pct,
        greatest(small.newest_filed_on, large.newest_filed_on) as earnings_newest_filed_on,
        small.is_reliable and large.is_reliable as are_both_reliable,
    from pairs
    inner join ratios as small
        on pairs.small_universe_id = small.universe_id
    inner join ratios as large
        on pairs.large_universe_id = large.universe_id
        and small.month_on = large.month_on

)

select * from final
order by pair_id, known_on
