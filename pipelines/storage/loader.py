"""From accepted rows to raw: columns, types, keys, then what is new, all of it or nothing.

Append-only and idempotent: loading twice is loading once. Which rows are new is decided in
`storage.revisions`, since when they were known in `storage.dating`, what is plausible in `quality`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date
from email.utils import parsedate_to_datetime

import duckdb
import pandas as pd
import pyarrow as pa

from pipelines.sources.payloads import ItemOutcome, Payload
from pipelines.storage.contracts import FEEDS, RawTable
from pipelines.storage.dating import DatingRules
from pipelines.storage.errors import LoadRefused
from pipelines.storage.frames import FrameUnfit, delivered_columns, to_arrow
from pipelines.storage.revisions import (
    EDITION_KEYS,
    ONE_ITEM_FEEDS,
    Fresh,
    find_new_bars,
    find_new_editions,
    find_new_values,
)

SCRATCH = ("incoming", "dated", "candidates", "fresh", "held", "compared", "verdicts")


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What one load did. Mappings are by raw table; every table of the feed is in them.

    `restated` are the symbols whose whole history was appended under a new basis. Of those in
    `held_back` (item to reason) nothing was loaded; those in `needs_full_history` will be when a
    batch brings their whole history, and until then `read_item_states` asks for it.
    """

    feed: str
    batch_id: str
    inserted: Mapping[str, int]
    revised: Mapping[str, int]
    total_rows: Mapping[str, int]
    restated: tuple[str, ...]
    needs_full_history: tuple[str, ...]
    held_back: Mapping[str, str]


def load_batch(
    connection: duckdb.DuckDBPyConnection,
    feed: str,
    frames: Mapping[str, pd.DataFrame],
    *,
    run_id: str,
    batch_id: str,
    as_of: date,
    rules: DatingRules,
    payloads: Sequence[Payload] = (),
    outcomes: Sequence[ItemOutcome] = (),
) -> LoadResult:
    """Append what is new in the accepted rows of one batch to the feed's raw tables.

    `payloads` give editions their Last-Modified day and the next night its validators; `outcomes`
    say which items were looked at without anything new, which later dating relies on. The batch's
    row in `meta.batches`, if there is one, becomes `loaded` in the same transaction.

    Raises:
        LoadRefused: naming table, rule and example rows. Nothing of the batch is loaded.
    """
    unknown = sorted(set(frames) - {t.name for t in FEEDS[feed]})
    if unknown:
        raise LoadRefused(unknown[0], f"is no table of {feed}")
    inserted: dict[str, int] = {}
    revised: dict[str, int] = {}
    judged = Fresh()
    held_back: Mapping[str, str] = {}
    connection.execute("begin")
    try:
        for table in FEEDS[feed]:
            frame = frames.get(table.name)
            inserted[table.name] = revised[table.name] = 0
            if frame is None or frame.empty:
                continue
            _stage(connection, table, frame, left_out=held_back)
            if table.revision == "restatement":
                fresh = judged = find_new_bars(connection, table, as_of=as_of)
                held_back = judged.held_back or {}
            elif table.revision == "edition":
                fresh = find_new_editions(
                    connection, table, as_of=as_of, rules=rules,
                    published_on=_published_days(payloads),
                )  # fmt: skip
            else:
                fresh = find_new_values(connection, table, as_of=as_of, rules=rules)
            inserted[table.name] = _insert(connection, table, run_id, batch_id, as_of)
            revised[table.name] = fresh.revised
        _note_loads(connection, feed, frames, outcomes, held_back, batch_id, as_of)
        _note_rereads(connection, feed, frames, judged, as_of)
        _note_validators(connection, feed, frames, payloads, held_back, run_id)
        connection.execute(
            "update meta.batches set status = 'loaded', inserted_rows = ? "
            "where batch_id = ? and status <> 'loaded'",
            [sum(inserted.values()), batch_id],
        )
        for name in SCRATCH:
            connection.execute(f"drop table if exists temp.{name}")
        connection.execute("commit")
    except BaseException:
        # A failed commit has ended the transaction already; then there is nothing to roll back.
        with suppress(duckdb.TransactionException):
            connection.execute("rollback")
        raise
    return LoadResult(
        feed=feed,
        batch_id=batch_id,
        inserted=inserted,
        revised=revised,
        total_rows={t.name: _count(connection, t) for t in FEEDS[feed]},
        restated=judged.restated,
        needs_full_history=judged.needs_full_history,
        held_back=held_back,
    )


