with

loads as (

    select loaded_as_of from {{ ref('stg_fred__observations') }}
    union all
    select loaded_as_of from {{ ref('stg_agencies__observations') }}

),

bounds as (

    select
        case
            when {{ as_of() }} < date '9999-12-31' then {{ as_of() }}
            else max(loaded_as_of)
        end as last_on,
    from loads
    having count(*) > 0

),

final as (

    select
        sessions.traded_on,
        sessions.session_no,
        sessions.previous_on,
    from {{ ref('stg_reference__sessions') }} as sessions
    inner join bounds
        on sessions.traded_on <= bounds.last_on
    -- Ten years more than the mart shows: its windows are full from its first row on where the
    -- series are that old.
    where sessions.traded_on >= date '1980-01-02'

)

select * from final
