"""When could a row first be read? `known_on` and `known_on_basis` for every kind of raw table.

Pure pandas: facts in, days out. The loader gathers the facts (what is stored, when the item was
last looked at), the catalogue supplies the release rules. docs/methods.md says what the three bases
mean. One principle runs through all rules: an estimate may only be used for a day on which we had
not looked yet. What was not there when we looked became known when we first saw it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pandas as pd

from pipelines.catalog.models import Catalog

FIRST_BASIS = date(1900, 1, 1)
"""`basis_on` of a symbol's first load."""

FRENCH_LAG_DAYS = 34
"""A row labelled m describes the end of m - 1 or the return of m; the library is rewritten within
about five weeks of a month's end."""

SHILLER_LAG_DAYS = 30

FRAME_LAG_DAYS = 120
"""A 10-K is due 90 days after its year at the latest, 105 with an extension."""

LAST_YEAR_OF_CENTURY = 2089
"""Filing numbers have two digits of their year; EDGAR's first are of 1993."""

FIRST_FILING_DAYS = 45
"""Days after a period by which a 10-Q is due; says in which year a period is filed first."""

Days = pd.Series
"""A series of datetime64[us], normalised; NaT where there is none."""


@dataclass(frozen=True, slots=True)
class DatingRules:
    """Where estimates come from.

    `release_estimate(series_id, observed_on)` returns the day on which each value is first
    published, NaT where the series has no release rule. `next_session(days)` returns the first
    session after each day.
    """

    release_estimate: Callable[[str, Days], Days]
    next_session: Callable[[Days], Days]


def dating_rules(catalog: Catalog) -> DatingRules:
    """Return the catalogue's release rules and the exchange calendar as dating rules."""
    from pipelines.catalog.release_rules import estimate_releases
    from pipelines.sources.calendar import FIRST_DAY, LAST_DAY, sessions_between

    sessions = pd.Series(pd.to_datetime(sessions_between(FIRST_DAY, LAST_DAY))).astype(
        "datetime64[us]"
    )
    series = {s.id: s for s in catalog.fred_series}

    def release_estimate(series_id: str, observed_on: Days) -> Days:
        entry = series[series_id]
        return estimate_releases(entry.release, observed_on, entry.frequency)

    def next_session(days: Days) -> Days:
        places = sessions.searchsorted(days, side="right")
        return pd.Series(sessions.to_numpy()[places], index=days.index)

    return DatingRules(release_estimate, next_session)


def date_releases(facts: pd.DataFrame, *, as_of: date, rules: DatingRules) -> pd.DataFrame:
    """Date macro values. One row in, one row out, same index.

    Facts: entity, dated, realtime_start (NaT where the source gives no vintage), first_vintage_on
    (the earliest vintage of the series, stored or here), previous_load_on (NaT before the first
    load), is_known (the observation was stored as of `as_of`).

    With a vintage: its own first day, `vintage`; rows of the series' earliest vintage that by rule
    came out earlier: the rule's day, `estimated`. Without: see `date_by_estimate`.
    """
    estimate = pd.Series(pd.NaT, index=facts.index, dtype="datetime64[us]")
    for entity, rows in facts.groupby("entity", sort=False):
        estimate.loc[rows.index] = rules.release_estimate(str(entity), rows["dated"])
    out = date_by_estimate(facts, estimate, as_of=as_of)
    has_vintage = facts["realtime_start"].notna()
    out.loc[has_vintage, "known_on"] = facts["realtime_start"][has_vintage]
    out.loc[has_vintage, "known_on_basis"] = "vintage"
    truncated = (
        has_vintage
        & (facts["realtime_start"] == facts["first_vintage_on"])
        & (estimate < facts["realtime_start"])
    )
    out.loc[truncated, "known_on"] = estimate[truncated]
    out.loc[truncated, "known_on_basis"] = "estimated"
    return out


