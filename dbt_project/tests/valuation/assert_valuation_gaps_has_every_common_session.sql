-- A pair has a row on each session on which both of its sides have a price, and no other.
with

pairs (pair_id, small_symbol, large_symbol) as (

    values
    ('small_vs_large', '^RUT', '^GSPC'),
    ('small_value_vs_large_growth', 'IWN', 'IWF')

),

expected as (

    select
        pairs.pair_id,
        small.traded_on,
    from pairs
    inner join {{ ref('int_instrument_prices_adjusted') }} as small
        on pairs.small_symbol = small.symbol
    inner join {{ ref('int_instrument_prices_adjusted') }} as large
        on pairs.large_symbol = large.symbol
        and small.traded_on = large.traded_on
    inner join {{ ref('stg_reference__sessions') }} as sessions
        on small.traded_on = sessions.traded_on

)

select
    coalesce(expected.pair_id, gaps.pair_id) as pair_id,
    coalesce(expected.traded_on, gaps.traded_on) as traded_on,
from expected
full outer join {{ ref('valuation_gaps') }} as gaps
    on expected.pair_id = gaps.pair_id
    and expected.traded_on = gaps.traded_on
where expected.pair_id is null or gaps.pair_id is null
