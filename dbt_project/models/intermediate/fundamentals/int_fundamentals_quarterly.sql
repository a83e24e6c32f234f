with

facts as (

    select * from {{ ref('stg_sec__facts') }}

),

versions as (

    select
        cik,
        concept_id,
        tag,
        tag_place,
        kind,
        includes,
        period_start_on,
        period_end_on,
        known_on,
        value,
    from facts
    {{ first_row_per(
        ['cik', 'tag', 'period_start_on', 'period_end_on', 'known_on'], ['accession desc']
    ) }}

),

flows as (

    select * from versions
    where kind = 'flow'

),

spans as (

    select
        cik,
        concept_id,
        tag,
        tag_place,
        period_start_on,
        period_end_on,
    from flows
    group by cik, concept_id, tag, tag_place, period_start_on, period_end_on

),

-- two stretches of one tag that begin together, the longer by a quarter: the year and its first
-- nine months.
-- Per-share figures do not add up over quarters of different share counts.
pairs as (

    select
        longer.cik,
        longer.concept_id,
        longer.tag,
        longer.tag_place,
        longer.period_start_on,
        longer.period_end_on,
        shorter.period_end_on as shorter_end_on,
    from spans as longer
    inner join spans as shorter
        on longer.cik = shorter.cik
        and longer.tag = shorter.tag
        and longer.period_start_on = shorter.period_start_on
        and longer.period_end_on - shorter.period_end_on between 80 and 100
    where
        longer.period_end_on - longer.period_start_on <= 380
        and longer.concept_id <> 'eps_diluted'

),

pair_days as (

    select
        pairs.*,
        flows.known_on,
    from pairs
    inner join flows
        on pairs.cik = flows.cik
        and pairs.tag = flows.tag
        and pairs.period_start_on = flows.period_start_on
        and flows.period_end_on in (pairs.period_end_on, pairs.shorter_end_on)
    group by all

),

longer_known as (

    select
        pair_days.*,
        flows.value as longer_value,
    from pair_days
    {{ asof_left_join(
        'flows',
        [
            'pair_days.cik = flows.cik',
            'pair_days.tag = flows.tag',
            'pair_days.period_start_on = flows.period_start_on',
            'pair_days.period_end_on = flows.period_end_on',
        ],
        'pair_days.known_on >= flows.known_on'
    ) }}

),

both_known as (

    select
        longer_known.*,
        flows.value as shorter_value,
    from longer_known
    {{ asof_left_join(
        'flows',
        [
            'longer_known.cik = flows.cik',
            'longer_known.tag = flows.tag',
            'longer_known.period_start_on = flows.period_start_on',
            'longer_known.shorter_end_on = flows.period_end_on',
        ],
        'longer_known.known_on >= flows.known_on'
    ) }}

),

candidates as (

    select
        cik,
        concept_id,
        period_end_on,
        known_on,
        value,
        includes,
        'reported' as basis,
        2 * tag_place as place,
    from versions
    where
        kind = 'instant'
        or period_end_on - period_start_on between 80 and 100
    union all by name
    select
        cik,
        concept_id,
        period_end_on,
        known_on,
        longer_value - shorter_value as value,
        cast(null as varchar) as includes,
        'difference' as basis,
        2 * tag_place + 1 as place,
    from both_known
    where longer_value is not null and shorter_value is not null

),

-- a better tag replaces another from the day on which it is known, a reported quarter a difference,
-- never the other way round
best as (

    select *
    from candidates
    qualify place <= min(place) over (
        partition by cik, concept_id, period_end_on
        order by known_on
    )
    and row_number() over (
        partition by cik, concept_id, period_end_on, known_on
        order by place, value
    ) = 1

),

compared as (

    select
        *,
        lag(value) over (
            partition by cik, concept_id, period_end_on
            order by known_on
        ) as value_before,
        lag(includes) over (
            partition by cik, concept_id, period_end_on
            order by known_on
        ) as includes_before,
    from best

),

final as (

    select
        cik,
        concept_id,
        period_end_on,
        known_on,
        value,
        includes,
        basis,
    from compared
    where
        value is distinct from value_before
        or includes is distinct from includes_before

)

select * from final
order by cik, concept_id, period_end_on, known_on
