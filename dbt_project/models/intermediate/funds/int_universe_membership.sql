with

files as (

    select * from {{ ref('int_universe_files_dated') }}

),

lines as (

    select * from {{ ref('int_universe_lines_mapped') }}
    where price_symbol is not null

),

lines_in_force as (

    select
        lines.*,
        files.usable_from,
        files.usable_to,
        row_number() over (
            partition by files.universe_id, files.usable_from, lines.price_symbol
            order by lines.weight_pct desc nulls last, lines.line_no asc
        ) as place,
    from lines
    inner join files
        on lines.universe_id = files.universe_id
        and lines.fund_id = files.fund_id
        and lines.as_of_on = files.as_of_on
        and lines.edition = files.edition

),

-- two lines of one price symbol are one member: the heavier line names it, the weights add up
final as (

    select
        universe_id,
        price_symbol,
        max(case when place = 1 then ticker end) as ticker,
        max(case when place = 1 then sector end) as sector,
        cast(sum(cast(weight_pct as decimal(12, 8))) as decimal(12, 8)) as weight_pct,
        sum(coalesce(quantity, market_value_usd / nullif(price_usd, 0)) order by line_no)
            as quantity,
        max(case when place = 1 then price_usd end) as price_usd,
        as_of_on as membership_as_of_on,
        usable_from,
        usable_to,
    from lines_in_force
    group by universe_id, price_symbol, as_of_on, usable_from, usable_to

)

select * from final
order by universe_id, usable_from, price_symbol
