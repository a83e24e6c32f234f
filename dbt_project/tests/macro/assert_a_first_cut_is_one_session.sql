-- Event studies take a first cut as an event: one cut has one session.
select
    last_cut_on,
    count(*) as flagged_sessions,
from {{ ref('macro_regime') }}
where is_first_cut_after_pause
group by last_cut_on
having count(*) > 1
