with

editions as (

    select * from {{ ref('stg_funds__file_editions') }}

),

final as (

    select *
    from editions
    {{ first_row_per(
        ['fund_id', 'as_of_on'], ['known_on desc', 'fetched_at desc', 'edition desc']
    ) }}

)

select * from final
