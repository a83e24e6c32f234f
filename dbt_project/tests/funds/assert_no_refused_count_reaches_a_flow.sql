-- A session whose count is quarantined has neither assets nor a flow.
select
    fund_flows.fund_id,
    fund_flows.traded_on,
from {{ ref('fund_flows') }} as fund_flows
inner join {{ ref('quarantined_counts') }} as quarantined_counts
    on fund_flows.fund_id = quarantined_counts.fund_id
    and fund_flows.traded_on = quarantined_counts.traded_on
where
    fund_flows.aum_usd is not null
    or fund_flows.flow_usd is not null
