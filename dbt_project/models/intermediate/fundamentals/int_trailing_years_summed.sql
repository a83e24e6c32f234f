with

quarters as (

    select * from {{ ref('int_fundamentals_quarterly') }}

),

dollar_flows as (

    select concept_id
    from {{ ref('stg_reference__concept_tags') }}
    where kind = 'flow' and unit = 'USD'
    group by concept_id

),

flows as (

    select
        quarters.cik,
        quarters.concept_id,
        quarters.period_end_on,
        quarters.known_on,
        quarters.value,
        min(quarters.known_on) over (
            partition by quarters.cik, quarters.concept_id, quarters.period_end_on
        ) as first_known_on,
        lag(quarters.value) over (
            partition by quarters.cik, quarters.concept_id, quarters.period_end_on
            order by quarters.known_on
        ) as value_before,
    from quarters
    inner join dollar_flows
        on quarters.concept_id = dollar_flows.concept_id

),

-- first known first; of two that came on one day the later end
ends as (

    select
        cik,
        concept_id,
        period_end_on,
        100000 * (first_known_on - date '1900-01-01') - (period_end_on - date '1900-01-01') as place,
    from flows
    where known_on = first_known_on

),

-- Two ends within 20 days are one quarter in two calendars: the one first known stands, whatever
-- comes later, so that a sum of the past never changes. It also leaves one end at most in 80 to 100.
placed as (

    select
        *,
        min(place) over (
            partition by cik, concept_id
            order by period_end_on
            range between interval 20 day preceding and interval 20 day following
        ) as first_place,
    from ends

),

linked as (

    select
        cik,
        concept_id,
        period_end_on,
        max(period_end_on) over (
            partition by cik, concept_id
            order by period_end_on
            range between interval 100 day preceding and interval 80 day preceding
        ) as before_on,
    from placed
    where place = first_place

),

chains as (

    select
        fourth.cik,
        fourth.concept_id,
        fourth.period_end_on,
        fourth.before_on as third_on,
        third.before_on as second_on,
        second.before_on as first_on,
    from linked as fourth
    inner join linked as third
        on fourth.cik = third.cik
        and fourth.concept_id = third.concept_id
        and fourth.before_on = third.period_end_on
    inner join linked as second
        on third.cik = second.cik
        and third.concept_id = second.concept_id
        and third.before_on = second.period_end_on
    where second.before_on is not null

),

quarters_of as (

    select
        cik,
        concept_id,
        period_end_on,
        period_end_on as quarter_on,
    from chains
    union all
    select
        cik,
        concept_id,
        period_end_on,
        third_on as quarter_on,
    from chains
    union all
    select
        cik,
        concept_id,
        period_end_on,
        second_on as quarter_on,
    from chains
    union all
    select
        cik,
        concept_id,
        period_end_on,
        first_on as quarter_on,
    from chains

),

-- what each filing changes in the sum: whole dollars, so that sums of DOUBLE are exact
changes as (

    select
        quarters_of.cik,
        quarters_of.concept_id,
        quarters_of.period_end_on,
        flows.known_on,
        sum(flows.value - coalesce(flows.value_before, 0)) as change,
        count(*) filter (where flows.value_before is null) as quarters_joined,
    from quarters_of
    inner join flows
        on quarters_of.cik = flows.cik
        and quarters_of.concept_id = flows.concept_id
        and quarters_of.quarter_on = flows.period_end_on
    group by
        quarters_of.cik, quarters_of.concept_id, quarters_of.period_end_on, flows.known_on

),

summed as (

    select
        cik,
        concept_id,
        period_end_on,
        known_on,
        sum(change) over by_filing as value,
        sum(quarters_joined) over by_filing as quarters,
    from changes
    window by_filing as (
        partition by cik, concept_id, period_end_on
        order by known_on
        rows between unbounded preceding and current row
    )

),

compared as (

    select
        *,
        lag(value) over (
            partition by cik, concept_id, period_end_on
            order by known_on
        ) as value_before,
    from summed
    where quarters = 4

),

final as (

    select
        cik,
        concept_id,
        period_end_on,
        known_on,
        value,
    from compared
    where value is distinct from value_before

)

select * from final
order by cik, concept_id, period_end_on, known_on
