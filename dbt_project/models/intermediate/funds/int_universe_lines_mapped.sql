with

lines as (

    select * from {{ ref('stg_funds__holding_editions') }}
    where
        asset_class = 'Equity'
        and ticker is not null

),

funds as (

    select * from {{ ref('stg_reference__funds') }}
    where universe_id is not null

),

class_shares as (

    select * from {{ ref('stg_reference__class_shares') }}

),

reuses as (

    select * from {{ ref('stg_reference__ticker_reuses') }}

),

renames as (

    select * from {{ ref('stg_reference__ticker_renames') }}

),

spelled as (

    select
        funds.universe_id,
        lines.*,
        trim(lines.ticker) as universe_ticker,
    from lines
    inner join funds
        on lines.fund_id = funds.fund_id

),

-- reuse is asked for a ticker as it stands only: PEAK of 2023 is DOC today, DOC of 2023 was not
final as (

    select
        spelled.universe_id,
        spelled.fund_id,
        spelled.as_of_on,
        spelled.edition,
        spelled.line_no,
        spelled.universe_ticker as ticker,
        coalesce(
            renames.price_symbol,
            class_shares.price_symbol,
            case when reuses.price_symbol is null then spelled.universe_ticker end
        ) as price_symbol,
        spelled.name,
        spelled.sector,
        spelled.weight_pct,
        spelled.market_value_usd,
        spelled.quantity,
        spelled.price_usd,
        spelled.known_on,
    from spelled
    left join renames
        on spelled.universe_ticker = renames.universe_ticker
        and spelled.as_of_on between renames.valid_from and renames.valid_to
    left join class_shares
        on spelled.universe_ticker = class_shares.universe_ticker
    left join reuses
        on spelled.universe_ticker = reuses.price_symbol
        and spelled.as_of_on between reuses.valid_from and reuses.valid_to
    {{ first_row_per(
        ['spelled.fund_id', 'spelled.as_of_on', 'spelled.edition', 'spelled.line_no'],
        ['renames.valid_from nulls last']
    ) }}

)

select * from final
