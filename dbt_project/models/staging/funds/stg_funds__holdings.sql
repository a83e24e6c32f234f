with

lines as (

    select * from {{ ref('stg_funds__holding_editions') }}

),

files as (

    select * from {{ ref('stg_funds__files') }}

),

final as (

    select lines.*
    from lines
    inner join files
        on lines.fund_id = files.fund_id
        and lines.as_of_on = files.as_of_on
        and lines.edition = files.edition

)

select * from final
