"""The `meta` schema: what ran, what was landed, refused, checked and published, and by whom.

Writers only; the columns are in `meta_tables`. The tables are copied into every published file, so
nothing here may hold a key, a local path or anything else that a reader should not see.
`item_loads` and `reread_requests` are the loader's (`bookkeeping`) and are not published.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import astuple, dataclass, fields
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pandas as pd

from pipelines.storage.meta_tables import META_TABLES, UNPUBLISHED, table_ddl

TABLES: Mapping[str, tuple[str, ...]] = {
    name: tuple(columns) for name, columns in META_TABLES.items()
}
"""Table to its columns, in order."""


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the schema and every table that is not there yet."""
    connection.execute("create schema if not exists meta")
    held = connection.execute(
        "select column_name from duckdb_columns() where database_name = current_database() "
        "and schema_name = 'meta' and table_name = 'data_dictionary' order by column_index"
    ).fetchall()
    if held and [row[0] for row in held] != list(TABLES["data_dictionary"]):
        # Derived anew at each publication: a new column of it needs no migration.
        connection.execute("drop table meta.data_dictionary")
    for name, columns in META_TABLES.items():
        connection.execute(table_ddl(name))
        for column, c in columns.items():
            if c.nullable:  # a column that an older file does not have yet
                connection.execute(
                    f"alter table meta.{name} add column if not exists {column} {c.type}"
                )


def dictionary() -> pd.DataFrame:
    """Return the published meta tables' columns as rows of `meta.data_dictionary`."""
    rows = [
        ["meta", table, column, c.type, c.meaning, None, "this pipeline", None, None, None]
        for table, columns in META_TABLES.items()
        if table not in UNPUBLISHED
        for column, c in columns.items()
    ]
    return pd.DataFrame(rows, columns=list(TABLES["data_dictionary"]))


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """One row of `meta.batches`. `status` is `landed`, `refused` or `loaded`."""

    batch_id: str
    run_id: str
    feed: str
    as_of: date
    fetched_at: datetime | None
    payloads: int
    requests: int
    bytes: int
    rows: int
    quarantined_rows: int
    inserted_rows: int
    status: str
    reasons: str = ""


@dataclass(frozen=True, slots=True)
class CheckRecord:
    """One row of `meta.checks`: `kind` gate, dbt_test or publish; `status` passed, warned, failed.

    `check_id` is unique within a run; a check judged again in the same run replaces its row.
    """

    check_id: str
    kind: str
    target: str
    severity: str
    status: str
    finding: str = ""
    failing_rows: int = 0
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One row of `meta.source_status` without its validators, which only a load may move.

    `last_fetched_at` None keeps the stored one: a night without an answer forgets nothing.
    """

    feed: str
    item: str
    provider: str | None
    status: str
    detail: str
    last_attempt_at: datetime
    last_fetched_at: datetime | None
    newest_on: date | None
    is_stale: bool
    stale_since: date | None
    is_required: bool


def utc(moment: datetime | None) -> datetime | None:
    """Return an aware moment as the naive UTC that the tables hold.

    Raises:
        ValueError: the moment has no zone, so nobody can say when it was.
    """
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise ValueError(f"{moment}: a moment without a time zone")
    return moment.astimezone(UTC).replace(tzinfo=None)


def start_run(
    connection: duckdb.DuckDBPyConnection,
    run_id: str,
    *,
    world: str,
    as_of: date,
    code_version: str,
    branches: Sequence[str],
    started_at: datetime,
) -> None:
    """Note that a run began; a run known already is left as it stands (a retried step)."""
    connection.execute(
        "insert into meta.runs select ?, ?, ?, ?, ?, ?, null, 'running' "
        "where not exists (select 1 from meta.runs where run_id = ?)",
        [run_id, world, as_of, code_version, ",".join(branches), utc(started_at), run_id],
    )


def finish_run(
    connection: duckdb.DuckDBPyConnection, run_id: str, *, status: str, finished_at: datetime
) -> None:
    """Note how a run ended: published, refused, failed, or what else the caller calls it."""
    connection.execute(
        "update meta.runs set status = ?, finished_at = ? where run_id = ?",
        [status, utc(finished_at), run_id],
    )


def note_crashed_runs(connection: duckdb.DuckDBPyConnection, *, but: str) -> None:
    """Note that runs which never ended are over; only the holder of the night's lock knows it."""
    connection.execute(
        "update meta.runs set status = 'crashed' where status = 'running' and run_id <> ?", [but]
    )


