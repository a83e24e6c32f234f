with

formed as (

    select * from {{ ref('int_book_values_formed') }}
    where pb_gap_pct is not null

),

-- Per edition and day on which any of it became known: the newest month of that edition.
reached as (

    select
        pair_id,
        edition,
        known_on,
        max(max(observed_on)) over (
            partition by pair_id, edition
            order by known_on
            rows between unbounded preceding and current row
        ) as observed_on,
        max(edition) over (
            partition by pair_id
            order by known_on
            range between unbounded preceding and current row
        ) as newest_edition,
    from formed
    group by pair_id, edition, known_on

),

final as (

    select
        reached.pair_id,
        reached.known_on,
        formed.edition,
        formed.observed_on,
        formed.pb_small_ratio,
        formed.pb_large_ratio,
        formed.pb_gap_pct,
        formed.pb_small_median_180m_ratio,
        formed.pb_large_median_180m_ratio,
        formed.small_fair_value_gap_pct,
        formed.large_fair_value_gap_pct,
        formed.known_on as value_known_on,
        formed.known_on_basis,
    from reached
    inner join formed
        on reached.pair_id = formed.pair_id
        and reached.edition = formed.edition
        and reached.observed_on = formed.observed_on
    -- Two editions are never mixed: an older one ends where a newer one is known.
    where reached.edition = reached.newest_edition

)

select * from final
