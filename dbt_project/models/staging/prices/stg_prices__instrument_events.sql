with

events as (

    select * from {{ source('raw', 'instrument_events') }}
    where known_on <= {{ as_of() }}

),

instruments as (

    select * from {{ ref('stg_reference__instruments') }}

),

providers as (

    select distinct
        symbol,
        source,
    from events

),

ranked as (

    select
        providers.*,
        {{ place_in_list('instruments.provider_order', 'providers.source') }} as preference,
    from providers
    left join instruments
        on providers.symbol = instruments.symbol

),

chosen as (

    select
        symbol,
        source,
    from ranked
    {{ first_row_per(['symbol'], ['coalesce(preference, 99)', 'source']) }}

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
    inner join chosen
        on events.symbol = chosen.symbol
        and events.source = chosen.source
    {{ first_row_per(
        ['events.symbol', 'events.event_kind', 'events.event_on'], ['events.known_on desc']
    ) }}

)

select * from final
