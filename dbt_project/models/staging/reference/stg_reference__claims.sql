with

source as (

    select * from {{ source('reference', 'claims') }}

),

final as (

    select
        claim_id,
        statement,
        stated_value,
        unit,
        about_on,
        judged,
        measure,
        subject,
        other_subject,
        horizon_sessions,
        tolerance,
        reading,
        second_reading,
        would_need,
        note,
    from source

)

select * from final
