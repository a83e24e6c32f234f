{{ config(pre_hook="{{ use_threads(1) }}", post_hook="{{ use_threads() }}") }}
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

listed as (

    select * from {{ ref('int_universe_members_listed') }}

),

epochs as (

    select * from {{ ref('int_universe_epochs_numbered') }}

),

signals as (

    select * from {{ ref('int_constituent_signals_computed') }}

),

sessions as (

    select * from {{ ref('stg_reference__sessions') }}

),

-- the file in force on each session
universe_sessions as (

    select
        files.universe_id,
        files.usable_from,
        files.as_of_on as membership_as_of_on,
        sessions.traded_on,
    from files
    inner join sessions
        on sessions.traded_on between files.usable_from and files.usable_to

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

-- a bar meets its epoch first, then, by hash, its line in the files of that epoch
priced_counts_by_cell as (

    select
        listed.cell_no,
        signals.traded_on,
        count(*) as priced_members,
        {%- for n in [20, 50, 200] %}
        count(signals.is_above_{{ n }}d) as members_with_{{ n }}_closes,
        count_if(signals.is_above_{{ n }}d) as members_above_{{ n }}d,
        {%- endfor %}
        count_if(signals.direction = 1) as advances,
        count_if(signals.direction = -1) as declines,
        count_if(signals.direction = 0) as unchanged,
        sum(signals.volume) filter (where signals.direction = 1) as advancing_volume,
        sum(signals.volume) filter (where signals.direction = -1) as declining_volume,
        count_if(signals.is_new_high_52w) as new_highs_52w,
        count_if(signals.is_new_low_52w) as new_lows_52w,
        count(signals.return_ratio) as members_with_return,
        sum(signals.return_ratio) as return_sum,
        sum(listed.weight_pct) filter (where signals.return_ratio is not null) as weight_sum,
        sum(
            cast(
                cast(listed.weight_pct as double) * cast(signals.return_ratio as double)
                as decimal(18, 12)
            )
        ) as weighted_return_sum,
    from signals
    inner join epochs
        on signals.traded_on = epochs.traded_on
    inner join listed
        on signals.symbol = listed.symbol
        and epochs.epoch_no = listed.epoch_no
    group by listed.cell_no, signals.traded_on

),

cells as (

    select distinct
        cell_no,
        universe_id,
        sector,
    from listed

),

priced_counts as (

    select
        cells.universe_id,
        cells.sector,
        priced_counts_by_cell.*,
    from priced_counts_by_cell
    inner join cells
        on priced_counts_by_cell.cell_no = cells.cell_no

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
