"""What a load notes beside its rows: who was looked at, whom to read again, and the validators.

All of it inside the load's own transaction. The rows themselves are `storage.loader`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date
from email.utils import parsedate_to_datetime

import duckdb
import pandas as pd

from pipelines.sources.payloads import ItemOutcome, Payload
from pipelines.storage.contracts import FEEDS
from pipelines.storage.revisions import ONE_ITEM_FEEDS


def note_loads(
    connection: duckdb.DuckDBPyConnection,
    feed: str,
    frames: Mapping[str, pd.DataFrame],
    outcomes: Sequence[ItemOutcome],
    held_back: Iterable[str],
    batch_id: str,
    as_of: date,
) -> None:
    """Note which items were looked at on `as_of`: what is not there today came out later."""
    seen = _items(feed, frames) | {o.item for o in outcomes if o.status == "unchanged"}
    items = sorted(seen - set(held_back))
    if not items:
        return
    connection.execute(
        "insert into meta.item_loads select ?, item, ?, ? from (select unnest(?) as item) as i "
        "where not exists (select 1 from meta.item_loads as l "
        "where l.feed = ? and l.item = i.item and l.as_of = ?)",
        [feed, as_of, batch_id, items, feed, as_of],
    )


def note_rereads(
    connection: duckdb.DuckDBPyConnection,
    feed: str,
    frames: Mapping[str, pd.DataFrame],
    needs_full_history: Sequence[str],
    reasons: Mapping[str, str],
    as_of: date,
) -> None:
    """Ask the coming nights for the whole history of symbols that could not be restated."""
    settled = sorted(_items(feed, frames) - set(reasons) | set(needs_full_history))
    connection.execute(
        "delete from meta.reread_requests where feed = ? and list_contains(?, item)",
        [feed, settled],
    )
    for item in needs_full_history:
        connection.execute(
            "insert into meta.reread_requests values (?, ?, ?, ?)",
            [feed, item, reasons[item], as_of],
        )


def note_validators(
    connection: duckdb.DuckDBPyConnection,
    feed: str,
    frames: Mapping[str, pd.DataFrame],
    payloads: Sequence[Payload],
    held_back: Iterable[str],
    run_id: str,
) -> None:
    """Keep ETag, Last-Modified and content address of each item's newest loaded payload.

    Only here, in the load's own transaction: validators of a refused batch would make the next
    night believe that it has what it never loaded.
    """
    newest: dict[str, pd.Timestamp] = {}
    for table in FEEDS[feed]:
        frame = frames.get(table.name)
        if frame is not None and not frame.empty:
            for digest, day in frame.groupby("payload_sha256")[table.dated].max().items():
                newest[str(digest)] = day
    items = _items(feed, frames)
    chosen: dict[str, Payload] = {}
    for payload in payloads:
        if payload.status != 200 or payload.item in held_back or payload.sha256 not in newest:
            continue
        if payload.item not in items:
            continue  # a request for several items has no one row to keep its validators in
        best = chosen.get(payload.item)
        if best is None or (newest[payload.sha256], payload.fetched_at) >= (
            newest[best.sha256],
            best.fetched_at,
        ):
            chosen[payload.item] = payload
    for item, payload in chosen.items():
        values = [payload.headers.get("etag"), payload.headers.get("last-modified"), payload.sha256]
        updated = connection.execute(
            "update meta.source_status set etag = ?, last_modified = ?, sha256 = ? "
            "where feed = ? and item = ?",
            [*values, feed, item],
        ).fetchone()
        if not updated or not updated[0]:
            connection.execute(
                "insert into meta.source_status "
                "(feed, provider, item, status, etag, last_modified, sha256, run_id) "
                "values (?, ?, ?, 'fetched', ?, ?, ?, ?)",
                [feed, payload.provider, item, *values, run_id],
            )


def _items(feed: str, frames: Mapping[str, pd.DataFrame]) -> set[str]:
    found: set[str] = set()
    for table in FEEDS[feed]:
        frame = frames.get(table.name)
        if frame is not None and not frame.empty:
            only = ONE_ITEM_FEEDS.get(feed)
            found |= {only} if only else set(frame[table.entity].astype(str).unique())
    return found


def published_days(payloads: Sequence[Payload]) -> dict[str, date]:
    """Map content addresses to Last-Modified days (UTC) where the header is one."""
    days: dict[str, date] = {}
    for payload in payloads:
        with suppress(TypeError, ValueError, KeyError):
            moment = parsedate_to_datetime(payload.headers["last-modified"])
            days[payload.sha256] = moment.astimezone(UTC).date()
    return days
