"""Which queries a remote reader may run: one that reads, and nothing that steers the server.

DuckDB's own parser decides, not a search in the text: what it does not parse as SELECT statements
does not run, and of what it does no function may be one of `STEERING`, wherever it stands.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import duckdb

STEERING = frozenset({"query", "query_table", "getvariable"})
"""They run text that was put together while the query ran, or read what another session left."""
STEERING_PREFIX = "quack"
"""Quack's own functions stop the server, start others, and list its connections."""


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
        return not any(
            name in STEERING or name.startswith(STEERING_PREFIX) for name in _functions(parsed)
        )


def _functions(parsed: Any) -> Iterator[str]:
    """Return the names of all functions of a parsed query, lower case."""
    if isinstance(parsed, dict):
        name = parsed.get("function_name")
        if isinstance(name, str):
            yield name.lower()
        for part in parsed.values():
            yield from _functions(part)
    elif isinstance(parsed, list):
        for part in parsed:
            yield from _functions(part)
