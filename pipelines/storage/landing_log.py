"""Landing read as a log: every complete batch of every run, in the order in which it was landed.

What a batch holds is `storage.landing`'s; loading the log again is `pipelines.loading`'s.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pipelines.storage.contracts import FEEDS
from pipelines.storage.errors import LandingCorrupt
from pipelines.storage.files import read_json
from pipelines.storage.landing_records import LandedBatch, batch_id, read_manifest

Verdict = Literal["accepted", "refused", "not judged"]


@dataclass(frozen=True, slots=True)
class LoggedBatch:
    """One complete batch and what the gate said of it."""

    batch: LandedBatch
    verdict: Verdict
    reasons: tuple[str, ...] = ()


def judged_batches(landing_dir: Path) -> frozenset[str]:
    """Return the ids of all batches that have a verdict, without opening a file."""
    return frozenset(
        batch_id(path.parent.parent.name, path.parent.name)
        for path in landing_dir.glob("runs/*/*/verdict.json")
    )


def read_log(landing_dir: Path, *, without: Collection[str] = ()) -> tuple[LoggedBatch, ...]:
    """Return every complete batch, oldest first, but none of the runs in `without`.

    Raises:
        LandingCorrupt: a manifest or a verdict cannot be read. Names file and run.
    """
    found = [
        LoggedBatch(_read_batch(path), *_read_verdict(path.with_name("verdict.json")))
        for path in landing_dir.glob("runs/*/*/manifest.json")
        if path.parent.name in FEEDS and path.parent.parent.name not in without
    ]
    return tuple(sorted(found, key=lambda b: (b.batch.written_at, b.batch.batch_id)))


def newest_written_at(landing_dir: Path) -> datetime | None:
    """Return when the newest batch was landed; a manifest that cannot be read has no say."""
    moments = []
    for path in landing_dir.glob("runs/*/*/manifest.json"):
        try:
            moments.append(_read_batch(path).written_at)
        except LandingCorrupt:
            continue
    return max(moments, default=None)


def _read_batch(path: Path) -> LandedBatch:
    try:
        return read_manifest(read_json(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _corrupt(path, error) from error


def _read_verdict(path: Path) -> tuple[Verdict, tuple[str, ...]]:
    try:
        document = read_json(path)
        accepted = document["accepted"] is not None
        return ("accepted" if accepted else "refused"), tuple(document["verdict"]["reasons"])
    except FileNotFoundError:
        return "not judged", ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _corrupt(path, error) from error


def _corrupt(path: Path, error: Exception) -> LandingCorrupt:
    return LandingCorrupt(f"run {path.parent.parent.name}: {path}: {error}")
