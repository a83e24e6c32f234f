"""The fifth door: check that the checks passed, copy marts and meta, verify, repoint one link.

Trusts nothing but `meta.checks`: neither the run's colour nor the order of steps. Which checks
are expected, what the columns mean and which are restricted come in as arguments. The folder of
versions and the link are in `storage.versions`.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pandas as pd

from pipelines.settings import Settings
from pipelines.storage import meta
from pipelines.storage.errors import PublishRefused, RequiredDataMissing
from pipelines.storage.files import explain_disk, sync_file, sync_folder
from pipelines.storage.meta_tables import META_TABLES, UNPUBLISHED
from pipelines.storage.versions import (
    FILE_NAME,
    clear_leftovers,
    current_version,
    name_rebuild,
    name_version,
    prune,
    repoint,
    rollback,
    versions_dir,
)
from pipelines.storage.warehouse import STORAGE_VERSION, open_build, quoted, storage_version

__all__ = ["FRED_NOTICE", "Publication", "publish", "rollback"]

FRED_NOTICE = (
    "This product uses the FRED® API but is not endorsed or certified by the Federal Reserve Bank "
    "of St. Louis."
)
SIMULATED_NOTICE = "Simulated data: no figure in this file is real."
RESTRICTED_NOTICE = "Series whose owners ask for prior approval are left out."
KEPT_VERSIONS = 7

INSERT = "insert into {}meta.publications values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

log = logging.getLogger("pipelines.steps")

Columns = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Publication:
    """One published version: `row_counts` by schema.table, `path` of its file (not the link)."""

    version: str
    path: Path
    published_at: datetime
    row_counts: Mapping[str, int]
    checks_passed: int
    checks_warned: int
    removed: tuple[str, ...]
    """Older versions that were removed."""


def publish(
    settings: Settings,
    *,
    run_id: str,
    as_of: date,
    expected_checks: Sequence[str],
    code_version: str,
    dictionary: pd.DataFrame,
    marts: Mapping[str, Columns],
    restricted_columns: Mapping[str, Sequence[str]] | None = None,
    keep: int = KEPT_VERSIONS,
    published_at: datetime | None = None,
    home: Settings | None = None,
    lineage: Sequence[tuple[str, str]] = (),
    finish: Callable[[Path, str], object] | None = None,
) -> Publication:
    """Publish the build's marts and meta as a new version, and show it to readers last.

    `marts` maps `schema.table` to (column, type) for every dbt model that is published; one that
    the build does not have (a branch never run) becomes an empty table. `restricted_columns` are
    nulled when the settings ask for it. `dictionary` has the columns of meta.data_dictionary,
    `lineage` is (table, table that it reads). `finish` is called with the verified file and the
    version's name, and may write more files beside it: a version is whole before anybody sees it,
    and what `finish` raises publishes nothing.

    With `home` a past day is published: `settings` are those of the copy in which it was rebuilt,
    `home` those of the warehouse whose versions it lies beside. The link stays, no version is
    pruned, and how old the sources are today says nothing of that day.

    Raises:
        PublishRefused: an expected check did not run in this run, or a blocking one failed; or the
            copy is not what the build holds. The published version stays.
        RequiredDataMissing: a required dataset is older than its limit.
    """
    moment = published_at or datetime.now(UTC)
    place = home or settings
    with open_build(settings) as build, explain_disk(place.published_dir):
        passed, warned = verify_checks(build, run_id, expected_checks)
        versions_dir(place).mkdir(parents=True, exist_ok=True)
        clear_leftovers(place)
        if home is None:
            verify_required(build)
            adopt_publications(build, settings)
            version = name_version(settings, run_id, moment)
        else:
            version = name_rebuild(home, run_id, as_of, moment)
        meta.replace_data_dictionary(build, dictionary)
        meta.replace_lineage(build, lineage)
        folder = versions_dir(place) / f".candidate-{version}"
        folder.mkdir()
        path = folder / FILE_NAME
        nulled = {} if settings.publish_restricted else dict(restricted_columns or {})
        try:
            build.execute(
                f"attach '{quoted(path)}' as candidate (storage_version '{STORAGE_VERSION}')"
            )
            try:
                counts = _copy(build, marts, nulled, keep_rows=settings.publish_restricted)
                counts["meta.publications"] += 1
                if home is None:
                    record_signals(build, "candidate.", version, as_of)
                    counts["meta.published_signals"] = _count(
                        build, "candidate.meta.published_signals"
                    )
                row = [
                    version, run_id, settings.world, as_of, meta.utc(moment), code_version, passed,
                    warned, meta.row_counts_json(counts), settings.world == "sample",
                    _notice(settings), home is not None,
                ]  # fmt: skip
                build.execute(INSERT.format("candidate."), row)
                build.execute(
                    "update candidate.meta.runs set status = ?, finished_at = ? where run_id = ?",
                    ["published" if home is None else "rebuilt_past", meta.utc(moment), run_id],
                )
                _comment(build, dictionary)
                build.execute("checkpoint candidate")
            finally:
                build.execute("detach candidate")
            verify_candidate(path, counts)
            if finish is not None:
                finish(path, version)
            for part in folder.iterdir():
                part.chmod(0o444)
                sync_file(part)
            sync_folder(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        folder.rename(versions_dir(place) / version)
        sync_folder(versions_dir(place))
        if home is None:
            repoint(settings, version)
            record_signals(build, "", version, as_of)
        build.execute(INSERT.format(""), row)
    return Publication(
        version=version,
        path=versions_dir(place) / version / FILE_NAME,
        published_at=moment,
        row_counts=counts,
        checks_passed=passed,
        checks_warned=warned,
        removed=tuple(prune(settings, keep=keep)) if home is None else (),
    )


def verify_checks(
    connection: duckdb.DuckDBPyConnection, run_id: str, expected: Sequence[str]
) -> tuple[int, int]:
    """Return how many checks of the run passed, and how many warned or failed without blocking.

    Raises:
        PublishRefused: an expected check did not run (which counts as failed), none is expected, or
            a blocking one failed, expected or not.
    """
    rows = connection.execute(
        "select check_id, severity, status, finding from meta.checks where run_id = ? "
        "order by check_id",
        [run_id],
    ).fetchall()
    ran = {row[0] for row in rows}
    missing = [f"{check} did not run" for check in sorted(set(expected) - ran)]
    failed = [
        f"{check} failed: {finding or 'no finding'}"
        for check, severity, status, finding in rows
        if status == "failed" and severity != "warn"
    ]
    if not expected:
        missing = ["no check is expected, so nothing is known of the data"]
    if missing or failed:
        told = failed + missing
        rest = f"; and {len(told) - 20} more" if len(told) > 20 else ""
        raise PublishRefused(f"run {run_id} is not published: {'; '.join(told[:20])}{rest}")
    passed = sum(row[2] == "passed" for row in rows)
    return passed, len(rows) - passed


def verify_required(connection: duckdb.DuckDBPyConnection) -> None:
    """Raise RequiredDataMissing if a required dataset is older than its limit.

    An item that two feeds bring (the 10-year yield: FRED, and the Treasury behind it) is missing
    only where both are stale.
    """
    rows = connection.execute(
        "select string_agg(feed, ', ' order by feed), item, max(newest_on), max(stale_since) "
        "from meta.source_status where is_required group by item having bool_and(is_stale) "
        "order by item"
    ).fetchall()
    if rows:
        told = "; ".join(
            f"{item} ({feed}): newest {newest or 'none'}, stale since {since or 'ever'}"
            for feed, item, newest, since in rows
        )
        raise RequiredDataMissing(f"required data is older than its limit: {told}")


def _copy(
    build: duckdb.DuckDBPyConnection,
    marts: Mapping[str, Columns],
    nulled: Mapping[str, Sequence[str]],
    *,
    keep_rows: bool,
) -> dict[str, int]:
    """Copy every published table into `candidate`; return the build's row counts."""
    own = [f"meta.{name}" for name in META_TABLES if name not in UNPUBLISHED]
    held = _build_columns(build)
    for name, columns in nulled.items():
        absent = set(columns) - set(held.get(name, columns))
        if absent or name not in {*own, *marts}:
            told = ", ".join(sorted(absent or columns))
            raise PublishRefused(f"{name}: there is no {told} that could be left out")
    counts: dict[str, int] = {}
    for schema in sorted({name.split(".")[0] for name in (*own, *marts)}):
        build.execute(f"create schema candidate.{schema}")
    for name in (*own, *marts):
        if name not in held:
            body = ", ".join(f'"{column}" {kind}' for column, kind in marts[name])
            build.execute(f"create table candidate.{name} ({body})")
            counts[name] = 0
            continue
        if name in marts and {c for c, _ in marts[name]} != set(held[name]):
            differing = sorted({c for c, _ in marts[name]} ^ set(held[name]))
            raise PublishRefused(
                f"{name} was built by an older model ({', '.join(differing)}): run its branch again"
            )
        blanks = list(nulled.get(name, ()))
        if name == "meta.quarantine" and not keep_rows:
            blanks.append("row_json")  # the rows as they came, restricted series among them
        replaced = ", ".join(f'cast(null as {held[name][c]}) as "{c}"' for c in blanks)
        picked = f"* replace ({replaced})" if blanks else "*"
        build.execute(f"create table candidate.{name} as select {picked} from {name}")  # noqa: S608
        counts[name] = _count(build, name)
    return counts


