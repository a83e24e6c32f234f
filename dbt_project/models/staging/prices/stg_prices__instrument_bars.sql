with

bars as (

    select * from {{ source('raw', 'instrument_bars') }}
    where known_on <= {{ as_of() }}

),

instruments as (

    select * from {{ ref('stg_reference__instruments') }}

),

newest as (

    select
        symbol,
        source,
        max(basis_on) as basis_on,
    from bars
    group by symbol, source

),

ranked as (

    select
        newest.*,
        {{ place_in_list('instruments.provider_order', 'newest.source') }} as preference,
    from newest
    left join instruments
        on newest.symbol = instruments.symbol

),

chosen as (

    select
        symbol,
        source,
        basis_on,
    from ranked
    {{ first_row_per(['symbol'], ['coalesce(preference, 99)', 'source']) }}

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
    inner join chosen
        on bars.symbol = chosen.symbol
        and bars.source = chosen.source
        and bars.basis_on = chosen.basis_on

)

select * from final
