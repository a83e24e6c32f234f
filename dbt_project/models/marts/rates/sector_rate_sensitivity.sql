with

sector_funds as (

    select
        symbol as fund_id,
        sector,
    from {{ ref('stg_reference__instruments') }}
    where sector is not null

),

fund_sessions as (

    select
        sector_funds.fund_id,
        sector_funds.sector,
        sessions.traded_on,
    from sector_funds
    inner join {{ ref('int_instrument_prices_adjusted') }} as prices
        on sector_funds.fund_id = prices.symbol
    inner join {{ ref('stg_reference__sessions') }} as sessions
        on prices.traded_on = sessions.traded_on

),

fits as (

    select * from {{ ref('int_sector_betas_fitted') }}

),

first_full as (

    select
        fund_id,
        min(known_on) as known_on,
    from fits
    where r_squared_ratio is not null
    group by fund_id

),

joined as (

    select
        fund_sessions.fund_id,
        fund_sessions.traded_on,
        fund_sessions.sector,
        fits.weeks,
        cast(fits.window_from_on as date) as window_from_on,
        cast(fits.window_to_on as date) as window_to_on,
        fits.beta_yield_10y_pct_per_pt,
        fits.beta_breakeven_10y_pct_per_pt,
        fits.beta_dollar_pct_per_pct,
        fits.t_yield_10y,
        fits.t_breakeven_10y,
        fits.t_dollar,
        fits.r_squared_ratio,
        cast(fits.known_on as date) as factors_known_on,
        fits.known_on_basis as factors_known_on_basis,
    from fund_sessions
    inner join first_full
        on fund_sessions.fund_id = first_full.fund_id
        and fund_sessions.traded_on >= first_full.known_on
    {{ asof_left_join(
        'fits',
        ['fund_sessions.fund_id = fits.fund_id'],
        'fund_sessions.traded_on >= fits.known_on'
    ) }}

),

final as (

    select
        *,
        -- A week is known on the Monday after it, so its end lies at most 11 days back in the rule
        -- (a Monday without a release). 21 leaves one release that is late.
        coalesce(r_squared_ratio is not null and traded_on - window_to_on <= 21, false)
            as is_reliable,
    from joined

)

select * from final
order by fund_id, traded_on
