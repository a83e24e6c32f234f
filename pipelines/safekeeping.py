"""`smallcaps backup` and `smallcaps restore`: the lock, the progress, the words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipelines.settings import Settings
from pipelines.storage import night_lock
from pipelines.storage.backup import Backup, Tell, restore_backup, write_backup
from pipelines.storage.warehouse import LOCK_WAIT_S
from pipelines.version import code_version


def backup(
    settings: Settings, folder: Path, console: Console, *, wait_s: float = LOCK_WAIT_S
) -> Backup:
    """Copy the warehouse into a new folder, while no run is under way.

    Raises:
        WarehouseBusy: a run is under way.
        BackupRefused: the folder is not new, or there is no warehouse yet.
    """
    held = night_lock.held_for(settings, "smallcaps backup", wait_s=wait_s)
    with held, _progress("copying", console) as tell:
        written = write_backup(settings, folder, code_version=code_version(), tell=tell)
    console.print(f"saved {_told(written)} in {folder}", soft_wrap=True)
    return written


def restore(settings: Settings, folder: Path, console: Console) -> Backup:
    """Bring a backup into an empty warehouse.

    Raises:
        BackupRefused: no backup, another world's, or damaged; or the warehouse holds something.
    """
    with _progress("comparing and copying", console) as tell:
        brought = restore_backup(settings, folder, tell=tell)
    console.print(
        f"restored {_told(brought)}, of {brought.made_at}, into {settings.warehouse}",
        soft_wrap=True,
    )
    return brought


def _told(saved: Backup) -> str:
    return f"{len(saved.files):,} files, {saved.size_bytes / 1e6:,.0f} MB, {saved.world} world"


@contextmanager
def _progress(what: str, console: Console) -> Iterator[Tell]:
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what)

        def tell(done: int, of: int) -> None:
            progress.update(task, completed=done, total=of)

        yield tell
