with

lines as (

    select * from {{ ref('int_universe_lines_mapped') }}
    where price_symbol is not null and price_usd is not null

),

prices as (

    select * from {{ ref('int_constituent_prices_adjusted') }}

),

splits as (

    select * from {{ ref('stg_prices__constituent_events') }}
    where event_kind = 'split' and numerator > 0 and denominator > 0

),

on_the_day as (

    select
        lines.*,
        prices.close,
    from lines
    inner join prices
        on lines.price_symbol = prices.symbol
        and lines.as_of_on = prices.traded_on

),

-- closes are adjusted to the newest split known: undo those that came after the file's day
later_splits as (

    select
        on_the_day.universe_id,
        on_the_day.as_of_on,
        on_the_day.edition,
        on_the_day.line_no,
        exp(sum(ln(splits.numerator / splits.denominator) order by splits.event_on))
            as split_factor,
    from on_the_day
    inner join splits
        on on_the_day.price_symbol = splits.symbol
        and on_the_day.as_of_on < splits.event_on
    group by
        on_the_day.universe_id, on_the_day.as_of_on, on_the_day.edition, on_the_day.line_no

),

compared as (

    select
        on_the_day.*,
        coalesce(later_splits.split_factor, 1.0e0) as split_factor,
        cast(on_the_day.close as double) * coalesce(later_splits.split_factor, 1.0e0)
            as close_as_traded_usd,
    from on_the_day
    left join later_splits
        on on_the_day.universe_id = later_splits.universe_id
        and on_the_day.as_of_on = later_splits.as_of_on
        and on_the_day.edition = later_splits.edition
        and on_the_day.line_no = later_splits.line_no

),

final as (

    select
        universe_id,
        as_of_on,
        edition,
        line_no,
        ticker,
        price_symbol,
        name,
        price_usd as file_price_usd,
        close_as_traded_usd,
        split_factor as split_factor_ratio,
        100.0e0 * (price_usd / close_as_traded_usd - 1) as gap_pct,
    from compared
    where abs(price_usd / close_as_traded_usd - 1) > 0.10

)

select * from final
order by universe_id, as_of_on, edition, line_no
