with

scorecard as (

    select * from {{ ref('signal_scorecard') }}

),

sessions as (

    select
        traded_on,
        session_no,
    from {{ ref('stg_reference__sessions') }}

),

prices as (

    select
        sessions.session_no,
        max(prices.close) filter (where prices.symbol = '^RUT') as small_close,
        max(prices.close) filter (where prices.symbol = '^GSPC') as large_close,
    from {{ ref('int_instrument_prices_adjusted') }} as prices
    inner join sessions
        on prices.traded_on = sessions.traded_on
    where prices.symbol in ('^RUT', '^GSPC')
    group by sessions.session_no

),

horizons (horizon_sessions) as (

    values (21), (63), (126), (252)

),

-- Each close as the end of four horizons, by the session on which they began.
ends as (

    select
        prices.session_no - horizons.horizon_sessions as session_no,
        horizons.horizon_sessions,
        prices.small_close,
        prices.large_close,
    from prices
    cross join horizons

),

returns as (

    select
        ends.session_no,
        ends.horizon_sessions,
        100 * (
            cast(ends.small_close as double) / nullif(cast(prices.small_close as double), 0)
            - cast(ends.large_close as double) / nullif(cast(prices.large_close as double), 0)
        ) as relative_return_pct,
    from ends
    inner join prices
        on ends.session_no = prices.session_no

),

final as (

    select
        scorecard.signal_id,
        horizons.horizon_sessions,
        scorecard.traded_on,
        sessions.session_no,
        scorecard.score_z,
        returns.relative_return_pct,
    from scorecard
    inner join sessions
        on scorecard.traded_on = sessions.traded_on
    cross join horizons
    left join returns
        on sessions.session_no = returns.session_no
        and horizons.horizon_sessions = returns.horizon_sessions
    where scorecard.score_z is not null

)

select * from final
