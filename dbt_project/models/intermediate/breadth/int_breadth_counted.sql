{% set counts = [
    'priced_members', 'members_with_20_closes', 'members_above_20d', 'members_with_50_closes',
    'members_above_50d', 'members_with_200_closes', 'members_above_200d', 'advances', 'declines',
    'unchanged', 'new_highs_52w', 'new_lows_52w', 'members_with_return'
] -%}
{% set sums = [
    'advancing_volume', 'declining_volume', 'return_sum', 'weight_sum', 'weighted_return_sum'
] -%}

with

files as (

    select * from {{ ref('int_universe_files_dated') }}

),

membership as (

    select * from {{ ref('int_universe_membership') }}

),

signals as (

    select * from {{ ref('int_constituent_signals_computed') }}

),

sessions as (

    select * from {{ ref('stg_reference__sessions') }}

),

-- the file in force on each session with prices
universe_sessions as (

    select
        files.universe_id,
        files.usable_from,
        files.as_of_on as membership_as_of_on,
        sessions.traded_on,
    from files
    inner join sessions
        on sessions.traded_on between files.usable_from and files.usable_to
    where sessions.traded_on <= (select max(signals.traded_on) from signals)

),

members_by_file as (

    select
        universe_id,
        usable_from,
        sector,
        count(*) as members,
    from membership
    group by universe_id, usable_from, sector

),

member_counts as (

    select
        universe_sessions.universe_id,
        universe_sessions.traded_on,
        universe_sessions.membership_as_of_on,
        members_by_file.sector,
        members_by_file.members,
    from universe_sessions
    inner join members_by_file
        on universe_sessions.universe_id = members_by_file.universe_id
        and universe_sessions.usable_from = members_by_file.usable_from

),

-- a bar meets the file in force on its session first, then, by hash, its line in that file
bars_of_universes as (

    select
        universe_sessions.universe_id,
        universe_sessions.usable_from,
        signals.*,
    from signals
    inner join universe_sessions
        on signals.traded_on = universe_sessions.traded_on

),

priced_counts as (

    select
        bars_of_universes.universe_id,
        bars_of_universes.traded_on,
        membership.sector,
        count(*) as priced_members,
        {%- for n in [20, 50, 200] %}
        count(bars_of_universes.is_above_{{ n }}d) as members_with_{{ n }}_closes,
        count(*) filter (where bars_of_universes.is_above_{{ n }}d) as members_above_{{ n }}d,
        {%- endfor %}
        count(*) filter (where bars_of_universes.direction = 1) as advances,
        count(*) filter (where bars_of_universes.direction = -1) as declines,
        count(*) filter (where bars_of_universes.direction = 0) as unchanged,
        sum(bars_of_universes.volume)
            filter (where bars_of_universes.direction = 1) as advancing_volume,
        sum(bars_of_universes.volume)
            filter (where bars_of_universes.direction = -1) as declining_volume,
        count(*) filter (where bars_of_universes.is_new_high_52w) as new_highs_52w,
        count(*) filter (where bars_of_universes.is_new_low_52w) as new_lows_52w,
        count(bars_of_universes.return_ratio) as members_with_return,
        sum(bars_of_universes.return_ratio) as return_sum,
        sum(membership.weight_pct)
            filter (where bars_of_universes.return_ratio is not null) as weight_sum,
        sum(membership.weight_pct * bars_of_universes.return_ratio) as weighted_return_sum,
    from bars_of_universes
    inner join membership
        on bars_of_universes.universe_id = membership.universe_id
        and bars_of_universes.usable_from = membership.usable_from
        and bars_of_universes.symbol = membership.price_symbol
    group by
        bars_of_universes.universe_id, bars_of_universes.traded_on, membership.sector

),

by_sector as (

    select
        member_counts.universe_id,
        member_counts.traded_on,
        member_counts.membership_as_of_on,
        member_counts.sector,
        member_counts.members,
        {%- for counted in counts + sums %}
        priced_counts.{{ counted }},
        {%- endfor %}
    from member_counts
    left join priced_counts
        on member_counts.universe_id = priced_counts.universe_id
        and member_counts.traded_on = priced_counts.traded_on
        and member_counts.sector is not distinct from priced_counts.sector

),

-- a member whose file line names no sector counts in `all` only
by_universe_and_sector as (

    select
        universe_id,
        case when grouping(sector) = 1 then 'all' else sector end as sector,
        traded_on,
        membership_as_of_on,
        cast(sum(members) as integer) as members,
        {%- for counted in counts %}
        cast(coalesce(sum({{ counted }}), 0) as integer) as {{ counted }},
        {%- endfor %}
        cast(coalesce(sum(advancing_volume), 0) as bigint) as advancing_volume,
        cast(coalesce(sum(declining_volume), 0) as bigint) as declining_volume,
        sum(return_sum) as return_sum,
        sum(weight_sum) as weight_sum,
        sum(weighted_return_sum) as weighted_return_sum,
    from by_sector
    group by grouping sets (
        (universe_id, traded_on, membership_as_of_on, sector),
        (universe_id, traded_on, membership_as_of_on)
    )
    having grouping(sector) = 1 or sector is not null

),

-- one beginning for all sectors of a universe, so that their running columns can be compared
spans as (

    select
        universe_id,
        min(traded_on) filter (where 2 * priced_members >= members) as first_on,
        max(traded_on) filter (where priced_members > 0) as last_on,
    from by_universe_and_sector
    where sector = 'all'
    group by universe_id

),

final as (

    select
        by_universe_and_sector.*,
        2 * by_universe_and_sector.priced_members < by_universe_and_sector.members as is_hole,
        row_number() over (
            partition by by_universe_and_sector.universe_id, by_universe_and_sector.sector
            order by by_universe_and_sector.traded_on
        ) as row_no,
    from by_universe_and_sector
    inner join spans
        on by_universe_and_sector.universe_id = spans.universe_id
    where by_universe_and_sector.traded_on between spans.first_on and spans.last_on

)

select * from final
