with

lines as (

    select * from {{ ref('stg_funds__holdings') }}
    where asset_class = 'Equity'

),

funds as (

    select * from {{ ref('stg_reference__funds') }}
    where universe_id is not null

),

totals as (

    select
        funds.universe_id,
        case when lines.sector in ('-', '--') then 'unknown' else coalesce(lines.sector, 'unknown') end
            as sector,
        lines.as_of_on,
        lines.known_on,
        sum(lines.weight_pct) as weight_pct,
        count(*) as line_count,
        sum(lines.market_value_usd) as market_value_usd,
    from lines
    inner join funds
        on lines.fund_id = funds.fund_id
    group by all

),

final as (

    select
        universe_id,
        sector,
        as_of_on,
        known_on,
        weight_pct,
        100.0e0 * market_value_usd / nullif(
            sum(market_value_usd) over (
                partition by universe_id, as_of_on
                rows between unbounded preceding and unbounded following
            ), 0
        ) as equity_weight_pct,
        cast(line_count as integer) as line_count,
        market_value_usd,
    from totals

)

select * from final
order by universe_id, as_of_on, sector
