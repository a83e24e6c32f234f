with

source as (

    select * from {{ source('reference', 'signal_inputs') }}

),

final as (

    select
        input_id,
        pillar,
        title,
        mart,
        column_name,
        minus_column,
        scale,
        look_back_sessions,
        orientation,
        weight,
        series,
        span_sessions,
        why,
    from source

)

select * from final
