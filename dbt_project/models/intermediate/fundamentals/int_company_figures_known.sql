{#- Concept, prefix of its columns. -#}
{%- set concepts = [
    ('net_income', 'net_income'),
    ('revenue', 'revenue'),
    ('operating_income', 'operating_income'),
    ('depreciation', 'depreciation'),
    ('interest_expense', 'interest_expense'),
    ('equity', 'equity'),
    ('cash', 'cash'),
    ('long_term_debt', 'long_term_debt'),
    ('current_debt', 'current_debt'),
    ('short_term_borrowings', 'short_term_borrowings'),
    ('shares_outstanding', 'filed_shares'),
    ('implied_shares', 'implied_shares'),
] -%}
{#- With two decimals of a dollar in the figure, less would be off by more than 2.5 percent. -#}
{%- set least_eps = 0.20 -%}

with

quarters as (

    select * from {{ ref('int_fundamentals_quarterly') }}

),

trailing_years as (

    select * from {{ ref('int_trailing_years_summed') }}

),

instants as (

    select concept_id
    from {{ ref('stg_reference__concept_tags') }}
    where kind = 'instant'
    group by concept_id

),

earnings_per_share as (

    select
        cik,
        period_end_on,
        known_on,
        value,
    from quarters
    where concept_id = 'eps_diluted' and abs(value) >= {{ least_eps }}

),

net_income as (

    select
        cik,
        period_end_on,
        known_on,
        value,
    from quarters
    where concept_id = 'net_income'

),

-- diluted shares that a quarter's earnings and earnings per share of one filing imply
implied as (

    select
        earnings_per_share.cik,
        earnings_per_share.period_end_on,
        earnings_per_share.known_on,
        net_income.value / earnings_per_share.value as value,
    from earnings_per_share
    {{ asof_left_join(
        'net_income',
        [
            'earnings_per_share.cik = net_income.cik',
            'earnings_per_share.period_end_on = net_income.period_end_on',
        ],
        'earnings_per_share.known_on >= net_income.known_on'
    ) }}

),

figures as (

    select
        cik,
        concept_id,
        period_end_on,
        known_on,
        value,
        null as includes,
    from trailing_years
    union all by name
    select
        quarters.cik,
        quarters.concept_id,
        quarters.period_end_on,
        quarters.known_on,
        quarters.value,
        coalesce(quarters.includes, '') as includes,
    from quarters
    inner join instants
        on quarters.concept_id = instants.concept_id
    union all by name
    select
        cik,
        'implied_shares' as concept_id,
        period_end_on,
        known_on,
        value,
        null as includes,
    from implied
    where value > 0

),

of_the_day as (

    select *
    from figures
    {{ first_row_per(['cik', 'concept_id', 'known_on'], ['period_end_on desc']) }}

),

-- what restates an older period than the newest one known changes nothing that is newest
compared as (

    select
        *,
        max(period_end_on) over (
            partition by cik, concept_id
            order by known_on
            rows between unbounded preceding and current row
        ) as newest_end_on,
    from of_the_day

),

days as (

    select
        cik,
        known_on,
        {%- for concept, prefix in concepts %}
        max(value) filter (where concept_id = '{{ concept }}') as {{ prefix }},
        max(period_end_on) filter (where concept_id = '{{ concept }}') as {{ prefix }}_on,
        {%- endfor %}
        max(includes) filter (where concept_id = 'long_term_debt') as long_term_debt_includes,
        max(includes) filter (where concept_id = 'current_debt') as current_debt_includes,
        max(known_on) filter (where concept_id = 'shares_outstanding') as filed_shares_known_on,
        max(known_on) filter (where concept_id = 'implied_shares') as implied_shares_known_on,
    from compared
    where period_end_on = newest_end_on
    group by cik, known_on

),

final as (

    select
        cik,
        known_on,
        {%- for _, prefix in concepts %}
        {{ last_known(prefix, 'cik', 'known_on') }} as {{ prefix }},
        {{ last_known(prefix ~ '_on', 'cik', 'known_on') }} as {{ prefix }}_on,
        {%- endfor %}
        {{ last_known('long_term_debt_includes', 'cik', 'known_on') }} as long_term_debt_includes,
        {{ last_known('current_debt_includes', 'cik', 'known_on') }} as current_debt_includes,
        {{ last_known('filed_shares_known_on', 'cik', 'known_on') }} as filed_shares_known_on,
        {{ last_known('implied_shares_known_on', 'cik', 'known_on') }} as implied_shares_known_on,
    from days

)

select * from final
order by cik, known_on
