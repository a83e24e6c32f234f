with

source as (

    select * from {{ source('reference', 'concept_tags') }}

),

final as (

    select
        tag,
        concept_id,
        place,
        unit,
        kind,
        includes,
    from source

)

select * from final
