"""A made-up source that revises itself, and the nights on which we look at it, in any disorder.

What the source says on a night is fixed by the story. What varies is how its payloads reach the
loader: nights that were refused at first and are loaded from landing later, nights loaded again
under the date that they had, series in another order.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.storage.warehouse import Connection
from tests.fakes.storage import load, observations, vintages

NIGHTS = ("2024-03-01", "2024-03-22", "2024-04-12", "2024-05-03")
OBSERVED = ("2024-01-01", "2024-02-01", "2024-03-01")
SERIES = ("A", "B")
FIRST_STARTS = ("2024-02-20", "2024-02-21", "2024-02-28")
LATER_STARTS = ("2024-03-05", "2024-03-22", "2024-04-01", "2024-04-12", "2024-04-30")

History = dict[str, dict[str, float]]
"""Observation date to the days on which the source changed its value, with the value."""


@dataclass(frozen=True)
class Load:
    """One payload on its way into the loader: what a night asked from `since` on, of one series."""

    series_id: str
    night: str
    since: str | None
    """None asks for everything: the first load, and any source without vintages."""


def make_history(draw: random.Random) -> History:
    """Return a history: each observation appears once and is revised up to three times."""
    history: History = {}
    for on in OBSERVED:
        first = draw.choice(FIRST_STARTS if on < "2024-02-15" else LATER_STARTS)
        starts = [first, *draw.sample(LATER_STARTS, draw.randint(0, 3))]
        history[on] = {s: draw.choice([1.0, 1.5, 2.0]) for s in sorted(starts) if s >= first}
    return history


def tell_in_order(series: Sequence[str] = SERIES) -> list[Load]:
    """Return the plain story: every night loads every series, one after the other."""
    return [
        Load(s, night, NIGHTS[n - 1] if n else None)
        for n, night in enumerate(NIGHTS)
        for s in series
    ]


def tell_in_disorder(draw: random.Random) -> list[Load]:
    """Return a story with refused nights, late loads, replays and shuffled series.

    A night asks from the newest night that was loaded before it, as the connector does: so the
    night after a refused one brings what the refused one would have brought.
    """
    loads: list[Load] = []
    late: list[Load] = []
    loaded: dict[str, str | None] = dict.fromkeys(SERIES)
    for number, night in enumerate(NIGHTS):
        for series_id in draw.sample(SERIES, len(SERIES)):
            asked = Load(series_id, night, loaded[series_id])
            if 0 < number < len(NIGHTS) - 1 and draw.random() < 0.3:
                late.append(asked)
                continue
            loads.append(asked)
            loaded[series_id] = night
        if late and draw.random() < 0.5:
            loads.append(late.pop(draw.randrange(len(late))))
        while draw.random() < 0.4:
            loads.append(draw.choice(loads))
    return [*loads, *late]


def play(
    build: Connection, loads: Sequence[Load], histories: dict[str, History], *, has_vintages: bool
) -> dict[tuple[str, str, str], float | None]:
    """Load a story into empty tables; return what was known of each observation on each night."""
    for table in ("raw.fred_observations", "meta.item_loads"):
        build.execute(f"delete from {table}")
    for one in loads:
        rows = _payload(histories[one.series_id], one, has_vintages=has_vintages)
        if has_vintages:
            frame = vintages(rows, one.series_id)
        else:
            frame = observations({on: value for on, _, value in rows}, one.series_id)
        load(build, "fred_observations", frame, one.night)
    known: dict[tuple[str, str, str], float | None] = {}
    for night in NIGHTS:
        found = build.execute(
            "select series_id, observed_on, arg_max_null(value, known_on) "
            "from raw.fred_observations where known_on <= cast(? as date) group by all",
            [night],
        ).fetchall()
        known |= {(s, on.isoformat(), night): value for s, on, value in found}
    return known


def expected(histories: dict[str, History]) -> dict[tuple[str, str, str], float]:
    """Return what the source itself said of each observation on each night."""
    return {
        (series_id, on, night): value
        for series_id, history in histories.items()
        for on, changes in history.items()
        for night in NIGHTS
        if (value := _in_force(changes, night)) is not None
    }


def _in_force(changes: dict[str, float], day: str) -> float | None:
    return next((v for s, v in sorted(changes.items(), reverse=True) if s <= day), None)


def _payload(history: History, one: Load, *, has_vintages: bool) -> list[tuple[str, str, float]]:
    """Return (observed_on, realtime_start, value) as FRED words it: the first day repeats."""
    rows = []
    for on, changes in history.items():
        if not has_vintages or one.since is not None:
            first = one.night if not has_vintages else one.since
            value = _in_force(changes, str(first))
            if value is not None:
                rows.append((on, str(first), value))
        if has_vintages:
            rows += [
                (on, start, value)
                for start, value in changes.items()
                if (one.since is None or start > one.since) and start <= one.night
            ]
    return rows
