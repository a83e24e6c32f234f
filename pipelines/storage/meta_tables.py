"""The columns of the `meta` tables: type, nullability and meaning. The writers are in `meta`.

`meta.membership_mismatches` is a dbt model and described there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetaColumn:
    """One column: DuckDB type and meaning."""

    type: str
    meaning: str
    nullable: bool = True


def _column(kind: str, meaning: str) -> MetaColumn:
    return MetaColumn(kind, meaning, nullable=True)


def _needed(kind: str, meaning: str) -> MetaColumn:
    return MetaColumn(kind, meaning, nullable=False)


_RUN = _needed("VARCHAR", "Dagster run.")
_FEED = _needed("VARCHAR", "What one landing asset fetches, e.g. fred_observations.")
_BATCH = _needed("VARCHAR", "Batch: run and feed.")

META_TABLES: Mapping[str, Mapping[str, MetaColumn]] = {
    "world": {
        "world": _needed("VARCHAR", "sample (simulated) or live; a file never holds both."),
        "created_at": _needed("TIMESTAMP", "When the warehouse was made (UTC)."),
    },
    "runs": {
        "run_id": _RUN,
        "world": _needed("VARCHAR", "sample (simulated) or live."),
        "as_of": _needed("DATE", "The day that the run is for (New York)."),
        "code_version": _column("VARCHAR", "Version of this code."),
        "branches": _column("VARCHAR", "Branches that were run, with commas between."),
        "started_at": _needed("TIMESTAMP", "When it began (UTC)."),
        "finished_at": _column(
            "TIMESTAMP", "When it ended (UTC); null while it runs and if it crashed."
        ),
        "status": _needed(
            "VARCHAR",
            "running, published, refused, required_missing, failed, crashed, finished (well, but "
            "with nothing to publish: a backfill, single assets), rebuilt_past (a past day, into a "
            "version of its own), or rebuilt (known from landing alone).",
        ),
    },
    "batches": {
        "batch_id": _BATCH,
        "run_id": _RUN,
        "feed": _FEED,
        "as_of": _needed("DATE", "The day that the run is for (New York)."),
        "fetched_at": _column("TIMESTAMP", "When the last payload came (UTC)."),
        "payloads": _column("BIGINT", "Replies kept in landing."),
        "requests": _column("BIGINT", "Requests sent, retries included."),
        "bytes": _column("BIGINT", "Size of the replies."),
        "rows": _column("BIGINT", "Rows that were parsed."),
        "quarantined_rows": _column("BIGINT", "Rows that the gate kept out."),
        "inserted_rows": _column("BIGINT", "Rows that were new to raw."),
        "status": _needed("VARCHAR", "landed, refused or loaded."),
        "reasons": _column("VARCHAR", "Why it was refused."),
    },
    "quarantine": {
        "run_id": _RUN,
        "batch_id": _BATCH,
        "feed": _FEED,
        "table_name": _needed("VARCHAR", "Raw table that the row was meant for."),
        "source": _column("VARCHAR", "Provider that served it."),
        "item": _column("VARCHAR", "Series, symbol or fund."),
        "row_date": _column("DATE", "Date that the row is about."),
        "rule": _needed("VARCHAR", "Check that it failed."),
        "reason": _needed("VARCHAR", "What is wrong with it."),
        "row_json": _column("VARCHAR", "The row as it came, as JSON."),
        "judged_at": _needed("TIMESTAMP", "When the gate judged it (UTC)."),
    },
    "checks": {
        "run_id": _RUN,
        "check_id": _needed("VARCHAR", "Kind and name of the check; once per run."),
        "kind": _needed("VARCHAR", "gate, dbt_test or publish."),
        "target": _column("VARCHAR", "What was checked."),
        "severity": _needed("VARCHAR", "block or warn."),
        "status": _needed("VARCHAR", "passed, warned or failed."),
        "finding": _column("VARCHAR", "What it found, in a sentence."),
        "failing_rows": _column("BIGINT", "Rows or items that failed."),
        "checked_at": _needed("TIMESTAMP", "When it ran (UTC)."),
    },
    "source_status": {
        "feed": _FEED,
        "provider": _column("VARCHAR", "Provider that was asked last."),
        "item": _needed("VARCHAR", "Series, symbol, fund or file."),
        "status": _column("VARCHAR", "fetched, unchanged, unknown, unavailable or broken."),
        "detail": _column("VARCHAR", "What the source said when it did not deliver."),
        "last_attempt_at": _column("TIMESTAMP", "When it was asked last (UTC)."),
        "last_fetched_at": _column("TIMESTAMP", "When it last answered (UTC)."),
        "newest_on": _column("DATE", "Newest date that is stored."),
        "is_stale": _column("BOOLEAN", "Older than the catalogue allows."),
        "stale_since": _column("DATE", "First day on which it was."),
        "is_required": _column("BOOLEAN", "Blocks the publication while stale."),
        "etag": _column("VARCHAR", "ETag of the newest loaded payload."),
        "last_modified": _column("VARCHAR", "Last-Modified of the newest loaded payload."),
        "sha256": _column("VARCHAR", "Content address of the newest loaded payload."),
        "run_id": _column("VARCHAR", "Run that asked last."),
    },
    "publications": {
        "version": _needed("VARCHAR", "Name of the version folder; those of a night sort by time."),
        "run_id": _RUN,
        "world": _needed("VARCHAR", "sample (simulated) or live."),
        "as_of": _needed("DATE", "The day that the figures are for (New York)."),
        "published_at": _needed("TIMESTAMP", "When it was published (UTC)."),
        "code_version": _column("VARCHAR", "Version of this code."),
        "checks_passed": _column("BIGINT", "Checks of the run that passed."),
        "checks_warned": _column("BIGINT", "Checks that warned or failed without blocking."),
        "row_counts": _column("VARCHAR", "Rows by table, as JSON."),
        "is_simulated": _needed("BOOLEAN", "True in the sample world: no real figure is in it."),
        "notice": _column("VARCHAR", "What must be said wherever the figures are shown."),
        "is_rebuild": _column(
            "BOOLEAN", "True: a past day rebuilt later, in a version that the link never shows."
        ),
    },
    "published_signals": {
        "signal_id": _needed("VARCHAR", "The signal: one of six pillars, or composite."),
        "traded_on": _needed("DATE", "Session that the score is of."),
        "score_z": _column("DOUBLE", "Score as it was published; null if too little was known."),
        "state": _column("VARCHAR", "tailwind, neutral or headwind as it was published."),
        "as_of": _needed("DATE", "Night that published the session first."),
        "version": _needed("VARCHAR", "Version that it was published in."),
    },
    "data_dictionary": {
        "schema_name": _needed("VARCHAR", "marts or meta."),
        "table_name": _needed("VARCHAR", "Published table."),
        "column_name": _needed("VARCHAR", "Published column."),
        "type": _column("VARCHAR", "DuckDB type."),
        "meaning": _column("VARCHAR", "What the column says."),
        "unit": _column("VARCHAR", "Unit of its values."),
        "source": _column("VARCHAR", "Where the figures come from."),
        "formula": _column("VARCHAR", "How it is computed."),
        "rights": _column(
            "VARCHAR",
            "Strictest terms of the series behind it: public_domain, citation_required or "
            "preapproval_required; null where no catalogued series is named.",
        ),
        "is_key": _column("BOOLEAN", "Part of the grain: these columns together name one row."),
    },
    "lineage": {
        "table_name": _needed("VARCHAR", "A table of staging, intermediate, marts or meta."),
        "reads": _needed("VARCHAR", "A table that it is made from; raw and reference come last."),
    },
    "item_loads": {
        "feed": _FEED,
        "item": _needed("VARCHAR", "Series, symbol, fund or file."),
        "as_of": _needed("DATE", "Day on which we looked: what was missing then came later."),
        "batch_id": _BATCH,
    },
    "standing_builds": {
        "tag": _needed("VARCHAR", "Tag of the models that were built together."),
        "fingerprint": _needed("VARCHAR", "Hash of all that their tables are a function of."),
        "run_id": _RUN,
        "built_at": _needed("TIMESTAMP", "When they were built (UTC)."),
    },
    "reread_requests": {
        "feed": _FEED,
        "item": _needed("VARCHAR", "Symbol whose whole history is to be read again."),
        "reason": _needed("VARCHAR", "Why."),
        "as_of": _needed("DATE", "Day on which it was found."),
    },
}

UNPUBLISHED = frozenset({"item_loads", "reread_requests", "standing_builds"})
"""Bookkeeping of the loader and of the build, meaningless to a reader."""


def table_ddl(name: str) -> str:
    """Return the statement that creates a meta table where it is absent."""
    body = ", ".join(
        f"{column} {c.type}{'' if c.nullable else ' NOT NULL'}"
        for column, c in META_TABLES[name].items()
    )
    return f"create table if not exists meta.{name} ({body})"
