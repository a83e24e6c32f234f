"""How old is too old: pure judgement of the newest dates against calendars and limits.

Series go by calendar days (their release calendar is slower than any session), instruments and
share counts by sessions, holdings by calendar days. Staleness is no fault of a batch: it degrades.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import pandas as pd

from pipelines.catalog.models import Catalog, FredSeries, Fund, Instrument
from pipelines.catalog.release_rules import expected_releases
from pipelines.sources.calendar import sessions_between

_PERIOD_DAYS = {
    "daily": 4,  # over a weekend and a holiday
    "weekly": 7,
    "monthly": 31,
    "quarterly": 92,
    "annual": 366,
    "irregular": 0,
}
"""Longest distance of two neighbouring observation dates, in calendar days."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """One item's age. `stale_since` is the first day on which it was too old; None while fresh.

    An item that never had a row is stale, since no day that could be named.
    """

    item: str
    newest_on: date | None
    is_stale: bool
    stale_since: date | None
    limit: str
    is_required: bool = False
    awaited: str = ""
    """Of a stale series: which value was expected when, by the rules of `release_calendar`."""

    def describe(self) -> str:
        """Return one line for a person: what is stale, since when, against which limit."""
        must = " (required)" if self.is_required else ""
        if self.newest_on is None:
            return f"{self.item}{must}: no row at all"
        since = f", stale since {self.stale_since}" if self.is_stale else ""
        awaited = f"; {self.awaited}" if self.awaited else ""
        return f"{self.item}{must}: newest {self.newest_on}, limit {self.limit}{since}{awaited}"


def series_freshness(
    series: Iterable[FredSeries], newest: Mapping[str, date], *, as_of: date
) -> list[Freshness]:
    """Return the age of each series: `newest` maps ids to the newest `observed_on`.

    An observation that the catalogue says does not exist (`known_holes`) is not waited for.
    """
    ages = []
    for s in series:
        age = _by_days(
            s.id,
            newest.get(s.id),
            s.stale_after_days,
            as_of=as_of,
            required=s.required,
            counted_from=_past_holes(s, newest.get(s.id)),
        )
        ages.append(replace(age, awaited=_awaited(s, age, as_of)) if age.is_stale else age)
    return ages


def _awaited(series: FredSeries, age: Freshness, as_of: date) -> str:
    """Say which value after the newest one was due first; empty where no rule says so."""
    if age.newest_on is None:
        return ""
    due = expected_releases(series, since=age.newest_on, until=as_of)
    due = due[(due["observed_on"] > pd.Timestamp(age.newest_on)) & ~due["is_known_hole"]]
    if due.empty:
        return ""
    first = due.iloc[0]
    return (
        f"the value of {first['observed_on']:%Y-%m-%d} was due on {first['expected_on']:%Y-%m-%d}"
    )


def find_stale_series(
    series: Iterable[FredSeries], newest: Mapping[str, date], *, as_of: date
) -> list[Freshness]:
    """Return the series that are stale on `as_of`."""
    return [f for f in series_freshness(series, newest, as_of=as_of) if f.is_stale]


def instrument_freshness(
    instruments: Iterable[Instrument],
    newest: Mapping[str, date],
    *,
    sessions: pd.DatetimeIndex,
    as_of: date,
) -> list[Freshness]:
    """Return the age of each instrument in sessions that closed without a bar of it."""
    return [
        _by_sessions(
            i.symbol,
            newest.get(i.symbol),
            i.stale_after_sessions,
            sessions=sessions,
            as_of=as_of,
            required=i.required,
        )
        for i in instruments
    ]


def shares_freshness(
    funds: Iterable[Fund],
    newest: Mapping[str, date],
    *,
    sessions: pd.DatetimeIndex,
    as_of: date,
) -> list[Freshness]:
    """Return the age of each fund's share count in sessions."""
    return [
        _by_sessions(
            f.id, newest.get(f.id), f.shares_stale_after_sessions, sessions=sessions, as_of=as_of
        )
        for f in funds
        if f.shares
    ]


def holdings_freshness(
    funds: Iterable[Fund], newest: Mapping[str, date], *, as_of: date
) -> list[Freshness]:
    """Return the age of each fund's newest holdings file in calendar days."""
    return [
        _by_days(f.id, newest.get(f.id), f.holdings_stale_after_days, as_of=as_of)
        for f in funds
        if f.holdings
    ]


def _past_holes(series: FredSeries, newest: date | None) -> date | None:
    """Return the newest date up to which nothing is missing, known holes taken as there."""
    reached = newest
    for hole in sorted(series.known_holes):
        if reached and reached < hole <= reached + timedelta(days=_PERIOD_DAYS[series.frequency]):
            reached = hole
    return reached


def _by_days(
    item: str,
    newest: date | None,
    days: int,
    *,
    as_of: date,
    required: bool = False,
    counted_from: date | None = None,
) -> Freshness:
    start = counted_from or newest
    if start is None:
        return Freshness(item, None, True, None, f"{days} days", required)
    since = start + timedelta(days=days + 1)
    stale = as_of >= since
    return Freshness(item, newest, stale, since if stale else None, f"{days} days", required)


def _by_sessions(
    item: str,
    newest: date | None,
    allowed: int,
    *,
    sessions: pd.DatetimeIndex,
    as_of: date,
    required: bool = False,
) -> Freshness:
    if newest is None:
        return Freshness(item, None, True, None, f"{allowed} sessions", required)
    missed = sessions[(sessions > pd.Timestamp(newest)) & (sessions <= pd.Timestamp(as_of))]
    stale = len(missed) > allowed
    since = missed[allowed].date() if stale else None
    return Freshness(item, newest, stale, since, f"{allowed} sessions", required)


def feed_freshness(
    feed: str, catalog: Catalog, newest: Mapping[str, date], *, as_of: date
) -> list[Freshness]:
    """Return the age of every catalogued item of a feed: `newest` maps items to their newest date.

    A feed without limits of its own (the release calendar, members' bars, whose limits are the
    breadth mart's) has no entries.
    """
    if feed in ("fred_observations", "agency_observations"):
        chosen = [s for s in catalog.fred_series if feed == "fred_observations" or s.alternate]
        return series_freshness(chosen, newest, as_of=as_of)
    sessions = pd.DatetimeIndex(
        pd.to_datetime(sessions_between(as_of - timedelta(days=4000), as_of))
    )
    if feed == "instrument_bars":
        return instrument_freshness(catalog.instruments, newest, sessions=sessions, as_of=as_of)
    if feed == "fund_shares":
        return shares_freshness(catalog.funds, newest, sessions=sessions, as_of=as_of)
    if feed == "fund_holdings":
        return holdings_freshness(catalog.funds, newest, as_of=as_of)
    if feed in _FILE_LIMIT_DAYS:
        return [
            _by_days(item, day, _FILE_LIMIT_DAYS[feed], as_of=as_of) for item, day in newest.items()
        ]
    return []


_FILE_LIMIT_DAYS = {"french_portfolios": 100, "shiller_history": 100, "sec_facts": 130}
"""Calendar days from the newest labelled month: both files come out monthly, a month or two late
(seen in November 2026). A company's newest filing: the longest wait is from its third quarter's
10-Q to its 10-K, about 115 days."""
