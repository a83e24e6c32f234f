"""The `reference` schema: the catalogue and the exchange calendar as tables that dbt can join.

Written anew at every run, in one transaction; nothing here is history. What the entries mean is in
`catalog.models`, which days trade in `sources.calendar`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from pipelines.catalog.models import Catalog
from pipelines.catalog.release_rules import expected_releases
from pipelines.sources.calendar import FIRST_DAY, session_table

DAYS_AHEAD = 400
"""Sessions after the as-of date: release rules and next sessions look a year ahead."""

RELEASES_BACK = {"daily": 14, "weekly": 190}
RELEASES_BACK_OTHERWISE = 1100
"""Calendar days before the as-of date of which `release_calendar` tells: two weeks of daily series,
half a year of weekly ones, three years of the others."""
RELEASES_AHEAD = {"daily": 7}
RELEASES_AHEAD_OTHERWISE = 60
"""Calendar days after it; a daily series says every day that it comes the next one."""

TABLES: Mapping[str, Mapping[str, str]] = {
    "sessions": {
        "traded_on": "DATE NOT NULL", "session_no": "INTEGER NOT NULL", "next_on": "DATE",
        "previous_on": "DATE", "is_month_end": "BOOLEAN NOT NULL",
        "closes_at": "TIMESTAMP NOT NULL",
    },
    "series": {
        "series_id": "VARCHAR NOT NULL", "title": "VARCHAR", "unit": "VARCHAR",
        "frequency": "VARCHAR", "stale_after_days": "INTEGER", "required": "BOOLEAN",
        "rights": "VARCHAR", "why": "VARCHAR", "alternate": "VARCHAR",
        "alternate_series": "VARCHAR", "has_vintages": "BOOLEAN",
    },
    "release_expectations": {
        "series_id": "VARCHAR NOT NULL", "observed_on": "DATE NOT NULL",
        "expected_on": "DATE NOT NULL", "is_known_hole": "BOOLEAN NOT NULL",
        "frequency": "VARCHAR NOT NULL", "release_id": "INTEGER", "weekday_no": "INTEGER NOT NULL",
    },
    "instruments": {
        "symbol": "VARCHAR NOT NULL", "title": "VARCHAR", "kind": "VARCHAR", "sector": "VARCHAR",
        "groups": "VARCHAR[]", "provider_order": "VARCHAR[]", "has_volume": "BOOLEAN",
        "required": "BOOLEAN", "stale_after_sessions": "INTEGER",
    },
    "funds": {
        "fund_id": "VARCHAR NOT NULL", "title": "VARCHAR", "issuer": "VARCHAR",
        "group_id": "VARCHAR", "sector": "VARCHAR", "universe_id": "VARCHAR",
        "has_holdings": "BOOLEAN", "has_shares": "BOOLEAN",
    },
    "class_shares": {"universe_ticker": "VARCHAR NOT NULL", "price_symbol": "VARCHAR NOT NULL"},
    "ticker_renames": {
        "universe_ticker": "VARCHAR NOT NULL", "price_symbol": "VARCHAR NOT NULL",
        "valid_from": "DATE NOT NULL", "valid_to": "DATE NOT NULL", "note": "VARCHAR",
    },
    "concept_tags": {
        "tag": "VARCHAR NOT NULL", "concept_id": "VARCHAR NOT NULL", "place": "INTEGER NOT NULL",
        "unit": "VARCHAR NOT NULL", "kind": "VARCHAR NOT NULL", "includes": "VARCHAR",
    },
    "signal_inputs": {
        "input_id": "VARCHAR NOT NULL", "pillar": "VARCHAR NOT NULL", "title": "VARCHAR",
        "mart": "VARCHAR NOT NULL", "column_name": "VARCHAR NOT NULL", "minus_column": "VARCHAR",
        "scale": "VARCHAR NOT NULL", "look_back_sessions": "INTEGER NOT NULL",
        "orientation": "INTEGER NOT NULL", "weight": "DOUBLE NOT NULL",
        "series": "VARCHAR[] NOT NULL", "span_sessions": "INTEGER NOT NULL", "why": "VARCHAR",
    },
    "claims": {
        "claim_id": "VARCHAR NOT NULL", "statement": "VARCHAR NOT NULL",
        "stated_value": "DOUBLE NOT NULL", "unit": "VARCHAR NOT NULL", "about_on": "DATE NOT NULL",
        "judged": "VARCHAR NOT NULL", "measure": "VARCHAR NOT NULL", "subject": "VARCHAR",
        "other_subject": "VARCHAR", "horizon_sessions": "INTEGER", "tolerance": "DOUBLE",
        "reading": "VARCHAR NOT NULL", "second_reading": "VARCHAR",
        "would_need": "VARCHAR NOT NULL", "note": "VARCHAR",
    },
    "ticker_reuses": {
        "price_symbol": "VARCHAR NOT NULL", "valid_from": "DATE NOT NULL",
        "valid_to": "DATE NOT NULL", "note": "VARCHAR",
    },
}  # fmt: skip
"""Table to columns with their DuckDB types."""


def write_reference(
    connection: duckdb.DuckDBPyConnection, catalog: Catalog, *, as_of: date
) -> None:
    """Write all reference tables anew, in one transaction or not at all."""
    sessions = session_table(FIRST_DAY, as_of + timedelta(days=DAYS_AHEAD))
    rows = catalog_rows(catalog) | {"release_expectations": expectation_rows(catalog, as_of=as_of)}
    connection.execute("begin")
    try:
        connection.execute("create schema if not exists reference")
        for name, columns in TABLES.items():
            body = ", ".join(f"{column} {kind}" for column, kind in columns.items())
            connection.execute(f"create or replace table reference.{name} ({body})")
        _append_sessions(connection, sessions)
        for name, values in rows.items():
            _append(connection, name, values)
        connection.execute("commit")
    except BaseException:
        # A full disk ends the transaction by itself; its own error is the one to be told.
        with suppress(duckdb.TransactionException):
            connection.execute("rollback")
        raise


def catalog_rows(catalog: Catalog) -> dict[str, list[Sequence[Any]]]:
    """Return the catalogue as rows of the reference tables, in their columns' order.

    Renames are all of them, as they are written down: which could be known on a day, and where a
    chain of them leads, is for `stg_reference__ticker_renames`, so that a rebuild as of a past day
    needs no other table than the night had.
    """
    return {
        "series": [
            (
                s.id, s.title, s.unit, s.frequency, s.stale_after_days, s.required, s.rights,
                s.why, s.alternate, s.alternate_series, s.vintages,
            )
            for s in catalog.fred_series
        ],
        "instruments": [
            (
                i.symbol, i.title, i.kind, i.sector, list(i.groups), list(i.providers),
                i.has_volume, i.required, i.stale_after_sessions,
            )
            for i in catalog.instruments
        ],
        "funds": [
            (f.id, f.title, f.issuer, f.group, f.sector, f.universe_id, f.holdings, f.shares)
            for f in catalog.funds
        ],
        "class_shares": [*sorted(catalog.tickers.class_shares.items())],
        "ticker_renames": [
            (r.universe_ticker, r.price_symbol, r.valid_from, r.valid_to, r.note)
            for r in catalog.tickers.renames
        ],
        "concept_tags": [
            (t.tag, c.id, place, c.unit, c.kind, t.includes)
            for c in catalog.concepts
            for place, t in enumerate(c.tags, start=1)
        ],
        "signal_inputs": [
            (
                i.id, i.pillar, i.title, i.mart, i.column, i.minus, i.scale, i.look_back_sessions,
                i.orientation, i.weight, list(i.series), i.span_sessions, i.why,
            )
            for i in catalog.signal_inputs
        ],
        "claims": [
            (
                c.id, c.statement, c.stated_value, c.unit, c.about_on, c.judged, c.measure,
                c.subject, c.other_subject, c.horizon_sessions, c.tolerance, c.reading,
                c.second_reading, c.would_need, c.note,
            )
            for c in catalog.claims
        ],
        "ticker_reuses": [
            (r.price_symbol, r.valid_from, r.valid_to, r.note) for r in catalog.tickers.reuses
        ],
    }  # fmt: skip


def expectation_rows(catalog: Catalog, *, as_of: date) -> list[Sequence[Any]]:
    """Return what is expected when, around a day, in the columns' order of release_expectations.

    `weekday_no` is that of `observed_on`, Monday 0: of a weekly series every day of the week is a
    row, and the data say which of them it bears.
    """
    rows: list[Sequence[Any]] = []
    for s in catalog.fred_series:
        back = RELEASES_BACK.get(s.frequency, RELEASES_BACK_OTHERWISE)
        ahead = RELEASES_AHEAD.get(s.frequency, RELEASES_AHEAD_OTHERWISE)
        frame = expected_releases(
            s, since=as_of - timedelta(days=back), until=as_of + timedelta(days=ahead)
        )
        for observed_on, expected_on, is_known_hole in frame.itertuples(index=False):
            rows.append(
                (
                    s.id, observed_on.date(), expected_on.date(), bool(is_known_hole), s.frequency,
                    s.release.release_id, observed_on.weekday(),
                )
            )  # fmt: skip
    return rows


def _append_sessions(connection: duckdb.DuckDBPyConnection, sessions: pd.DataFrame) -> None:
    columns = TABLES["sessions"]
    picked = ", ".join(
        f"cast({c} as {kind.removesuffix(' NOT NULL')})" for c, kind in columns.items()
    )
    connection.register("session_frame", sessions)
    try:
        connection.execute(
            f"insert into reference.sessions select {picked} from session_frame"  # noqa: S608
        )
    finally:
        connection.unregister("session_frame")


def _append(
    connection: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Sequence[Any]]
) -> None:
    if not rows:
        return
    columns = list(TABLES[name])
    arrow = pa.table({c: [row[i] for row in rows] for i, c in enumerate(columns)})
    connection.register("reference_rows", arrow)
    try:
        connection.execute(f"insert into reference.{name} from reference_rows")
    finally:
        connection.unregister("reference_rows")
