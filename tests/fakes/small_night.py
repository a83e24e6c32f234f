"""A whole night in about a second: a few series, symbols and files, every step but dbt.

The marts are made by plain SQL from raw, in the same transactional way as dbt makes tables; what is
tried with it is where a night can be cut, not what the models say.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter

from pipelines import steps
from pipelines.catalog.models import Catalog, load_catalog
from pipelines.sample.adapter import SampleAdapter
from pipelines.settings import Settings, read_settings
from pipelines.storage import meta
from pipelines.storage.contracts import FEEDS, RAW_TABLES
from pipelines.storage.publish import publish
from pipelines.storage.warehouse import open_build

FEEDS_OF_NIGHT = ("fred_observations", "instrument_bars")
BRANCHES = ("macro", "prices")
MARTS = {
    "marts.newest_values": [("series_id", "VARCHAR"), ("observed_on", "DATE"), ("rows", "BIGINT")],
    "marts.newest_closes": [("symbol", "VARCHAR"), ("traded_on", "DATE"), ("rows", "BIGINT")],
}
FIRST, SECOND = date(2025, 10, 8), date(2025, 10, 10)
UNSTABLE = ("run_id", "batch_id", "fetched_at")
"""Columns that say which run brought a row and at what moment, not what it says."""

Phase = Callable[[str], None]


@cache
def small_catalog() -> Catalog:
    """The reviewed catalogue, thinned to two series and one instrument."""
    whole = load_catalog()
    series = {"ICSA", "UNRATE"}
    symbols = {"IWM"}
    return whole.model_copy(
        update={
            "fred_series": tuple(s for s in whole.fred_series if s.id in series),
            "instruments": tuple(i for i in whole.instruments if i.symbol in symbols),
        }
    )


class RememberingAdapter(BaseAdapter):
    """The sample world, which draws each answer once: in a fork the parent's are there already."""

    def __init__(self, honest: BaseAdapter) -> None:
        super().__init__()
        self.honest = honest
        self._known: dict[tuple[str, ...], tuple[int, dict[str, str], bytes]] = {}

    def send(self, request: PreparedRequest, **options: Any) -> Response:
        asked = [request.headers.get(name, "") for name in ("If-None-Match", "If-Modified-Since")]
        key = (str(request.url), *map(str, asked))
        if key not in self._known:
            drawn = self.honest.send(request, **options)
            self._known[key] = (drawn.status_code, dict(drawn.headers), drawn.raw.read())
        answer = Response()
        answer.status_code, headers, body = self._known[key]
        answer.headers.update(headers)
        answer.raw = io.BytesIO(body)
        answer.url, answer.request = str(request.url), request
        return answer

    def close(self) -> None:
        """Nothing is open."""


@cache
def _remembering(as_of: date) -> RememberingAdapter:
    return RememberingAdapter(SampleAdapter(now=as_of))


def small_settings(warehouse: Path, as_of: date = SECOND) -> Settings:
    settings = read_settings({"SMALLCAPS_WAREHOUSE": str(warehouse)})
    return settings.with_options(as_of=as_of)


def run_small_night(
    settings: Settings,
    run_id: str,
    *,
    feeds: tuple[str, ...] = FEEDS_OF_NIGHT,
    phase: Phase = lambda name: None,
) -> str:
    """Begin, fetch, judge, load, build and publish; return the version."""
    phase("begin")
    night = steps.begin_night(
        settings,
        run_id,
        branches=BRANCHES,
        catalog=small_catalog(),
        adapter=_remembering(settings.as_of or SECOND),
        wait_s=0,
    )
    try:
        for feed in feeds:
            phase("fetch")
            steps.fetch_feed(night, feed)
            phase("judge")
            report = steps.judge_feed(night, feed)
            assert not report.refused, report.reasons
            phase("load")
            steps.load_feed(night, feed)
        phase("build")
        build_marts(settings)
        phase("publish")
        checks = [
            steps.gate_check_id(c.feed, c.check)
            for c in night.catalog.gate_checks
            if c.feed in feeds
        ]
        publication = publish(
            settings,
            run_id=run_id,
            as_of=night.as_of,
            expected_checks=checks,
            code_version="1",
            dictionary=pd.DataFrame(columns=list(meta.TABLES["data_dictionary"])),
            marts=MARTS,
        )
        with open_build(settings) as build:
            meta.finish_run(build, run_id, status="published", finished_at=publication.published_at)
        phase("end")
        return publication.version
    finally:
        steps.end_night(run_id, failed=False)


def build_marts(settings: Settings) -> None:
    with open_build(settings) as build:
        build.execute(
            "create or replace table marts.newest_values as select series_id, max(observed_on) "
            "as observed_on, count(*) as rows from raw.fred_observations group by 1"
        )
        build.execute(
            "create or replace table marts.newest_closes as select symbol, "
            "max(traded_on) as traded_on, count(*) as rows from raw.instrument_bars group by 1"
        )


def raw_differences(one: Path, other: Path) -> dict[str, int]:
    """Rows by raw table that only one of two build files has; empty where raw is the same."""
    found = {}
    with duckdb.connect(str(one), read_only=True) as connection:
        connection.execute(f"attach '{other}' as other (read_only)")
        for name, table in RAW_TABLES.items():
            columns = ", ".join(c.name for c in table.all_columns if c.name not in UNSTABLE)
            here, there = (f"select {columns} from {d}raw.{name}" for d in ("", "other."))
            row = connection.execute(
                f"select count(*) from (({here} except all {there}) "
                f"union all ({there} except all {here}))"
            ).fetchone()
            if row != (0,):
                found[name] = row[0]
    return found


def raw_rows(build_path: Path) -> int:
    with duckdb.connect(str(build_path), read_only=True) as connection:
        tables = [table.name for feed in FEEDS_OF_NIGHT for table in FEEDS[feed]]
        return sum(
            connection.execute(f"select count(*) from raw.{name}").fetchone()[0] for name in tables
        )
