"""Why a table differs between two versions. Pure: counts and names in, a word and a sentence out.

The words, from what is certain to what is not:

* `new data`: all that differs are rows dated after the older version's newest one.
* `looks ahead`: rows of past dates changed in a table that is meant to fill up as days pass (the
  return after an event, a claim that is judged again, what was revised).
* `code`: the two versions were made by different code and no row came in between.
* `revision`: rows of past dates changed, the code did not, and the sources brought new rows.
* `revision or code`: both are possible; rebuild the older day with today's code to tell.
* `unexplained`: neither. That is a defect, or a warehouse that was changed by hand.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.storage.version_diff import TableDifference

LOOKS_AHEAD = frozenset(
    {
        "marts.claim_audit",
        "marts.event_studies",
        "marts.event_study_summary",
        "marts.macro_revisions",
        "marts.release_calendar",
        "marts.signal_evidence",
        "marts.signal_revisions",
    }
)
"""Rows of these tables change as days pass, without any revision."""


def explain_difference(
    difference: TableDifference, *, code: tuple[str | None, str | None], loaded: Mapping[str, int]
) -> tuple[str, str]:
    """Return the word and a sentence for one table.

    `code` are the two versions' code, `loaded` the rows that its feeds brought in between.
    """
    d = difference
    told = []
    if d.added_later:
        told.append(f"{d.added_later:,} {'row' if d.added_later == 1 else 'rows'} of later dates")
    past = d.changed + d.removed + (d.added - d.added_later)
    shape = [f"column {c} is new" for c in d.gained_columns]
    shape += [f"column {c} is gone" for c in d.lost_columns]
    if not past and not shape:
        return ("new data" if d.added_later else "", "; ".join(told))
    if past:
        told.append(
            f"{d.changed:,} changed, {d.added - d.added_later:,} added and {d.removed:,} removed "
            f"rows of dates that the older version had"
        )
    told += shape
    feeds = ", ".join(f"{feed} {count:,}" for feed, count in sorted(loaded.items()))
    came = f"rows loaded in between: {feeds or 'none'}"
    if code[0] != code[1]:
        told.append(f"code {code[0]} -> {code[1]}; {came}")
        return ("revision or code" if loaded and past else "code", "; ".join(told))
    told.append(came)
    if d.table in LOOKS_AHEAD:
        return "looks ahead", "; ".join(told)
    return ("revision" if loaded and past else "unexplained", "; ".join(told))
