with recursive

source as (

    select * from {{ source('reference', 'ticker_renames') }}

),

-- Until its last day has passed nobody knows the new ticker; the open end marks a spelling.
known as (

    select
        universe_ticker,
        price_symbol,
        valid_from,
        valid_to,
        note,
    from source
    where
        valid_to < {{ as_of() }}
        or valid_to = date '9999-12-31'

),

-- HCP became PEAK and PEAK became DOC: the day after one rename ends, the next one may begin.
followed as (

    select
        *,
        valid_to as reached_on,
    from known
    union all
    select
        followed.universe_ticker,
        known.price_symbol,
        followed.valid_from,
        followed.valid_to,
        followed.note,
        known.valid_to as reached_on,
    from followed
    inner join known
        on followed.price_symbol = known.universe_ticker
        and followed.reached_on + 1 between known.valid_from and known.valid_to
    where followed.reached_on < date '9999-12-31'

),

final as (

    select
        universe_ticker,
        price_symbol,
        valid_from,
        valid_to,
        note,
    from followed
    {{ first_row_per(['universe_ticker', 'valid_from'], ['reached_on desc']) }}

)

select * from final
