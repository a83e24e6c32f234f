with

source as (

    select * from {{ source('raw', 'sec_facts') }}
    where {{ was_known() }}

),

concepts as (

    select * from {{ ref('stg_reference__concept_tags') }}

),

final as (

    select
        source.cik,
        concepts.concept_id,
        source.tag,
        concepts.place as tag_place,
        concepts.kind,
        concepts.includes,
        source.unit,
        source.period_start_on,
        source.period_end_on,
        source.value,
        source.fiscal_year,
        source.fiscal_period,
        source.form,
        source.filed_on,
        source.accession,
        source.frame,
        source.known_on,
        source.known_on_basis,
        source.source,
        source.loaded_as_of,
    from source
    inner join concepts
        on source.tag = concepts.tag
        and source.unit = concepts.unit

)

select * from final
