with

-- An edition is named by a hash, so its order is that of the days on which each was first known.
cape as (

    select
        edition,
        observed_on,
        value as cape_ratio,
        known_on,
        known_on_basis,
        min(known_on) over (partition by edition) as edition_from,
    from {{ ref('stg_shiller__history') }}
    where
        measure = 'cape_ratio'
        and value is not null

),

reached as (

    select
        edition,
        edition_from,
        known_on,
        max(max(observed_on)) over (
            partition by edition
            order by known_on
            rows between unbounded preceding and current row
        ) as observed_on,
        max(edition_from) over (
            order by known_on
            range between unbounded preceding and current row
        ) as newest_edition_from,
    from cape
    group by edition, edition_from, known_on

),

in_force as (

    select
        reached.known_on,
        cape.edition,
        cape.observed_on,
        cape.cape_ratio,
        cape.known_on as value_known_on,
        cape.known_on_basis,
    from reached
    inner join cape
        on reached.edition = cape.edition
        and reached.observed_on = cape.observed_on
    where reached.edition_from = reached.newest_edition_from
    {{ first_row_per(['reached.known_on'], ['reached.edition']) }}

),

final as (

    select
        in_force.known_on,
        in_force.edition,
        in_force.observed_on,
        in_force.cape_ratio,
        100.0 * count(*) filter (where cape.cape_ratio <= in_force.cape_ratio) / count(*)
            as cape_percentile,
        count(*) as cape_months,
        in_force.value_known_on,
        in_force.known_on_basis,
    from in_force
    inner join cape
        on in_force.edition = cape.edition
        and in_force.observed_on >= cape.observed_on
        and in_force.known_on >= cape.known_on
    group by
        in_force.known_on,
        in_force.edition,
        in_force.observed_on,
        in_force.cape_ratio,
        in_force.value_known_on,
        in_force.known_on_basis

)

select * from final