def record_batch(connection: duckdb.DuckDBPyConnection, batch: BatchRecord) -> None:
    """Write or replace the row of one batch.

    A batch that was loaded stays `loaded`, with what was inserted then: a second load inserts
    nothing, which is no news about the first.
    """
    before = connection.execute(
        "select status, inserted_rows from meta.batches where batch_id = ?", [batch.batch_id]
    ).fetchone()
    values = list(astuple(batch))
    names = [f.name for f in fields(batch)]
    values[names.index("fetched_at")] = utc(batch.fetched_at)
    if before is not None and before[0] == "loaded":
        values[names.index("status")] = "loaded"
        values[names.index("inserted_rows")] = max(int(before[1] or 0), batch.inserted_rows)
    with_transaction(
        connection,
        [
            ("delete from meta.batches where batch_id = ?", [batch.batch_id]),
            ("insert into meta.batches values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", values),
        ],
    )


def record_checks(
    connection: duckdb.DuckDBPyConnection, run_id: str, checks: Iterable[CheckRecord]
) -> None:
    """Write check results of a run; a check judged again replaces its earlier row."""
    now = datetime.now(UTC)
    rows = [
        [run_id, c.check_id, c.kind, c.target, c.severity, c.status, c.finding, c.failing_rows,
         utc(c.checked_at or now)]
        for c in checks
    ]  # fmt: skip
    if not rows:
        return
    frame = pd.DataFrame(rows, columns=list(TABLES["checks"]))
    _replace(connection, "checks", frame, key=("run_id", "check_id"))


def record_quarantine(
    connection: duckdb.DuckDBPyConnection,
    *,
    run_id: str,
    batch_id: str,
    feed: str,
    rows: pd.DataFrame,
    judged_at: datetime,
) -> int:
    """Write the quarantined rows of one batch, replacing those of an earlier judgement of it.

    `rows` has the columns table_name, source, item, row_date, rule, reason, row_json. Returns
    the number of rows.
    """
    columns = ["table_name", "source", "item", "row_date", "rule", "reason", "row_json"]
    stamped = rows.loc[:, columns].assign(
        run_id=run_id, batch_id=batch_id, feed=feed, judged_at=utc(judged_at)
    )[list(TABLES["quarantine"])]
    with_transaction(
        connection, [("delete from meta.quarantine where batch_id = ?", [batch_id])], rows=stamped
    )
    return len(stamped)


def record_refused_counts(
    connection: duckdb.DuckDBPyConnection, *, run_id: str, judged_at: datetime
) -> int:
    """Add the share counts that the nightly judgement leaves out to `meta.quarantine`.

    A count is judged against the sessions after it, so dbt judges it anew each night; tonight's
    judgement replaces last night's. Returns the number of rows; 0 where the model was never built.
    """
    found = connection.execute(
        "select count(*) from duckdb_tables() "
        "where schema_name = 'meta' and table_name = 'quarantined_counts'"
    ).fetchone()
    if found == (0,):
        return 0
    batch_id = "judged-nightly:fund_shares"
    connection.execute("begin")
    connection.execute("delete from meta.quarantine where batch_id = ?", [batch_id])
    row = connection.execute(
        """
        insert into meta.quarantine
            (run_id, batch_id, feed, table_name, source, item, row_date, rule, reason, row_json,
            judged_at)
        select
            ?, ?, 'fund_shares', 'fund_shares', source, fund_id, traded_on,
            'counts_are_' || count_status, count_reason,
            to_json({'shares_outstanding': shares_outstanding, 'nav_usd': nav_usd}), ?
        from meta.quarantined_counts
        """,
        [run_id, batch_id, utc(judged_at)],
    ).fetchone()
    connection.execute("commit")
    return int(row[0]) if row else 0


