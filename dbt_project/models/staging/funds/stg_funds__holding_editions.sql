with

source as (

    select * from {{ source('raw', 'fund_holdings') }}

),

final as (

    select
        fund_id,
        as_of_on,
        edition,
        line_no,
        case when ticker not in ('-', '--') then ticker end as ticker,
        name,
        {{ sector_name('sector') }} as sector,
        sector as sector_in_file,
        asset_class,
        market_value_usd,
        weight_pct,
        quantity,
        price_usd,
        location,
        exchange,
        currency,
        known_on,
        known_on_basis,
        source,
        fetched_at,
    from source
    where {{ was_known() }}

)

select * from final
