"""What the nightly report reads from a version's file, its own or the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from pipelines.overview import Overview
from pipelines.storage.errors import StorageError
from pipelines.storage.overview_rows import query_rows, read_overview
from pipelines.storage.reports import RunReport, read_run_report

Row = Mapping[str, Any]

_SIGNALS = (
    "select s.signal_id, s.traded_on, s.score_z, s.state, s.state_since_on, s.missing_because, "
    "e.has_evidence, e.no_evidence_because, e.rank_correlation, e.hit_rate_pct, "
    "e.n_without_overlap, e.newey_west_t "
    "from marts.signal_scorecard as s left join marts.signal_evidence as e "
    "on s.signal_id = e.signal_id and e.horizon_sessions = 63 "
    "qualify s.traded_on = max(s.traded_on) over () "
    "order by s.signal_id = 'composite', s.signal_id"
)
_CLAIMS = (
    "select claim_id, statement, stated_value, unit, measured_value, second_value, verdict, "
    "is_close_call, is_suspect, observed_on, would_need from marts.claim_audit "
    "order by verdict, claim_id"
)
_RELEASES = (
    "select series_id, min(observed_on) as observed_on, count(*) as n, release_name, expected_on, "
    "days_late, status from marts.release_calendar where status = 'late' or (status = 'expected' "
    "and expected_on <= $as_of + 7) "
    "group by series_id, release_name, expected_on, days_late, status qualify status = 'late' or "
    "row_number() over (partition by series_id, status order by expected_on) = 1 "
    "order by case status when 'late' then 0 else 1 end, expected_on, series_id, 2"
)
_THAT_DAY = (
    "select version from meta.publications where as_of = $as_of and version != $v "
    "and not is_rebuild order by published_at desc limit 1"
)


@dataclass(frozen=True, slots=True)
class ReportRows:
    """One version as the report needs it; `version` is its row of meta.publications.

    `figures` maps the name of a plot to the frame that it draws.
    """

    version: Row
    overview: Overview
    signals: tuple[Row, ...]
    claims: tuple[Row, ...]
    releases: tuple[Row, ...]
    run: RunReport
    figures: Mapping[str, pd.DataFrame]
    published_that_day: str | None
    """The newest other version of the same day that a night published."""


def read_report_rows(path: Path, version: str, queries: Mapping[str, str]) -> ReportRows:
    """Read one version's file; `queries` maps the name of a plot to its SQL.

    Raises:
        StorageError: the file cannot be read, or does not have what the report needs.
    """
    try:
        with duckdb.connect(str(path), read_only=True) as connection:
            [row] = query_rows(
                connection, "from meta.publications where version = $v", {"v": version}
            )
            that_day = query_rows(connection, _THAT_DAY, {"v": version, "as_of": row["as_of"]})
            return ReportRows(
                version=row,
                overview=read_overview(connection),
                signals=tuple(query_rows(connection, _SIGNALS)),
                claims=tuple(query_rows(connection, _CLAIMS)),
                releases=tuple(query_rows(connection, _RELEASES, {"as_of": row["as_of"]})),
                run=read_run_report(connection, row["run_id"]),
                figures={name: connection.execute(sql).df() for name, sql in queries.items()},
                published_that_day=that_day[0]["version"] if that_day else None,
            )
    except (duckdb.Error, ValueError) as error:
        raise StorageError(f"{path}: no report can be made of it: {error}") from error
