"""The build file: where it is, how it is opened, and that it belongs to one world.

One process at a time may hold it. What goes into raw is `storage.loader`'s business, what readers
see `storage.publish`'s.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from pipelines.errors import ConfigurationError
from pipelines.settings import Settings
from pipelines.storage import meta
from pipelines.storage.contracts import RAW_TABLES, RawTable
from pipelines.storage.errors import WarehouseBusy

Connection = duckdb.DuckDBPyConnection
"""An open build file, for the layers above, which do not import duckdb."""

STORAGE_VERSION = "v1.5.0"
"""Written explicitly: 1.5's default replays a stale .wal into a replaced file, 2.0's default
cannot be read by 1.5."""

LOCK_WAIT_S = 20.0
"""A look at the build file (status, doctor) takes well under a second; a step of a night that
meets one waits instead of failing. A whole night is longer than this and is named."""

LOCK_POLL_S = 0.25
MOST_MEMORY_BYTES = 8 * 1024**3
SCHEMAS = ("raw", "reference", "meta", "staging", "intermediate", "marts")
_PID = re.compile(r"Conflicting lock is held in (?P<program>.*?)\(PID (?P<pid>\d+)\)", re.DOTALL)


@contextmanager
def open_build(
    settings: Settings, *, wait_s: float = LOCK_WAIT_S
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the build file read-write, creating folder, file, schemas and tables where absent.

    Raises:
        ConfigurationError: the file belongs to another world, was written under other contracts,
            or lost its content.
        WarehouseBusy: another process, or another open connection of this one, holds it.
    """
    connection = connect_build(settings, wait_s=wait_s)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def read_build(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an existing build file read-only, for those who only look.

    Raises:
        ConfigurationError: the file belongs to another world.
        WarehouseBusy: a run holds the file and did not let go within `LOCK_WAIT_S`.
    """
    connection = _connect(settings.build_path, read_only=True)
    try:
        _check_world(connection, settings)
        yield connection
    finally:
        connection.close()


def connect_build(settings: Settings, *, wait_s: float = LOCK_WAIT_S) -> duckdb.DuckDBPyConnection:
    """Return an open connection as `open_build` does; the caller closes it."""
    path = settings.build_path
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    if is_new:
        path.with_name(path.name + ".wal").unlink(missing_ok=True)
        _stamp_path(path).unlink(missing_ok=True)
        _connect(path, create=True, wait_s=wait_s).close()
    connection = _connect(path, wait_s=wait_s)
    try:
        _prepare(connection, settings, path)
    except BaseException:
        connection.close()
        raise
    return connection


def apply_limits(connection: duckdb.DuckDBPyConnection, *, scratch: Path | None = None) -> None:
    """Keep one connection's memory and threads within the machine, its clock on UTC, offline."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = min(MOST_MEMORY_BYTES, int(memory * 0.6)) // 1024**2
    connection.execute("set autoinstall_known_extensions = false")
    connection.execute(f"set memory_limit = '{limit}MiB'")
    connection.execute(f"set threads = {min(os.cpu_count() or 1, 8)}")
    connection.execute("set TimeZone = 'UTC'")
    if scratch is not None:
        connection.execute(f"set temp_directory = '{quoted(scratch)}'")


def quoted(text: str | Path) -> str:
    """Return `text` for use inside single quotes in SQL that takes no parameters."""
    return str(text).replace("'", "''")


def storage_version(connection: duckdb.DuckDBPyConnection, catalog: str) -> str:
    """Return the storage version of an attached file, as DuckDB reports it (`v1.5.0+`)."""
    row = connection.execute(
        "select tags['storage_version'] from duckdb_databases() where database_name = ?", [catalog]
    ).fetchone()
    return str(row[0]) if row and row[0] is not None else ""


def raw_table_ddl(table: RawTable) -> str:
    """Return the statement that creates a raw table.

    Keys are checked by the loader and not declared: an index over five million bars would cost
    more memory than the bars.
    """
    body = ", ".join(
        f"{c.name} {c.type}{'' if c.nullable else ' NOT NULL'}" for c in table.all_columns
    )
    return f"create table if not exists raw.{table.name} ({body})"


def _connect(
    path: Path,
    *,
    create: bool = False,
    read_only: bool = False,
    wait_s: float = LOCK_WAIT_S,
) -> duckdb.DuckDBPyConnection:
    """Open the file, waiting up to `wait_s` for another process to let go of it."""
    config = {"storage_compatibility_version": STORAGE_VERSION} if create else {}
    waited = 0.0
    while True:
        try:
            return duckdb.connect(str(path), config=config, read_only=read_only)
        except duckdb.IOException as error:
            held = _PID.search(str(error))
            if held is None and "lock" not in str(error):
                raise
            if waited < wait_s:
                time.sleep(LOCK_POLL_S)
                waited += LOCK_POLL_S
                continue
            by = f"process {held['pid']} ({held['program'].strip()})" if held else "another process"
            raise WarehouseBusy(
                f"{path}: {by} has the build file open; wait for it, or end it, and run again"
            ) from error
        except (duckdb.ConnectionException, duckdb.BinderException) as error:
            raise WarehouseBusy(
                f"{path}: this process has the build file open in another way: {error}"
            ) from error


def _prepare(connection: duckdb.DuckDBPyConnection, settings: Settings, path: Path) -> None:
    apply_limits(connection, scratch=path.parent / "scratch")
    found = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'meta' and table_name = 'world'"
    ).fetchone()
    if found == (0,):
        _create(connection, settings, path)
        return
    _check_world(connection, settings)
    connection.execute("begin")
    meta.create_tables(connection)
    for schema in SCHEMAS:
        connection.execute(f"create schema if not exists {schema}")
    for table in RAW_TABLES.values():
        connection.execute(raw_table_ddl(table))
    connection.execute("commit")
    _check_contracts(connection, settings)


