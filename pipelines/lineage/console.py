"""What `smallcaps diff` and `smallcaps explain` print."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.errors import ConfigurationError
from pipelines.lineage.diff import diff_versions, newest_two
from pipelines.lineage.diff_text import diff_document, diff_markdown, headline, short_tables
from pipelines.lineage.explain import Explanation, explain
from pipelines.sentences import SIMULATED
from pipelines.settings import Settings

_HIDDEN = ("run_id", "payload_sha256", "fetched_at")


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


def print_explanation(
    settings: Settings,
    table: str,
    key: Sequence[str],
    console: Console,
    *,
    where: Sequence[str] = (),
    version: str = "current",
    every_row: bool = False,
    format_: str = "table",
) -> None:
    """Print where one cell comes from; the last of `key` is the column.

    Raises:
        ConfigurationError: wrong usage, or there is no such table, column or row.
    """
    if format_ not in ("table", "json"):
        raise ConfigurationError(f"--format: {format_!r} is not one of table, json")
    parts = dict(_split(text) for text in where)
    told = explain(settings, table, key[:-1], key[-1], version=version, where=parts)
    if format_ == "json":
        document = {
            name: value.to_dict("records") if isinstance(value, pd.DataFrame) else value
            for name, value in asdict(told).items()
        }
        sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")
        return
    _print(told, console, most=None if every_row else 8)


def _split(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigurationError(f"--where: {text!r} is not column=value")
    return name, value


def _print(told: Explanation, console: Console, *, most: int | None) -> None:
    if told.is_simulated:
        console.print(f"[bold yellow]{SIMULATED}[/]")
    at = ", ".join(f"{name} {value}" for name, value in told.key.items())
    console.print(f"[bold]{told.table}.{told.column}[/]  {escape(at)}")
    console.print(f"value     [bold]{told.value}[/]  {escape(told.unit or '')}", highlight=False)
    console.print(f"meaning   {escape(told.meaning or '')}", highlight=False)
    console.print(f"formula   {escape(told.formula or '')}", highlight=False)
    console.print(f"source    {escape(told.source or '')}", highlight=False)
    console.print(
        f"version   {told.version}, as of {told.as_of}, code {told.code_version}", highlight=False
    )
    if told.way:
        layers: dict[str, set[str]] = {}
        for _, reads in told.way:
            schema, _, name = reads.partition(".")
            layers.setdefault(schema, set()).add(name)
        for schema in ("marts", "intermediate", "staging", "reference", "raw"):
            if schema in layers:
                names = ", ".join(sorted(layers[schema]))
                console.print(f"reads     {schema}: {names}", highlight=False)
    if told.derived_from:
        console.print(f"inputs    {told.what}; explain next:")
        for name in told.derived_from:
            console.print(f"          {escape(name)}", highlight=False)
    elif told.rows.empty:
        console.print(f"inputs    {told.what}")
    else:
        shown = told.rows.drop(columns=[c for c in _HIDDEN if c in told.rows])
        console.print(_frame(f"input rows: {told.what}", shown, most))
    if len(told.revisions):
        console.print(_frame("every vintage of these observations", told.revisions, most))
    if told.payloads:
        rows = [
            {"feed": p.feed, "fetched": p.fetched_at, "sha256": p.sha256[:16], "state": p.state,
             "url": p.url}
            for p in told.payloads
        ]  # fmt: skip
        console.print(_frame("landing payloads, read again and hashed", pd.DataFrame(rows), most))
    if len(told.gates):
        gates = told.gates.assign(run=told.gates["run_id"].str[:8])
        shown = gates[["run", "check_id", "status", "finding"]]
        console.print(_frame("gates of the loading runs", shown, most))
    if len(told.checks):
        counts = told.checks["status"].value_counts().to_dict()
        said = ", ".join(f"{n} {status}" for status, n in counts.items())
        console.print(f"dbt tests on the way, in the publishing run: {said}")
        odd = told.checks[told.checks["status"] != "passed"]
        if len(odd):
            console.print(_frame("not passed", odd[["check_id", "status", "finding"]], most))
    carried = [
        {"version": c.version, "as of": c.as_of, "value": c.value,
         "": "same" if c.is_same else "differs"}
        for c in told.carriers
    ]  # fmt: skip
    if carried:
        console.print(_frame("kept versions that have the row", pd.DataFrame(carried), most))


def _frame(title: str, frame: pd.DataFrame, most: int | None) -> Table:
    table = Table(title=title, title_justify="left")
    for name in frame.columns:
        table.add_column(str(name), overflow="fold")
    for row in frame.head(most or len(frame)).itertuples(index=False):
        table.add_row(*(escape(_text(value)) for value in row))
    if most is not None and len(frame) > most:
        table.caption = f"and {len(frame) - most:,} more: --all"
    return table


def _text(value: Any) -> str:
    if isinstance(value, pd.Timestamp):
        return f"{value:%Y-%m-%d}"
    return "" if value is None or value is pd.NaT else str(value)
