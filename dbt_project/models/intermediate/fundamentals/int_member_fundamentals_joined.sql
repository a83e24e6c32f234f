{#- Days that a figure may lie back. A year's report may come 90 days after the year, 15 more late, and
    until then the third quarter, 92 days older, is the newest: 197. -#}
{%- set newest_within = 200 -%}
{#- A count of shares moves slowly, and the fourth quarter gives no earnings per share. -#}
{%- set shares_within = 300 -%}
{#- A company that named no debt for so long, and no interest, has none: four reports. -#}
{%- set debt_free_after = 400 -%}
{#- Concept, column. -#}
{%- set figures = [
    ('net_income', 'net_income_ttm_usd'),
    ('revenue', 'revenue_ttm_usd'),
    ('operating_income', 'operating_income_ttm_usd'),
    ('depreciation', 'depreciation_ttm_usd'),
    ('interest_expense', 'interest_expense_ttm_usd'),
    ('equity', 'equity_usd'),
    ('cash', 'cash_usd'),
] -%}
{%- set debts = [('long_term_debt', ''), ('current_debt', ''), ('short_term_borrowings', '')] -%}
{%- set counts = [('filed_shares', ''), ('implied_shares', '')] -%}

with

sessions as (

    select * from {{ ref('stg_reference__sessions') }}
    where traded_on <= {{ as_of() }}

),

membership as (

    select * from {{ ref('int_universe_membership') }}

),

prices as (

    select * from {{ ref('int_constituent_prices_adjusted') }}

),

splits as (

    select * from {{ ref('stg_prices__constituent_events') }}
    where
        event_kind = 'split'
        and numerator > 0
        and denominator > 0
        and event_on <= {{ as_of() }}

),

companies as (

    select * from {{ ref('stg_sec__companies') }}

),

known_figures as (

    select * from {{ ref('int_company_figures_known') }}

),

-- a month counts once its last session is over
months as (

    select
        traded_on as month_on,
        session_no,
    from sessions
    where is_month_end

),

-- the newest close of the month's last five sessions
closes as (

    select
        prices.symbol,
        months.month_on,
        max(sessions.traded_on) as close_on,
        max_by(prices.close, prices.traded_on) as close,
    from months
    inner join sessions
        on sessions.session_no between months.session_no - 4 and months.session_no
    inner join prices
        on sessions.traded_on = prices.traded_on
    where prices.close > 0
    group by prices.symbol, months.month_on

),

-- what one share before a split has become by the newest one known
split_factors as (

    select
        symbol,
        event_on,
        exp(sum(ln(numerator / denominator)) over (
            partition by symbol
            order by event_on
            rows between current row and unbounded following
        )) as factor,
    from splits

),

members as (

    select
        membership.universe_id,
        months.month_on,
        membership.price_symbol,
        membership.sector,
        membership.weight_pct,
        membership.quantity,
        membership.price_usd,
        membership.membership_as_of_on,
        companies.cik,
        closes.close_on,
        closes.close,
        on_file_day.close as file_day_close,
    from months
    inner join membership
        on months.month_on between membership.usable_from and membership.usable_to
    left join companies
        on membership.price_symbol = companies.ticker
    left join closes
        on membership.price_symbol = closes.symbol
        and months.month_on = closes.month_on
    left join prices as on_file_day
        on membership.price_symbol = on_file_day.symbol
        and membership.membership_as_of_on = on_file_day.traded_on

),

held as (

    select
        members.*,
        coalesce(split_factors.factor, 1) as file_factor,
    from members
    {{ asof_left_join(
        'split_factors',
        ['members.price_symbol = split_factors.symbol'],
        'members.membership_as_of_on < split_factors.event_on'
    ) }}

),

-- A file price far from the close as traded that day: the symbol is priced as another security,
-- or a split is missing. The member then has no value here.
valued as (

    select
        *,
        quantity * file_factor as shares_held,
        case
            when
                file_day_close is null
                or price_usd is null
                or abs(price_usd / (cast(file_day_close as double) * file_factor) - 1) <= 0.10
                then quantity * file_factor * cast(close as double)
        end as value_usd,
    from held

),

filed as (

    select
        valued.*,
        known_figures.known_on as newest_filed_on,
        {%- for figure, _ in figures + debts + counts %}
        known_figures.{{ figure }},
        known_figures.{{ figure }}_on,
        {%- endfor %}
        known_figures.long_term_debt_includes,
        known_figures.current_debt_includes,
        known_figures.filed_shares_known_on,
        known_figures.implied_shares_known_on,
        greatest(
            known_figures.long_term_debt_on,
            known_figures.current_debt_on,
            known_figures.short_term_borrowings_on
        ) as debt_on,
    from valued
    {{ asof_left_join(
        'known_figures', ['valued.cik = known_figures.cik'], 'valued.month_on >= known_figures.known_on'
    ) }}

),

-- counts are on the share basis of the day of their filing
filed_restated as (

    select
        filed.*,
        case
            when filed.filed_shares_on >= filed.month_on - {{ shares_within }}
                then filed.filed_shares * coalesce(split_factors.factor, 1)
        end as filed_shares_outstanding,
    from filed
    {{ asof_left_join(
        'split_factors',
        ['filed.price_symbol = split_factors.symbol'],
        'filed.filed_shares_known_on < split_factors.event_on'
    ) }}

),

implied_restated as (

    select
        filed_restated.*,
        case
            when filed_restated.implied_shares_on >= filed_restated.month_on - {{ shares_within }}
                then filed_restated.implied_shares * coalesce(split_factors.factor, 1)
        end as implied_shares_outstanding,
    from filed_restated
    {{ asof_left_join(
        'split_factors',
        ['filed_restated.price_symbol = split_factors.symbol'],
        'filed_restated.implied_shares_known_on < split_factors.event_on'
    ) }}

),

chosen as (

    select
        *,
        coalesce(filed_shares_outstanding, implied_shares_outstanding) as shares_outstanding,
    from implied_restated

),

recent as (

    select
        universe_id,
        month_on,
        price_symbol,
        cik,
        sector,
        coalesce(sector = 'Financials', false) as is_financial,
        weight_pct,
        membership_as_of_on,
        close_on,
        value_usd,
        shares_held,
        shares_outstanding,
        implied_shares_outstanding,
        case
            when filed_shares_outstanding is not null then 'filed'
            when implied_shares_outstanding is not null then 'implied'
        end as shares_basis,
        -- more shares held than there are: a count of another class or in another unit
        case
            when shares_held > 0 and shares_held <= shares_outstanding
                then shares_held / shares_outstanding
        end as held_ratio,
        {%- for figure, column in figures %}
        case when {{ figure }}_on >= month_on - {{ newest_within }} then {{ figure }} end as {{ column }},
        {%- endfor %}
        net_income_on as earnings_until_on,
        operating_income_on,
        depreciation_on,
        debt_on,
        greatest(equity_on, cash_on, debt_on) as balance_on,
        case when long_term_debt_on = debt_on then long_term_debt end as long_term_debt_usd,
        -- a part that another tag says already is not added again
        case
            when
                current_debt_on = debt_on
                and not (
                    coalesce(long_term_debt_on = debt_on, false)
                    and coalesce(long_term_debt_includes = 'current_debt', false)
                )
                then current_debt
        end as current_debt_usd,
        case
            when
                short_term_borrowings_on = debt_on
                and not (
                    coalesce(current_debt_on = debt_on, false)
                    and coalesce(current_debt_includes = 'short_term_borrowings', false)
                )
                then short_term_borrowings
        end as short_term_borrowings_usd,
        newest_filed_on,
    from chosen

),

final as (

    select
        universe_id,
        month_on,
        price_symbol,
        cik,
        sector,
        is_financial,
        weight_pct,
        membership_as_of_on,
        close_on,
        value_usd,
        shares_held,
        shares_outstanding,
        implied_shares_outstanding,
        shares_basis,
        held_ratio,
        {%- for _, column in figures %}
        {{ column }},
        {%- endfor %}
        earnings_until_on,
        debt_on,
        newest_filed_on,
        case
            when operating_income_on = depreciation_on
                then operating_income_ttm_usd + depreciation_ttm_usd
        end as ebitda_ttm_usd,
        -- No part named is not the same as no debt: it is nought only where neither debt nor
        -- interest has been named for long.
        case
            when debt_on >= month_on - {{ newest_within }}
                then
                    coalesce(long_term_debt_usd, 0)
                    + coalesce(current_debt_usd, 0)
                    + coalesce(short_term_borrowings_usd, 0)
            when
                balance_on >= month_on - {{ newest_within }}
                and coalesce(debt_on < balance_on - {{ debt_free_after }}, true)
                and coalesce(interest_expense_ttm_usd, 0) = 0
                then 0
        end as debt_usd,
    from recent

)

select * from final
order by universe_id, month_on, price_symbol
