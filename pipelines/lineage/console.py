"""What `smallcaps diff` and `smallcaps explain` print."""

from __future__ import annotations

import json
import sys

from rich.console import Console
from rich.markup import escape

from pipelines.errors import ConfigurationError
from pipelines.lineage.diff import diff_versions, newest_two
from pipelines.lineage.diff_text import diff_document, diff_markdown, headline, short_tables
from pipelines.settings import Settings


def print_diff(
    settings: Settings, older: str | None, newer: str, console: Console, *, format_: str
) -> None:
    """Print how two versions differ; without names the two newest nights.

    Raises:
        ConfigurationError: an unknown format.
        NothingPublished: a name means no version, or there are not two.
    """
    if format_ not in ("table", "markdown", "json"):
        raise ConfigurationError(f"--format: {format_!r} is not one of table, markdown, json")
    if older is None:
        older, newer = newest_two(settings)
    diff = diff_versions(settings, older, newer)
    if format_ == "json":
        sys.stdout.write(json.dumps(diff_document(diff), indent=2, default=str) + "\n")
        return
    if format_ == "markdown":
        sys.stdout.write(diff_markdown(diff) + "\n")
        return
    if diff.is_equal:
        console.print(headline(diff), soft_wrap=True)
        return
    for table in short_tables(diff, most=len(diff.tables)):
        console.print(table)
    for found in diff.differing:
        console.print(f"[bold]{found.difference.table}[/]: {escape(found.because)}")
