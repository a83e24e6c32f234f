"""What `meta` tells about one run, as plain frames for the summary, `status` and `doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import duckdb
import pandas as pd


@dataclass(frozen=True, slots=True)
class RunReport:
    """One run as the build file remembers it.

    `failed` and `warned` are rows of meta.checks, `batches` of meta.batches, `behind` the rows of
    meta.source_status that are stale or did not answer, `quarantined` counts by feed and rule.
    """

    run_id: str
    status: str
    as_of: date | None
    checks: int
    passed: int
    failed: pd.DataFrame
    warned: pd.DataFrame
    batches: pd.DataFrame
    behind: pd.DataFrame
    quarantined: pd.DataFrame


def as_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame's rows by column name."""
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def read_run_report(connection: duckdb.DuckDBPyConnection, run_id: str) -> RunReport:
    """Return what is known of a run; its status is `unknown` where it never began."""
    row = connection.execute(
        "select status, as_of from meta.runs where run_id = ?", [run_id]
    ).fetchone()
    checks = connection.execute(
        "select check_id, kind, target, severity, status, finding, failing_rows "
        "from meta.checks where run_id = ? order by check_id",
        [run_id],
    ).df()
    return RunReport(
        run_id=run_id,
        status=row[0] if row else "unknown",
        as_of=row[1] if row else None,
        checks=len(checks),
        passed=int((checks["status"] == "passed").sum()),
        failed=checks[checks["status"] == "failed"],
        warned=checks[checks["status"] == "warned"],
        batches=connection.execute(
            "select feed, status, payloads, requests, bytes, rows, quarantined_rows, "
            "inserted_rows, reasons from meta.batches where run_id = ? order by feed",
            [run_id],
        ).df(),
        behind=read_behind(connection),
        quarantined=connection.execute(
            "select feed, rule, count(*) as rows, any_value(reason) as example "
            "from meta.quarantine where run_id = ? group by all order by feed, rule",
            [run_id],
        ).df(),
    )


def read_rebuilt(connection: duckdb.DuckDBPyConnection, run_id: str) -> str | None:
    """Return the version into which a run rebuilt a past day, None if it did not."""
    row = connection.execute(
        "select version from meta.publications where run_id = ? and is_rebuild", [run_id]
    ).fetchone()
    return row[0] if row else None


def read_behind(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Return the items that are stale or did not answer last time, required ones first."""
    frame: pd.DataFrame = connection.execute(
        "select feed, provider, item, status, detail, newest_on, is_stale, stale_since, "
        "is_required from meta.source_status "
        "where is_stale or status in ('unknown', 'unavailable', 'broken', 'refused') "
        "order by is_required desc, feed, item"
    ).df()
    return frame


def read_runs(connection: duckdb.DuckDBPyConnection, *, most: int = 5) -> pd.DataFrame:
    """Return the newest runs, newest first."""
    frame: pd.DataFrame = connection.execute(
        "select run_id, as_of, branches, status, started_at, finished_at, code_version "
        "from meta.runs order by started_at desc limit ?",
        [most],
    ).df()
    return frame
