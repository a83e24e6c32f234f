with

source as (

    select * from {{ source('raw', 'fred_observations') }}
    where {{ was_known() }}

),

final as (

    select
        series_id,
        observed_on,
        value,
        known_on,
        known_on_basis,
        known_on as realtime_start,
        coalesce(
            lead(known_on) over (partition by series_id, observed_on order by known_on) - 1,
            date '9999-12-31'
        ) as realtime_end,
        source,
        loaded_as_of,
    from source

)

select * from final
