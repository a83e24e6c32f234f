with

claims as (

    select * from {{ ref('stg_reference__claims') }}

),

sessions as (

    select * from {{ ref('int_macro_sessions') }}

),

-- the night's own day; where no day is given, the last session that the data reach
clock as (

    select
        case
            when {{ as_of() }} < date '9999-12-31' then {{ as_of() }}
            else max(traded_on)
        end as clock_on,
    from sessions

),

dated as (

    select
        claims.*,
        clock.clock_on,
        least(claims.about_on, clock.clock_on) as until_on,
    from claims
    cross join clock

),

final as (

    select
        dated.*,
        sessions.traded_on as session_on,
        cast(date_trunc('month', dated.about_on) as date) as month_from,
        cast(date_trunc('quarter', dated.about_on) as date) as quarter_from,
        cast(date_trunc('year', dated.about_on) as date) as year_from,
    from dated
    {{ asof_left_join('sessions', [], 'dated.until_on >= sessions.traded_on') }}

)

select * from final
order by claim_id
