with

lines as (

    select * from {{ ref('stg_funds__holdings') }}
    where asset_class = 'Equity'

),

funds as (

    select * from {{ ref('stg_reference__funds') }}
    where universe_id is not null

),

named as (

    select
        funds.universe_id,
        coalesce(lines.sector, 'unknown') as sector,
        lines.as_of_on,
        lines.known_on,
        lines.weight_pct,
        lines.market_value_usd,
    from lines
    inner join funds
        on lines.fund_id = funds.fund_id

),

-- decimals, so that a sum does not depend on the order of adding
totals as (

    select
        universe_id,
        sector,
        as_of_on,
        known_on,
        cast(sum(cast(weight_pct as decimal(18, 8))) as double) as weight_pct,
        count(*) as line_count,
        sum(cast(market_value_usd as decimal(38, 4))) as market_value_usd,
    from named
    group by universe_id, sector, as_of_on, known_on

),

final as (

    select
        universe_id,
        sector,
        as_of_on,
        known_on,
        weight_pct,
        100.0e0 * cast(market_value_usd as double) / nullif(
            cast(sum(market_value_usd) over (
                partition by universe_id, as_of_on
                rows between unbounded preceding and unbounded following
            ) as double), 0
        ) as equity_weight_pct,
        cast(line_count as integer) as line_count,
        cast(market_value_usd as double) as market_value_usd,
    from totals

)

select * from final
order by universe_id, as_of_on, sector
