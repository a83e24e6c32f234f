"""Two published versions side by side: whole tables compared in SQL, row by row on their grain.

Floats are compared exactly: a rebuild has the same digits or has changed. What a difference means
is `lineage.diff`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pipelines.storage.errors import StorageError
from pipelines.storage.warehouse import quoted

_NUMBERS = ("DOUBLE", "FLOAT", "BIGINT", "INTEGER", "DECIMAL", "HUGEINT", "SMALLINT", "TINYINT")


@dataclass(frozen=True, slots=True)
class Change:
    """One cell of a row that both versions have, and its two values."""

    key: Mapping[str, Any]
    column: str
    older: Any
    newer: Any
    absolute: float | None
    """Size of the change in the column's unit; None where it is no number on both sides."""
    relative: float | None
    """The same as a share of the older value; None where that is null or zero."""


@dataclass(frozen=True, slots=True)
class TableDifference:
    """What differs in one table. `added_later` are added rows dated after all older rows."""

    table: str
    rows_older: int
    rows_newer: int
    added: int
    added_later: int
    removed: int
    changed: int
    changed_columns: Mapping[str, int]
    """Column to the number of its changed cells."""
    gained_columns: tuple[str, ...]
    lost_columns: tuple[str, ...]
    largest: tuple[Change, ...]


