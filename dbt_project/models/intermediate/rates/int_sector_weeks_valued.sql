{#- The three factors of a regression, as series of int_macro_vintages. -#}
{%- set factors = ['DGS10', 'T10YIE', 'DTWEXBGS'] -%}

with

sessions as (

    select
        traded_on,
        cast(date_trunc('week', traded_on) as date) as week_on,
    from {{ ref('stg_reference__sessions') }}

),

sector_funds as (

    select symbol as fund_id
    from {{ ref('stg_reference__instruments') }}
    where sector is not null

),

-- SPY is the market leg. A bar is known on its own session and is never replaced here: a restated
-- history is another basis of the whole symbol.
prices as (

    select
        prices.symbol as input_id,
        prices.traded_on as observed_on,
        prices.traded_on as known_on,
        date '9999-12-31' as superseded_on,
        prices.adj_close as value,
        'price' as known_on_basis,
    from {{ ref('int_instrument_prices_adjusted') }} as prices
    left join sector_funds
        on prices.symbol = sector_funds.fund_id
    where sector_funds.fund_id is not null or prices.symbol = 'SPY'

),

factors as (

    select
        series_id as input_id,
        observed_on,
        known_on,
        superseded_on,
        value,
        known_on_basis,
    from {{ ref('int_macro_vintages') }}
    where
        series_id in ('{{ factors | join("', '") }}')
        and value is not null

),

observations as (

    select * from prices
    union all
    select * from factors

),

-- Weeks begin on Monday; the calendar, which runs ahead, says which session is a week's last.
weeks as (

    select
        week_on,
        max(traded_on) as last_session_on,
    from sessions
    where traded_on - week_on <= 4
    group by week_on

),

inputs as (

    select distinct input_id from observations

),

first_known as (

    select
        observations.input_id,
        weeks.week_on,
        min(observations.known_on) as known_on,
        min(observations.known_on) filter (
            where observations.observed_on >= weeks.last_session_on
        ) as last_session_known_on,
    from observations
    inner join weeks
        on cast(date_trunc('week', observations.observed_on) as date) = weeks.week_on
    group by observations.input_id, weeks.week_on

),

-- An input is settled for a week as soon as its value of the week's last session is known, or of any
-- later day: from then on a value that is not there is missing (a holiday of the bond market) and
-- no longer to come.
settled_inputs as (

    select
        inputs.input_id,
        weeks.week_on,
        least(
            first_known.last_session_known_on,
            min(first_known.known_on) over (
                partition by inputs.input_id
                order by weeks.week_on
                rows between 1 following and unbounded following
            )
        ) as settled_on,
    from inputs
    cross join weeks
    left join first_known
        on inputs.input_id = first_known.input_id
        and weeks.week_on = first_known.week_on

),

fund_inputs as (

    select
        sector_funds.fund_id,
        inputs.input_id,
    from sector_funds
    inner join inputs
        on
        inputs.input_id in (sector_funds.fund_id, 'SPY', '{{ factors | join("', '") }}')

),

settled_weeks as (

    select
        fund_inputs.fund_id,
        settled_inputs.week_on,
        max(settled_inputs.settled_on) as settled_on,
    from fund_inputs
    inner join settled_inputs
        on fund_inputs.input_id = settled_inputs.input_id
    group by fund_inputs.fund_id, settled_inputs.week_on
    having count(settled_inputs.settled_on) = 5

),

-- The week's date: the last session on which all five have a value, as known when the week settled.
complete_sessions as (

    select
        settled_weeks.fund_id,
        settled_weeks.week_on,
        settled_weeks.settled_on,
        sessions.traded_on as dated_on,
    from settled_weeks
    inner join sessions
        on settled_weeks.week_on = sessions.week_on
    inner join fund_inputs
        on settled_weeks.fund_id = fund_inputs.fund_id
    inner join observations
        on fund_inputs.input_id = observations.input_id
        and sessions.traded_on = observations.observed_on
        and settled_weeks.settled_on >= observations.known_on
        and settled_weeks.settled_on < observations.superseded_on
    where sessions.traded_on - sessions.week_on <= 4
    group by
        settled_weeks.fund_id,
        settled_weeks.week_on,
        settled_weeks.settled_on,
        sessions.traded_on
    having count(*) = 5

),

dated_weeks as (

    select
        fund_id,
        week_on,
        settled_on,
        max(dated_on) as dated_on,
    from complete_sessions
    group by fund_id, week_on, settled_on

),

final as (

    select
        dated_weeks.fund_id,
        dated_weeks.week_on,
        dated_weeks.dated_on,
        case
            when fund_inputs.input_id = dated_weeks.fund_id then 'fund'
            when fund_inputs.input_id = 'SPY' then 'market'
            when fund_inputs.input_id = 'DGS10' then 'yield_10y'
            when fund_inputs.input_id = 'T10YIE' then 'breakeven_10y'
            when fund_inputs.input_id = 'DTWEXBGS' then 'dollar'
        end as leg,
        -- What was known earlier still counts from the day on which the week settled.
        greatest(observations.known_on, dated_weeks.settled_on) as known_on,
        observations.value,
        observations.known_on_basis,
    from dated_weeks
    inner join fund_inputs
        on dated_weeks.fund_id = fund_inputs.fund_id
    inner join observations
        on fund_inputs.input_id = observations.input_id
        and dated_weeks.dated_on = observations.observed_on
        and dated_weeks.settled_on < observations.superseded_on

)

select * from final
order by fund_id, week_on, leg, known_on
