with

price_ratios as (

    select * from {{ ref('int_price_ratios_measured') }}

),

book_values as (

    select * from {{ ref('int_book_values_known') }}

),

cape as (

    select * from {{ ref('int_cape_values_known') }}

),

earnings_values as (

    select * from {{ ref('int_earnings_values_known') }}

),

joined as (

    select
        price_ratios.pair_id,
        price_ratios.traded_on,
        price_ratios.log_price_ratio,
        price_ratios.log_price_ratio_z,
        price_ratios.log_price_ratio_percentile,
        price_ratios.price_ratio_drawdown_pct,
        book_values.pb_small_ratio,
        book_values.pb_large_ratio,
        book_values.pb_gap_pct,
        book_values.pb_small_median_180m_ratio,
        book_values.pb_large_median_180m_ratio,
        book_values.small_fair_value_gap_pct,
        book_values.large_fair_value_gap_pct,
        book_values.observed_on as book_observed_on,
        book_values.value_known_on as book_known_on,
        book_values.known_on_basis as book_known_on_basis,
        book_values.edition as book_edition,
        earnings_values.pe_small_ratio,
        earnings_values.pe_large_ratio,
        earnings_values.pe_gap_pct,
        earnings_values.pe_without_losses_small_ratio,
        earnings_values.pe_without_losses_large_ratio,
        earnings_values.pe_without_losses_gap_pct,
        earnings_values.pct_small_members_with_loss,
        earnings_values.pct_large_members_with_loss,
        earnings_values.small_earnings_coverage_pct,
        earnings_values.large_earnings_coverage_pct,
        earnings_values.known_on as earnings_known_on,
        earnings_values.earnings_newest_filed_on,
        -- The next month end is never more than 34 days away.
        coalesce(
            earnings_values.are_both_reliable
            and price_ratios.traded_on - earnings_values.known_on <= 34,
            false
        ) as is_earnings_reliable,
        cape.cape_ratio,
        cape.cape_percentile,
        cape.observed_on as cape_observed_on,
        cape.value_known_on as cape_known_on,
        cape.known_on_basis as cape_known_on_basis,
    from price_ratios
    {{ asof_left_join(
        'book_values',
        ['price_ratios.pair_id = book_values.pair_id'],
        'price_ratios.traded_on >= book_values.known_on'
    ) }}
    {{ asof_left_join(
        'earnings_values',
        ['price_ratios.pair_id = earnings_values.pair_id'],
        'price_ratios.traded_on >= earnings_values.known_on'
    ) }}
    {{ asof_left_join('cape', [], 'price_ratios.traded_on >= cape.known_on') }}

),

final as (

    select
        *,
        -- A month comes about 35 days after it ends and is replaced a month later: at most 97 days
        -- old in the rule. 130 leaves one late file; a library that stands still is then marked.
        coalesce(traded_on - book_observed_on <= 130, false) as is_book_reliable,
        coalesce(traded_on - cape_observed_on <= 130, false) as is_cape_reliable,
    from joined

)

select * from final
