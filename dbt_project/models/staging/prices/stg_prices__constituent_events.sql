with

events as (

    select * from {{ source('raw', 'constituent_events') }}
    where {{ was_known() }}

),

bases as (

    select * from {{ ref('stg_prices__constituent_bases') }}

),

final as (

    select
        events.symbol,
        events.event_kind,
        events.event_on,
        events.amount_usd,
        events.numerator,
        events.denominator,
        events.source,
        events.known_on,
        events.known_on_basis,
    from events
    inner join bases
        on events.symbol = bases.symbol
        and events.source = bases.source
    {{ first_row_per(
        ['events.symbol', 'events.event_kind', 'events.event_on'], ['events.known_on desc']
    ) }}

)

select * from final