def _stage(
    connection: duckdb.DuckDBPyConnection,
    table: RawTable,
    frame: pd.DataFrame,
    *,
    left_out: Mapping[str, str],
) -> None:
    """Cast the frame into the temporary table `incoming` and check nulls and keys."""
    if left_out:
        # A split without its restated closes would be half a truth.
        frame = frame[~frame[table.entity].isin(list(left_out))]
    try:
        arrow = to_arrow(table, frame)
    except FrameUnfit as error:
        raise LoadRefused(table.name, str(error)) from error
    arrow = arrow.append_column("n", pa.array(range(len(frame)), pa.int64()))
    columns = delivered_columns(table)
    casts = ", ".join(f"cast({c.name} as {c.type}) as {c.name}" for c in columns)
    connection.register("incoming_arrow", arrow)
    try:
        connection.execute(
            f"create or replace temp table incoming as select n, {casts} from incoming_arrow"  # noqa: S608
        )
    except (duckdb.ConversionException, duckdb.OutOfRangeException) as error:
        raise LoadRefused(table.name, f"types: {error}") from error
    finally:
        connection.unregister("incoming_arrow")
    if table.revision == "edition":
        _keep_one_payload(connection, table)
    _check_nulls(connection, table)
    _check_keys(connection, table)


def _keep_one_payload(connection: duckdb.DuckDBPyConnection, table: RawTable) -> None:
    """Drop second copies of one edition: other bytes around the same lines, fetched twice."""
    key = ", ".join(EDITION_KEYS[table.name])
    same = " and ".join(f"k.{c} = i.{c}" for c in EDITION_KEYS[table.name])
    connection.execute(
        f"""
        delete from incoming as i using (
            select {key}, arg_min(payload_sha256, (fetched_at, payload_sha256)) as kept
            from incoming group by {key}
        ) as k
        where {same} and i.payload_sha256 <> k.kept
        """  # noqa: S608
    )


def _check_nulls(connection: duckdb.DuckDBPyConnection, table: RawTable) -> None:
    for column in delivered_columns(table):
        if column.nullable:
            continue
        row = connection.execute(
            f"select count(*) from incoming where {column.name} is null"  # noqa: S608
        ).fetchone()
        if row and row[0]:
            raise LoadRefused(
                table.name,
                f"{column.name} is missing in {row[0]} rows",
                _examples(connection, table, f"{column.name} is null"),
            )


def _check_keys(connection: duckdb.DuckDBPyConnection, table: RawTable) -> None:
    """The key must be unique in the batch, and a symbol's rows of one provider."""
    delivered = {c.name for c in delivered_columns(table)}
    key = [c for c in table.key if c in delivered]
    if "realtime_start" in delivered:
        key.append("realtime_start")
    doubled = connection.execute(
        f"""
        select {", ".join(key)}, count(*) as copies from incoming
        group by {", ".join(key)} having count(*) > 1 order by all limit 3
        """  # noqa: S608
    ).fetchall()
    if doubled:
        raise LoadRefused(
            table.name,
            f"key ({', '.join(key)}) is not unique in the batch",
            [", ".join(str(v) for v in row[:-1]) + f": {row[-1]} rows" for row in doubled],
        )
    if table.revision == "restatement":
        mixed = connection.execute(
            "select symbol, string_agg(distinct source, ' and ' order by source) from incoming "
            "group by symbol having count(distinct source) > 1 order by symbol limit 3"
        ).fetchall()
        if mixed:
            raise LoadRefused(
                table.name,
                "a symbol's rows mix providers in one batch",
                [f"{symbol}: {sources}" for symbol, sources in mixed],
            )


