"""When a value was first public, by the catalogue's release rules. Pure date arithmetic.

Estimates stand in where neither the source (vintages) nor a load of ours says when a value became
known. They err on the late side by the catalogue's choice of days, never by code here. Business
days are weekdays that are no US federal holiday.
"""

from __future__ import annotations

from datetime import date, timedelta
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.tseries.holiday import USFederalHolidayCalendar

from pipelines.catalog.models import FredSeries, ReleaseRule

Frequency = Literal["daily", "weekly", "monthly", "quarterly", "annual", "irregular"]
Dates = npt.NDArray[np.datetime64]

_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_MONTHS_OF_FREQUENCY = {"quarterly": 3, "annual": 12}
_MONTHS_OF_FREQUENCY_OR_ONE = {"monthly": 1, **_MONTHS_OF_FREQUENCY}
_LOOK_BACK_DAYS = 1500
"""Far enough for the newest release of an annual series, four years with three known holes."""


@cache
def _business_days() -> np.busdaycalendar:
    holidays = USFederalHolidayCalendar().holidays("1900-01-01", "2100-12-31")
    return np.busdaycalendar(holidays=holidays.to_numpy().astype("datetime64[D]"))


def _forward(days: Dates) -> Dates:
    return np.busday_offset(days, 0, roll="forward", busdaycal=_business_days())


def _on_weekday(days: Dates, weekday: int | None) -> Dates:
    """Move each day on to the next `weekday` (0 = Monday), or leave it if it is one."""
    if weekday is None:
        return days
    of_week = (days.astype(np.int64) + 3) % 7  # 1970-01-01, day 0, was a Thursday
    return days + np.timedelta64(1, "D") * ((weekday - of_week) % 7)


def _period_end(days: Dates, kind: str, frequency: str) -> Dates:
    """Return the last day of the observed period: that of the rule or, if longer, of the series."""
    months = max(_MONTHS[kind], _MONTHS_OF_FREQUENCY.get(frequency, 1))
    number = days.astype("datetime64[M]").astype(np.int64)
    after = ((number // months + 1) * months).astype("datetime64[M]").astype("datetime64[D]")
    return np.asarray(after - np.timedelta64(1, "D"), dtype="datetime64[D]")


def _estimate(rule: ReleaseRule, days: Dates, frequency: str) -> Dates:
    if rule.kind == "unscheduled":
        return np.full(days.shape, np.datetime64("NaT"), dtype="datetime64[D]")
    if rule.kind == "business_days_after":
        # A weekend's value (a seven-day series) comes with the Friday's, on Monday.
        roll: Literal["backward", "forward"] = "backward" if rule.days else "forward"
        out = np.busday_offset(days, rule.days, roll=roll, busdaycal=_business_days())
        return _on_weekday(out, rule.weekday)
    if rule.kind == "next_weekday":
        of_week = (days.astype(np.int64) + 3) % 7
        monday_after: Dates = np.add(days, (7 - of_week).astype("timedelta64[D]"))
        return _forward(_on_weekday(monday_after, rule.weekday))
    if rule.kind == "days_after":
        out = _on_weekday(days + np.timedelta64(rule.days, "D"), rule.weekday)
        # Without a weekday the date stands: a target range can take effect on a Sunday.
        return out if rule.weekday is None else _forward(out)
    end = _period_end(days, rule.kind.removeprefix("days_after_"), frequency)
    return _forward(_on_weekday(end + np.timedelta64(rule.days, "D"), rule.weekday))


def estimate_releases(
    rule: ReleaseRule, observed_on: pd.Series[pd.Timestamp], frequency: Frequency
) -> pd.Series[pd.Timestamp]:
    """Estimate the first publication of many observations of one series.

    Args:
        rule: the series' release rule.
        observed_on: observation dates (datetime64), none missing.
        frequency: of the series.

    Returns:
        `datetime64[us]` on the same index; NaT throughout for a rule of kind `unscheduled`.
    """
    days = observed_on.to_numpy().astype("datetime64[D]")
    unique, place = np.unique(days, return_inverse=True)
    out = _estimate(rule, unique, frequency)[place]
    return pd.Series(out.astype("datetime64[us]"), index=observed_on.index, name="estimated_on")


def estimated_release(rule: ReleaseRule, observed_on: date, frequency: Frequency) -> date | None:
    """Estimate the first publication of one observation; None if the rule is `unscheduled`."""
    day = _estimate(rule, np.array([observed_on], dtype="datetime64[D]"), frequency).item()
    return day if isinstance(day, date) else None


def find_newest_expected(series: FredSeries, as_of: date) -> date:
    """Return the date that the newest observation must have reached if every release was on time.

    An observation on this date or later must be known at the end of `as_of`. Known holes are left
    out. Weekly dates are good to the week (which day they bear is the source's choice). For
    projections it is the first day of next year, for other series without a release rule the
    staleness limit itself.
    """
    if series.observations_in_future:
        return date(as_of.year + 1, 1, 1)
    if series.release.kind == "unscheduled":
        return as_of - timedelta(days=series.stale_after_days)
    due = expected_releases(series, since=as_of - timedelta(days=_LOOK_BACK_DAYS), until=as_of)
    newest: date = due.loc[~due["is_known_hole"], "observed_on"].max().date()
    return newest - timedelta(days=6) if series.frequency == "weekly" else newest


def expected_releases(series: FredSeries, *, since: date, until: date) -> pd.DataFrame:
    """Return the observations whose first publication the rule puts between two days.

    The one place that says what is waited for: the freshness of a series and `release_calendar`
    read it.

    Returns:
        `observed_on`, `expected_on` (datetime64[us]) and `is_known_hole`, by `observed_on`; one row
        per period, for a weekly series per calendar day (which weekday its dates bear is the
        source's choice), for a daily one per business day. Empty where there is no rule
        (`unscheduled`) and for projections.
    """
    days = np.array([], dtype="datetime64[D]")
    if series.release.kind != "unscheduled" and not series.observations_in_future:
        first, last = np.datetime64(since, "D"), np.datetime64(until, "D")
        months = _MONTHS_OF_FREQUENCY_OR_ONE.get(series.frequency)
        if months is not None:
            # a period can be released a year and more after it began, and none before
            start = (first.astype("datetime64[M]").astype(np.int64) - 24) // months
            end = last.astype("datetime64[M]").astype(np.int64) // months
            days = (np.arange(start, end + 1) * months).astype("datetime64[M]")
            days = days.astype("datetime64[D]")
        else:
            days = np.arange(first - np.timedelta64(60, "D"), last + np.timedelta64(1, "D"))
            if series.frequency == "daily":
                days = days[np.is_busday(days, busdaycal=_business_days())]
    expected = _estimate(series.release, days, series.frequency)
    due = (expected >= np.datetime64(since, "D")) & (expected <= np.datetime64(until, "D"))
    holes = np.array(series.known_holes, dtype="datetime64[D]")
    return pd.DataFrame(
        {
            "observed_on": days[due].astype("datetime64[us]"),
            "expected_on": expected[due].astype("datetime64[us]"),
            "is_known_hole": np.isin(days[due], holes),
        }
    )
