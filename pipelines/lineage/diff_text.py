"""A difference of two versions for people: tables on a terminal, Markdown, JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.table import Table

from pipelines.lineage.diff import VersionDiff, VersionFacts
from pipelines.storage.version_diff import Change

COLUMNS = ("mart", "rows", "added", "removed", "changed", "why")


def headline(diff: VersionDiff) -> str:
    """Return one line: which two versions, and how many marts differ."""
    told = (
        f"{len(diff.differing)} of {len(diff.tables)} marts differ"
        if diff.differing
        else (f"all {len(diff.tables)} marts are equal, row for row")
    )
    return f"{_name(diff.older)} -> {_name(diff.newer)}: {told}"


def short_tables(diff: VersionDiff, *, most: int = 20) -> list[Table]:
    """Return the tables that a summary prints: the marts that differ, then the largest changes."""
    if diff.is_equal:
        return []
    table = Table(title=headline(diff), title_justify="left")
    for name in COLUMNS:
        table.add_column(name, justify="left" if name in ("mart", "why") else "right")
    for row in differing_rows(diff)[:most]:
        table.add_row(*row)
    changes = changed_cells(diff)[:8]
    if not changes:
        return [table]
    largest = Table(title="largest changes of rows that both have", title_justify="left")
    for name in ("mart", "row", "column", "before", "now"):
        largest.add_column(name, overflow="fold")
    for cells in changes:
        largest.add_row(*cells)
    return [table, largest]


def diff_markdown(diff: VersionDiff) -> str:
    """Return the whole difference as Markdown."""
    lines = [f"# {headline(diff)}", ""]
    if diff.is_equal:
        return "\n".join(lines)
    lines += [f"| {' | '.join(COLUMNS)} |", f"|{'---|' * len(COLUMNS)}"]
    lines += [f"| {' | '.join(row)} |" for row in differing_rows(diff)]
    lines += ["", *(f"- **{t.difference.table}**: {t.because}" for t in diff.differing)]
    if changes := changed_cells(diff):
        lines += ["", "| mart | row | column | before | now |", "|---|---|---|---|---|"]
        lines += [f"| {' | '.join(cells)} |" for cells in changes]
    return "\n".join(lines)


def diff_document(diff: VersionDiff) -> dict[str, Any]:
    """Return the whole difference as a document for JSON."""
    return {
        "older": asdict(diff.older),
        "newer": asdict(diff.newer),
        "is_equal": diff.is_equal,
        "loaded": dict(diff.loaded),
        "tables": [
            {**asdict(t.difference), "reason": t.reason or "equal", "because": t.because}
            for t in diff.tables
        ],
    }


def _name(facts: VersionFacts) -> str:
    return f"{facts.version} (as of {facts.as_of}{', rebuilt' if facts.is_rebuild else ''})"


def differing_rows(diff: VersionDiff) -> list[tuple[str, ...]]:
    """Return the cells of `COLUMNS` for each mart that differs."""
    return [
        (
            t.difference.table.removeprefix("marts."),
            f"{t.difference.rows_newer:,}",
            f"{t.difference.added:,}",
            f"{t.difference.removed:,}",
            f"{t.difference.changed:,}",
            t.reason,
        )
        for t in diff.differing
    ]


def changed_cells(diff: VersionDiff) -> list[tuple[str, ...]]:
    """Return mart, row, column, value before and now of the largest changes."""
    return [
        (
            t.difference.table.removeprefix("marts."),
            _key(c),
            c.column,
            _cell(c.older),
            _cell(c.newer),
        )
        for t in diff.differing
        for c in t.difference.largest
    ]


def _key(change: Change) -> str:
    return " ".join(str(value) for value in change.key.values())


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.8g}" if isinstance(value, float) else str(value)
