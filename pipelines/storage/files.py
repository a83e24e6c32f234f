"""Writing files so that a crash leaves either the old content or the new one, never half.

Temporary name, fsync, rename, fsync of the folder. What the files hold is their writers' business.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.storage.errors import DiskFull, NotWritable

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)


@contextmanager
def explain_disk(path: Path) -> Iterator[None]:
    """Say what to do where the disk is full or the folder is not ours to write.

    Raises:
        DiskFull: in place of the OSError that says so.
        NotWritable: likewise.
    """
    try:
        yield
    except OSError as error:
        where = error.filename or path
        if error.errno in FULL:
            raise DiskFull(
                f"{where}: {error.strerror}; free space and run again, what was stored and "
                f"published before is as it was"
            ) from error
        if error.errno in FORBIDDEN:
            raise NotWritable(
                f"{where}: {error.strerror}; the user who runs this must be able to write "
                f"everything under SMALLCAPS_WAREHOUSE"
            ) from error
        raise


def write_file(path: Path, content: bytes, *, mode: int = 0o644, sync_name: bool = True) -> str:
    """Write `content` to `path` in one step and return its sha256.

    Without `sync_name` the caller syncs the folder later: one wait for many files.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    with explain_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as handle:
                handle.write(content)
                handle.flush()
                os.fsync(handle.fileno())
            temporary.chmod(mode)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    if sync_name:
        sync_folder(path.parent)
    return hashlib.sha256(content).hexdigest()


def append_line(path: Path, line: str) -> None:
    """Append one line and wait until it is on disk; a torn line before it is closed off first."""
    with explain_disk(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, (("\n" if torn else "") + line + "\n").encode())
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)


def sync_file(path: Path) -> None:
    """Wait until the content of a file is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on disk."""
    sync_file(path)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises OSError or ValueError."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise ValueError("no JSON object")
    return document
