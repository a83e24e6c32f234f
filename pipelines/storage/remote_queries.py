"""Which queries a remote reader may run: one that reads, and nothing that steers the server.

DuckDB's own parser decides, not a search in the text: what it does not parse as SELECT statements
does not run. Of the functions that give tables only reviewed ones do (others run text that was put
together while the query ran, stop the server, or read memory), of the others all but a few.
"""

from __future__ import annotations

import json
import threading
from typing import Any

import duckdb

READING = frozenset({
    "duckdb_columns", "duckdb_constraints", "duckdb_databases", "duckdb_functions",
    "duckdb_schemas", "duckdb_tables", "duckdb_types", "duckdb_views", "generate_series",
    "json_each", "json_tree", "pragma_table_info", "pragma_version", "range", "repeat", "unnest",
})  # fmt: skip
"""Functions that give tables, and do nothing else."""
OF_FILES = frozenset({
    "glob", "parquet_scan", "read_blob", "read_csv", "read_csv_auto", "read_json",
    "read_json_auto", "read_parquet", "read_text",
})  # fmt: skip
"""The server has no access to files and network, and says so better than we would."""
STEERING = frozenset({"getvariable", "nextval", "setseed", "sleep_ms", "write_log"})
"""Functions that give a value, and change or hold up the server, or tell what another left."""
STEERING_PREFIX = "quack"


class Judge:
    """Says whether a query may run. Any thread may ask."""

    def __init__(self) -> None:
        self._parser = duckdb.connect()
        self._parser.execute("set enable_external_access = false")
        self._lock = threading.Lock()

    def may_run(self, query: str) -> bool:
        """Return whether the text is SELECT statements alone that steer nothing."""
        with self._lock:
            row = self._parser.execute("select json_serialize_sql(?)", [query]).fetchone()
        parsed: dict[str, Any] = json.loads(row[0]) if row and row[0] else {"error": True}
        if parsed.get("error") or not parsed.get("statements"):
            return False
        return _only_reads(parsed)


def _only_reads(parsed: Any) -> bool:
    """Return whether no part of a parsed query calls a function that does more than read."""
    if isinstance(parsed, list):
        return all(_only_reads(part) for part in parsed)
    if not isinstance(parsed, dict):
        return True
    name = str(parsed.get("function_name", "")).lower()
    if name in STEERING or name.startswith(STEERING_PREFIX):
        return False
    if parsed.get("type") == "TABLE_FUNCTION":
        given = str(parsed["function"].get("function_name", "")).lower()
        if given not in READING | OF_FILES:
            return False
    return all(_only_reads(part) for part in parsed.values())
