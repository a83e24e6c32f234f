with

lines as (

    select * from {{ ref('int_universe_lines_mapped') }}

),

prices as (

    select * from {{ ref('int_constituent_prices_adjusted') }}

),

priced as (

    select
        symbol,
        min(traded_on) as first_traded_on,
        max(traded_on) as last_traded_on,
    from prices
    group by symbol

),

tickers as (

    select
        universe_id,
        ticker,
        price_symbol,
        max_by(name, as_of_on) as name,
        min(as_of_on) as first_as_of_on,
        max(as_of_on) as last_as_of_on,
        count(distinct as_of_on) as files,
        max_by(weight_pct, as_of_on) as last_weight_pct,
    from lines
    group by universe_id, ticker, price_symbol

),

final as (

    select
        tickers.universe_id,
        tickers.ticker,
        coalesce(tickers.price_symbol, '-') as price_symbol,
        tickers.name,
        tickers.first_as_of_on,
        tickers.last_as_of_on,
        tickers.files,
        tickers.last_weight_pct,
        case
            when tickers.price_symbol is null then 'the ticker was another company''s then'
            when priced.symbol is null then 'no bar at all'
            when priced.first_traded_on > tickers.last_as_of_on then 'bars begin after its last file'
            else 'bars end before its first file'
        end as reason,
    from tickers
    left join priced
        on tickers.price_symbol = priced.symbol
    where
        priced.symbol is null
        or priced.first_traded_on > tickers.last_as_of_on
        or priced.last_traded_on < tickers.first_as_of_on

)

select * from final
order by universe_id asc, last_as_of_on desc, ticker asc, price_symbol asc
