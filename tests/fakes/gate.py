"""Batches and catalogues for the tests of the landing gate, built by hand; all values invented."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from pipelines.catalog.models import (
    CATALOG_DIR,
    Catalog,
    FredSeries,
    Fund,
    GateCheck,
    Instrument,
    ReleaseRule,
    TickerMap,
)
from pipelines.quality.findings import Finding, GateReport
from pipelines.quality.gates import judge_batch
from pipelines.sources.calendar import sessions_between
from pipelines.sources.payloads import Extract, ItemOutcome, Payload
from pipelines.storage.contracts import RAW_TABLES

AS_OF = date(2024, 5, 31)
_TYPES = {"VARCHAR": "str", "DATE": "datetime64[us]", "BIGINT": "Int64", "INTEGER": "Int64"}


@cache
def gate_checks() -> tuple[GateCheck, ...]:
    """Return the project's own gate catalogue: the tests judge with the limits that ship."""
    document = yaml.safe_load((Path(CATALOG_DIR) / "gates.yaml").read_text(encoding="utf-8"))
    return tuple(
        GateCheck.model_validate({"feed": feed, **entry})
        for feed, entries in document.items()
        for entry in entries
    )


def a_series(series_id: str, **changes: Any) -> FredSeries:
    plain: dict[str, Any] = {
        "id": series_id,
        "title": series_id,
        "unit": "percent",
        "frequency": "daily",
        "release": ReleaseRule(kind="business_days_after", days=1),
        "plausible_min": -1.0,
        "plausible_max": 20.0,
        "largest_step": 1.0,
        "step_kind": "abs",
        "stale_after_days": 7,
        "rights": "public_domain",
        "why": "a test",
    }
    return FredSeries(**{**plain, **changes})


def an_instrument(symbol: str, **changes: Any) -> Instrument:
    plain = {"symbol": symbol, "title": symbol, "kind": "etf", "groups": ("small_cap",)}
    return Instrument(**{**plain, "why": "a test", **changes})


def a_fund(fund_id: str, **changes: Any) -> Fund:
    plain: dict[str, Any] = {
        "id": fund_id,
        "title": fund_id,
        "name_in_file": f"The {fund_id} Fund",
        "issuer": "ishares",
        "product_id": "1",
        "slug": fund_id.lower(),
        "group": "small_cap",
        "history_from": date(2000, 1, 3),
        "why": "a test",
    }
    return Fund(**{**plain, **changes})


def catalog_with(
    *,
    series: Sequence[FredSeries] = (),
    instruments: Sequence[Instrument] = (),
    funds: Sequence[Fund] = (),
) -> Catalog:
    return Catalog(
        fred_series=tuple(series),
        instruments=tuple(instruments),
        funds=tuple(funds),
        tickers=TickerMap(class_shares={}, renames=(), reuses=()),
        providers=(),
        gate_checks=gate_checks(),
    )


def raw_frame(table: str, rows: Sequence[Mapping[str, Any]], **stamp: Any) -> pd.DataFrame:
    """Return rows in the table's own types; what a row leaves out is missing."""
    contract = RAW_TABLES[table]
    columns = [c for c in contract.all_columns if c.filled_by == "source"]
    audit = {
        "source": "a-source",
        "payload_sha256": "0" * 64,
        "fetched_at": pd.Timestamp("2024-06-01 00:30"),
    }
    full = [{**audit, **stamp, **row} for row in rows]
    frame = pd.DataFrame({c.name: [row.get(c.name) for row in full] for c in columns})
    for column in columns:
        wanted = _TYPES.get(column.type, "float64")
        if column.type == "TIMESTAMP":
            wanted = "datetime64[us]"
        if wanted == "datetime64[us]":
            frame[column.name] = pd.to_datetime(frame[column.name]).astype(wanted)
        else:
            frame[column.name] = frame[column.name].astype(wanted)
    return frame


def an_extract(
    feed: str,
    frames: Mapping[str, pd.DataFrame],
    *,
    items: Sequence[str] | None = None,
    outcomes: Sequence[ItemOutcome] | None = None,
    payloads: Sequence[Payload] = (),
) -> Extract:
    if outcomes is None:
        if items is None:
            first = RAW_TABLES[next(iter(frames))]
            items = sorted(frames[first.name][first.entity].dropna().astype(str).unique())
        outcomes = [ItemOutcome("a-source", item, "fetched") for item in items]
    return Extract(feed, tuple(payloads), tuple(outcomes), frames)


def judge(
    extract: Extract,
    catalog: Catalog,
    *,
    history: Mapping[str, pd.DataFrame] | None = None,
    as_of: date = AS_OF,
    full_refresh: bool = False,
) -> GateReport:
    return judge_batch(
        extract,
        catalog=catalog,
        history=history or {},
        as_of=as_of,
        sessions=sessions_between(date(1995, 1, 1), date(2024, 12, 31)),
        full_refresh=full_refresh,
    )


def stored(*rows: tuple[str, int, str, str, float | None]) -> pd.DataFrame:
    """Return a history frame of (entity, rows, oldest, newest, newest value)."""
    return pd.DataFrame(
        {
            "entity": pd.Series([r[0] for r in rows], dtype="str"),
            "rows": [r[1] for r in rows],
            "oldest_on": pd.to_datetime([r[2] for r in rows]),
            "newest_on": pd.to_datetime([r[3] for r in rows]),
            "newest_value": pd.Series([r[4] for r in rows], dtype="float64"),
        }
    )


def finding(report: GateReport, check: str) -> Finding:
    return next(f for f in report.findings if f.check == check)


def kept_out(report: GateReport, check: str) -> list[tuple[str, str]]:
    """Return (item, date) of the rows that a check quarantined."""
    own = report.quarantined[report.quarantined["rule"] == check]
    return [(i, f"{d:%Y-%m-%d}") for i, d in zip(own["item"], own["row_date"], strict=True)]
