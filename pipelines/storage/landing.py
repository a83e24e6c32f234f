"""Landing: every payload as it came, and the typed batch that was parsed from it. Immutable.

    payloads/ab/<sha256>.gz             bodies, addressed by their content, read-only
    runs/<run_id>/<feed>/requests.jsonl one line per payload the moment it arrives
    runs/<run_id>/<feed>/               requests, outcomes and one file per table (Parquet),
                                        manifest.json last: a batch without it does not exist
    runs/<run_id>/<feed>/verdict.json   what the gate said, with quarantine.parquet

Nothing that a source says becomes a file name. What a batch means is not judged here: that is the
gate's business (`quality`), and what is new in it the loader's.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.sources.collect import Parser
from pipelines.sources.payloads import Extract, ItemOutcome, Payload
from pipelines.storage.contracts import FEEDS, RAW_TABLES
from pipelines.storage.errors import BatchMissing, LandingCorrupt, LandingRefused, LoadRefused
from pipelines.storage.files import (
    append_line,
    explain_disk,
    read_json,
    sync_folder,
    write_file,
)
from pipelines.storage.frames import FrameUnfit, to_arrow, to_pandas
from pipelines.storage.landing_log import newest_written_at
from pipelines.storage.landing_records import (
    LandedBatch,
    LandedRun,
    batch_id,
    manifest_of,
    payload_record,
    read_manifest,
    read_payload,
    requests_table,
)
from pipelines.storage.reparse import reparse_extract

__all__ = ["LandedBatch", "LandedRun", "Landing", "batch_id"]

_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Landing:
    """The landing folder. Safe to use from several threads of one process."""

    def __init__(self, landing_dir: Path) -> None:
        """Use `landing_dir`, which need not exist yet."""
        self._root = landing_dir
        self._lock = threading.Lock()
        self._newest: datetime | None = None

    # -- payloads -----------------------------------------------------------------------------
    def keep(self, run_id: str, feed: str) -> Callable[[Payload], None]:
        """Return the function that stores a payload of this run and feed the moment it arrives."""
        folder = self._folder(run_id, feed)

        def keep_payload(payload: Payload) -> None:
            digest = hashlib.sha256(payload.body).hexdigest()
            if digest != payload.sha256:
                raise LandingRefused(
                    f"{payload.provider}: {payload.item}: the body does not have the content "
                    f"address that the payload claims"
                )
            self._store_body(digest, payload.body)
            line = json.dumps(payload_record(payload), ensure_ascii=False, sort_keys=True)
            with self._lock:
                append_line(folder / "requests.jsonl", line)

        return keep_payload

    def body(self, payload: Payload, *, run_id: str) -> bytes:
        """Return the stored body of a payload record.

        Raises:
            LandingCorrupt: the file is absent, unreadable, or holds something else.
        """
        path = self._body_path(payload.sha256)
        try:
            body = gzip.decompress(path.read_bytes())
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise LandingCorrupt(
                f"run {run_id}: payload {path} of {payload.provider} {payload.item}: {error}"
            ) from error
        if hashlib.sha256(body).hexdigest() != payload.sha256:
            raise LandingCorrupt(
                f"run {run_id}: payload {path} of {payload.provider} {payload.item}: "
                f"its content does not match its name"
            )
        return body

    def kept_payloads(self, run_id: str, feed: str) -> tuple[Payload, ...]:
        """Return the records of what arrived, batch or no batch, in order of arrival.

        A last line torn by a crash is left out: its request has not been answered to anybody.
        """
        path = self._folder(run_id, feed) / "requests.jsonl"
        if not path.exists():
            return ()
        found = []
        for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                found.append(read_payload(json.loads(line)))
            except (json.JSONDecodeError, KeyError, TypeError):
                continue
        return tuple(found)

    def feeds_of(self, run_id: str) -> list[str]:
        """Return the feeds of which a run kept any reply, batch or no batch."""
        folder = self._root / "runs" / run_id
        return sorted(p.parent.name for p in folder.glob("*/requests.jsonl"))

    # -- batches ------------------------------------------------------------------------------
    def write_batch(self, run_id: str, extract: Extract, as_of: date, world: str) -> LandedBatch:
        """Write the typed batch of one feed; it exists from the moment its manifest does.

        A batch of the same run that has not been judged is replaced (a retried step).

        Raises:
            LandingRefused: a frame does not fit its contract, a payload was not kept, or the batch
                there has a verdict.
        """
        folder = self._folder(run_id, extract.feed)
        if (folder / "verdict.json").exists():
            raise LandingRefused(f"{extract.feed} of run {run_id} is judged; landing is immutable")
        absent = [p for p in extract.payloads if not self._body_path(p.sha256).exists()]
        if absent:
            first = f"{absent[0].provider} {absent[0].item}"
            raise LandingRefused(f"{extract.feed}: {len(absent)} payloads not kept, first {first}")
        files: dict[str, Any] = {
            "requests.parquet": requests_table(extract.payloads),
            "outcomes.parquet": pa.table(
                {
                    name: pa.array([getattr(o, name) for o in extract.outcomes], pa.string())
                    for name in ("provider", "item", "status", "detail")
                }
            ),
        }
        known = {t.name for t in FEEDS[extract.feed]}
        for name, frame in extract.frames.items():
            if name not in known:
                raise LandingRefused(f"{extract.feed}: {name!r} is none of its tables")
            try:
                files[f"{name}.parquet"] = to_arrow(RAW_TABLES[name], frame)
            except FrameUnfit as error:
                raise LandingRefused(f"{extract.feed}: {name}: {error}") from error
        with explain_disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
        # A third of the time of keeping a payload would go into its folder's name; here it is one
        # wait per folder, before the manifest says that all of it is there.
        for shard in {self._body_path(p.sha256).parent for p in extract.payloads}:
            sync_folder(shard)
        (folder / "manifest.json").unlink(missing_ok=True)
        sync_folder(folder)
        digests = {}
        for name, arrow in files.items():
            buffer = pa.BufferOutputStream()
            pq.write_table(arrow, buffer, compression="zstd")
            digests[name] = write_file(folder / name, buffer.getvalue().to_pybytes())
        fetched = [p.fetched_at for p in extract.payloads]
        batch = LandedBatch(
            batch_id=batch_id(run_id, extract.feed),
            run_id=run_id,
            feed=extract.feed,
            as_of=as_of,
            world=world,
            written_at=self._next_moment(),
            fetched_at=max(fetched) if fetched else None,
            payloads=len(extract.payloads),
            bytes=sum(p.size for p in extract.payloads),
            requests=dict(extract.requests),
            rows={name: len(frame) for name, frame in extract.frames.items()},
            outcomes=dict(Counter(o.status for o in extract.outcomes)),
        )
        manifest = manifest_of(batch) | {"files": digests}
        write_file(folder / "manifest.json", _json_bytes(manifest))
        return batch

    def manifest(self, run_id: str, feed: str) -> LandedBatch:
        """Return what the manifest says. Raises BatchMissing or LandingCorrupt."""
        return read_manifest(self._manifest(run_id, feed))

    def read_batch(self, run_id: str, feed: str) -> Extract:
        """Return the batch as it was landed. Raises BatchMissing or LandingCorrupt."""
        manifest = self._manifest(run_id, feed)
        frames = {
            name: to_pandas(RAW_TABLES[name], self._read_parquet(run_id, feed, name, manifest))
            for name in manifest["rows"]
        }
        outcomes = self._read_parquet(run_id, feed, "outcomes", manifest).to_pylist()
        return Extract(
            feed=feed,
            payloads=self._payloads(run_id, feed, manifest),
            outcomes=tuple(ItemOutcome(**row) for row in outcomes),
            frames=frames,
            requests=manifest["requests"],
        )

    def reparse(self, run_id: str, feed: str, parsers: Mapping[str, Parser]) -> Extract:
        """Parse the batch's payloads again, without the network; see `storage.reparse`.

        Raises:
            BatchMissing: there is no such batch.
            LandingCorrupt: a payload cannot be read back.
        """
        landed = self.read_batch(run_id, feed)
        return reparse_extract(
            landed, parsers, read_body=lambda payload: self.body(payload, run_id=run_id)
        )

    def runs(self) -> tuple[LandedRun, ...]:
        """Return the runs that have at least one complete batch, oldest first."""
        found = []
        for folder in sorted(self._root.glob("runs/*/")):
            batches = [
                read_manifest(self._manifest(folder.name, feed))
                for feed in FEEDS
                if (folder / feed / "manifest.json").exists()
            ]
            if batches:
                found.append(
                    LandedRun(
                        run_id=folder.name,
                        as_of=max(b.as_of for b in batches),
                        world=batches[0].world,
                        feeds=tuple(b.feed for b in batches),
                        written_at=min(b.written_at for b in batches),
                    )
                )
        return tuple(sorted(found, key=lambda run: (run.written_at, run.run_id)))

    # -- verdicts -----------------------------------------------------------------------------
    def write_verdict(
        self,
        run_id: str,
        feed: str,
        verdict: Mapping[str, Any],
        quarantine: pd.DataFrame,
        *,
        accepted: Mapping[str, pd.DataFrame] | None = None,
    ) -> None:
        """Write the gate's report beside its batch; a later judgement replaces an earlier one.

        `accepted` are the rows that may be loaded, by table; None where the batch is refused. A
        table of which every row is accepted is not written a second time.
        """
        folder = self._folder(run_id, feed)
        landed = self._manifest(run_id, feed)["rows"]
        shorter = {}
        for name, frame in (accepted or {}).items():
            if len(frame) != landed[name]:
                kept = pa.BufferOutputStream()
                pq.write_table(to_arrow(RAW_TABLES[name], frame), kept, compression="zstd")
                shorter[name] = write_file(
                    folder / f"accepted_{name}.parquet", kept.getvalue().to_pybytes()
                )
        (folder / "verdict.json").unlink(missing_ok=True)
        sync_folder(folder)
        buffer = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pandas(quarantine, preserve_index=False), buffer)
        digest = write_file(folder / "quarantine.parquet", buffer.getvalue().to_pybytes())
        document = {
            "verdict": dict(verdict),
            "quarantine_sha256": digest,
            "accepted": None if accepted is None else sorted(accepted),
            "accepted_sha256": shorter,
        }
        write_file(folder / "verdict.json", _json_bytes(document))

    def accepted_frames(self, run_id: str, feed: str) -> dict[str, pd.DataFrame]:
        """Return the rows that the gate accepted, by table.

        Raises:
            LoadRefused: the gate refused the batch, or has not judged it.
        """
        folder = self._folder(run_id, feed)
        manifest = self._manifest(run_id, feed)
        if not (folder / "verdict.json").exists():
            raise LoadRefused(feed, f"the gate has not judged the batch of run {run_id}")
        document = _read_document(folder / "verdict.json", run_id)
        if document["accepted"] is None:
            reasons = "; ".join(document["verdict"].get("reasons", []))
            raise LoadRefused(feed, f"the gate refused the batch of run {run_id}: {reasons}")
        frames = {}
        for name in document["accepted"]:
            digest = document["accepted_sha256"].get(name)
            arrow = (
                self._read_parquet(run_id, feed, name, manifest)
                if digest is None
                else _read_table(folder / f"accepted_{name}.parquet", run_id, digest)
            )
            frames[name] = to_pandas(RAW_TABLES[name], arrow)
        return frames

    def read_verdict(self, run_id: str, feed: str) -> tuple[dict[str, Any], pd.DataFrame] | None:
        """Return the gate's report and its quarantined rows, or None where it has not judged."""
        folder = self._folder(run_id, feed)
        if not (folder / "verdict.json").exists():
            return None
        document = _read_document(folder / "verdict.json", run_id)
        path = folder / "quarantine.parquet"
        table = _read_table(path, run_id, document.get("quarantine_sha256"))
        verdict: dict[str, Any] = document["verdict"]
        return verdict, table.to_pandas()

    # -- inside -------------------------------------------------------------------------------
    def _next_moment(self) -> datetime:
        """Return now, or just after the newest batch where the clock has gone back.

        The order in which batches were landed is the order in which they are loaded again.
        """
        with self._lock:
            newest = self._newest or newest_written_at(self._root)
            now = datetime.now(UTC)
            self._newest = now if newest is None else max(now, newest + timedelta(microseconds=1))
            return self._newest

    def _folder(self, run_id: str, feed: str) -> Path:
        if not _SAFE_NAME.fullmatch(run_id):
            raise LandingRefused(f"{run_id!r} is no run id")
        if feed not in FEEDS:
            raise LandingRefused(f"{feed!r} is no feed")
        return self._root / "runs" / run_id / feed

    def _body_path(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise LandingCorrupt(f"{digest!r} is no content address")
        return self._root / "payloads" / digest[:2] / f"{digest}.gz"

    def _store_body(self, digest: str, body: bytes) -> None:
        path = self._body_path(digest)
        if path.exists():
            return
        content = gzip.compress(body, compresslevel=6, mtime=0)
        write_file(path, content, mode=0o444, sync_name=False)

    def _manifest(self, run_id: str, feed: str) -> dict[str, Any]:
        path = self._folder(run_id, feed) / "manifest.json"
        if not path.exists():
            raise BatchMissing(f"landing holds no complete batch of {feed} for run {run_id}")
        return _read_document(path, run_id)

    def _read_parquet(self, run_id: str, feed: str, name: str, manifest: Mapping[str, Any]) -> Any:
        path = self._folder(run_id, feed) / f"{name}.parquet"
        return _read_table(path, run_id, manifest["files"].get(path.name))

    def _payloads(self, run_id: str, feed: str, manifest: Mapping[str, Any]) -> tuple[Payload, ...]:
        rows = self._read_parquet(run_id, feed, "requests", manifest).to_pylist()
        return tuple(
            read_payload(
                {
                    **row,
                    "headers": json.loads(row["headers"]),
                    "context": json.loads(row["context"]),
                }
            )
            for row in rows
        )


def _read_document(path: Path, run_id: str) -> dict[str, Any]:
    try:
        return read_json(path)
    except (OSError, ValueError) as error:
        raise LandingCorrupt(f"run {run_id}: {path}: {error}") from error


def _read_table(path: Path, run_id: str, digest: str | None) -> Any:
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != digest:
            raise LandingCorrupt(f"run {run_id}: {path}: not the file that the manifest names")
        return pq.read_table(pa.BufferReader(content))
    except (OSError, pa.ArrowException) as error:
        raise LandingCorrupt(f"run {run_id}: {path}: {error}") from error


def _json_bytes(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=1, default=str) + os.linesep).encode()
