"""The end of a run in words and tables: what was published and where, or what stands in its way."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.exit_codes import Exit
from pipelines.lineage.diff import diff_versions, newest_two
from pipelines.lineage.diff_text import short_tables
from pipelines.overview import answer_overview
from pipelines.report.make import HTML_NAME
from pipelines.sentences import SIMULATED, say_checks, say_day, say_ending
from pipelines.settings import Settings
from pipelines.storage import meta, snapshot
from pipelines.storage.errors import NothingPublished, StorageError
from pipelines.storage.overview_rows import read_overview_of
from pipelines.storage.reports import RunReport, as_rows, read_rebuilt, read_run_report
from pipelines.storage.versions import version_path
from pipelines.storage.warehouse import open_build

log = logging.getLogger("pipelines.steps")

EXIT_OF_STATUS = {
    "published": Exit.PUBLISHED,
    "rebuilt_past": Exit.PUBLISHED,
    "required_missing": Exit.REQUIRED_MISSING,
    "misconfigured": Exit.USAGE,
}
GOOD = ("published", "rebuilt_past")


@dataclass(frozen=True, slots=True)
class Conclusion:
    """How a run ended, and what is published now (by this run or still by an older one).

    `rebuilt` is the file of a rebuilt past day, beside which `current` stays what it was.
    """

    report: RunReport
    exit_code: Exit
    current: Path | None
    error: str
    rebuilt: Path | None = None


def conclude(
    settings: Settings, run_id: str, *, error: str = "", misconfigured: bool = False
) -> Conclusion:
    """Read how the run ended and close its row in `meta.runs` where no step did.

    `error` is the first step's failure, and `misconfigured` says that a person has to act on it.
    """
    with open_build(settings) as connection:
        report = read_run_report(connection, run_id)
        if report.status in ("running", "unknown"):
            failed = "misconfigured" if misconfigured else "failed"
            status = "refused" if len(report.failed) else failed
            meta.finish_run(connection, run_id, status=status, finished_at=datetime.now(UTC))
            report = read_run_report(connection, run_id)
        rebuilt = read_rebuilt(connection, run_id)
    try:
        current = snapshot.published_path(settings)
    except NothingPublished:
        current = None
    code = EXIT_OF_STATUS.get(report.status, Exit.REFUSED)
    path = version_path(settings, rebuilt) if rebuilt else None
    return Conclusion(report, code, current, error, path)


def print_summary(settings: Settings, conclusion: Conclusion, console: Console) -> None:
    """Print the summary of a run; every line is about this run or names what still stands."""
    report = conclusion.report
    published = conclusion.exit_code is Exit.PUBLISHED
    if settings.world == "sample":
        console.print(f"[bold yellow]{SIMULATED}[/]")
    colour = "green" if report.status in GOOD else "red"
    title = f"[bold {colour}]{say_ending(report.status)}[/]"
    console.print(f"{title}  {settings.world} world, as of {report.as_of}, run {report.run_id}")
    console.print(say_checks(report.passed, len(report.warned), len(report.failed)))
    if len(report.batches):
        console.print(_batches(report.batches))
    if len(report.failed):
        console.print(_findings("what failed", report.failed, "red"))
    elif not published and conclusion.error:
        console.print(f"[red]{escape(conclusion.error)}[/]")
    if len(report.warned):
        console.print(_findings("warnings", report.warned, "yellow"))
    if len(report.quarantined):
        console.print(_quarantine(report.quarantined))
    # of a past day `behind` would tell what it knew then, which nobody can act on now
    if len(report.behind) and conclusion.rebuilt is None:
        console.print(behind_table(report.behind))
    if conclusion.current is None:
        console.print("nothing has been published in this warehouse yet")
        return
    if conclusion.rebuilt is not None:
        console.print(f"file: [bold]{conclusion.rebuilt}[/]", soft_wrap=True)
    if not published or conclusion.rebuilt is not None:
        console.print(f"still published: {conclusion.current}", soft_wrap=True)
        return
    for answer in answer_overview(read_overview_of(conclusion.current)):
        console.print(f"{answer.title} [bold]{answer.word}[/]: {escape(answer.sentence)}")
    console.print(_row_counts(settings))
    for table in since_the_version_before(settings):
        console.print(table)
    console.print(f"file: [bold]{conclusion.current}[/]", soft_wrap=True)
    console.print(f"report: {conclusion.current.with_name(HTML_NAME)}", soft_wrap=True)
    console.print("read it: smallcaps query \"from marts.market_breadth where sector = 'all'\"")
    console.print("         or open the file read-only in any DuckDB client; see docs/read.md")


def since_the_version_before(settings: Settings) -> list[Table]:
    """Return what differs from the version before; nothing where there is none to compare with."""
    try:
        return short_tables(diff_versions(settings, *newest_two(settings)))
    except StorageError as error:
        log.info("not compared with the version before: %s", error)
        return []


def behind_table(behind: pd.DataFrame, *, most: int = 15) -> Table:
    """Return the table of items that are stale or did not answer."""
    table = Table(title="behind or not answering", title_style="yellow", title_justify="left")
    for name in ("feed", "item", "newest", "stale", "why"):
        table.add_column(name, overflow="fold")
    for row in as_rows(behind.head(most)):
        since = f"since {row['stale_since']:%Y-%m-%d}" if pd.notna(row["stale_since"]) else "yes"
        why = f"{row['status']}: {row['detail']}" if row["detail"] else row["status"]
        item = f"{row['item']} (required)" if row["is_required"] else row["item"]
        table.add_row(
            row["feed"],
            item,
            say_day(row["newest_on"]),
            since if row["is_stale"] else "no",
            escape(why),
        )
    if len(behind) > most:
        table.caption = f"and {len(behind) - most} more in meta.source_status"
    return table


def _batches(batches: pd.DataFrame) -> Table:
    table = Table(title="feeds", title_justify="left")
    for name in ("feed", "status"):
        table.add_column(name)
    numbers = ("requests", "rows", "quarantined_rows", "inserted_rows")
    for name in numbers:
        table.add_column(name.removesuffix("_rows"), justify="right")
    for row in as_rows(batches):
        counts = [f"{int(row[n]):,}" if pd.notna(row[n]) else "" for n in numbers]
        table.add_row(row["feed"], row["status"], *counts)
    return table


def _findings(title: str, checks: pd.DataFrame, colour: str, *, most: int = 12) -> Table:
    table = Table(title=title, title_style=colour, title_justify="left")
    table.add_column("check", overflow="fold")
    table.add_column("finding", overflow="fold")
    for row in as_rows(checks.head(most)):
        table.add_row(row["check_id"], escape(str(row["finding"])[:400]))
    if len(checks) > most:
        table.caption = f"and {len(checks) - most} more in meta.checks"
    return table


def _quarantine(quarantined: pd.DataFrame) -> Table:
    table = Table(title="rows kept out (meta.quarantine)", title_justify="left")
    for name in ("feed", "rule"):
        table.add_column(name)
    table.add_column("rows", justify="right")
    table.add_column("for example", overflow="fold")
    for row in as_rows(quarantined):
        example = escape(str(row["example"])[:160])
        table.add_row(row["feed"], row["rule"], f"{row['rows']:,}", example)
    return table


def _row_counts(settings: Settings) -> Table:
    counts = snapshot.row_counts(settings)
    table = Table(title="published tables", title_justify="left")
    table.add_column("table")
    table.add_column("rows", justify="right")
    for name, rows in counts.items():
        table.add_row(name, f"{rows:,}")
    return table
