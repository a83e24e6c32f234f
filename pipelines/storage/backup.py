"""A whole warehouse in a folder elsewhere, and back: landing, build file, published versions.

    <folder>/manifest.json        written last: a folder without it is no backup
    <folder>/warehouse/…          the files, under the names that they have in a warehouse

The caller holds the night's lock, so nothing is half written. Dagster's own history is not in it:
what ran is in `meta.runs`.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

import duckdb

from pipelines.settings import Settings
from pipelines.storage.errors import BackupRefused
from pipelines.storage.files import explain_disk, sync_file, sync_folder, write_file
from pipelines.storage.warehouse import open_build

MANIFEST = "manifest.json"
PARTS = ("landing", "build", "published", "alerts.json")
NOT_KEPT = ("night.lock", ".past-", ".candidate-", ".removed-")
"""Locks and what a crash left: meaningless elsewhere."""
_BLOCK = 1024 * 1024

Tell = Callable[[int, int], None]
"""Called with the files done and the files in all."""


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup as its manifest tells of it. `links` maps a link to its target."""

    world: str
    made_at: str
    code_version: str
    files: Mapping[str, str]
    links: Mapping[str, str]
    size_bytes: int


def write_backup(settings: Settings, folder: Path, *, code_version: str, tell: Tell) -> Backup:
    """Copy the warehouse into an empty or absent folder; return what was written.

    Raises:
        BackupRefused: the folder holds something, or there is no warehouse yet.
        DiskFull: there is no space for the copy.
    """
    if not settings.build_path.exists():
        raise BackupRefused(f"{settings.warehouse}: there is no warehouse yet")
    if folder.exists() and any(folder.iterdir()):
        raise BackupRefused(f"{folder}: is not empty; a backup is written into a new folder")
    if folder.resolve().is_relative_to(settings.warehouse):
        raise BackupRefused(f"{folder}: lies in the warehouse that it is to save")
    with open_build(settings) as connection:
        connection.execute("checkpoint")
    found = list(_files(settings.warehouse))
    hashes, links, size = {}, {}, 0
    with explain_disk(folder):
        for done, path in enumerate(found, start=1):
            name = path.relative_to(settings.warehouse).as_posix()
            target = folder / "warehouse" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if path.is_symlink():
                links[name] = path.readlink().as_posix()
                target.symlink_to(links[name])
            else:
                hashes[name] = _copy(path, target)
                size += path.stat().st_size
            tell(done, len(found))
        made_at = datetime.now(UTC).isoformat(timespec="seconds")
        backup = Backup(settings.world, made_at, code_version, hashes, links, size)
        document = {name: getattr(backup, name) for name in Backup.__slots__}
        write_file(folder / MANIFEST, json.dumps(document, indent=1, sort_keys=True).encode())
    return backup


def restore_backup(settings: Settings, folder: Path, *, tell: Tell) -> Backup:
    """Copy a backup into a warehouse that is empty, every file compared with its hash.

    Dagster's folder may be there already.

    Raises:
        BackupRefused: no backup, another world's, or damaged; or the warehouse holds something.
        DiskFull: there is no space for it.
    """
    backup = read_backup(folder)
    if backup.world != settings.world:
        raise BackupRefused(f"{folder}: of the {backup.world} world, this is {settings.world}")
    if held := [part for part in PARTS if (settings.warehouse / part).exists()]:
        raise BackupRefused(
            f"{settings.warehouse}: holds {', '.join(held)}; restore into an empty warehouse"
        )
    partial = settings.warehouse / ".restoring"
    shutil.rmtree(partial, ignore_errors=True)
    with explain_disk(settings.warehouse):
        for done, (name, digest) in enumerate(sorted(backup.files.items()), start=1):
            source, target = folder / "warehouse" / name, partial / name
            if not source.is_file():
                raise BackupRefused(f"{source}: is missing; the backup is damaged")
            target.parent.mkdir(parents=True, exist_ok=True)
            if _copy(source, target) != digest:
                raise BackupRefused(f"{source}: is not what was saved; the backup is damaged")
            tell(done, len(backup.files))
        for name, target_name in backup.links.items():
            (partial / name).parent.mkdir(parents=True, exist_ok=True)
            (partial / name).symlink_to(target_name)
        for part in PARTS:
            if (partial / part).exists():
                (partial / part).rename(settings.warehouse / part)
        sync_folder(settings.warehouse)
        partial.rmdir()
    _open_once(settings)
    return backup


def read_backup(folder: Path) -> Backup:
    """Return what a backup says of itself.

    Raises:
        BackupRefused: it has no manifest, or one that names files outside of it.
    """
    try:
        document: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        backup = Backup(**{name: document[name] for name in Backup.__slots__})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackupRefused(
            f"{folder}: no readable {MANIFEST}; it is no backup, or was cut short"
        ) from error
    targets = [str(PurePosixPath(name).parent / to) for name, to in backup.links.items()]
    for name in (*backup.files, *targets):
        parts = PurePosixPath(name).parts
        if not parts or parts[0] not in PARTS or ".." in parts:
            raise BackupRefused(f"{folder}: its {MANIFEST} names {name}, which is no warehouse's")
    return backup


def _files(warehouse: Path) -> Iterator[Path]:
    for part in PARTS:
        top = warehouse / part
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            names = path.relative_to(warehouse).parts
            if any(name.startswith(NOT_KEPT) for name in names):
                continue
            if path.is_symlink() or path.is_file():
                yield path


def _copy(source: Path, target: Path) -> str:
    """Copy one file, wait until it is on disk, and return the sha256 of what was read."""
    digest = hashlib.sha256()
    with source.open("rb") as reader, target.open("wb") as writer:
        while block := reader.read(_BLOCK):
            digest.update(block)
            writer.write(block)
    shutil.copystat(source, target)
    sync_file(target)
    return digest.hexdigest()


def _open_once(settings: Settings) -> None:
    """Open the restored build file, which says if it is another world's or damaged."""
    try:
        with open_build(settings) as connection:
            connection.execute("select count(*) from meta.runs").fetchall()
    except duckdb.Error as error:
        raise BackupRefused(f"{settings.build_path}: cannot be opened: {error}") from error
