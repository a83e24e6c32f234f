"""What landing writes down: payload records, manifests, and their way to JSON and Arrow and back.

No file is opened here; that is `storage.landing`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from pipelines.sources.payloads import Payload


@dataclass(frozen=True, slots=True)
class LandedBatch:
    """What a batch's manifest says. `rows` and `requests` are by table and by provider."""

    batch_id: str
    run_id: str
    feed: str
    as_of: date
    world: str
    written_at: datetime
    fetched_at: datetime | None
    payloads: int
    bytes: int
    requests: Mapping[str, int]
    rows: Mapping[str, int]
    outcomes: Mapping[str, int]
    """Items by status."""


@dataclass(frozen=True, slots=True)
class LandedRun:
    """One run in landing, with the feeds of which it has a complete batch."""

    run_id: str
    as_of: date
    world: str
    feeds: tuple[str, ...]
    written_at: datetime


def batch_id(run_id: str, feed: str) -> str:
    """Return the id of the batch that a run landed for a feed."""
    return f"{run_id}:{feed}"


def payload_record(payload: Payload) -> dict[str, Any]:
    """Return a payload's record without its body, ready for JSON."""
    return {
        "provider": payload.provider,
        "kind": payload.kind,
        "item": payload.item,
        "url": payload.url,
        "status": payload.status,
        "headers": dict(payload.headers),
        "context": dict(payload.context),
        "fetched_at": payload.fetched_at.isoformat(),
        "sha256": payload.sha256,
        "size": payload.size,
    }


def read_payload(record: Mapping[str, Any]) -> Payload:
    """Return the payload of a record, without its body."""
    fields = {**record, "fetched_at": datetime.fromisoformat(record["fetched_at"]), "body": b""}
    return Payload(**fields)


def requests_table(payloads: tuple[Payload, ...]) -> Any:
    """Return payload records as an Arrow table, headers and context as JSON text."""
    records = [payload_record(p) for p in payloads]
    columns: dict[str, Any] = {}
    for name in ("provider", "kind", "item", "url", "fetched_at", "sha256"):
        columns[name] = pa.array([r[name] for r in records], pa.string())
    for name in ("headers", "context"):
        texts = [json.dumps(r[name], sort_keys=True) for r in records]
        columns[name] = pa.array(texts, pa.string())
    for name in ("status", "size"):
        columns[name] = pa.array([r[name] for r in records], pa.int64())
    return pa.table(columns)


def manifest_of(batch: LandedBatch) -> dict[str, Any]:
    """Return the manifest of a batch, ready for JSON."""
    return {
        "batch_id": batch.batch_id,
        "run_id": batch.run_id,
        "feed": batch.feed,
        "as_of": batch.as_of.isoformat(),
        "world": batch.world,
        "written_at": batch.written_at.isoformat(),
        "fetched_at": batch.fetched_at.isoformat() if batch.fetched_at else None,
        "payloads": batch.payloads,
        "bytes": batch.bytes,
        "requests": dict(batch.requests),
        "rows": dict(batch.rows),
        "outcomes": dict(batch.outcomes),
    }


def read_manifest(manifest: Mapping[str, Any]) -> LandedBatch:
    """Return the batch that a manifest describes."""
    fetched = manifest["fetched_at"]
    fields = {key: value for key, value in manifest.items() if key != "files"}
    fields["as_of"] = date.fromisoformat(manifest["as_of"])
    fields["written_at"] = datetime.fromisoformat(manifest["written_at"])
    fields["fetched_at"] = datetime.fromisoformat(fetched) if fetched else None
    return LandedBatch(**fields)