def record_signals(
    build: duckdb.DuckDBPyConnection, catalog: str, version: str, as_of: date
) -> None:
    """Write down what each signal says of the sessions that no version has told of before.

    `catalog` is "" for the build or "candidate."; both get the same rows, those of the scorecard
    that is published. The first night writes down its newest session alone: what the scorecard says
    of the years before was never said on those evenings.
    """
    if "marts.signal_scorecard" not in _build_columns(build):
        return
    build.execute(
        f"insert into {catalog}meta.published_signals by name "  # noqa: S608
        "select signal_id, traded_on, score_z, state, $as_of as as_of, $version as version "
        "from marts.signal_scorecard where traded_on > coalesce("
        f"(select max(traded_on) from {catalog}meta.published_signals), "
        "(select max(traded_on) - 1 from marts.signal_scorecard)) order by signal_id, traded_on",
        {"as_of": as_of, "version": version},
    )


def _count(build: duckdb.DuckDBPyConnection, name: str) -> int:
    row = build.execute(f"select count(*) from {name}").fetchone()  # noqa: S608
    return int(row[0]) if row else 0


def _build_columns(build: duckdb.DuckDBPyConnection) -> dict[str, dict[str, str]]:
    """Return schema.table to column to type, of the build's tables and views in marts and meta."""
    found: dict[str, dict[str, str]] = {}
    for schema, table, column, kind in build.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns() "
        "where database_name = current_database() and schema_name in ('marts', 'meta') "
        "order by schema_name, table_name, column_index"
    ).fetchall():
        found.setdefault(f"{schema}.{table}", {})[column] = kind
    return found


