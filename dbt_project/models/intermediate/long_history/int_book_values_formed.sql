with

printed as (

    select * from {{ ref('stg_french__portfolios') }}
    where
        file_id = '6_Portfolios_2x3'
        and frequency = 'monthly'

),

sides (pair_id, side, portfolio) as (

    values
    ('small_vs_large', 'small', 'SMALL LoBM'),
    ('small_vs_large', 'small', 'ME1 BM2'),
    ('small_vs_large', 'small', 'SMALL HiBM'),
    ('small_vs_large', 'large', 'BIG LoBM'),
    ('small_vs_large', 'large', 'ME2 BM2'),
    ('small_vs_large', 'large', 'BIG HiBM'),
    ('small_value_vs_large_growth', 'small', 'SMALL HiBM'),
    ('small_value_vs_large_growth', 'large', 'BIG LoBM')

),

sizes as (

    select
        pair_id,
        side,
        count(*) as portfolios,
    from sides
    group by pair_id, side

),

labelled as (

    select
        edition,
        portfolio,
        period_on as labelled_on,
        max(value) filter (where table_id = 'number_of_firms_in_portfolios')
        * max(value) filter (where table_id = 'average_market_cap') as market_equity_musd,
        max(value) filter (where table_id = 'value_weight_average_of_be_fyt_1_me_june_t')
            as book_to_market_ratio,
        max(known_on) as known_on,
        max(known_on_basis) as known_on_basis,
    from printed
    where
        table_id in (
            'number_of_firms_in_portfolios',
            'average_market_cap',
            'value_weight_average_of_be_fyt_1_me_june_t'
        )
    group by edition, portfolio, period_on

),

-- The rows labelled July t to June t+1 belong to the formation of June t.
with_formation as (

    select
        *,
        make_date(
            cast(extract(year from labelled_on) as integer)
            - case when extract(month from labelled_on) < 7 then 1 else 0 end,
            7,
            1
        ) as formation_labelled_on,
    from labelled

),

formations as (

    select
        edition,
        portfolio,
        labelled_on,
        book_to_market_ratio * market_equity_musd as book_equity_musd,
        known_on,
    from with_formation
    where labelled_on = formation_labelled_on

),

valued as (

    select
        with_formation.edition,
        with_formation.portfolio,
        with_formation.labelled_on,
        with_formation.market_equity_musd,
        formations.book_equity_musd,
        greatest(with_formation.known_on, formations.known_on) as known_on,
        with_formation.known_on_basis,
    from with_formation
    inner join formations
        on with_formation.edition = formations.edition
        and with_formation.portfolio = formations.portfolio
        and with_formation.formation_labelled_on = formations.labelled_on

),

-- Both sums of a side need all of its portfolios, or it has no ratio that month. Sums of decimals
-- do not depend on the order of adding, so a rebuild has the same digits.
sided as (

    select
        sides.pair_id,
        sides.side,
        valued.edition,
        valued.labelled_on,
        case
            when
                count(valued.market_equity_musd) = max(sizes.portfolios)
                and count(valued.book_equity_musd) = max(sizes.portfolios)
                then
                    cast(sum(cast(valued.market_equity_musd as decimal(38, 10))) as double)
                    / nullif(
                        cast(sum(cast(valued.book_equity_musd as decimal(38, 10))) as double), 0
                    )
        end as pb_ratio,
        max(valued.known_on) as known_on,
        max(valued.known_on_basis) as known_on_basis,
    from valued
    inner join sides
        on valued.portfolio = sides.portfolio
    inner join sizes
        on sides.pair_id = sizes.pair_id
        and sides.side = sizes.side
    group by sides.pair_id, sides.side, valued.edition, valued.labelled_on

),

paired as (

    select
        pair_id,
        edition,
        labelled_on,
        max(pb_ratio) filter (where side = 'small') as pb_small_ratio,
        max(pb_ratio) filter (where side = 'large') as pb_large_ratio,
        max(known_on) as known_on,
        max(known_on_basis) as known_on_basis,
    from sided
    group by pair_id, edition, labelled_on

),

-- A window is 180 calendar months without a hole, or it is null.
windowed as (

    select
        *,
        {{ add_months('labelled_on', -179) }} = min(labelled_on) over last_180 as is_full,
        case when count(pb_small_ratio) over last_180 = 180 then median(pb_small_ratio) over last_180 end
            as pb_small_median,
        case when count(pb_large_ratio) over last_180 = 180 then median(pb_large_ratio) over last_180 end
            as pb_large_median,
        max(known_on) over (
            partition by pair_id, edition
            order by labelled_on
            rows between unbounded preceding and current row
        ) as history_known_on,
    from paired
    window last_180 as (
        partition by pair_id, edition
        order by labelled_on
        rows between 179 preceding and current row
    )

),

final as (

    select
        pair_id,
        edition,
        -- The row labelled m describes the end of the month before.
        labelled_on - 1 as observed_on,
        pb_small_ratio,
        pb_large_ratio,
        100 * (pb_small_ratio / nullif(pb_large_ratio, 0) - 1) as pb_gap_pct,
        case when is_full then pb_small_median end as pb_small_median_180m_ratio,
        case when is_full then pb_large_median end as pb_large_median_180m_ratio,
        case when is_full then 100 * (pb_small_ratio / nullif(pb_small_median, 0) - 1) end
            as small_fair_value_gap_pct,
        case when is_full then 100 * (pb_large_ratio / nullif(pb_large_median, 0) - 1) end
            as large_fair_value_gap_pct,
        history_known_on as known_on,
        known_on_basis,
    from windowed
    where pb_small_ratio is not null or pb_large_ratio is not null

)

select * from final