def _examples(connection: duckdb.DuckDBPyConnection, table: RawTable, condition: str) -> list[str]:
    rows = connection.execute(
        f"select {table.entity}, {table.dated} from incoming where {condition} order by n limit 3"  # noqa: S608
    ).fetchall()
    return [f"{entity} {day}" for entity, day in rows]


def _insert(
    connection: duckdb.DuckDBPyConnection,
    table: RawTable,
    run_id: str,
    batch_id: str,
    as_of: date,
) -> int:
    """Append `fresh` to raw after a last look at the key, and return the number of rows."""
    filled = {c.name for c in delivered_columns(table)}
    dated = ("known_on", "known_on_basis", "basis_on")
    named = [c.name for c in table.all_columns]
    constants = {"run_id": run_id, "batch_id": batch_id, "loaded_as_of": as_of}
    picked = [
        f"i.{c}" if c in filled else f"f.{c}" if c in dated else f"${c} as {c}" for c in named
    ]
    connection.execute(
        f"""
        create or replace temp table candidates as
        select {", ".join(picked)} from incoming as i join fresh as f on f.n = i.n order by i.n
        """,  # noqa: S608
        constants,
    )
    key = ", ".join(table.key)
    same = " and ".join(f"s.{c} = c.{c}" for c in table.key)
    taken = connection.execute(
        f"""
        select {key} from candidates group by {key} having count(*) > 1
        union all
        select {", ".join(f"c.{c}" for c in table.key)} from candidates as c
        where exists(select 1 from raw.{table.name} as s where {same})
        limit 3
        """  # noqa: S608
    ).fetchall()
    if taken:
        raise LoadRefused(
            table.name,
            f"key ({key}) would not be unique",
            [", ".join(str(v) for v in row) for row in taken],
        )
    row = connection.execute(
        f"insert into raw.{table.name} ({', '.join(named)}) from candidates"
    ).fetchone()
    return int(row[0]) if row else 0


def _note_loads(
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


def _note_rereads(
    connection: duckdb.DuckDBPyConnection,
    feed: str,
    frames: Mapping[str, pd.DataFrame],
    judged: Fresh,
    as_of: date,
) -> None:
    """Ask the coming nights for the whole history of symbols that could not be restated."""
    reasons = judged.held_back or {}
    settled = sorted(_items(feed, frames) - set(reasons) | set(judged.needs_full_history))
    connection.execute(
        "delete from meta.reread_requests where feed = ? and list_contains(?, item)",
        [feed, settled],
    )
    for item in judged.needs_full_history:
        connection.execute(
            "insert into meta.reread_requests values (?, ?, ?, ?)",
            [feed, item, reasons[item], as_of],
        )


def _note_validators(
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
    chosen: dict[str, Payload] = {}
    for payload in payloads:
        if payload.status != 200 or payload.item in held_back or payload.sha256 not in newest:
            continue
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


def _published_days(payloads: Sequence[Payload]) -> dict[str, date]:
    """Map content addresses to Last-Modified days (UTC) where the header is one."""
    days: dict[str, date] = {}
    for payload in payloads:
        with suppress(TypeError, ValueError, KeyError):
            moment = parsedate_to_datetime(payload.headers["last-modified"])
            days[payload.sha256] = moment.astimezone(UTC).date()
    return days


def _count(connection: duckdb.DuckDBPyConnection, table: RawTable) -> int:
    row = connection.execute(f"select count(*) from raw.{table.name}").fetchone()  # noqa: S608
    return int(row[0]) if row else 0
