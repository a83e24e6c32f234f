"""What `status`, `query` and `doctor` print. Judgements come from the layers below."""

from __future__ import annotations

import json
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.catalog.models import load_catalog
from pipelines.errors import ConfigurationError, SmallcapsError
from pipelines.sentences import SIMULATED
from pipelines.settings import Settings
from pipelines.storage import snapshot
from pipelines.storage.errors import NothingPublished, WarehouseBusy
from pipelines.storage.landing_log import read_log
from pipelines.storage.reports import read_behind, read_runs
from pipelines.storage.warehouse import read_build
from pipelines.summary import behind_table

FREE_GB_WANTED = 5.0
"""A first live load lands about 0.5 GB and each published version copies the marts."""


def print_status(settings: Settings, console: Console) -> None:
    """Show what is published, the last runs, and which sources are behind."""
    try:
        path = snapshot.published_path(settings)
        if snapshot.read_world(settings) == "sample":
            console.print(f"[bold yellow]{SIMULATED}[/]")
        published = snapshot.query(
            settings, "from meta.publications order by published_at desc limit 1"
        ).iloc[0]
        console.print(
            f"published: [bold]{published['version']}[/], as of {published['as_of']:%Y-%m-%d}, "
            f"{published['checks_passed']} checks passed, {published['checks_warned']} warned"
        )
        console.print(f"file: {path}", soft_wrap=True)
    except NothingPublished:
        console.print("nothing published yet: smallcaps run")
    if not settings.build_path.exists():
        return
    with read_build(settings) as connection:
        runs = read_runs(connection)
        behind = read_behind(connection)
    table = Table(title="last runs", title_justify="left")
    for name in ("started (UTC)", "as of", "branches", "status", "code", "run"):
        table.add_column(name)
    for row in runs.to_dict("records"):
        started, as_of = f"{row['started_at']:%Y-%m-%d %H:%M}", f"{row['as_of']:%Y-%m-%d}"
        rest = [str(row[name]) for name in ("branches", "status", "code_version", "run_id")]
        table.add_row(started, as_of, *rest)
    console.print(table)
    if len(behind):
        console.print(behind_table(behind, most=40))


def print_runs(settings: Settings, console: Console) -> None:
    """List the landed runs as landing itself knows them; the build file is not needed."""
    logged = read_log(settings.landing_dir)
    if not logged:
        console.print(f"nothing has been landed under {settings.landing_dir} yet")
        return
    table = Table(title="landed runs, oldest first", title_justify="left")
    table.add_column("run", no_wrap=True)
    for name in ("landed (UTC)", "as of", "status", "feeds"):
        table.add_column(name, overflow="fold")
    for run_id in dict.fromkeys(entry.batch.run_id for entry in logged):
        entries = [entry for entry in logged if entry.batch.run_id == run_id]
        odd = [f"{e.batch.feed} {e.verdict}" for e in entries if e.verdict != "accepted"]
        table.add_row(
            run_id,
            f"{entries[0].batch.written_at:%Y-%m-%d %H:%M}",
            f"{entries[0].batch.as_of}",
            ", ".join(odd) or "accepted",
            ", ".join(e.batch.feed for e in entries),
        )
    console.print(table)


def print_query(
    settings: Settings, sql: str, console: Console, *, format_: str, limit: int
) -> None:
    """Run SQL on the published file and print the rows as a table, CSV or JSON."""
    if format_ not in ("table", "csv", "json"):
        raise ConfigurationError(f"--format: {format_!r} is not one of table, csv, json")
    frame = snapshot.query(settings, sql)
    simulated = snapshot.read_world(settings) == "sample"
    if simulated and format_ != "table":
        sys.stderr.write(f"{SIMULATED}\n")
    if format_ == "csv":
        sys.stdout.write(frame.to_csv(index=False))
        return
    if format_ == "json":
        rows = json.loads(frame.to_json(orient="records", date_format="iso"))
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    if simulated:
        console.print(f"[yellow]{SIMULATED}[/]")
    table = Table()
    for name in frame.columns:
        table.add_column(str(name), overflow="fold")
    for row in frame.head(limit).itertuples(index=False):
        table.add_row(*(escape(str(value)) for value in row))
    console.print(table)
    if len(frame) > limit:
        console.print(f"{limit} of {len(frame):,} rows (--limit shows more, --format csv all)")


