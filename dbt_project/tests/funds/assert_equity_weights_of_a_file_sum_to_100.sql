-- The sectors of one file make up all of its equity.
with

final as (

    select
        universe_id,
        as_of_on,
        sum(equity_weight_pct) as total_pct,
    from {{ ref('sector_weights') }}
    group by universe_id, as_of_on
    having abs(sum(equity_weight_pct) - 100) > 1e-6

)

select * from final
