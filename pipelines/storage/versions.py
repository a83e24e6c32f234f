"""The folder of published versions and the link that readers follow.

    published/versions/<version>/warehouse.duckdb
    published/versions/rebuild-<day>-…/warehouse.duckdb
    published/current -> versions/<version>

A version is written elsewhere (`storage.publish`), verified, named by one rename and shown by one
repointed link. Names beginning with a dot are what a crash left behind. Past days that were rebuilt
(`storage.past_copy`) lie beside the nights' versions: the link never shows one, and they stay until
somebody deletes them.
"""

from __future__ import annotations

import re
import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from pipelines.settings import Settings
from pipelines.storage.errors import NothingPublished, StorageError
from pipelines.storage.files import sync_folder

FILE_NAME = "warehouse.duckdb"
_NAME = re.compile(r"(\d{8}T\d{6})-[A-Za-z0-9_-]{1,8}")
_REBUILD = re.compile(r"rebuild-(\d{4}-\d\d-\d\d)-\d{8}T\d{6}-[A-Za-z0-9_-]{1,8}")
_TIME = "%Y%m%dT%H%M%S"


def versions_dir(settings: Settings) -> Path:
    """Return the folder of versions."""
    return settings.published_dir / "versions"


def version_path(settings: Settings, version: str) -> Path:
    """Return the file of a version, which need not exist."""
    return versions_dir(settings) / version / FILE_NAME


def list_versions(settings: Settings) -> list[str]:
    """Return the names of the published versions, oldest first."""
    folder = versions_dir(settings)
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and _NAME.fullmatch(p.name))


def list_rebuilds(settings: Settings) -> list[str]:
    """Return the names of the rebuilt past days, by day and then by when they were rebuilt."""
    folder = versions_dir(settings)
    if not folder.is_dir():
        return []
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and _REBUILD.fullmatch(p.name))


def find_version(settings: Settings, name: str) -> str:
    """Return the one version that a name means: `current`, a whole name, or a beginning of one.

    A rebuilt past day is named by its whole name or a beginning of it (`rebuild-2025-10-08`).

    Raises:
        NothingPublished: no version, or more than one, is meant; the message lists them.
    """
    held = [*list_versions(settings), *list_rebuilds(settings)]
    shown = current_version(settings)
    if name == "current":
        if shown is None:
            raise NothingPublished("nothing is published yet: run `smallcaps run` first")
        return shown
    found = [v for v in held if v == name] or [v for v in held if v.startswith(name)]
    if len(found) != 1:
        trouble = "more than one version begins with" if found else "no version"
        raise NothingPublished(f"{trouble} {name}; there are {', '.join(held) or 'none at all'}")
    return found[0]


def current_version(settings: Settings) -> str | None:
    """Return the version that the link points to, None before the first publication."""
    link = settings.published_dir / "current"
    return link.readlink().name if link.is_symlink() else None


def name_version(settings: Settings, run_id: str, published_at: datetime) -> str:
    """Return a name that sorts after every version there is, whatever the clock says."""
    moment = published_at.astimezone(UTC).replace(microsecond=0, tzinfo=None)
    for version in list_versions(settings):
        stamp = datetime.strptime(version[:15], _TIME)  # noqa: DTZ007 - names are in UTC
        moment = max(moment, stamp + timedelta(seconds=1))
    return f"{moment.strftime(_TIME)}-{_short(run_id)}"


def name_rebuild(settings: Settings, run_id: str, as_of: date, published_at: datetime) -> str:
    """Return the name of a rebuilt past day, which no rollback and no pruning takes for a night."""
    moment = published_at.astimezone(UTC).replace(microsecond=0, tzinfo=None)
    taken = {name[19:34] for name in list_rebuilds(settings)}
    while moment.strftime(_TIME) in taken:
        moment += timedelta(seconds=1)
    return f"rebuild-{as_of}-{moment.strftime(_TIME)}-{_short(run_id)}"


def _short(run_id: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "", run_id)[:8] or "run"


def repoint(settings: Settings, version: str) -> None:
    """Point `current` to a version in one step.

    Raises:
        StorageError: the file system knows no links, or something else stands in the link's place.
    """
    link = settings.published_dir / "current"
    if link.exists() and not link.is_symlink():
        raise StorageError(f"{link} is no link; move it away, it is what readers follow")
    temporary = settings.published_dir / f".current-{version}"
    temporary.unlink(missing_ok=True)
    try:
        temporary.symlink_to(Path("versions") / version, target_is_directory=True)
    except (OSError, NotImplementedError) as error:
        raise StorageError(
            f"{settings.published_dir}: cannot make a link ({error}); put SMALLCAPS_WAREHOUSE on a "
            f"file system with symbolic links"
        ) from error
    temporary.replace(link)
    sync_folder(settings.published_dir)


def clear_leftovers(settings: Settings) -> list[str]:
    """Remove what crashed publications left behind; return the names."""
    found = [*versions_dir(settings).glob(".*"), *settings.published_dir.glob(".current-*")]
    for path in found:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return sorted(p.name for p in found)


def prune(settings: Settings, *, keep: int) -> list[str]:
    """Remove all but the newest `keep` versions, never the current one; return their names."""
    current = current_version(settings)
    removed = [v for v in list_versions(settings)[:-keep] if v != current]
    for version in removed:
        # Renamed first: a crash half-way must not leave a version without its file.
        doomed = versions_dir(settings) / f".removed-{version}"
        (versions_dir(settings) / version).rename(doomed)
        shutil.rmtree(doomed)
    return removed


def rollback(settings: Settings, version: str | None = None) -> str:
    """Point `current` to the version before it, or to a named one, and return its name.

    Raises:
        NothingPublished: there is no such version.
        StorageError: it cannot be opened, or belongs to another world.
    """
    versions = list_versions(settings)
    current = current_version(settings)
    if version is None:
        earlier = [v for v in versions if current is None or v < current]
        if not earlier:
            raise NothingPublished(f"no version before {current or 'the first'}; nothing to go to")
        version = earlier[-1]
    elif version not in versions:
        raise NothingPublished(
            f"no version {version}; there are {', '.join(versions) or 'none at all'}"
        )
    path = versions_dir(settings) / version / FILE_NAME
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            worlds = [r[0] for r in connection.execute("select world from meta.world").fetchall()]
    except duckdb.Error as error:
        raise StorageError(f"version {version} cannot be opened: {error}") from error
    if worlds != [settings.world]:
        raise StorageError(
            f"version {version} belongs to {worlds}, this command is for {settings.world!r}"
        )
    repoint(settings, version)
    return version
