with

source as (

    select * from {{ source('reference', 'series') }}

),

final as (

    select
        series_id,
        title,
        unit,
        frequency,
        stale_after_days,
        required,
        rights,
        why,
        alternate,
        alternate_series,
        has_vintages,
    from source

)

select * from final
