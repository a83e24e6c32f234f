with

source as (

    select * from {{ source('reference', 'sessions') }}

),

final as (

    select
        traded_on,
        session_no,
        next_on,
        previous_on,
        is_month_end,
        closes_at,
    from source

)

select * from final