def _comment(build: duckdb.DuckDBPyConnection, dictionary: pd.DataFrame) -> None:
    """Write the meaning of each column, with its unit, where SQL tools show it."""
    held = {
        (row[0], row[1], row[2])
        for row in build.execute(
            "select schema_name, table_name, column_name from duckdb_columns() "
            "where database_name = 'candidate'"
        ).fetchall()
    }
    for entry in dictionary.itertuples():
        place = (str(entry.schema_name), str(entry.table_name), str(entry.column_name))
        if place in held and isinstance(entry.meaning, str):
            unit = f" [{entry.unit}]" if isinstance(entry.unit, str) and entry.unit else ""
            build.execute(
                f'comment on column candidate.{place[0]}.{place[1]}."{place[2]}" '
                f"is '{quoted(entry.meaning + unit)}'"
            )


def verify_candidate(path: Path, counts: Mapping[str, int]) -> None:
    """Open the closed candidate as a reader would and count again.

    A file whose .wal was left out is a silently empty database: that is what this is for.

    Raises:
        PublishRefused: something lies beside the file, its storage version is not ours, or a table
            has not as many rows as `counts` says.
    """
    left = [p.name for p in path.parent.iterdir() if p.name != path.name]
    if left:
        raise PublishRefused(f"the candidate is not closed: {', '.join(sorted(left))} beside it")
    with duckdb.connect(str(path), read_only=True) as connection:
        stored = storage_version(connection, path.stem)
        if stored.removesuffix("+") != STORAGE_VERSION:
            raise PublishRefused(f"the candidate has storage version {stored or 'unknown'}")
        different = []
        for name, expected in counts.items():
            row = connection.execute(f"select count(*) from {name}").fetchone()  # noqa: S608
            if row != (expected,):
                different.append(f"{name} ({row[0] if row else 'none'} of {expected})")
    if different:
        raise PublishRefused(f"the candidate lacks rows: {', '.join(different)}")


def adopt_publications(build: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Take over publications that a crash after the repointing kept out of the build."""
    current = current_version(settings)
    if current is None:
        return
    path = versions_dir(settings) / current / FILE_NAME
    if not path.exists():
        return
    try:
        build.execute(f"attach '{quoted(path)}' as shown (read_only)")
    except duckdb.IOException:
        log.warning("%s cannot be opened: what it knows of older publications is lost", path)
        return
    try:
        build.execute(
            "insert into meta.publications by name select * from shown.meta.publications as s "
            "where s.version not in (select version from meta.publications) "
            "and s.world = (select world from meta.world)"
        )
        if _holds(build, "shown", "published_signals"):
            build.execute(
                "insert into meta.published_signals by name "
                "select * from shown.meta.published_signals as s anti join "
                "meta.published_signals as held using (signal_id, traded_on)"
            )
    finally:
        build.execute("detach shown")


def _holds(build: duckdb.DuckDBPyConnection, catalog: str, table: str) -> bool:
    found = build.execute(
        "select count(*) from duckdb_tables() "
        "where database_name = ? and schema_name = 'meta' and table_name = ?",
        [catalog, table],
    ).fetchone()
    return found is not None and found[0] == 1


def _notice(settings: Settings) -> str:
    parts = [FRED_NOTICE]
    if settings.world == "sample":
        parts.insert(0, SIMULATED_NOTICE)
    if not settings.publish_restricted:
        parts.append(RESTRICTED_NOTICE)
    return " ".join(parts)
