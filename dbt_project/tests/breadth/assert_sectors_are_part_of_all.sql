-- What the sectors count together is never more than what the whole universe counts.
with

sums as (

    select
        universe_id,
        traded_on,
        {%- for column in ['members', 'priced_members', 'advances', 'declines', 'new_highs_52w', 'new_lows_52w'] %}
        sum({{ column }}) filter (where sector != 'all')
        > sum({{ column }}) filter (where sector = 'all') as {{ column }}_exceeds,
        {%- endfor %}
    from {{ ref('market_breadth') }}
    group by universe_id, traded_on

),

final as (

    select * from sums
    where
        members_exceeds or priced_members_exceeds or advances_exceeds or declines_exceeds
        or new_highs_52w_exceeds or new_lows_52w_exceeds

)

select * from final