def update_source_status(
    connection: duckdb.DuckDBPyConnection, run_id: str, rows: Iterable[SourceStatus]
) -> None:
    """Write one row per (feed, item); validators and older fetch times are carried over."""
    values = [
        [r.feed, r.provider, r.item, r.status, r.detail, utc(r.last_attempt_at),
         utc(r.last_fetched_at), r.newest_on, r.is_stale, r.stale_since, r.is_required, run_id]
        for r in rows
    ]  # fmt: skip
    if not values:
        return
    names = [c for c in TABLES["source_status"] if c not in ("etag", "last_modified", "sha256")]
    frame = pd.DataFrame(values, columns=names)
    frame = frame.drop_duplicates(["feed", "item"], keep="last")
    for name in ("newest_on", "stale_since", "last_attempt_at", "last_fetched_at"):
        frame[name] = pd.to_datetime(frame[name]).astype("datetime64[us]")
    connection.register("incoming_status", frame)
    try:
        merged = connection.sql(
            """
            select
                n.feed, n.provider, n.item, n.status, n.detail, n.last_attempt_at,
                coalesce(n.last_fetched_at, o.last_fetched_at) as last_fetched_at,
                n.newest_on, n.is_stale, n.stale_since, n.is_required,
                o.etag, o.last_modified, o.sha256, n.run_id
            from incoming_status as n
            left join meta.source_status as o on o.feed = n.feed and o.item = n.item
            """
        ).df()
    finally:
        connection.unregister("incoming_status")
    _replace(connection, "source_status", merged, key=("feed", "item"))


def newest_published_as_of(connection: duckdb.DuckDBPyConnection) -> date | None:
    """Return the latest as-of date that was ever published from this warehouse."""
    row = connection.execute("select max(as_of) from meta.publications").fetchone()
    return row[0] if row else None


def newest_as_of(connection: duckdb.DuckDBPyConnection) -> date | None:
    """Return the latest night of which this warehouse holds anything: loaded or published."""
    row = connection.execute(
        "select max(as_of) from (select as_of from meta.publications union all "
        "select as_of from meta.batches where status = 'loaded') as held"
    ).fetchone()
    return row[0] if row else None


def batch_statuses(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the status of every batch that is known, by its id."""
    rows = connection.execute("select batch_id, status from meta.batches").fetchall()
    return dict(rows)


def replace_data_dictionary(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> None:
    """Write the data dictionary anew: columns as `meta.data_dictionary` has them."""
    names = list(TABLES["data_dictionary"])
    with_transaction(
        connection,
        [("delete from meta.data_dictionary", [])],
        rows=frame[names],
        table="data_dictionary",
    )


def replace_lineage(
    connection: duckdb.DuckDBPyConnection, edges: Iterable[tuple[str, str]]
) -> None:
    """Write which table is made from which anew: (table, table that it reads), schema first."""
    connection.execute("delete from meta.lineage")
    for edge in sorted(set(edges)):
        connection.execute("insert into meta.lineage values (?, ?)", list(edge))


def row_counts_json(counts: Mapping[str, int]) -> str:
    """Return row counts as the text that `meta.publications.row_counts` holds."""
    return json.dumps(dict(sorted(counts.items())))


def with_transaction(
    connection: duckdb.DuckDBPyConnection,
    statements: Sequence[tuple[str, Sequence[Any]]],
    *,
    rows: pd.DataFrame | None = None,
    table: str = "quarantine",
) -> None:
    """Run statements, then append `rows` to `meta.<table>`, all of it or nothing."""
    connection.execute("begin")
    try:
        for sql, values in statements:
            connection.execute(sql, list(values))
        if rows is not None and len(rows):
            _append(connection, table, rows)
        connection.execute("commit")
    except BaseException:
        # A full disk ends the transaction by itself; its own error is the one to be told.
        with suppress(duckdb.TransactionException):
            connection.execute("rollback")
        raise


def _replace(
    connection: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame, *, key: Sequence[str]
) -> None:
    connection.register("replacing", frame)
    match = " and ".join(f"t.{k} = r.{k}" for k in key)
    delete = f"delete from meta.{table} as t using replacing as r where {match}"  # noqa: S608
    try:
        with_transaction(connection, [(delete, [])], rows=frame, table=table)
    finally:
        connection.unregister("replacing")


def _append(connection: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame) -> None:
    columns = META_TABLES[table]
    picked = ", ".join(f"cast({name} as {c.type})" for name, c in columns.items())
    connection.register("appending", frame)
    try:
        connection.execute(
            f"insert into meta.{table} ({', '.join(columns)}) "  # noqa: S608 - our own names
            f"select {picked} from appending"
        )
    finally:
        connection.unregister("appending")