def date_by_estimate(
    facts: pd.DataFrame, estimate: Days, *, as_of: date, may_lie_ahead: bool = False
) -> pd.DataFrame:
    """Date rows whose source says nothing of when they came out.

    Facts: previous_load_on, is_known. First load of an item: the estimate, `as_of` at the latest,
    `estimated`; without a rule `as_of`, `observed`. Later, for a new row: the estimate if it lies
    after the previous load and not after `as_of` (on `as_of` itself it is `observed`), else
    `as_of`, `observed`. A row known already (its value changed): `as_of`, `observed`.

    `may_lie_ahead` keeps estimates after `as_of` (a count fetched on its own evening is usable
    from the next session on), always as `estimated`.
    """
    day = pd.Timestamp(as_of)
    known = pd.Series(day, index=facts.index, dtype="datetime64[us]")
    basis = pd.Series("observed", index=facts.index, dtype="str")
    is_new = ~facts["is_known"].astype(bool) & estimate.notna()
    is_first = is_new & facts["previous_load_on"].isna()
    not_looked_yet = is_new & (estimate > facts["previous_load_on"])
    if may_lie_ahead:
        chosen = is_first | not_looked_yet
        known[chosen] = estimate[chosen]
        basis[chosen] = "estimated"
        return pd.DataFrame({"known_on": known, "known_on_basis": basis})
    known[is_first] = _not_after(estimate[is_first], day)
    basis[is_first] = "estimated"
    inside = not_looked_yet & (estimate <= day)
    known[inside] = estimate[inside]
    basis[inside & (estimate < day)] = "estimated"
    return pd.DataFrame({"known_on": known, "known_on_basis": basis})


def date_events(facts: pd.DataFrame, *, as_of: date) -> pd.DataFrame:
    """Date dividends, splits and release dates: their own day, never later than first seen.

    Facts: dated, previous_load_on, is_known. An event announced ahead is known on `as_of`,
    `observed`.
    """
    out = date_by_estimate(facts, facts["dated"], as_of=as_of)
    ahead = facts["dated"] > pd.Timestamp(as_of)
    return out.assign(known_on_basis=out["known_on_basis"].mask(ahead, "observed"))


def date_shares(facts: pd.DataFrame, *, as_of: date, rules: DatingRules) -> pd.DataFrame:
    """Date share counts: the session after the count, `estimated`; a changed count: `as_of`.

    Facts: dated, previous_load_on, is_known.
    """
    estimate = rules.next_session(facts["dated"])
    return date_by_estimate(facts, estimate, as_of=as_of, may_lie_ahead=True)


def date_filings(facts: pd.DataFrame) -> pd.DataFrame:
    """Date reported figures: the day of their filing, `vintage`. Facts: dated."""
    return pd.DataFrame({"known_on": facts["dated"], "known_on_basis": "vintage"})


def date_listings(facts: pd.DataFrame, *, as_of: date) -> pd.DataFrame:
    """Date what a list without dates says: known when first read, `observed`.

    Facts: previous_load_on, is_known.
    """
    no_rule = pd.Series(pd.NaT, index=facts.index, dtype="datetime64[us]")
    return date_by_estimate(facts, no_rule, as_of=as_of)


def date_frames(facts: pd.DataFrame, *, as_of: date) -> pd.DataFrame:
    """Date figures of which only the filing's number is known: when first seen, `observed`.

    Facts: dated (end of the period), filing_year (the two digits of the filing's number),
    previous_load_on, is_known. On a frame's first load what lies far enough back is dated by rule
    (`estimate_filings`), `estimated`; what by that rule is not out yet was seen in this load. What
    comes in a later load is never dated before it: what is new then may be a late filing.
    """
    day = pd.Timestamp(as_of)
    estimate = estimate_filings(facts["dated"], facts["filing_year"])
    ruled = facts["previous_load_on"].isna() & ~facts["is_known"].astype(bool) & (estimate < day)
    known = pd.Series(day, index=facts.index, dtype="datetime64[us]").mask(ruled, estimate)
    basis = pd.Series("observed", index=facts.index, dtype="str").mask(ruled, "estimated")
    return pd.DataFrame({"known_on": known, "known_on_basis": basis})


