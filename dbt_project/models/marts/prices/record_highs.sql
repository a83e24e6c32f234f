with

prices as (

    select * from {{ ref('int_instrument_prices_adjusted') }}
    where symbol in ('^RUT', '^GSPC')

),

compared as (

    select
        case symbol when '^RUT' then 'russell_2000' else 'sp_500' end as index_id,
        traded_on,
        close,
        observation_no,
        max(close) over (
            partition by symbol
            order by observation_no
            rows between unbounded preceding and 1 preceding
        ) as highest_before,
    from prices

),

records as (

    select
        *,
        lag(traded_on) over by_index as previous_record_on,
        observation_no - lag(observation_no) over by_index as sessions_since_previous,
    from compared
    where observation_no > 252 and close > highest_before
    window by_index as (partition by index_id order by observation_no)

),

final as (

    select
        index_id,
        traded_on,
        close,
        previous_record_on,
        cast(sessions_since_previous as integer) as sessions_since_previous,
        index_id = 'russell_2000' and coalesce(sessions_since_previous, 253) > 252 as is_breakout,
    from records

)

select * from final
order by index_id, traded_on
