with

claims as (

    select * from {{ ref('int_claims_dated') }}

),

bars as (

    select * from {{ ref('int_instrument_prices_adjusted') }}
    where symbol in (select claims.subject from claims)

),

neighbours as (

    select
        *,
        coalesce(
            volume = lag(volume) over by_symbol or volume = lead(volume) over by_symbol,
            false
        ) as repeats_volume,
        coalesce(
            close = lag(close) over by_symbol or close = lead(close) over by_symbol,
            false
        ) as repeats_close,
    from bars
    window by_symbol as (partition by symbol order by observation_no)

),

of_one_bar as (

    select
        claims.claim_id,
        case claims.measure
            when 'index_close' then cast(neighbours.close as double)
            else neighbours.volume / 1e9
        end as measured_value,
        cast(null as double) as figure,
        1 as n,
        true as is_complete,
        case claims.measure
            when 'index_close' then neighbours.repeats_close
            else neighbours.repeats_volume
        end as is_suspect,
        neighbours.traded_on as observed_on,
        'raw.instrument_bars ' || claims.subject || ' '
        || neighbours.traded_on
        || case claims.measure when 'index_close' then ' close' else ' volume' end as measured_row,
        neighbours.source || ' ' || claims.subject as source,
    from claims
    inner join neighbours
        on claims.subject = neighbours.symbol
        and claims.session_on = neighbours.traded_on
    where claims.measure in ('index_close', 'index_volume')

),

newest_bars as (

    select
        claims.*,
        bars.traded_on as bar_on,
        bars.source,
    from claims
    {{ asof_left_join(
        'bars',
        ['claims.subject = bars.symbol'],
        'claims.session_on >= bars.traded_on'
    ) }}

),

records as (

    select
        newest_bars.claim_id,
        min(record_highs.traded_on) filter (where record_highs.traded_on >= newest_bars.month_from)
            as first_in_month_on,
        count(record_highs.traded_on)
            filter (where record_highs.traded_on >= newest_bars.month_from)
            as n_in_month,
        max(record_highs.traded_on) filter (where record_highs.traded_on < newest_bars.month_from)
            as before_month_on,
    from newest_bars
    left join {{ ref('record_highs') }} as record_highs
        on newest_bars.other_subject = record_highs.index_id
        and newest_bars.until_on >= record_highs.traded_on
    group by newest_bars.claim_id

),

of_records as (

    select
        newest_bars.claim_id,
        case newest_bars.measure
            when 'month_of_record_before'
                then cast(
                    100 * year(records.before_month_on) + month(records.before_month_on) as double
                )
            else cast(records.n_in_month > 0 as double)
        end as measured_value,
        case newest_bars.measure
            when 'record_in_month' then cast(records.n_in_month as double)
        end as figure,
        cast(records.n_in_month as integer) as n,
        -- a record is one whatever follows; that there was none takes the whole month
        newest_bars.measure = 'month_of_record_before'
        or records.n_in_month > 0
        or newest_bars.bar_on = newest_bars.session_on as is_complete,
        false as is_suspect,
        newest_bars.bar_on as observed_on,
        'marts.record_highs ' || newest_bars.other_subject || ' '
        || case
            when newest_bars.measure = 'month_of_record_before'
                then coalesce(cast(records.before_month_on as varchar), 'none') || ' traded_on'
            when records.n_in_month > 0 then records.first_in_month_on || ' traded_on'
            else 'no row from ' || newest_bars.month_from
        end as measured_row,
        newest_bars.source || ' ' || newest_bars.subject as source,
    from newest_bars
    inner join records
        on newest_bars.claim_id = records.claim_id
    where
        newest_bars.measure in ('record_in_month', 'month_of_record_before')
        and newest_bars.bar_on >= newest_bars.month_from

),

year_sessions as (

    select
        claims.claim_id,
        count(*) as sessions,
    from claims
    inner join {{ ref('int_macro_sessions') }} as sessions
        on sessions.traded_on between claims.year_from and claims.until_on
    where claims.measure = 'average_volume'
    group by claims.claim_id

),

year_bars as (

    select
        claims.claim_id,
        any_value(claims.subject) as subject,
        any_value(bars.source) as source,
        avg(bars.volume) / 1e6 as measured_value,
        count(bars.volume) as n,
        min(bars.traded_on) as first_on,
        max(bars.traded_on) as last_on,
    from claims
    inner join bars
        on claims.subject = bars.symbol
        and bars.traded_on between claims.year_from and claims.until_on
    where
        claims.measure = 'average_volume'
        and bars.volume is not null
    group by claims.claim_id

),

of_average_volume as (

    select
        year_bars.claim_id,
        year_bars.measured_value,
        cast(null as double) as figure,
        cast(year_bars.n as integer) as n,
        20 * year_bars.n >= 19 * year_sessions.sessions as is_complete,
        false as is_suspect,
        year_bars.last_on as observed_on,
        'raw.instrument_bars ' || year_bars.subject || ' '
        || year_bars.first_on || ' to ' || year_bars.last_on || ' volume' as measured_row,
        year_bars.source || ' ' || year_bars.subject as source,
    from year_bars
    inner join year_sessions
        on year_bars.claim_id = year_sessions.claim_id

),

unioned as (

    select * from of_one_bar
    union all
    select * from of_records
    union all
    select * from of_average_volume

),

final as (

    select
        claim_id,
        measured_value,
        figure,
        case when figure is not null then 'record closes' end as figure_unit,
        cast(null as double) as second_value,
        cast(null as double) as second_figure,
        n,
        is_complete,
        is_suspect,
        observed_on,
        measured_row,
        source,
    from unioned

)

select * from final
order by claim_id
