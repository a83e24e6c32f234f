"""Two versions compared: which marts differ, by how much, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.lineage.reasons import explain_difference
from pipelines.settings import Settings
from pipelines.storage.contracts import RAW_TABLES
from pipelines.storage.errors import NothingPublished
from pipelines.storage.version_diff import (
    TableDifference,
    as_day,
    compare_table,
    mart_columns,
    open_pair,
    read_loads_between,
    read_sources_of,
    read_version,
)
from pipelines.storage.versions import find_version, list_versions, version_path


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """What a version says of itself."""

    version: str
    as_of: date | None
    code_version: str | None
    is_rebuild: bool


@dataclass(frozen=True, slots=True)
class ExplainedDifference:
    """One table's difference with its reason: a word of `lineage.reasons`, and a sentence."""

    difference: TableDifference
    reason: str
    because: str


@dataclass(frozen=True, slots=True)
class VersionDiff:
    """Two versions and every mart of either, by name. Equal tables have an empty reason."""

    older: VersionFacts
    newer: VersionFacts
    loaded: Mapping[str, int]
    """Rows new to raw in the nights after the older one, by feed."""
    tables: tuple[ExplainedDifference, ...]

    @property
    def differing(self) -> tuple[ExplainedDifference, ...]:
        """Return the tables that differ."""
        return tuple(t for t in self.tables if t.reason)

    @property
    def is_equal(self) -> bool:
        """Whether every mart is equal row for row, to the last digit."""
        return not self.differing


def newest_two(settings: Settings) -> tuple[str, str]:
    """Return the version before the newest night's, and that one.

    Raises:
        NothingPublished: there are not two.
    """
    versions = list_versions(settings)
    if len(versions) < 2:
        raise NothingPublished(f"there are {len(versions)} versions; two are compared")
    return versions[-2], versions[-1]


def diff_versions(settings: Settings, older: str, newer: str) -> VersionDiff:
    """Compare two kept versions; names as `storage.versions.find_version` takes them.

    Raises:
        NothingPublished: a name means no version, or more than one.
        StorageError: a file cannot be opened, or says of a mart not which columns name a row.
    """
    names = find_version(settings, older), find_version(settings, newer)
    paths = [version_path(settings, name) for name in names]
    return diff_files(names, (paths[0], paths[1]))


def diff_files(names: tuple[str, str], paths: tuple[Path, Path]) -> VersionDiff:
    """Compare two versions, the older one first, wherever their files lie.

    Raises:
        StorageError: a file cannot be opened, or says of a mart not which columns name a row.
    """
    with open_pair(*paths) as connection:
        facts = []
        for side, name in zip(("older", "newer"), names, strict=True):
            row = read_version(connection, side, name)
            facts.append(
                VersionFacts(
                    name, as_day(row["as_of"]), row["code_version"], bool(row.get("is_rebuild"))
                )
            )
        columns = [mart_columns(connection, side) for side in ("older", "newer")]
        first, last = facts[0].as_of, facts[1].as_of
        loaded = read_loads_between(connection, first, last)
        sources = read_sources_of(connection)
        tables = []
        for mart in sorted({*columns[0], *columns[1]}):
            found = compare_table(
                connection, mart, columns[0].get(mart, {}), columns[1].get(mart, {})
            )
            feeds = {RAW_TABLES[t].feed for t in sources.get(found.table, ()) if t in RAW_TABLES}
            reason, because = explain_difference(
                found,
                code=(facts[0].code_version, facts[1].code_version),
                loaded={f: n for f, n in loaded.items() if f in feeds},
            )
            tables.append(ExplainedDifference(found, reason, because))
    return VersionDiff(facts[0], facts[1], loaded, tuple(tables))
