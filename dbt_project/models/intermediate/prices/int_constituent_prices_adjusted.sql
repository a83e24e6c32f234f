with

bars as (

    select * from {{ ref('stg_prices__constituent_bars') }}

),

sessions as (

    select * from {{ ref('stg_reference__sessions') }}

),

final as (

    select
        bars.symbol,
        bars.traded_on,
        sessions.session_no,
        bars.close,
        bars.volume,
        bars.source,
    from bars
    left join sessions
        on bars.traded_on = sessions.traded_on

)

-- the order is part of the result: the windows over these rows follow them as they lie
select * from final
order by symbol, traded_on
