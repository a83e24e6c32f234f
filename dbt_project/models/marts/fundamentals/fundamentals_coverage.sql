with

sessions as (

    select * from {{ ref('stg_reference__sessions') }}
    where traded_on <= {{ as_of() }}

),

membership as (

    select * from {{ ref('int_universe_membership') }}

),

companies as (

    select * from {{ ref('stg_sec__companies') }}

),

filings as (

    select
        cik,
        filed_on,
    from {{ ref('stg_sec__facts') }}
    group by cik, filed_on

),

-- the last session says who was a member; what was filed by the quarter's last day counts
quarter_ends as (

    select
        last_day(date_trunc('quarter', traded_on) + interval 2 month) as quarter_on,
        max(traded_on) as last_session_on,
    from sessions
    group by quarter_on
    having quarter_on <= {{ as_of() }}

),

members as (

    select
        membership.universe_id,
        quarter_ends.quarter_on,
        membership.weight_pct,
        companies.cik,
    from quarter_ends
    inner join membership
        on quarter_ends.last_session_on between membership.usable_from and membership.usable_to
    left join companies
        on membership.price_symbol = companies.ticker

),

dated as (

    select
        members.*,
        filings.filed_on,
        coalesce(filings.filed_on >= members.quarter_on - 130, false) as has_facts,
    from members
    {{ asof_left_join('filings', ['members.cik = filings.cik'], 'members.quarter_on >= filings.filed_on') }}

),

final as (

    select
        universe_id,
        quarter_on,
        cast(count(*) as integer) as members,
        cast(count(*) filter (where cik is not null) as integer) as members_with_company,
        cast(count(*) filter (where has_facts) as integer) as members_with_facts,
        100.0e0 * cast(coalesce(sum(weight_pct) filter (where has_facts), 0) as double)
        / nullif(cast(sum(weight_pct) as double), 0) as weight_covered_pct,
        max(filed_on) as newest_filed_on,
    from dated
    group by universe_id, quarter_on

)

select * from final
order by universe_id, quarter_on
