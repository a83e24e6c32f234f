with

fund_flows as (

    select * from {{ ref('fund_flows') }}

),

compared as (

    select
        *,
        lag(aum_usd) over (partition by fund_id order by traded_on) as previous_aum_usd,
    from fund_flows

),

-- added in one order, so that a rebuild has the same digits
grouped as (

    select
        group_id,
        traded_on,
        count(*) as funds,
        count(flow_pct_aum) as funds_with_flow,
        sum(aum_usd order by fund_id) as aum_usd,
        sum(flow_usd order by fund_id) filter (where flow_pct_aum is not null) as flow_usd,
        100 * sum(flow_usd order by fund_id) filter (where flow_pct_aum is not null)
        / nullif(
            sum(previous_aum_usd order by fund_id) filter (where flow_pct_aum is not null), 0
        ) as flow_pct_aum,
        max(known_on) as known_on,
    from compared
    group by group_id, traded_on

),

summed as (

    select
        *,
        {{ flow_sums('group_id') }}
    from grouped

),

scored as (

    select
        *,
        {{ trailing_z('flow_5d_pct_aum', 252, 'traded_on', 'group_id') }} as flow_z,
    from summed

),

small as (

    select * from scored
    where group_id = 'small_cap'

),

large as (

    select * from scored
    where group_id = 'large_cap'

),

final as (

    select
        scored.group_id,
        scored.traded_on,
        cast(scored.funds as integer) as funds,
        cast(scored.funds_with_flow as integer) as funds_with_flow,
        scored.aum_usd,
        scored.flow_usd,
        scored.flow_pct_aum,
        {%- for window in ['5d', '21d', '63d', 'ytd'] %}
        scored.flow_{{ window }}_usd,
        scored.flow_{{ window }}_pct_aum,
        {%- endfor %}
        scored.flow_z,
        small.flow_pct_aum - large.flow_pct_aum as small_minus_large_flow_pct,
        {%- for window in ['5d', '21d', '63d'] %}
        small.flow_{{ window }}_pct_aum - large.flow_{{ window }}_pct_aum
            as small_minus_large_flow_{{ window }}_pct,
        {%- endfor %}
        scored.known_on,
    from scored
    left join small
        on scored.traded_on = small.traded_on
    left join large
        on scored.traded_on = large.traded_on

)

select * from final
order by group_id, traded_on
