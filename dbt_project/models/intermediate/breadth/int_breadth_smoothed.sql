with

counted as (

    select * from {{ ref('int_breadth_counted') }}

),

-- a hole adds nothing, and neither does a session on which nothing rose or fell
valued as (

    select
        universe_id,
        sector,
        traded_on,
        1000.0e0 * (advances - declines) / (advances + declines) as rana,
        cast(advances as double) / (advances + declines) as advancing_share,
        row_number() over (
            partition by universe_id, sector
            order by traded_on
        ) - 1 as value_no,
    from counted
    where not is_hole and advances + declines > 0

),

{{ exponential_average('fast', 'valued', ['universe_id', 'sector'], 'rana', '0.10e0') }},

{{ exponential_average('slow', 'valued', ['universe_id', 'sector'], 'rana', '0.05e0') }},

{{ exponential_average(
    'zweig', 'valued', ['universe_id', 'sector'], 'advancing_share', '(2.0e0 / 11.0e0)'
) }},

averaged as (

    select
        valued.universe_id,
        valued.sector,
        valued.traded_on,
        fast.fast,
        slow.slow,
        -- good to 1e-11 and rounded to 1e-10, so that 1 stays 1 and 0.40 is not under 0.40
        round(zweig.zweig, 10) as zweig,
    from valued
    inner join fast
        on valued.universe_id = fast.universe_id
        and valued.sector = fast.sector
        and valued.value_no = fast.value_no
    inner join slow
        on valued.universe_id = slow.universe_id
        and valued.sector = slow.sector
        and valued.value_no = slow.value_no
    inner join zweig
        on valued.universe_id = zweig.universe_id
        and valued.sector = zweig.sector
        and valued.value_no = zweig.value_no

),

-- where nothing was added, yesterday's averages stand
repeated as (

    select
        counted.universe_id,
        counted.sector,
        counted.traded_on,
        counted.row_no,
        counted.is_hole,
        last_value(averaged.fast ignore nulls) over so_far as rana_ema_fast,
        last_value(averaged.slow ignore nulls) over so_far as rana_ema_slow,
        last_value(averaged.zweig ignore nulls) over so_far as zweig_ema,
    from counted
    left join averaged
        on counted.universe_id = averaged.universe_id
        and counted.sector = averaged.sector
        and counted.traded_on = averaged.traded_on
    window so_far as (
        partition by counted.universe_id, counted.sector
        order by counted.traded_on
        rows between unbounded preceding and current row
    )

),

crossings as (

    select
        *,
        coalesce(
            zweig_ema > 0.615 and lag(zweig_ema) over by_series <= 0.615, false
        ) as is_rise_through,
        max(case when zweig_ema < 0.40 then row_no end) over (
            partition by universe_id, sector
            order by row_no
            rows between unbounded preceding and 1 preceding
        ) as last_low_no,
    from repeated
    window by_series as (partition by universe_id, sector order by row_no)

),

-- armed by a fall below 0.40, spent by the first rise through 0.615 after it
rises as (

    select
        *,
        count(*) filter (where is_rise_through) over (
            partition by universe_id, sector, last_low_no
            order by row_no
            rows between unbounded preceding and current row
        ) as rises_since_low,
    from crossings

),

final as (

    select
        universe_id,
        sector,
        traded_on,
        case when row_no > 39 then round(rana_ema_fast - rana_ema_slow, 11) end
            as mcclellan_oscillator,
        zweig_ema,
        coalesce(
            is_rise_through and last_low_no >= row_no - 10 and rises_since_low = 1, false
        ) as is_zweig_thrust,
    from rises

)

select * from final
