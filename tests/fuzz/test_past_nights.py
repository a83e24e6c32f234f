"""What raw says of a past night later is what it said on that night, whatever came since.

The sources are made up: they revise themselves, date vintages before the night on which they reach
us, restate histories, bring counts late, and are not asked on some nights. `staged` reads raw as
staging does, under dbt's own macro.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.storage.contracts import FEEDS, RAW_TABLES
from pipelines.storage.warehouse import Connection, open_build
from tests.fakes.storage import (
    bars,
    french,
    holdings,
    load,
    observations,
    settings_in,
    shares,
    splits,
    vintages,
)

MACRO = Path(__file__).parents[2] / "dbt_project/macros/as_of.sql"
MONDAY = date(2024, 3, 4)
NIGHTS = [(MONDAY + timedelta(days=n)).isoformat() for n in range(4)]
MONTHS = ("2023-11-01", "2023-12-01", "2024-01-01")
VALUES = st.sampled_from([1.0, 1.5, 2.0])

Frames = Mapping[str, pd.DataFrame] | pd.DataFrame


def some(*dates: str) -> st.SearchStrategy[dict[str, float]]:
    """Values of some of the dates."""
    return st.dictionaries(st.sampled_from(dates), VALUES, min_size=1)


def vintages_until(night: str) -> st.SearchStrategy[Frames]:
    """Rows whose vintage began on the night or before it, weeks late perhaps."""
    starts = st.sampled_from(["2024-02-05", *NIGHTS[: NIGHTS.index(night) + 1]])
    row = st.tuples(st.sampled_from(MONTHS), starts, VALUES)
    return st.lists(row, min_size=1, max_size=5, unique_by=lambda r: r[:2]).map(
        lambda rows: vintages(sorted(rows))
    )


def bars_until(night: str) -> st.SearchStrategy[Frames]:
    """A whole history up to the night, at the same closes or, after a split, at half of them."""
    days = ["2024-02-29", "2024-03-01", *NIGHTS[: NIGHTS.index(night) + 1]]

    def history(factor: float) -> Frames:
        closes = {day: (100 + n) * factor for n, day in enumerate(days)}
        events = splits({night: 2.0}) if factor < 1 else splits({})
        return {"instrument_bars": bars(closes), "instrument_events": events}

    return st.sampled_from([1.0, 0.5]).map(history)


def files_until(night: str) -> st.SearchStrategy[Frames]:
    names = st.lists(st.sampled_from(["AAA", "BBB", "CCC"]), min_size=1, unique=True)
    dated = st.sampled_from(["2024-02-29", "2024-03-01"])
    return st.tuples(dated, names).map(lambda f: holdings(f[0], f"{night}{f[1]}", f[1]))


def editions_until(night: str) -> st.SearchStrategy[Frames]:
    return some(*MONTHS).map(lambda v: french(f"{night}{v}", v, sha256=f"{night}{v}"))


SOURCES = {
    "with vintages": ("fred_observations", vintages_until),
    "without vintages": ("fred_observations", lambda night: some(*MONTHS).map(observations)),
    "bars": ("instrument_bars", bars_until),
    "share counts": (
        "fund_shares",
        lambda night: some("2024-02-29", *NIGHTS[: NIGHTS.index(night) + 1]).map(shares),
    ),
    "holdings": ("fund_holdings", files_until),
    "editions": ("french_portfolios", editions_until),
}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with open_build(settings_in(tmp_path_factory.mktemp("past"))) as connection:
        yield connection


def staged(build: Connection, feed: str, night: str) -> dict[str, list[Any]]:
    body = MACRO.read_text(encoding="utf-8").split("macro was_known() -%}")[1]
    condition = body.split("{%- endmacro")[0]
    condition = condition.replace("{{ as_of() }}", f"date '{night}'")
    condition = condition.replace('{{ var("loaded_by") }}', night)
    return {
        t.name: build.execute(
            f"select * from raw.{t.name} where {condition} order by all"
        ).fetchall()
        for t in FEEDS[feed]
    }


@pytest.mark.parametrize("source", SOURCES)
def test_a_past_night_stays_what_it_was(build: Connection, source: str) -> None:
    feed, until = SOURCES[source]
    told = st.tuples(*(st.none() | until(night) for night in NIGHTS))

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
    @given(story=told)
    def holds(story: tuple[Frames | None, ...]) -> None:
        for table in (*(f"raw.{t}" for t in RAW_TABLES), "meta.item_loads"):
            build.execute(f"delete from {table}")
        seen = {}
        for night, frames in zip(NIGHTS, story, strict=True):
            if frames is not None:
                load(build, feed, frames, night)
            seen[night] = staged(build, feed, night)
        assert {night: staged(build, feed, night) for night in NIGHTS} == seen

    holds()


def test_a_vintage_that_reached_us_late_was_not_there_on_its_day(build: Connection) -> None:
    for table in ("raw.fred_observations", "meta.item_loads"):
        build.execute(f"delete from {table}")
    load(build, "fred_observations", vintages([("2024-01-01", "2024-02-05", 1.0)]), NIGHTS[0])
    before = staged(build, "fred_observations", NIGHTS[0])
    late = vintages([("2024-01-01", "2024-02-05", 1.0), ("2024-01-01", NIGHTS[0], 2.0)])
    load(build, "fred_observations", late, NIGHTS[1])
    assert staged(build, "fred_observations", NIGHTS[0]) == before
    [known] = build.execute(
        "select known_on from raw.fred_observations where value = 2.0"
    ).fetchall()
    assert known == (date.fromisoformat(NIGHTS[0]),), "it is dated by its source all the same"