def _check_world(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    worlds = [row[0] for row in connection.execute("select world from meta.world").fetchall()]
    if worlds != [settings.world]:
        stamped = ", ".join(map(repr, worlds)) or "no world at all"
        raise ConfigurationError(
            f"the warehouse in {settings.warehouse} belongs to {stamped}, this run is for "
            f"{settings.world!r}: set SMALLCAPS_WAREHOUSE to another folder, or SMALLCAPS_WORLD "
            f"to the world of this one; the two never share a file"
        )


def _create(connection: duckdb.DuckDBPyConnection, settings: Settings, path: Path) -> None:
    """Fill a file that has no stamp: new, or left behind by a crash before its first commit."""
    stamp = _stamp_path(path)
    if stamp.exists():
        raise ConfigurationError(
            f"{path} is empty although it was stamped {stamp.read_text(encoding='utf-8').strip()}: "
            f"its .wal is gone, and the data with it. Delete the file and run again; landing still "
            f"holds every payload (smallcaps run --from-landing RUN)"
        )
    created_at = datetime.now(UTC)
    connection.execute("begin")
    for schema in SCHEMAS:
        connection.execute(f"create schema if not exists {schema}")
    meta.create_tables(connection)
    for table in RAW_TABLES.values():
        connection.execute(raw_table_ddl(table))
    connection.execute(
        "insert into meta.world values (?, ?)", [settings.world, meta.utc(created_at)]
    )
    connection.execute("commit")
    connection.execute("checkpoint")
    temporary = stamp.with_suffix(".tmp")
    temporary.write_text(
        json.dumps({"world": settings.world, "created_at": created_at.isoformat()}) + "\n",
        encoding="utf-8",
    )
    temporary.replace(stamp)


def _check_contracts(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    rows = connection.execute(
        "select table_name, column_name, data_type, is_nullable from duckdb_columns() "
        "where schema_name = 'raw' order by table_name, column_index"
    ).fetchall()
    stored: dict[str, list[tuple[str, str, bool]]] = {}
    for table, column, kind, nullable in rows:
        stored.setdefault(table, []).append((column, kind, bool(nullable)))
    for table in RAW_TABLES.values():
        wanted = [(c.name, c.type, c.nullable) for c in table.all_columns]
        if stored[table.name] != wanted:
            changed = sorted({c[0] for c in set(stored[table.name]) ^ set(wanted)})
            raise ConfigurationError(
                f"raw.{table.name} in {settings.build_path} was written under another contract "
                f"({', '.join(changed) or 'order of columns'}): move the build folder away and "
                f"rebuild with smallcaps run --from-landing"
            )


def _stamp_path(path: Path) -> Path:
    return path.with_name("world.json")
