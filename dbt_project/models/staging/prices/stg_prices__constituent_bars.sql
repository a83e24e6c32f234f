with

bars as (

    select * from {{ source('raw', 'constituent_bars') }}
    where {{ was_known() }}

),

bases as (

    select * from {{ ref('stg_prices__constituent_bases') }}

),

final as (

    select
        bars.symbol,
        bars.traded_on,
        bars.open,
        bars.high,
        bars.low,
        bars.close,
        bars.volume,
        bars.total_return_ratio,
        bars.source,
        bars.basis_on,
        bars.known_on,
        bars.known_on_basis,
        bars.fetched_at,
    from bars
    inner join bases
        on bars.symbol = bases.symbol
        and bars.source = bases.source
        and bars.basis_on = bases.basis_on

)

select * from final
