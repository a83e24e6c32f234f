-- Over a session, the groups' flows are the funds' flows: none is lost, none counted twice.
with

by_fund as (

    select
        traded_on,
        sum(flow_usd) filter (where flow_pct_aum is not null) as flow_usd,
    from {{ ref('fund_flows') }}
    group by traded_on

),

by_group as (

    select
        traded_on,
        sum(flow_usd) as flow_usd,
    from {{ ref('flow_signals') }}
    group by traded_on

)

select
    by_fund.traded_on,
    by_fund.flow_usd,
    by_group.flow_usd as group_flow_usd,
from by_fund
full join by_group
    on by_fund.traded_on = by_group.traded_on
where abs(coalesce(by_fund.flow_usd, 0) - coalesce(by_group.flow_usd, 0)) > 1
