"""What became known or was loaded after a day changes nothing of what staging says as of that day.

All models above staging see raw through it alone (an architecture test holds them to that), so what
staging does not see, no mart of a rebuild sees either.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.storage.contracts import RAW_TABLES, Column, RawTable

DAY = date(2025, 6, 10)
BY_THEN = (date(2025, 5, 2), date(2025, 6, 9), DAY)
LATER = (date(2025, 6, 11), date(2025, 7, 1))
DOMAINS: dict[str, Any] = {
    "VARCHAR": st.sampled_from(["A", "B"]),
    "DOUBLE": st.sampled_from([1.0, 2.5, None]),
    "DECIMAL(18,6)": st.sampled_from([1, 2]),
    "DATE": st.sampled_from([date(2025, 3, 31), date(2025, 6, 9), DAY, date(2025, 6, 12)]),
    "TIMESTAMP": st.sampled_from([datetime(2025, 6, 9, 21), datetime(2025, 6, 12, 21)]),  # noqa: DTZ001
    "BIGINT": st.integers(1, 3),
    "INTEGER": st.integers(1, 3),
}
PLAIN: dict[str, Any] = {
    "VARCHAR": "A",
    "DOUBLE": 1.0,
    "DECIMAL(18,6)": 1,
    "DATE": DAY,
    "TIMESTAMP": datetime(2025, 6, 9, 21),  # noqa: DTZ001
    "BIGINT": 1,
    "INTEGER": 1,
}
COMPANION = {
    "fund_holdings": "fund_files",
    "instrument_events": "instrument_bars",
    "constituent_events": "constituent_bars",
}
"""Rows of the one table count only where the other has a file, or prices, of the same name."""

Views = dict[str, list[str]]


def value_of(column: Column, *, later: bool) -> Any:
    if column.name in ("known_on", "loaded_as_of"):
        return st.sampled_from(BY_THEN + LATER if later else BY_THEN)
    values = DOMAINS[column.type]
    return values if column.nullable else values.filter(lambda value: value is not None)


def rows_of(table: RawTable, *, later: bool) -> Any:
    columns = table.all_columns
    row = st.fixed_dictionaries({c.name: value_of(c, later=later) for c in columns})
    if later:
        row = row.filter(lambda r: r["known_on"] > DAY or r["loaded_as_of"] > DAY)
    unique = {"unique_by": lambda r: tuple(r[k] for k in table.key)}
    return st.lists(row, min_size=1 if later else 0, max_size=6, **unique)


@pytest.fixture(scope="module")
def staged(_dbt_folder: Any) -> Iterator[tuple[duckdb.DuckDBPyConnection, Views]]:
    """The staging views as of DAY over empty raw tables, and the views of each raw table."""
    from tests.dbt.conftest import DbtWarehouse

    warehouse = DbtWarehouse(_dbt_folder)
    warehouse.create()
    for name in ("A", "B"):
        for unit in ("A", "B"):
            warehouse.insert(
                "reference.concept_tags",
                [{"tag": name, "concept_id": "debt", "place": 1, "unit": unit, "kind": "instant"}],
            )
    warehouse.insert(
        "reference.instruments",
        [{"symbol": s, "provider_order": ["A", "B"], "has_volume": True} for s in ("A", "B")],
    )
    warehouse.build("path:models/staging", command="run", as_of=DAY, loaded_by=DAY)
    with duckdb.connect(str(warehouse.path)) as connection:
        bodies = dict(
            connection.execute(
                "select view_name, sql from duckdb_views() where schema_name = 'staging'"
            ).fetchall()
        )
        views: Views = {}
        for table in RAW_TABLES:
            found = {n for n, sql in bodies.items() if re.search(rf"\braw\W+{table}\b", sql)}
            grown: set[str] = set()
            while grown != found:
                grown = set(found)
                found |= {
                    n
                    for n, sql in bodies.items()
                    if any(re.search(rf"\b{v}\b", sql) for v in grown)
                }
            views[table] = sorted(found)
        yield connection, views


def insert(connection: duckdb.DuckDBPyConnection, table: RawTable, rows: list[Any]) -> None:
    names = [c.name for c in table.all_columns]
    marks = ", ".join("?" * len(names))
    for row in rows:
        connection.execute(
            f"insert into raw.{table.name} ({', '.join(names)}) values ({marks})",
            [row[n] for n in names],
        )


def plain_row(table: RawTable) -> dict[str, Any]:
    return {c.name: PLAIN[c.type] for c in table.all_columns}


def insert_companion(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    if name in COMPANION:
        other = RAW_TABLES[COMPANION[name]]
        insert(connection, other, [plain_row(other)])


def read(connection: duckdb.DuckDBPyConnection, views: list[str]) -> dict[str, list[Any]]:
    return {v: connection.execute(f"from staging.{v} order by all").fetchall() for v in views}


@pytest.mark.parametrize("name", RAW_TABLES)
def test_a_row_of_later_changes_nothing(
    staged: tuple[duckdb.DuckDBPyConnection, Views], name: str
) -> None:
    connection, views = staged
    table = RAW_TABLES[name]
    assert views[name], f"no staging view reads raw.{name}"

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(before=rows_of(table, later=False), after=rows_of(table, later=True))
    def holds(before: list[Any], after: list[Any]) -> None:
        keys = {tuple(r[k] for k in table.key) for r in before}
        after = [r for r in after if tuple(r[k] for k in table.key) not in keys]
        connection.execute("begin")
        try:
            insert_companion(connection, name)
            insert(connection, table, before)
            seen = read(connection, views[name])
            insert(connection, table, after)
            assert read(connection, views[name]) == seen
        finally:
            connection.execute("rollback")

    holds()


@pytest.mark.parametrize("name", RAW_TABLES)
def test_a_row_of_that_day_is_seen(
    staged: tuple[duckdb.DuckDBPyConnection, Views], name: str
) -> None:
    """Without this the rule above would hold of views that are always empty."""
    connection, views = staged
    table = RAW_TABLES[name]
    connection.execute("begin")
    try:
        insert_companion(connection, name)
        insert(connection, table, [plain_row(table)])
        assert any(read(connection, views[name]).values())
    finally:
        connection.execute("rollback")
