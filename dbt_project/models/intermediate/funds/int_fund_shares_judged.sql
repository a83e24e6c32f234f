with

counts as (

    select * from {{ ref('stg_funds__shares') }}

),

sessions as (

    select * from {{ ref('stg_reference__sessions') }}

),

-- what can be told from the row alone
dated as (

    select
        counts.fund_id,
        counts.traded_on,
        sessions.session_no,
        case when counts.nav_usd > 0 then counts.nav_usd end as nav_usd,
        counts.shares_outstanding,
        counts.known_on,
        counts.source,
        case
            when sessions.traded_on is null then 'no_session'
            when counts.shares_outstanding is null then 'missing'
            when not counts.shares_outstanding > 0 then 'not_positive'
        end as row_reason,
    from counts
    left join sessions
        on counts.traded_on = sessions.traded_on

),

-- from here to `measured`: only counts that a neighbour may be measured against
neighbours as (

    select
        *,
        shares_outstanding / lag(shares_outstanding) over by_fund as share_ratio,
        nav_usd / lag(nav_usd) over by_fund as nav_ratio,
        session_no - min(session_no) over (partition by fund_id) as sessions_since_first,
    from dated
    where row_reason is null
    window by_fund as (partition by fund_id order by traded_on)

),

split_days as (

    select
        *,
        coalesce({{ is_fund_split('share_ratio', 'nav_ratio') }}, false) as is_split,
    from neighbours

),

-- counts on the basis of the fund's first day: a split moves no neighbour away
levelled as (

    select
        *,
        shares_outstanding / exp(sum(case when is_split then ln(share_ratio) else 0 end) over (
            partition by fund_id
            order by traded_on
            rows between unbounded preceding and current row
        )) as levelled_shares,
    from split_days

),

measured as (

    select
        fund_id,
        traded_on,
        is_split,
        sessions_since_first,
        levelled_shares,
        median(levelled_shares) over (
            partition by fund_id
            order by traded_on
            rows between 5 preceding and 5 following
        ) as median_shares,
        count(*) over (
            partition by fund_id
            order by traded_on
            rows between 1 following and 5 following
        ) as counts_that_followed,
    from levelled

),

suspected as (

    select
        *,
        sessions_since_first >= 21
        and abs(levelled_shares / median_shares - 1) > 0.25 as is_spike,
    from measured

),

final as (

    select
        dated.fund_id,
        dated.traded_on,
        dated.nav_usd,
        dated.shares_outstanding,
        case
            when dated.row_reason is not null then 'refused'
            when suspected.is_spike and suspected.counts_that_followed < 5 then 'unconfirmed'
            when suspected.is_spike then 'refused'
            else 'accepted'
        end as count_status,
        case
            when dated.row_reason is not null then dated.row_reason
            when suspected.is_spike then 'spike'
        end as count_reason,
        100 * (suspected.levelled_shares / suspected.median_shares - 1) as gap_to_median_pct,
        coalesce(suspected.is_split, false) as is_split,
        dated.known_on,
        dated.source,
    from dated
    left join suspected
        on dated.fund_id = suspected.fund_id
        and dated.traded_on = suspected.traded_on

)

select * from final
