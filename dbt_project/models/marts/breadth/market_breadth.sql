with

counted as (

    select * from {{ ref('int_breadth_counted') }}

),

smoothed as (

    select * from {{ ref('int_breadth_smoothed') }}

),

joined as (

    select
        counted.*,
        smoothed.mcclellan_oscillator,
        smoothed.zweig_ema,
        smoothed.is_zweig_thrust,
        100.0e0 * counted.priced_members / counted.members as coverage_pct,
        counted.traded_on - counted.membership_as_of_on as membership_age_days,
    from counted
    inner join smoothed
        on counted.universe_id = smoothed.universe_id
        and counted.sector = smoothed.sector
        and counted.traded_on = smoothed.traded_on

),

final as (

    select
        universe_id,
        sector,
        traded_on,
        members,
        priced_members,
        coverage_pct,
        membership_as_of_on,
        cast(membership_age_days as integer) as membership_age_days,
        {%- for n in [20, 50, 200] %}
        100.0e0 * members_above_{{ n }}d / nullif(members_with_{{ n }}_closes, 0)
            as pct_above_{{ n }}d,
        {%- endfor %}
        advances,
        declines,
        unchanged,
        cast(sum(case when is_hole then 0 else advances - declines end) over so_far as integer)
            as ad_line,
        100.0e0 * advancing_volume / nullif(advancing_volume + declining_volume, 0)
            as up_volume_pct,
        new_highs_52w,
        new_lows_52w,
        1000.0e0 * (advances - declines) / nullif(advances + declines, 0) as rana,
        mcclellan_oscillator,
        case
            when mcclellan_oscillator is not null
                then cast(sum(
                    case when not is_hole then cast(mcclellan_oscillator as decimal(38, 15)) end
                ) over so_far as double)
        end as mcclellan_summation,
        zweig_ema,
        is_zweig_thrust,
        100.0e0 * (
            cast(return_sum as double) / nullif(members_with_return, 0)
            - cast(weighted_return_sum as double) / nullif(cast(weight_sum as double), 0)
        ) as equal_minus_cap_pct,
        coverage_pct >= 90 and membership_age_days <= 100 as is_reliable,
    from joined
    window so_far as (
        partition by universe_id, sector
        order by traded_on
        rows between unbounded preceding and current row
    )

)

select * from final
order by universe_id, sector, traded_on
