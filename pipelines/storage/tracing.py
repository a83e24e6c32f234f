"""Rows behind a published number: the row itself, and the raw rows that it was made from.

What to ask for is `lineage.traces`' to say. Everything is opened read-only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from pipelines.errors import ConfigurationError
from pipelines.settings import Settings
from pipelines.storage.errors import NothingPublished
from pipelines.storage.warehouse import read_build

Row = dict[str, Any]


def read_columns(connection: duckdb.DuckDBPyConnection) -> dict[str, list[Row]]:
    """Return each published table's columns as rows of the data dictionary, in their order."""
    frame = connection.execute(
        "select c.schema_name || '.' || c.table_name as table_name, c.column_name, c.data_type, "
        "d.meaning, d.unit, d.source, d.formula, d.is_key "
        "from duckdb_columns() as c left join meta.data_dictionary as d "
        "using (schema_name, table_name, column_name) "
        "where c.database_name = current_database() and c.schema_name in ('marts', 'meta') "
        "order by c.schema_name, c.table_name, c.column_index"
    ).df()
    found: dict[str, list[Row]] = {}
    for row in frame.to_dict("records"):
        clean: Row = {str(k): (None if pd.isna(v) else v) for k, v in row.items()}
        found.setdefault(str(clean["table_name"]), []).append(clean)
    return found


def read_rows(
    connection: duckdb.DuckDBPyConnection, table: str, key: Mapping[str, str]
) -> list[Row]:
    """Return the rows of a table whose key columns have these values, given as text.

    `table` and the columns must be ones that `read_columns` names.

    Raises:
        ConfigurationError: a value is no value of its column's type.
    """
    told = " and ".join(f'"{column}" = ?' for column in key) or "true"
    try:
        result = connection.execute(f"from {table} where {told} limit 2000", list(key.values()))
    except duckdb.ConversionException as error:
        raise ConfigurationError(f"{table}: {str(error).splitlines()[0]}") from error
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def read_nearest(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, value: str
) -> list[str]:
    """Return the two values of a date column around one that it does not have."""
    row = connection.execute(
        f'select max("{column}") filter (where "{column}" < ?::date), '  # noqa: S608
        f'min("{column}") filter (where "{column}" > ?::date) from {table}',
        [value, value],
    ).fetchone()
    return [str(day) for day in row or () if day is not None]


def read_parents(connection: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str]]:
    """Return the way from a table down to raw: (table, table that it reads), each once."""
    rows: list[tuple[str, str]] = connection.execute(
        "with recursive way (table_name, reads, depth) as ("
        "select table_name, reads, 1 from meta.lineage where table_name = $table "
        "union select l.table_name, l.reads, way.depth + 1 from way "
        "inner join meta.lineage as l on way.reads = l.table_name where way.depth < 40) "
        "select table_name, reads from way group by all order by min(depth), 1, 2",
        {"table": table},
    ).fetchall()
    return rows


def read_checks(connection: duckdb.DuckDBPyConnection, run_id: str) -> pd.DataFrame:
    """Return the checks of a run: check_id, kind, target, severity, status, finding."""
    frame: pd.DataFrame = connection.execute(
        "select check_id, kind, target, severity, status, finding from meta.checks "
        "where run_id = ? order by check_id",
        [run_id],
    ).df()
    return frame


def read_raw(settings: Settings, sql: str, values: Mapping[str, Any]) -> pd.DataFrame:
    """Run one of the trace queries on the build file, read-only, with the values that it names.

    Raises:
        WarehouseBusy: a run holds the file.
        NothingPublished: there is no build file (a warehouse restored without it).
    """
    if not settings.build_path.exists():
        raise NothingPublished(
            f"{settings.build_path} is not there: raw rows are in it; `smallcaps rebuild` makes it"
        )
    wanted = set(re.findall(r"\$(\w+)", sql))
    with read_build(settings) as connection:
        picked = {k: v for k, v in values.items() if k in wanted}
        frame: pd.DataFrame = connection.execute(sql, picked).df()
    return frame


def read_gates(settings: Settings, run_ids: list[str], feed: str) -> pd.DataFrame:
    """Return what the gates of a feed said in the runs that loaded the rows."""
    with read_build(settings) as connection:
        frame: pd.DataFrame = connection.execute(
            "select run_id, check_id, status, finding from meta.checks where kind = 'gate' "
            "and target = 'landing.' || ? and run_id in (select unnest(?::varchar[])) "
            "order by run_id, check_id",
            [feed, run_ids],
        ).df()
    return frame


def read_signal_inputs(settings: Settings, pillar: str) -> list[str]:
    """Return what a signal is made of, as mart.column: its inputs, or all pillars."""
    with read_build(settings) as connection:
        rows = connection.execute(
            "select mart || '.' || column_name || coalesce(' - ' || minus_column, '') "
            "from reference.signal_inputs where pillar = ? order by input_id",
            [pillar],
        ).fetchall()
        if not rows:
            rows = connection.execute(
                "select 'signal_scorecard.score_z of ' || pillar from reference.signal_inputs "
                "group by pillar order by pillar"
            ).fetchall()
    return [row[0] for row in rows]


def read_cell(path: Path, table: str, key: Mapping[str, Any], column: str) -> tuple[bool, Any]:
    """Return whether a version's file has the row, and its value there."""
    told = " and ".join(f'"{name}" = ?' for name in key)
    with duckdb.connect(str(path), read_only=True) as connection:
        try:
            row = connection.execute(
                f'select "{column}" from {table} where {told}',  # noqa: S608
                list(key.values()),
            ).fetchone()
        except duckdb.Error:  # an older version without the table or the column
            return False, None
    return (row is not None), (row[0] if row else None)


def read_publications(connection: duckdb.DuckDBPyConnection) -> list[Row]:
    """Return every publication that a version knows of, oldest first."""
    result = connection.execute(
        "select version, run_id, as_of, published_at, code_version, checks_passed, checks_warned "
        "from meta.publications order by published_at"
    )
    names = [column[0] for column in result.description or []]
    return [dict(zip(names, row, strict=True)) for row in result.fetchall()]
