"""The newest rows of the marts on which the four answers stand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from pipelines.overview import Overview
from pipelines.storage.errors import StorageError

_NEWEST = {
    "valuation": "from marts.valuation_gaps where pair_id = 'small_vs_large' "
    "and log_price_ratio is not null order by traded_on desc limit 1",
    "breadth": "from marts.market_breadth where universe_id = 'russell_2000' and sector = 'all' "
    "order by traded_on desc limit 1",
    "flows": "from marts.flow_signals where group_id = 'small_cap' "
    "and small_minus_large_flow_63d_pct is not null order by traded_on desc limit 1",
    "macro": "from marts.macro_regime order by traded_on desc limit 1",
}


def read_overview(connection: duckdb.DuckDBPyConnection) -> Overview:
    """Return the newest rows of an opened published file; an empty mart gives an empty row."""
    signals = query_rows(
        connection, "from marts.signal_scorecard qualify traded_on = max(traded_on) over ()"
    )
    newest = {name: (query_rows(connection, sql) or [{}])[0] for name, sql in _NEWEST.items()}
    return Overview(signals={row["signal_id"]: row for row in signals}, **newest)


def read_overview_of(path: Path) -> Overview:
    """Return the newest rows of a version's file.

    Raises:
        StorageError: it cannot be read, or was published before one of the marts was.
    """
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            return read_overview(connection)
    except duckdb.Error as error:
        raise StorageError(f"{path} cannot be read: {error}") from error


def query_rows(
    connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return the rows of a query by column name; `values` are those of its named parameters."""
    result = connection.execute(sql, dict(values or {}))
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
