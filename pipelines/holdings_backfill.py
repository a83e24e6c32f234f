"""Fetch, gate and load the month-end holdings files of given months. Knows no Dagster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.errors import ConfigurationError
from pipelines.night import Night
from pipelines.quality.findings import GateReport
from pipelines.sources.calendar import sessions_between
from pipelines.sources.funds import fetch_fund_holdings
from pipelines.steps import FetchSummary, fetch_context, judge_feed, land, load_feed
from pipelines.storage import history
from pipelines.storage.warehouse import open_build

FEED = "fund_holdings"


@dataclass(frozen=True, slots=True)
class LoadedMonths:
    """What a backfill did; `inserted` is empty where the gate refused."""

    summary: FetchSummary
    report: GateReport
    inserted: Mapping[str, int]


def last_sessions(months: Sequence[date], *, until: date) -> list[date]:
    """Return the last session of each month (given by its first day), none after `until`."""
    days = []
    for month in months:
        after = (month.replace(day=1) + timedelta(days=32)).replace(day=1)
        sessions = [d for d in sessions_between(month.replace(day=1), after - timedelta(days=1))]
        days += [d for d in sessions if d <= until][-1:]
    return sorted(set(days))


def load_months(night: Night, months: Sequence[date]) -> LoadedMonths:
    """Load the holdings files of all funds as of the last session of each month.

    Raises:
        ConfigurationError: none of the months has had a session yet, or the night is a rebuild.
    """
    if night.is_rebuild:
        raise ConfigurationError(
            f"as of {night.as_of} lies before the newest night: what is fetched now became known "
            f"now, so leave the as-of date out"
        )
    asked = last_sessions(months, until=night.as_of)
    if not asked:
        raise ConfigurationError(f"no session of these months has closed by {night.as_of}")
    with open_build(night.settings) as connection:
        states = history.read_item_states(connection, FEED)
    extract = fetch_fund_holdings(
        night.client,
        night.catalog,
        fetch_context(night, FEED, states),
        asked_dates={f.id: asked for f in night.catalog.funds if f.holdings},
    )
    summary = land(night, extract)
    report = judge_feed(night, FEED)
    inserted = {} if report.refused else load_feed(night, FEED).inserted
    return LoadedMonths(summary, report, inserted)
