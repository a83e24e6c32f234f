with

membership as (

    select * from {{ ref('int_universe_membership') }}

),

epochs as (

    select * from {{ ref('int_universe_epochs_numbered') }}

),

beginnings as (

    select
        epoch_no,
        min(traded_on) as begins_on,
    from epochs
    group by epoch_no

),

final as (

    select
        membership.price_symbol as symbol,
        beginnings.epoch_no,
        membership.universe_id,
        membership.sector,
        cast(
            dense_rank() over (order by membership.universe_id, membership.sector) as integer
        ) as cell_no,
        membership.weight_pct,
    from membership
    inner join beginnings
        on beginnings.begins_on between membership.usable_from and membership.usable_to

)

select * from final
order by symbol, epoch_no, universe_id
