with

frames as (

    select * from {{ ref('stg_sec__frames') }}

),

facts as (

    select * from {{ ref('stg_sec__facts') }}
    where period_end_on >= (select min(frames.period_end_on) from frames)

),

-- a tag stands in one taxonomy only, so tag and unit name the figure in both
newest_facts as (

    select
        cik,
        tag,
        unit,
        period_start_on,
        period_end_on,
        value,
        accession,
        known_on,
    from facts
    {{ first_row_per(
        ['cik', 'tag', 'unit', 'period_start_on', 'period_end_on'],
        ['known_on desc', 'accession desc']
    ) }}

),

compared as (

    select
        frames.frame_id,
        frames.cik,
        frames.concept_id,
        frames.tag,
        frames.frame,
        frames.period_start_on,
        frames.period_end_on,
        frames.unit,
        frames.value as frame_value,
        newest_facts.value as fact_value,
        frames.accession as frame_accession,
        newest_facts.accession as fact_accession,
        frames.known_on as frame_known_on,
        newest_facts.known_on as fact_known_on,
    from frames
    inner join newest_facts
        on frames.cik = newest_facts.cik
        and frames.tag = newest_facts.tag
        and frames.unit = newest_facts.unit
        and frames.period_start_on = newest_facts.period_start_on
        and frames.period_end_on = newest_facts.period_end_on
    where abs(frames.value - newest_facts.value) > 1e-9 * abs(newest_facts.value)

),

earlier as (

    select distinct
        compared.frame_id,
        compared.cik,
    from compared
    inner join facts
        on compared.cik = facts.cik
        and compared.tag = facts.tag
        and compared.unit = facts.unit
        and compared.period_start_on = facts.period_start_on
        and compared.period_end_on = facts.period_end_on
        and abs(compared.frame_value - facts.value) <= 1e-9 * abs(facts.value)

),

final as (

    select
        compared.frame_id,
        compared.cik,
        compared.concept_id,
        compared.tag,
        compared.unit,
        compared.frame,
        compared.period_start_on,
        compared.period_end_on,
        compared.frame_value,
        compared.fact_value,
        100.0e0 * (compared.frame_value / nullif(compared.fact_value, 0) - 1) as gap_pct,
        earlier.cik is not null as is_earlier_value,
        compared.frame_accession,
        compared.fact_accession,
        compared.frame_known_on,
        compared.fact_known_on,
    from compared
    left join earlier
        on compared.frame_id = earlier.frame_id
        and compared.cik = earlier.cik

)

select * from final
order by frame_id, cik
