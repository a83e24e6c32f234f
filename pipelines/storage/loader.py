"""From accepted rows to raw: columns, types, keys, then what is new, all of it or nothing.

Append-only and idempotent: loading twice is loading once. Which rows are new is decided in
`storage.revisions`, since when they were known in `storage.dating`, what is plausible in `quality`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

import duckdb
import pandas as pd
import pyarrow as pa

from pipelines.catalog.models import Catalog
from pipelines.sources.payloads import ItemOutcome, Payload
from pipelines.storage.bookkeeping import (
    note_loads,
    note_rereads,
    note_validators,
    published_days,
)
from pipelines.storage.contracts import FEEDS, RawTable
from pipelines.storage.dating import DatingRules, dating_rules
from pipelines.storage.errors import LoadRefused
from pipelines.storage.frames import FrameUnfit, delivered_columns, to_arrow
from pipelines.storage.history import (
    count_rows,
    read_history,
    read_item_states,
    read_universe_lines,
)
from pipelines.storage.revisions import (
    EDITION_KEYS,
    Fresh,
    find_new_bars,
    find_new_editions,
    find_new_values,
)

__all__ = [
    "LoadResult",
    "count_rows",
    "load_batch",
    "read_history",
    "read_item_states",
    "read_universe_lines",
]

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
    payloads: Sequence[Payload],
    outcomes: Sequence[ItemOutcome],
    catalog: Catalog | None = None,
    rules: DatingRules | None = None,
) -> LoadResult:
    """Append what is new in the accepted rows of one batch to the feed's raw tables.

    `payloads` give editions their Last-Modified day and the next night its validators; `outcomes`
    say which items were looked at without anything new, which later dating relies on. Release
    rules come from `catalog`, or from `rules` where they are given. The batch's row in
    `meta.batches`, if there is one, becomes `loaded` in the same transaction.

    Raises:
        LoadRefused: naming table, rule and example rows. Nothing of the batch is loaded.
    """
    if rules is None:
        if catalog is None:
            raise TypeError("load_batch needs a catalog, or rules")
        rules = dating_rules(catalog)
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
                    published_on=published_days(payloads),
                )  # fmt: skip
            else:
                fresh = find_new_values(connection, table, as_of=as_of, rules=rules)
            inserted[table.name] = _insert(connection, table, run_id, batch_id, as_of)
            revised[table.name] = fresh.revised
        note_loads(connection, feed, frames, outcomes, held_back, batch_id, as_of)
        note_rereads(connection, feed, frames, judged.needs_full_history, held_back, as_of)
        note_validators(connection, feed, frames, payloads, held_back, run_id)
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
        total_rows=count_rows(connection, feed),
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
    joined = "incoming as i join fresh as f on f.n = i.n"
    places = {c: f"i.{c}" if c in filled else f"f.{c}" for c in table.key}
    key = ", ".join(table.key)
    placed = ", ".join(f"{place} as {c}" for c, place in places.items())
    same = " and ".join(f"s.{c} = {place}" for c, place in places.items())
    taken = connection.execute(
        f"""
        select {placed} from {joined} group by all having count(*) > 1
        union all
        select {placed} from {joined}
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
        f"insert into raw.{table.name} ({', '.join(named)}) "  # noqa: S608
        f"select {', '.join(picked)} from {joined}",
        constants,
    ).fetchone()
    return int(row[0]) if row else 0
