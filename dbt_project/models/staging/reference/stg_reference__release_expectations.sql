with

source as (

    select * from {{ source('reference', 'release_expectations') }}

),

final as (

    select
        series_id,
        observed_on,
        expected_on,
        is_known_hole,
        frequency,
        release_id,
        weekday_no,
    from source

)

select * from final
