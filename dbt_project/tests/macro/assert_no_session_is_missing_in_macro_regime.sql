-- One row for every session from the first day of 1990 to the newest session of the branch.
select sessions.traded_on
from {{ ref('int_macro_sessions') }} as sessions
left join {{ ref('macro_regime') }} as regime
    on sessions.traded_on = regime.traded_on
where
    sessions.traded_on >= date '1990-01-02'
    and regime.traded_on is null
