"""A second build file beside the first: made elsewhere, compared, and put in its place in one step.

What is loaded into it is `pipelines.rebuild`'s business.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb

from pipelines.settings import Settings
from pipelines.storage.contracts import RAW_TABLES
from pipelines.storage.errors import StorageError
from pipelines.storage.files import explain_disk, sync_file, sync_folder
from pipelines.storage.warehouse import quoted


@dataclass(frozen=True, slots=True)
class RawDifference:
    """Rows of one raw table that only one of the two files has."""

    rows: int
    only_old: int
    only_new: int


def staging_settings(settings: Settings, moment: datetime) -> Settings:
    """Return settings of which the build file is a new one in a folder of its own."""
    folder = settings.build_path.parent / f".rebuild-{moment:%Y%m%dT%H%M%S}-{os.getpid()}"
    return replace(settings, warehouse=folder)


def clear_staging(settings: Settings) -> None:
    """Remove what rebuilds left behind that were cut short."""
    for folder in settings.build_path.parent.glob(".rebuild-*"):
        shutil.rmtree(folder)


def compare_raw(old: Path, new: Path) -> Mapping[str, RawDifference] | None:
    """Compare the raw tables of two files row for row; None if the old one cannot be read.

    Raises:
        StorageError: the new file cannot be read back.
    """
    found: dict[str, RawDifference] = {}
    try:
        with duckdb.connect(str(new), read_only=True) as connection:
            for name in RAW_TABLES:
                row = connection.execute(f"select count(*) from raw.{name}").fetchone()  # noqa: S608
                found[name] = RawDifference(int(row[0]) if row else 0, 0, 0)
    except duckdb.Error as error:
        raise StorageError(f"{new}: the new build file cannot be read: {error}") from error
    if not old.exists():
        return None
    with duckdb.connect(str(new), read_only=True) as connection:
        try:
            connection.execute(f"attach '{quoted(old)}' as old (read_only)")
            for name, difference in found.items():
                here, there = f"from raw.{name}", f"from old.raw.{name}"
                found[name] = replace(
                    difference,
                    only_old=_count(connection, f"({there} except all {here})"),
                    only_new=_count(connection, f"({here} except all {there})"),
                )
        except duckdb.Error:
            return None  # damaged, or of another contract: that is why it is made anew
    return found


def swap_in(settings: Settings, new: Path, moment: datetime) -> Path | None:
    """Put the new file in the build file's place; return where the old one is kept, if any.

    The old .wal goes first: it belongs to the old file, and DuckDB would not open the new one
    beside it. The old file keeps a name from before the new one has its own.
    """
    path = settings.build_path
    kept = path.with_name(f"before-{moment:%Y%m%dT%H%M%S}")
    had_one = path.exists()
    with explain_disk(path):
        if had_one:
            kept.mkdir()
            _keep(path, kept)
            for beside in (path.with_name(path.name + ".wal"), path.with_name("world.json")):
                if beside.exists():
                    _keep(beside, kept)
            sync_folder(kept)
            path.with_name(path.name + ".wal").unlink(missing_ok=True)
        sync_file(new)
        new.replace(path)
        new.with_name("world.json").replace(path.with_name("world.json"))
        sync_folder(path.parent)
    return kept if had_one else None


def _keep(path: Path, folder: Path) -> None:
    try:
        os.link(path, folder / path.name)
    except OSError:  # a file system without hard links
        shutil.copy2(path, folder / path.name)


def _count(connection: duckdb.DuckDBPyConnection, relation: str) -> int:
    row = connection.execute(f"select count(*) from {relation}").fetchone()  # noqa: S608
    return int(row[0]) if row else 0
