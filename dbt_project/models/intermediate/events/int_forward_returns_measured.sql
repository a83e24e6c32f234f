with

sessions as (

    select
        traded_on,
        session_no,
    from {{ ref('stg_reference__sessions') }}

),

prices as (

    select
        traded_on,
        cast(max(close) filter (where symbol = '^RUT') as double) as small_close,
        cast(max(close) filter (where symbol = '^GSPC') as double) as large_close,
        max(adj_close) filter (where symbol = 'IWM') as small_adj_close,
        max(adj_close) filter (where symbol = 'SPY') as large_adj_close,
    from {{ ref('int_instrument_prices_adjusted') }}
    where symbol in ('^RUT', '^GSPC', 'IWM', 'SPY')
    group by traded_on

),

-- The calendar has every session, also those to come and those without a price.
priced as (

    select
        sessions.traded_on,
        sessions.session_no,
        prices.small_close,
        prices.large_close,
        prices.small_adj_close,
        prices.large_adj_close,
    from sessions
    left join prices
        on sessions.traded_on = prices.traded_on

),

bounds as (

    select
        min(traded_on) as first_on,
        max(traded_on) as last_on,
    from priced
    where small_close is not null and large_close is not null

),

ends as (

    {% for horizon in [21, 63, 126, 252] %}
    {% if not loop.first %}union all{% endif %}
    select
        traded_on,
        session_no,
        {{ horizon }} as horizon_sessions,
        lead(traded_on, {{ horizon }}) over (order by session_no) as ends_on,
        {%- for price in ['small_close', 'large_close', 'small_adj_close', 'large_adj_close'] %}
        100 * (
            lead({{ price }}, {{ horizon }}) over (order by session_no) / nullif({{ price }}, 0) - 1
        ) as {{ price }}_change_pct,
        {%- endfor %}
    from priced
    {% endfor %}

),

returns as (

    select
        ends.traded_on,
        ends.session_no,
        ends.horizon_sessions,
        ends.ends_on,
        ends.ends_on <= bounds.last_on as is_over,
        bounds.last_on as measured_until_on,
        ends.small_close_change_pct as small_return_pct,
        ends.large_close_change_pct as large_return_pct,
        ends.small_adj_close_change_pct as small_total_return_pct,
        ends.large_adj_close_change_pct as large_total_return_pct,
    from ends
    inner join bounds
        on ends.traded_on between bounds.first_on and bounds.last_on
    where ends.ends_on is not null

),

final as (

    select
        traded_on,
        session_no,
        horizon_sessions,
        ends_on,
        is_over,
        measured_until_on,
        -- Both sides or none, so that what is compared is about the same sessions.
        {%- for kind in ['return', 'total_return'] %}
        case when is_over and large_{{ kind }}_pct is not null then small_{{ kind }}_pct end
            as small_{{ kind }}_pct,
        case when is_over and small_{{ kind }}_pct is not null then large_{{ kind }}_pct end
            as large_{{ kind }}_pct,
        case when is_over then small_{{ kind }}_pct - large_{{ kind }}_pct end
            as relative_{{ kind }}_pct,
        {%- endfor %}
    from returns

)

select * from final
