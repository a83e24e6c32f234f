-- Shares outstanding times NAV against the market values of the holdings file of the same day: 0.74 %
-- at most in real data (accruals, and a file dated by trades a day apart). More than 2 % is another
-- fund's file, a wrong count, or a split that only one of the two knows of.
{{ config(severity='warn') }}

select
    fund_id,
    traded_on,
    aum_usd,
    aum_gap_pct,
from {{ ref('fund_flows') }}
where abs(aum_gap_pct) > 2
