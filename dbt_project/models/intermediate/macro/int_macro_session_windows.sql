with

session_values as (

    select
        series_id,
        traded_on,
        value,
    from {{ ref('int_macro_session_values') }}
    where
        series_id in (
            'DGS2',
            'DGS10',
            'T10Y2Y',
            'T10Y3M',
            'DFII10',
            'BAMLH0A0HYM2',
            'BAA10Y',
            'DTWEXBGS'
        )

),

-- A series has a row on every session from its first known value on, so n rows are n sessions.
final as (

    select
        series_id,
        traded_on,
        value - lag(value, 63) over each_series as change_63d,
        100 * (value / nullif(lag(value, 63) over each_series, 0) - 1) as change_63d_pct,
        100 * (value / nullif(lag(value, 252) over each_series, 0) - 1) as change_252d_pct,
        {{ trailing_z('value', 756, 'traded_on', 'series_id') }} as z_756d,
        {{ trailing_z('value', 2520, 'traded_on', 'series_id') }} as z_2520d,
    from session_values
    window each_series as (partition by series_id order by traded_on)

)

select * from final
