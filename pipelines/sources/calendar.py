"""The sessions of the New York Stock Exchange (XNYS): which days trade, and when they close.

Everything that says "session" asks here. No network: the rules come with the pinned
`exchange_calendars`. The calendar begins on 3 January 1950; the Saturdays that the exchange still
traded until 1952 are left out, as index histories leave them out. Building it takes 0.2 s, once a
process; the import takes 0.7 s and is done on first use. When macro data are released is not here
but in the series catalogue.
"""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache

import pandas as pd

FIRST_DAY = date(1950, 1, 3)
LAST_DAY = date(2040, 12, 31)
"""Rules of holidays are known ahead; closures by press release are not."""

EXTRA_CLOSURES: tuple[date, ...] = (
    # National day of mourning for President Carter, announced ten days before. The pinned
    # calendar has it; it stays as the model for the next one, which will come the same way.
    date(2025, 1, 9),
)
"""Closures by press release. Add one the day it is announced; do not wait for a new package."""


@dataclass(frozen=True, slots=True)
class _Sessions:
    days: list[date]
    closes: list[datetime]


@cache
def _calendar() -> _Sessions:
    from exchange_calendars import get_calendar

    with warnings.catch_warnings():
        # The package reads zoned values in a way that pandas 4 will change; it is not ours to fix.
        warnings.simplefilter("ignore", DeprecationWarning)
        calendar = get_calendar("XNYS", start=FIRST_DAY, end=LAST_DAY)
    # The package knows the regular holidays before 1970 but does not apply them (its holiday
    # calendar's start is pandas' default): asked by date, it gives the 182 that it left open.
    early = calendar.regular_holidays.holidays(FIRST_DAY, date(1969, 12, 31))
    closed = {day.date() for day in early} | set(EXTRA_CLOSURES)
    pairs = [
        (day.date(), close.to_pydatetime())
        for day, close in calendar.closes.items()
        if day.date() not in closed
    ]
    return _Sessions([day for day, _ in pairs], [close for _, close in pairs])


def _check(day: date) -> None:
    if not FIRST_DAY <= day <= LAST_DAY:
        raise ValueError(f"{day}: the calendar reaches from {FIRST_DAY} to {LAST_DAY}")


def sessions_between(start: date, end: date) -> list[date]:
    """Return the sessions from `start` to `end`, both included, ascending."""
    days = _calendar().days
    return days[bisect_left(days, start) : bisect_right(days, end)]


def is_session(day: date) -> bool:
    """Say whether the exchange trades on `day`."""
    _check(day)
    days = _calendar().days
    place = bisect_left(days, day)
    return place < len(days) and days[place] == day


def session_close(day: date) -> datetime:
    """Return the close of session `day` in UTC, early closes included.

    Raises:
        ValueError: `day` is no session.
    """
    if not is_session(day):
        raise ValueError(f"{day} is no session of the New York Stock Exchange")
    calendar = _calendar()
    return calendar.closes[bisect_left(calendar.days, day)]


def last_closed_session(now: datetime) -> date:
    """Return the newest session whose close is at or before the aware time `now`."""
    calendar = _calendar()
    place = bisect_right(calendar.closes, now.astimezone(UTC))
    if place == 0:
        raise ValueError(f"{now}: before the first session that the calendar knows")
    return calendar.days[place - 1]


def running_session(now: datetime) -> date | None:
    """Return the session of the New York day of `now` if it has not closed by then, else None.

    A session that has not opened yet counts as running: no bar of it can be final.
    """
    day = pd.Timestamp(now).tz_convert("America/New_York").date()
    return day if is_session(day) and session_close(day) > now else None


def next_session(day: date) -> date:
    """Return the first session after `day`, which need not be one."""
    _check(day)
    days = _calendar().days
    place = bisect_right(days, day)
    if place == len(days):
        raise ValueError(f"{day}: the calendar ends on {LAST_DAY}")
    return days[place]


def previous_session(day: date) -> date:
    """Return the last session before `day`, which need not be one."""
    _check(day)
    days = _calendar().days
    place = bisect_left(days, day)
    if place == 0:
        raise ValueError(f"{day}: the calendar begins on {FIRST_DAY}")
    return days[place - 1]


def session_table(start: date, end: date) -> pd.DataFrame:
    """Return the sessions from `start` to `end` with the columns of `reference.sessions`.

    One row per session: `traded_on`, `session_no` (counted from the calendar's first session, so
    that it is the same whatever the window), `next_on`, `previous_on` (missing on the calendar's
    first), `is_month_end` (last session of its calendar month) and `closes_at` (UTC, no zone).
    """
    _check(start)
    _check(end + timedelta(days=10))  # the neighbours of the last session must be known
    calendar = _calendar()
    days = pd.Series(pd.to_datetime(calendar.days)).astype("datetime64[us]")
    following = days.shift(-1)
    table = pd.DataFrame(
        {
            "traded_on": days,
            "session_no": range(1, len(days) + 1),
            "next_on": following,
            "previous_on": days.shift(1),
            "is_month_end": following.dt.month != days.dt.month,
            "closes_at": pd.Series(pd.to_datetime(calendar.closes, utc=True))
            .dt.tz_localize(None)
            .astype("datetime64[us]"),
        }
    )
    inside = (days >= pd.Timestamp(start)) & (days <= pd.Timestamp(end))
    return table[inside].reset_index(drop=True)