@contextmanager
def open_pair(older: Path, newer: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open two files read-only as `older` and `newer`.

    Raises:
        StorageError: one of them cannot be opened, or lacks what is asked of it.
    """
    with duckdb.connect() as connection:
        for name, path in (("older", older), ("newer", newer)):
            try:
                connection.execute(f"attach '{quoted(path)}' as {name} (read_only)")
            except duckdb.Error as error:
                raise StorageError(f"{path} cannot be opened: {error}") from error
        try:
            yield connection
        except duckdb.Error as error:
            told = str(error).splitlines()[0]
            raise StorageError(f"{older} and {newer} cannot be compared: {told}") from error


def read_version(connection: duckdb.DuckDBPyConnection, side: str, version: str) -> dict[str, Any]:
    """Return the row of `meta.publications` that describes a version, out of its own file."""
    rows = connection.execute(
        f"select * from {side}.meta.publications where version = ?",  # noqa: S608
        [version],
    )
    names = [column[0] for column in rows.description or []]
    row = rows.fetchone()
    if row is None:
        raise StorageError(f"version {version} does not describe itself")
    return dict(zip(names, row, strict=True))


def mart_columns(
    connection: duckdb.DuckDBPyConnection, side: str
) -> dict[str, dict[str, tuple[str, bool]]]:
    """Return each mart's columns with type and whether they are part of its grain.

    A version that was published before grains were does not say; then no column is.
    """
    says_grain = connection.execute(
        "select count(*) from duckdb_columns() where database_name = ? and schema_name = 'meta' "
        "and table_name = 'data_dictionary' and column_name = 'is_key'",
        [side],
    ).fetchone()
    known: set[tuple[str, str]] = set()
    if says_grain is not None and says_grain[0]:
        known = set(
            connection.execute(
                f"select table_name, column_name from {side}.meta.data_dictionary "  # noqa: S608
                "where schema_name = 'marts' and is_key"
            ).fetchall()
        )
    found: dict[str, dict[str, tuple[str, bool]]] = {}
    for table, column, kind in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where database_name = ? and schema_name = 'marts' order by table_name, column_index",
        [side],
    ).fetchall():
        found.setdefault(table, {})[column] = (kind, (table, column) in known)
    return found


def compare_table(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    older: Mapping[str, tuple[str, bool]],
    newer: Mapping[str, tuple[str, bool]],
    *,
    most: int = 3,
) -> TableDifference:
    """Compare one mart of the two attached versions; `most` changes are shown of each table.

    A table that one of them does not have counts as empty there.

    Raises:
        StorageError: nothing says which columns name a row.
    """
    keys = [name for name, (_, is_key) in (newer or older).items() if is_key]
    if not keys:
        raise StorageError(f"marts.{table}: the version does not say which columns name a row")
    dated = [k for k in keys if (newer or older)[k][0] == "DATE"]
    rows_older = _count(connection, "older", table) if older else 0
    rows_newer = _count(connection, "newer", table) if newer else 0
    if not older or not newer:
        return TableDifference(
            f"marts.{table}", rows_older, rows_newer, rows_newer, rows_newer, rows_older, 0, {},
            tuple(newer), tuple(older), (),
        )  # fmt: skip
    both = [c for c in newer if c in older and c not in keys]
    on = " and ".join(f'a."{k}" = b."{k}"' for k in keys)
    later = "true"
    if dated:
        later = f'b."{dated[0]}" > (select max("{dated[0]}") from older.marts.{table})'  # noqa: S608
    added, added_later = _pair(
        connection,
        f"select count(*), count(*) filter (where coalesce({later}, true)) "  # noqa: S608
        f"from newer.marts.{table} as b anti join older.marts.{table} as a on {on}",
    )
    (removed,) = _pair(
        connection,
        f"select count(*) from older.marts.{table} as a "  # noqa: S608
        f"anti join newer.marts.{table} as b on {on}",
    )
    differs = {c: f'a."{c}" is distinct from b."{c}"' for c in both}
    counted = ", ".join(f"count(*) filter (where {test})" for test in differs.values())
    any_of = " or ".join(differs.values()) or "false"
    joined = f"older.marts.{table} as a inner join newer.marts.{table} as b on {on}"
    changed, *by_column = _pair(
        connection,
        f"select count(*) filter (where {any_of}){', ' if counted else ''}{counted} "  # noqa: S608
        f"from {joined}",
    )
    changed_columns = {c: n for c, n in zip(both, by_column, strict=True) if n}
    return TableDifference(
        table=f"marts.{table}",
        rows_older=rows_older,
        rows_newer=rows_newer,
        added=added,
        added_later=added_later,
        removed=removed,
        changed=changed,
        changed_columns=changed_columns,
        gained_columns=tuple(c for c in newer if c not in older),
        lost_columns=tuple(c for c in older if c not in newer),
        largest=_largest(connection, joined, keys, list(changed_columns), newer, differs, most),
    )


def _largest(
    connection: duckdb.DuckDBPyConnection,
    joined: str,
    keys: Sequence[str],
    changed: Sequence[str],
    columns: Mapping[str, tuple[str, bool]],
    differs: Mapping[str, str],
    most: int,
) -> tuple[Change, ...]:
    """Return the largest changes: numbers by relative size first, then what is no number."""
    picked = ", ".join(f'a."{k}"' for k in keys)
    found: list[Change] = []
    for column in changed:
        is_number = columns[column][0].startswith(_NUMBERS)
        size = f'abs(cast(b."{column}" as double) - cast(a."{column}" as double))'
        size = size if is_number else "cast(null as double)"
        share = f'{size} / nullif(abs(cast(a."{column}" as double)), 0)' if is_number else size
        rows = connection.execute(
            f'select {picked}, a."{column}", b."{column}", {size} as size, '  # noqa: S608
            f"{share} as share from {joined} where {differs[column]} "
            f"order by share desc nulls last, size desc nulls last, {picked} limit {most:d}"
        ).fetchall()
        for row in rows:
            key = dict(zip(keys, row, strict=False))
            old, new, absolute, relative = row[len(keys) :]
            found.append(Change(key, column, old, new, absolute, relative))
    found.sort(key=lambda c: (c.relative is None, -(c.relative or 0), -(c.absolute or 0)))
    return tuple(found[:most])


def read_loads_between(
    connection: duckdb.DuckDBPyConnection, after: Any, until: Any
) -> dict[str, int]:
    """Return the rows new to raw, by feed, of nights after one day and up to another."""
    rows = connection.execute(
        "select feed, sum(inserted_rows) from newer.meta.batches "
        "where as_of > ? and as_of <= ? and status = 'loaded' and inserted_rows > 0 "
        "group by feed order by feed",
        [after, until],
    ).fetchall()
    return {feed: int(count) for feed, count in rows}


def read_sources_of(connection: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """Return each mart to the raw tables that it is made from, by way of whatever lies between."""
    rows = connection.execute(
        "with recursive way (mart, reads) as ("
        "select table_name, reads from newer.meta.lineage where table_name like 'marts.%' "
        "union select way.mart, l.reads from way inner join newer.meta.lineage as l "
        "on way.reads = l.table_name) "
        "select mart, reads from way where reads like 'raw.%'"
    ).fetchall()
    found: dict[str, set[str]] = {}
    for mart, reads in rows:
        found.setdefault(mart, set()).add(reads.removeprefix("raw."))
    return found


def _count(connection: duckdb.DuckDBPyConnection, side: str, table: str) -> int:
    (count,) = _pair(connection, f"select count(*) from {side}.marts.{table}")  # noqa: S608
    return count


def _pair(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[int, ...]:
    row = connection.execute(sql).fetchone()
    return tuple(int(value) for value in row or ())


def as_day(value: Any) -> date | None:
    """Return a date or timestamp as a date."""
    return value if value is None or type(value) is date else value.date()
