"""A copy of the build file in which a past day is rebuilt, and what of it goes back.

The copy keeps raw whole (staging leaves out what came later), loses every derived table, and of
meta keeps what was there by the end of the day. Which day, and what is built in the copy, is
`pipelines.past_nights`'s business.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb

from pipelines.settings import Settings
from pipelines.storage.files import explain_disk
from pipelines.storage.warehouse import open_build, quoted

DERIVED = ("staging", "intermediate", "marts")
_BY_NIGHT = ("item_loads", "reread_requests", "publications", "published_signals", "runs")
_PREFIX = ".past-"


def first_loaded_on(connection: duckdb.DuckDBPyConnection) -> date | None:
    """Return the as-of date of the oldest load, None before the first."""
    row = connection.execute("select min(as_of) from meta.item_loads").fetchone()
    return row[0] if row else None


def feeds_loaded_by(connection: duckdb.DuckDBPyConnection, day: date) -> set[str]:
    """Return the feeds of which anything was loaded by the end of the day."""
    rows = connection.execute(
        "select distinct feed from meta.item_loads where as_of <= ?", [day]
    ).fetchall()
    return {row[0] for row in rows}


def copy_settings(settings: Settings, run_id: str) -> Settings:
    """Return settings of which the build file is the copy: all else stays under `settings`."""
    return replace(settings, warehouse=settings.build_path.parent / f"{_PREFIX}{run_id}")


def copy_build(settings: Settings, copied: Settings, *, as_of: date) -> None:
    """Copy the build file and forget in the copy what is derived, and runs after `as_of`.

    The caller holds the night's lock; nobody has the file open.

    Raises:
        DiskFull: there is no space for a second build file.
    """
    clear_copies(settings)
    path = copied.build_path
    with open_build(settings) as connection:
        connection.execute("checkpoint")
    with explain_disk(path):
        path.parent.mkdir(parents=True)
        shutil.copyfile(settings.build_path, path)
        stamp = settings.build_path.with_name("world.json")
        if stamp.exists():
            shutil.copyfile(stamp, path.with_name(stamp.name))
    with open_build(copied) as connection:
        models = connection.execute(
            "select schema_name, view_name, 'view' from duckdb_views() "
            "where not internal and (schema_name in ('staging', 'intermediate', 'marts')) "
            "union all select schema_name, table_name, 'table' from duckdb_tables() "
            "where schema_name in ('staging', 'intermediate', 'marts') order by all"
        ).fetchall()
        for schema, name, kind in models:
            connection.execute(f'drop {kind} {schema}."{name}"')
        later = "run_id in (select run_id from meta.runs where as_of > $day)"
        for table in ("batches", "checks", "quarantine", "source_status"):
            connection.execute(f"delete from meta.{table} where {later}", {"day": as_of})  # noqa: S608
        for table in _BY_NIGHT:
            connection.execute(f"delete from meta.{table} where as_of > $day", {"day": as_of})  # noqa: S608


def give_back(settings: Settings, copied: Settings, run_id: str) -> None:
    """Write the run, its checks and its publication, as the copy has them, into the build file."""
    with open_build(settings) as connection:
        connection.execute(f"attach '{quoted(copied.build_path)}' as past (read_only)")
        try:
            connection.execute("begin")
            for table in ("runs", "checks", "publications"):
                connection.execute(f"delete from meta.{table} where run_id = ?", [run_id])  # noqa: S608
                connection.execute(
                    f"insert into meta.{table} by name "  # noqa: S608
                    f"select * from past.meta.{table} where run_id = ?",
                    [run_id],
                )
            connection.execute("commit")
        finally:
            connection.execute("detach past")


def clear_copies(settings: Settings) -> list[Path]:
    """Remove the copies that are over, and those that a crash left behind; return them."""
    found = sorted(settings.build_path.parent.glob(f"{_PREFIX}*"))
    for folder in found:
        shutil.rmtree(folder)
    return found
