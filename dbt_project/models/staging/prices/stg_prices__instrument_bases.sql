with

bars as (

    select * from {{ source('raw', 'instrument_bars') }}
    where {{ was_known() }}

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

-- A restatement to another provider is newer than all that the preferred one said before it.
final as (

    select
        symbol,
        source,
        basis_on,
    from ranked
    {{ first_row_per(['symbol'], ['basis_on desc', 'coalesce(preference, 99)', 'source']) }}

)

select * from final
