with

source as (

    select * from {{ source('raw', 'sec_frames') }}
    where {{ was_known() }}

),

concepts as (

    select * from {{ ref('stg_reference__concept_tags') }}

),

final as (

    select
        source.frame_id,
        source.cik,
        concepts.concept_id,
        source.tag,
        concepts.place as tag_place,
        concepts.kind,
        source.unit,
        source.frame,
        source.period_start_on,
        source.period_end_on,
        source.value,
        source.accession,
        source.known_on,
        source.known_on_basis,
        source.source,
        source.loaded_as_of,
    from source
    inner join concepts
        on source.tag = concepts.tag
        and source.unit = concepts.unit
    {{ first_row_per(['source.frame_id', 'source.cik'], ['source.known_on desc']) }}

)

select * from final
