with

claims as (

    select * from {{ ref('int_claims_dated') }}

),

funds as (

    select * from {{ ref('stg_reference__funds') }}

),

counted as (

    select * from {{ ref('fund_flows') }}
    where aum_usd is not null

),

of_assets as (

    select
        claims.claim_id,
        counted.aum_usd / 1e9 as measured_value,
        cast(null as double) as second_value,
        true as is_complete,
        counted.traded_on as observed_on,
        'marts.fund_flows ' || claims.subject || ' ' || counted.traded_on || ' aum_usd'
            as measured_row,
        funds.issuer || ' ' || claims.subject as source,
    from claims
    inner join funds
        on claims.subject = funds.fund_id
    inner join counted
        on claims.subject = counted.fund_id
        and claims.until_on >= counted.traded_on
        and claims.clock_on >= counted.known_on
    where claims.measure = 'fund_assets'
    {{ first_row_per(['claims.claim_id'], ['counted.traded_on desc']) }}

),

gaps as (

    select * from {{ ref('valuation_gaps') }}

),

of_gaps as (

    select
        claims.claim_id,
        case claims.other_subject
            when 'small' then gaps.small_fair_value_gap_pct
            when 'large' then gaps.large_fair_value_gap_pct
        end as measured_value,
        cast(null as double) as second_value,
        true as is_complete,
        gaps.book_observed_on as observed_on,
        'marts.valuation_gaps ' || claims.subject || ' ' || gaps.traded_on || ' '
        || claims.other_subject || '_fair_value_gap_pct' as measured_row,
        'Kenneth French, 6_Portfolios_2x3' as source,
    from claims
    {{ asof_left_join(
        'gaps',
        ['claims.subject = gaps.pair_id'],
        'claims.until_on >= gaps.traded_on'
    ) }}
    where claims.measure = 'fair_value_gap'

),

weights as (

    select * from {{ ref('sector_weights') }}

),

of_weights as (

    select
        claims.claim_id,
        weights.weight_pct as measured_value,
        weights.equity_weight_pct as second_value,
        true as is_complete,
        weights.as_of_on as observed_on,
        'marts.sector_weights ' || claims.other_subject || ' ' || claims.subject || ' '
        || weights.as_of_on || ' weight_pct' as measured_row,
        funds.issuer || ' ' || funds.fund_id as source,
    from claims
    inner join weights
        on claims.subject = weights.sector
        and claims.other_subject = weights.universe_id
        and claims.until_on >= weights.as_of_on
        and claims.clock_on >= weights.known_on
    inner join funds
        on claims.other_subject = funds.universe_id
    where claims.measure = 'sector_weight'
    {{ first_row_per(['claims.claim_id'], ['weights.as_of_on desc']) }}

),

leverage as (

    select * from {{ ref('leverage') }}

),

of_leverage as (

    select
        claims.claim_id,
        small.small_over_large_leverage_ratio as measured_value,
        small.debt_to_equity_ratio / nullif(large.debt_to_equity_ratio, 0) as second_value,
        small.is_small_over_large_reliable as is_complete,
        least(small.quarter_on, small.membership_as_of_on, large.membership_as_of_on)
            as observed_on,
        'marts.leverage ' || claims.subject || ' ' || small.quarter_on
        || ' small_over_large_leverage_ratio' as measured_row,
        'SEC companyfacts, holdings files' as source,
    from claims
    inner join leverage as small
        on claims.subject = small.universe_id
        and claims.until_on >= small.quarter_on
    left join leverage as large
        on claims.other_subject = large.universe_id
        and small.quarter_on = large.quarter_on
    where claims.measure = 'leverage_ratio'
    {{ first_row_per(['claims.claim_id'], ['small.quarter_on desc']) }}

),

unioned as (

    select * from of_assets
    union all
    select * from of_gaps
    union all
    select * from of_weights
    union all
    select * from of_leverage

),

final as (

    select
        claim_id,
        measured_value,
        cast(null as double) as figure,
        cast(null as varchar) as figure_unit,
        second_value,
        cast(null as double) as second_figure,
        1 as n,
        coalesce(is_complete, false) as is_complete,
        false as is_suspect,
        observed_on,
        measured_row,
        source,
    from unioned

)

select * from final
order by claim_id
