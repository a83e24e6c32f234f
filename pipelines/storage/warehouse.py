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
from pipelines.storage.errors import BuildUnusable, DiskFull, NotWritable, WarehouseBusy
from pipelines.storage.files import explain_disk, sync_folder

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
_FULL = ("No space left on device", "File too large", "Disk quota exceeded")
_FORBIDDEN = ("Permission denied", "Read-only file system")
_DAMAGED = (
    "Corrupt database file",
    "not a valid DuckDB database file",
    "Could not read enough bytes",
    "replaying WAL",
    "WAL does not match",
)
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
        BuildUnusable: the file, or the .wal beside it, is damaged.
        DiskFull: there is no space for what is to be written.
        NotWritable: this user may not write the file or its folder.
    """
    connection = connect_build(settings, wait_s=wait_s)
    try:
        with _explained(settings.build_path):
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
        with _explained(settings.build_path):
            _check_world(connection, settings)
            yield connection
    finally:
        connection.close()


def connect_build(settings: Settings, *, wait_s: float = LOCK_WAIT_S) -> duckdb.DuckDBPyConnection:
    """Return an open connection as `open_build` does; the caller closes it."""
    path = settings.build_path
    with explain_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _make_file(path)
    connection = _connect(path, wait_s=wait_s)
    try:
        with _explained(path), explain_disk(path):
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


def _make_file(path: Path) -> None:
    """Make an empty file of our storage version under its name in one step.

    DuckDB writes the headers after the name is there: a crash between leaves what nobody can open.
    """
    path.with_name(path.name + ".wal").unlink(missing_ok=True)
    _stamp_path(path).unlink(missing_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    with _explained(path):
        config = {"storage_compatibility_version": STORAGE_VERSION}
        duckdb.connect(str(fresh), config=config).close()
    fresh.rename(path)
    sync_folder(path.parent)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Say what to do where DuckDB meets a damaged file, a full disk or a folder it may not use."""
    try:
        yield
    except duckdb.Error as error:
        told = str(error).partition("\n")[0]
        if any(sign in told for sign in _FULL):
            raise DiskFull(
                f"{path}: {told}; free space and run again, what was stored and published before "
                f"is as it was"
            ) from error
        if any(sign in told for sign in _FORBIDDEN):
            raise NotWritable(
                f"{path}: {told}; the user who runs this must be able to write everything under "
                f"SMALLCAPS_WAREHOUSE"
            ) from error
        if any(sign in told for sign in _DAMAGED):
            raise BuildUnusable(
                f"{path} is damaged ({told}): smallcaps rebuild makes it anew from landing; what "
                f"is published is not touched"
            ) from error
        raise


def _connect(
    path: Path, *, read_only: bool = False, wait_s: float = LOCK_WAIT_S
) -> duckdb.DuckDBPyConnection:
    """Open the file, waiting up to `wait_s` for another process to let go of it."""
    waited = 0.0
    while True:
        try:
            with _explained(path):
                return duckdb.connect(str(path), read_only=read_only)
        except duckdb.IOException as error:
            held = _PID.search(str(error))
            if held is None and "Could not set lock" not in str(error):
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
            f"its .wal is gone, and the data with it. Landing still holds every payload: "
            f"smallcaps rebuild"
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
                f"({', '.join(changed) or 'order of columns'}): smallcaps rebuild makes it "
                f"anew from landing"
            )


def _stamp_path(path: Path) -> Path:
    return path.with_name("world.json")
