with

source as (

    select * from {{ source('raw', 'fund_files') }}

),

final as (

    select
        fund_id,
        as_of_on,
        edition,
        fund_name,
        shares_outstanding,
        equity_lines,
        line_count,
        known_on,
        known_on_basis,
        source,
        fetched_at,
    from source
    where {{ was_known() }}

)

select * from final
