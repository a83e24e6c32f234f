with

counts as (

    select * from {{ ref('int_fund_shares_judged') }}

),

final as (

    select
        fund_id,
        traded_on,
        nav_usd,
        shares_outstanding,
        count_status,
        count_reason,
        gap_to_median_pct,
        known_on,
        source,
    from counts
    where count_status != 'accepted'

)

select * from final
order by fund_id, traded_on
