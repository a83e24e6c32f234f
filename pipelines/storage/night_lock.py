"""One run at a time in one warehouse: a lock for a run's whole length, which ends with its process.

The build file's own lock is held step by step only; between two steps another run could load under
another date. Who holds it is written into the file for the message; the lock is the kernel's, so a
crash leaves nothing to delete.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pipelines.settings import Settings
from pipelines.storage.errors import WarehouseBusy
from pipelines.storage.files import explain_disk
from pipelines.storage.warehouse import LOCK_POLL_S, LOCK_WAIT_S


@dataclass(slots=True)
class _Held:
    pid: int
    descriptor: int
    holders: list[str] = field(default_factory=list)


_HELD: dict[Path, _Held] = {}
_REGISTRY = threading.Lock()


def lock_path(settings: Settings) -> Path:
    """Return the file that is locked; it may stay there, empty or not, without meaning anything."""
    return settings.build_path.with_name("night.lock")


def hold(settings: Settings, holder: str, *, wait_s: float = LOCK_WAIT_S) -> None:
    """Take the warehouse for `holder` (a run id, or a command), unless this process has it already.

    Raises:
        WarehouseBusy: another process still has it after `wait_s`; the message names process and
            run.
    """
    path = lock_path(settings)
    with _REGISTRY:
        held = _HELD.get(path)
        if held is not None and held.pid != os.getpid():
            os.close(held.descriptor)  # inherited by a fork: it is the parent's
            del _HELD[path]
            held = None
        if held is None:
            held = _HELD[path] = _Held(os.getpid(), _acquire(path, wait_s))
            _write_holder(held.descriptor, holder)
        held.holders.append(holder)


def release(settings: Settings, holder: str) -> None:
    """Give the warehouse back when its last holder in this process is done; else do nothing."""
    path = lock_path(settings)
    with _REGISTRY:
        held = _HELD.get(path)
        if held is None or held.pid != os.getpid() or holder not in held.holders:
            return
        held.holders.remove(holder)
        if not held.holders:
            del _HELD[path]
            os.close(held.descriptor)


@contextmanager
def held_for(settings: Settings, holder: str, *, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
    """Hold the warehouse for the length of a block. Raises WarehouseBusy as `hold` does."""
    hold(settings, holder, wait_s=wait_s)
    try:
        yield
    finally:
        release(settings, holder)


def _acquire(path: Path, wait_s: float) -> int:
    with explain_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    waited = 0.0
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if waited >= wait_s:
                    raise WarehouseBusy(
                        f"{path.parent.parent}: {_read_holder(descriptor)} is under way in this "
                        f"warehouse; wait for it, or end it, and run again"
                    ) from None
            time.sleep(LOCK_POLL_S)
            waited += LOCK_POLL_S
    except BaseException:
        os.close(descriptor)
        raise


def _write_holder(descriptor: int, holder: str) -> None:
    said = {"pid": os.getpid(), "holder": holder, "since": f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(said).encode(), 0)


def _read_holder(descriptor: int) -> str:
    with suppress(ValueError, KeyError):
        said = json.loads(os.pread(descriptor, 4096, 0))
        return f"{said['holder']} (process {said['pid']}, since {said['since']} UTC)"
    return "another run"
