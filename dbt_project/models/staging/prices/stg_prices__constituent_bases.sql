with

bars as (

    select * from {{ source('raw', 'constituent_bars') }}
    where {{ was_known() }}

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
        {{ place_in_list(var('constituent_provider_order'), 'newest.source') }} as preference,
    from newest

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