def print_doctor(settings: Settings, console: Console) -> bool:
    """Print each check with what to do; return False if something stops a run."""
    checks = [
        _check_keys(settings),
        _check_contact(settings),
        _check_disk(settings),
        _check_lock(settings),
        _check_versions(),
        _check_catalogue(),
        _check_published(settings),
    ]
    colours = {"ok": "green", "warn": "yellow", "stop": "red"}
    table = Table(title=f"doctor, {settings.world} world", title_justify="left")
    for name in ("what", "state", "found", "what to do"):
        table.add_column(name, overflow="fold")
    for what, state, found, advice in checks:
        table.add_row(what, f"[{colours[state]}]{state}[/]", escape(found), escape(advice))
    console.print(table)
    if settings.build_path.exists() and checks[3][1] == "ok":
        with read_build(settings) as connection:
            behind = read_behind(connection)
        if len(behind):
            console.print(behind_table(behind, most=40))
    return all(state != "stop" for _, state, _, _ in checks)


Check = tuple[str, str, str, str]


def _check_keys(settings: Settings) -> Check:
    if settings.world == "sample":
        return "FRED key", "ok", "not needed, the sample world answers itself", ""
    if settings.fred_api_key is None:
        return (
            "FRED key", "warn", "FRED_API_KEY is not set",
            "vintages and the release calendar need one (docs/go-live.md says where to get it)",
        )  # fmt: skip
    return "FRED key", "ok", "set (its value is never shown)", ""


def _check_contact(settings: Settings) -> Check:
    if settings.world == "sample" or settings.sec_contact:
        return "contact", "ok", settings.sec_contact or "not needed", ""
    return (
        "contact", "warn", "SEC_CONTACT is not set",
        "set it to a name and an e-mail address: without it the SEC is not asked for filings",
    )  # fmt: skip


def _check_disk(settings: Settings) -> Check:
    folder = settings.warehouse
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    if free < FREE_GB_WANTED:
        return "disk", "stop", f"{free:.1f} GB free", f"free {FREE_GB_WANTED:g} GB under {folder}"
    return "disk", "ok", f"{free:.1f} GB free", ""


def _check_lock(settings: Settings) -> Check:
    if not settings.build_path.exists():
        return "build file", "ok", "not there yet", "smallcaps run makes it"
    try:
        with read_build(settings):
            return "build file", "ok", "can be opened, world stamp agrees", ""
    except WarehouseBusy as error:
        return "build file", "stop", str(error), "wait for that process, or end it"
    except SmallcapsError as error:
        return "build file", "stop", str(error), "see docs/recover.md"


def _check_versions() -> Check:
    pinned = {"dagster": "1.13.27", "duckdb": "1.5.5", "dbt-duckdb": "1.11.1"}
    wrong = [f"{n} {version(n)} (want {v})" for n, v in pinned.items() if version(n) != v]
    if sys.version_info[:2] != (3, 11):
        wrong.append(f"Python {sys.version_info.major}.{sys.version_info.minor} (want 3.11)")
    if wrong:
        return "versions", "stop", ", ".join(wrong), "make clean, then make run"
    return "versions", "ok", ", ".join(f"{n} {v}" for n, v in pinned.items()), ""


def _check_catalogue() -> Check:
    catalog = load_catalog()
    found = (
        f"{len(catalog.fred_series)} series, {len(catalog.instruments)} instruments, "
        f"{len(catalog.funds)} funds"
    )
    return "catalogue", "ok", found, ""


def _check_published(settings: Settings) -> Check:
    try:
        path: Path = snapshot.published_path(settings)
        rows = snapshot.query(settings, "select count(*) as n from meta.publications")
    except NothingPublished:
        return "published", "warn", "nothing yet", "smallcaps run"
    except SmallcapsError as error:
        return "published", "stop", str(error), "smallcaps publish --rollback"
    return "published", "ok", f"{path} ({int(rows['n'].iloc[0])} publications on record)", ""