def date_bars(facts: pd.DataFrame, *, as_of: date) -> pd.DataFrame:
    """Date bars: their own session, `estimated`; a restated history: not before `as_of`.

    Facts: dated, previous_load_on, is_restated. A restatement is known on `as_of` or, for a
    session after it, on that session, `observed`.
    """
    facts = facts.assign(is_known=facts["is_restated"])
    out = date_by_estimate(facts, facts["dated"], as_of=as_of, may_lie_ahead=True)
    late = out["known_on_basis"] == "observed"
    seen = _not_before(facts["dated"], pd.Timestamp(as_of))
    return out.assign(known_on=out["known_on"].mask(late, seen))


def date_fund_files(facts: pd.DataFrame, *, as_of: date, rules: DatingRules) -> pd.DataFrame:
    """Date holdings files: the session after the file's date, `estimated`.

    Facts: dated, is_first_edition. A second edition of the same date: `as_of`, `observed`, and
    like the first not before the session after its date.
    """
    known = rules.next_session(facts["dated"])
    later = ~facts["is_first_edition"].astype(bool)
    known[later] = _not_before(known[later], pd.Timestamp(as_of))
    basis = pd.Series("estimated", index=facts.index, dtype="str").mask(later, "observed")
    return pd.DataFrame({"known_on": known, "known_on_basis": basis})


def date_history_files(facts: pd.DataFrame, estimate: Days, *, as_of: date) -> pd.DataFrame:
    """Date the rows of whole-history files (French, Shiller).

    Facts: is_first_edition, published_on (the file's Last-Modified day, NaT if it gives none),
    previous_load_on. First edition ever loaded: the estimate of each row, `as_of` at the latest,
    `estimated`. Later editions: Last-Modified, `vintage`, if it lies after the previous load and
    not after `as_of`; else `as_of`, `observed`.
    """
    day = pd.Timestamp(as_of)
    known = pd.Series(day, index=facts.index, dtype="datetime64[us]")
    basis = pd.Series("observed", index=facts.index, dtype="str")
    first = facts["is_first_edition"].astype(bool)
    known[first] = _not_after(estimate[first], day)
    basis[first] = "estimated"
    published = facts["published_on"]
    credible = ~first & (published > facts["previous_load_on"]) & (published <= day)
    known[credible] = published[credible]
    basis[credible] = "vintage"
    return pd.DataFrame({"known_on": known, "known_on_basis": basis})


def estimate_french(dated: Days, frequency: pd.Series) -> Days:
    """Return label month end (annual tables: year end) plus 34 days."""
    monthly = dated + pd.offsets.MonthEnd(0)
    annual = dated + pd.offsets.YearEnd(0)
    end = monthly.where(frequency != "annual", annual)
    return (end + pd.Timedelta(days=FRENCH_LAG_DAYS)).astype("datetime64[us]")


def estimate_filings(dated: Days, filing_year: pd.Series) -> Days:
    """Return a day by which a filing about the period was out, rather late than early.

    120 days after the period's end, and as many years more as the filing is younger than the first
    one about the period can be: its number holds the year (0000320193-25-000073), and a figure that
    is given once more a year later, for comparison, may have been restated there. NaT where the
    number tells no year.
    """
    year = filing_year.astype("float64") + 2000
    year = year.mask(year > LAST_YEAR_OF_CENTURY, year - 100)
    first = (dated + pd.Timedelta(days=FIRST_FILING_DAYS)).dt.year
    later = pd.to_timedelta((year - first).clip(lower=0) * 366, unit="D")
    return (dated + pd.Timedelta(days=FRAME_LAG_DAYS) + later).astype("datetime64[us]")


def estimate_shiller(dated: Days) -> Days:
    """Return month end plus 30 days."""
    end = dated + pd.offsets.MonthEnd(0)
    return (end + pd.Timedelta(days=SHILLER_LAG_DAYS)).astype("datetime64[us]")


def _not_after(days: Days, limit: pd.Timestamp) -> Days:
    return days.mask(days > limit, limit)


def _not_before(days: Days, limit: pd.Timestamp) -> Days:
    return days.mask(days < limit, limit)
