with

funds as (

    select * from {{ ref('stg_reference__funds') }}

),

sessions as (

    select * from {{ ref('stg_reference__sessions') }}

),

counts as (

    select * from {{ ref('int_fund_shares_judged') }}

),

holdings as (

    select * from {{ ref('stg_funds__holdings') }}

),

-- the last day whose counts could be known: that of the run, or of the data when no day is given
horizon as (

    select
        case
            when {{ as_of() }} < date '9999-12-31' then {{ as_of() }}
            else max(known_on)
        end as last_known_on,
    from counts

),

spans as (

    select
        fund_id,
        min(traded_on) filter (where count_status = 'accepted') as first_on,
        max(traded_on) as newest_on,
    from counts
    group by fund_id

),

-- one row per session, whether there is a count or not: a hole is a row
grid as (

    select
        spans.fund_id,
        sessions.traded_on,
        sessions.next_on,
        sessions.traded_on > spans.newest_on as is_after_newest,
    from spans
    cross join horizon
    inner join sessions
        on sessions.traded_on >= spans.first_on
        and sessions.next_on <= horizon.last_known_on

),

-- decimals, so that a sum does not depend on the order of adding
market_values as (

    select
        fund_id,
        as_of_on,
        cast(sum(cast(market_value_usd as decimal(38, 4))) as double) as market_value_usd,
    from holdings
    group by fund_id, as_of_on

),

counted as (

    select
        grid.fund_id,
        grid.traded_on,
        coalesce(
            counts.count_status,
            case when grid.is_after_newest then 'stale' else 'missing' end
        ) as count_status,
        case when counts.count_status = 'accepted' then counts.shares_outstanding end
            as shares_outstanding,
        case when counts.count_status = 'accepted' then counts.nav_usd end as nav_usd,
        coalesce(counts.known_on, grid.next_on) as known_on,
    from grid
    left join counts
        on grid.fund_id = counts.fund_id
        and grid.traded_on = counts.traded_on

),

compared as (

    select
        *,
        shares_outstanding * nav_usd as aum_usd,
        lag(shares_outstanding) over by_fund as previous_shares,
        lag(shares_outstanding * nav_usd) over by_fund as previous_aum_usd,
        lag(known_on) over by_fund as previous_known_on,
        coalesce({{ is_fund_split(
            'shares_outstanding / lag(shares_outstanding) over by_fund',
            'nav_usd / lag(nav_usd) over by_fund'
        ) }}, false) as is_split,
    from counted
    window by_fund as (partition by fund_id order by traded_on)

),

flows as (

    select
        *,
        case when not is_split then (shares_outstanding - previous_shares) * nav_usd end
            as flow_usd,
        case
            when not is_split
                then
                    100 * (shares_outstanding - previous_shares) * nav_usd
                    / nullif(previous_aum_usd, 0)
        end as flow_pct_aum,
    from compared

),

summed as (

    select
        *,
        {{ flow_sums('fund_id') }}
    from flows

),

scored as (

    select
        *,
        {{ trailing_z('flow_5d_pct_aum', 252, 'traded_on', 'fund_id') }} as flow_z,
    from summed

),

final as (

    select
        scored.fund_id,
        scored.traded_on,
        {{ flow_group('funds') }} as group_id,
        scored.count_status,
        scored.shares_outstanding,
        scored.nav_usd,
        scored.aum_usd,
        scored.is_split,
        scored.flow_usd,
        scored.flow_pct_aum,
        {%- for window in ['5d', '21d', '63d', 'ytd'] %}
        scored.flow_{{ window }}_usd,
        scored.flow_{{ window }}_pct_aum,
        {%- endfor %}
        scored.flow_z,
        100 * (scored.aum_usd / nullif(market_values.market_value_usd, 0) - 1) as aum_gap_pct,
        greatest(scored.known_on, coalesce(scored.previous_known_on, scored.known_on)) as known_on,
    from scored
    inner join funds
        on scored.fund_id = funds.fund_id
    left join market_values
        on scored.fund_id = market_values.fund_id
        and scored.traded_on = market_values.as_of_on

)

select * from final
order by fund_id, traded_on
