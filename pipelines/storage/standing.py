"""Builds that still stand: what was built of which sources, so that nothing is built twice.

A build of one tag's models is described by a fingerprint: the project's code, the day, the state of
every source that it reads, and the builds that it stands on. Where tonight's fingerprint is that of
the build in the file, its tables would come out as they are and its tests would find what they
found. Decision 0009.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb

from pipelines.storage import meta

Table = tuple[str, str]


@dataclass(frozen=True, slots=True)
class StandingBuild:
    """The newest whole build of one tag in this file, and the run that made it."""

    tag: str
    fingerprint: str
    run_id: str


def read_source_states(
    connection: duckdb.DuckDBPyConnection, tables: Iterable[Table]
) -> dict[str, str]:
    """Return `schema.table` to what tells one state of the table from another.

    Raw tables are appended to and nothing else, so the number of rows and the newest fetch say it;
    the others are small and are hashed.
    """
    states: dict[str, str] = {}
    for schema, table in sorted(set(tables)):
        told = (
            "count(*), max(fetched_at), max(loaded_as_of)"
            if schema == "raw"
            else "count(*), sum(cast(hash(t) as hugeint))"
        )
        row = connection.execute(f"select {told} from {schema}.{table} as t").fetchone()  # noqa: S608 - names of our own tables
        states[f"{schema}.{table}"] = repr(row)
    return states


def read_standing(connection: duckdb.DuckDBPyConnection) -> dict[str, StandingBuild]:
    """Return tag to its build, for every tag whose newest build was whole and green."""
    rows = connection.execute(
        "select tag, fingerprint, run_id from meta.standing_builds"
    ).fetchall()
    return {tag: StandingBuild(tag, fingerprint, run) for tag, fingerprint, run in rows}


def forget_standing(connection: duckdb.DuckDBPyConnection, tags: Iterable[str]) -> None:
    """Note that the tags' tables are about to change: until their next whole build none stands."""
    connection.execute(
        "delete from meta.standing_builds where list_contains(?, tag)", [sorted(tags)]
    )


def note_standing(connection: duckdb.DuckDBPyConnection, build: StandingBuild) -> None:
    """Note a build that is whole and green; the tag's record was forgotten before it."""
    connection.execute(
        "insert into meta.standing_builds values (?, ?, ?, ?)",
        [build.tag, build.fingerprint, build.run_id, meta.utc(datetime.now(UTC))],
    )


def read_checks_of_build(
    connection: duckdb.DuckDBPyConnection, run_id: str, check_ids: Iterable[str]
) -> list[meta.CheckRecord]:
    """Return the checks of a run among `check_ids`, with the time at which they ran."""
    rows = connection.execute(
        "select check_id, kind, target, severity, status, finding, failing_rows, "
        "checked_at at time zone 'UTC' "
        "from meta.checks where run_id = ? and list_contains(?, check_id)",
        [run_id, sorted(check_ids)],
    ).fetchall()
    return [meta.CheckRecord(*row) for row in rows]
