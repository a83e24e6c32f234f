"""The `smallcaps` command: thin over the same functions that the Dagster definitions call.

Exit codes: 0 published, 1 a gate refused, 2 wrong usage or configuration, 3 a required dataset is
unavailable beyond its limit.
"""

from __future__ import annotations

import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pipelines.errors import ConfigurationError, SmallcapsError
from pipelines.exit_codes import Exit
from pipelines.night import BRANCHES
from pipelines.settings import Settings, child_environment, read_settings

app = typer.Typer(
    name="smallcaps",
    help="Are US small caps cheap, broad, bought and helped by the macro picture?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)


WorldOption = Annotated[
    str | None, typer.Option("--world", help="sample (simulated, default) or live.")
]


def main() -> None:
    """Run the command; our own errors become one line and an exit code, never a traceback."""
    try:
        app()
    except ConfigurationError as error:
        errors.print(f"[bold red]error[/] {error}", highlight=False)
        sys.exit(Exit.USAGE)
    except SmallcapsError as error:
        errors.print(f"[bold red]error[/] {error}", highlight=False)
        sys.exit(Exit.REFUSED)


def _settings(world: str | None = None, **options: Any) -> Settings:
    return read_settings().with_options(world=world, **options)


def _date(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{option}: {text!r} is no date (YYYY-MM-DD)") from None


@app.command()
def run(
    world: WorldOption = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            help="Day the run is for, YYYY-MM-DD (New York); one before the newest night is "
            "rebuilt from what is stored, into a version of its own.",
        ),
    ] = None,
    only: Annotated[
        str | None, typer.Option("--only", help=f"One branch alone: {', '.join(BRANCHES)}.")
    ] = None,
    full_refresh: Annotated[
        bool, typer.Option("--full-refresh", help="Ask for whole histories, not only what is new.")
    ] = False,
    from_landing: Annotated[
        str | None,
        typer.Option("--from-landing", help="Rebuild from this run's landed payloads, no network."),
    ] = None,
    with_late_loads: Annotated[
        bool,
        typer.Option(
            "--with-late-loads",
            help="With an earlier --as-of: also what was public by then and loaded later.",
        ),
    ] = False,
) -> None:
    """Run the nightly job now and print what was published, and where."""
    if only is not None and only not in BRANCHES:
        raise ConfigurationError(f"--only: {only!r} is not one of {', '.join(BRANCHES)}")
    settings = _settings(world, as_of=_date(as_of, "--as-of"), full_refresh=full_refresh)
    from pipelines.launch import run_night

    code = run_night(
        settings,
        only=only,
        from_landing=from_landing,
        console=console,
        with_late_loads=with_late_loads,
    )
    raise typer.Exit(int(code))


@app.command()
def backfill(
    start: Annotated[str, typer.Option("--from", help="First month, YYYY-MM-DD.")],
    end: Annotated[str, typer.Option("--to", help="Last month, YYYY-MM-DD.")],
    world: WorldOption = None,
) -> None:
    """Fetch, gate and load the month-end holdings files of a range of dates."""
    first, last = _date(start, "--from"), _date(end, "--to")
    if first is None or last is None or first > last:
        raise ConfigurationError(f"--from {start} is after --to {end}")
    from pipelines.launch import backfill_holdings

    raise typer.Exit(int(backfill_holdings(_settings(world), first, last, console=console)))


@app.command()
def rebuild(
    world: WorldOption = None,
    without: Annotated[
        list[str] | None, typer.Option("--without", help="Leave this run out; may be repeated.")
    ] = None,
    accept_loss: Annotated[
        bool, typer.Option("--accept-loss", help="Even if raw rows of the old file are not there.")
    ] = False,
) -> None:
    """Make the build file anew from landing alone; asks no source, publishes nothing."""
    from pipelines.rebuild import print_rebuilt
    from pipelines.rebuild import rebuild as rebuild_from_landing

    settings = _settings(world)
    rebuilt = rebuild_from_landing(settings, without=without or (), accept_loss=accept_loss)
    print_rebuilt(settings, rebuilt, console)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(help="New folder for the copy.")],
    world: WorldOption = None,
) -> None:
    """Copy the whole warehouse into a folder, with a hash of every file."""
    from pipelines.safekeeping import backup as save

    save(_settings(world), folder, console)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="Folder that `backup` wrote.")],
    world: WorldOption = None,
) -> None:
    """Bring a backup back into an empty warehouse, every file compared with its hash."""
    from pipelines.safekeeping import restore as bring_back

    bring_back(_settings(world), folder, console)


@app.command()
def runs(world: WorldOption = None) -> None:
    """List the runs in landing, oldest first, with their whole ids."""
    from pipelines.console import print_runs

    print_runs(_settings(world), console)


@app.command()
def status(world: WorldOption = None) -> None:
    """Show what is published, the last runs, and which sources are behind."""
    from pipelines.console import print_status

    print_status(_settings(world), console)


@app.command()
def query(
    sql: Annotated[str, typer.Argument(help='For example "select * from marts.macro_regime".')],
    format_: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    limit: Annotated[int, typer.Option("--limit", help="Most rows shown as a table.")] = 40,
) -> None:
    """Run SQL on the published file, read-only."""
    from pipelines.console import print_query

    print_query(_settings(), sql, console, format_=format_, limit=limit)


@app.command()
def diff(
    older: Annotated[
        str | None,
        typer.Argument(help="Older version, or a beginning of its name; else the last but one."),
    ] = None,
    newer: Annotated[str, typer.Argument(help="Newer version.")] = "current",
    format_: Annotated[str, typer.Option("--format", help="table, markdown or json.")] = "table",
) -> None:
    """Compare two versions: rows added, removed and changed of each mart, and why."""
    from pipelines.lineage.console import print_diff

    print_diff(_settings(), older, newer, console, format_=format_)


@app.command()
def explain(
    table: Annotated[str, typer.Argument(help="Published table, such as marts.macro_regime.")],
    key: Annotated[
        list[str], typer.Argument(help="Values of its key columns, then the column to explain.")
    ],
    where: Annotated[
        list[str] | None, typer.Option("--where", help="column=value; may be repeated.")
    ] = None,
    version: Annotated[
        str, typer.Option("--version", help="A kept version, or a beginning of its name.")
    ] = "current",
    every_row: Annotated[
        bool, typer.Option("--all", help="Print every input row, not the first ones.")
    ] = False,
    format_: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> None:
    """Trace one published number: formula, input rows, payloads, checks, publications."""
    from pipelines.lineage.console import print_explanation

    print_explanation(
        _settings(),
        table,
        key,
        console,
        where=where or (),
        version=version,
        every_row=every_row,
        format_=format_,
    )


@app.command()
def where() -> None:
    """Print the path of the published DuckDB file."""
    from pipelines.storage.snapshot import published_path

    typer.echo(published_path(_settings()))


@app.command()
def report(
    version: Annotated[
        str, typer.Option("--version", help="A kept version, or a beginning of its name.")
    ] = "current",
    pdf: Annotated[bool, typer.Option("--pdf", help="The PDF instead of the HTML file.")] = False,
    open_: Annotated[
        bool, typer.Option("--open", help="Open it in this machine's viewer.")
    ] = False,
) -> None:
    """Print the path of a version's report."""
    from pipelines.report.make import find_report

    path = find_report(_settings(), version, pdf=pdf)
    typer.echo(path)
    if open_ and typer.launch(str(path)) != 0:
        raise ConfigurationError("--open: this machine has no viewer for it")


@app.command()
def docs(world: WorldOption = None) -> None:
    """Write dbt's documentation of models, columns, tests and exposures; print where it is."""
    from pipelines.launch import write_dbt_docs

    typer.echo(write_dbt_docs(_settings(world)))


@app.command()
def doctor(world: WorldOption = None) -> None:
    """Check keys, disk, locks, versions and freshness, each with what to do."""
    from pipelines.console import print_doctor

    raise typer.Exit(int(not print_doctor(_settings(world), console)))


@app.command()
def publish(
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Repoint to the version before the current one.")
    ] = False,
    version: Annotated[
        str | None, typer.Option("--version", help="Repoint to this version instead.")
    ] = None,
) -> None:
    """Repoint `published/current` to an older version (a new one comes only from a run)."""
    if not rollback:
        raise ConfigurationError("publish: only --rollback; a new version comes from `run`")
    from pipelines.storage.publish import rollback as roll_back

    console.print(f"current -> {roll_back(_settings(), version=version)}")


@app.command()
def alert(
    test: Annotated[bool, typer.Option("--test", help="Send a test message now.")] = False,
    world: WorldOption = None,
) -> None:
    """Send a test message to the webhook and the mailbox that the environment names."""
    if not test:
        raise ConfigurationError("alert: only --test; real alerts come from the nightly runs")
    from pipelines.alert_delivery import send
    from pipelines.alerts import trial_alert

    settings = _settings(world)
    if not settings.alerts_are_on:
        raise ConfigurationError(
            "alert: neither SMALLCAPS_ALERT_WEBHOOK nor SMALLCAPS_ALERT_SMTP is set"
        )
    console.print(f"sent by {' and '.join(send(settings, trial_alert(settings)))}")


@app.command()
def validate() -> None:
    """Load every Dagster definition and the catalogue, as a deployment would."""
    environment = child_environment()
    command = [sys.executable, "-m", "dagster", "definitions", "validate"]
    command += ["--module-name", "pipelines.definitions", "--log-level", "warning"]
    raise typer.Exit(subprocess.call(command, env=environment))  # noqa: S603


@app.command()
def dashboard(
    port: Annotated[int, typer.Option("--port", help="Port on loopback.")] = 8501,
    host: Annotated[str, typer.Option("--host", help="Address to bind; loopback.")] = "127.0.0.1",
    world: WorldOption = None,
) -> None:
    """Start the dashboard over the published file; Ctrl-C stops it."""
    from pipelines.ui import serve_dashboard

    settings = _settings(world)
    console.print(f"{settings.world} world: http://{host}:{port} (Ctrl-C stops it)")
    raise typer.Exit(serve_dashboard(settings, host=host, port=port))


@app.command()
def serve(
    port: Annotated[int, typer.Option("--port", help="Port.")] = 9494,
    host: Annotated[str, typer.Option("--host", help="Address to bind; loopback.")] = "127.0.0.1",
    open_to_network: Annotated[
        bool,
        typer.Option("--open-to-network", help="Allow another --host; the protocol has no TLS."),
    ] = False,
    world: WorldOption = None,
) -> None:
    """Serve the published file read-only to remote DuckDB clients (Quack); Ctrl-C stops it."""
    from pipelines.storage.serving import LOOPBACK
    from pipelines.ui import serve_readers

    settings = _settings(world)
    if host not in LOOPBACK and not open_to_network:
        raise ConfigurationError(
            f"--host {host}: is not loopback and the protocol has no TLS; put a proxy with TLS "
            f"before a loopback port, or say --open-to-network"
        )

    def tell(version: str) -> None:
        console.print(f"{settings.world} world: {version} at quack:{host}:{port}", soft_wrap=True)

    raise typer.Exit(serve_readers(settings, host=host, port=port, tell=tell))


@app.command()
def ui(
    port: Annotated[int, typer.Option("--port", help="Port on loopback.")] = 3000,
    host: Annotated[str, typer.Option("--host", help="Address to bind; loopback.")] = "127.0.0.1",
    world: WorldOption = None,
) -> None:
    """Start the Dagster UI and daemon; Ctrl-C stops both and their children."""
    from pipelines.ui import serve

    settings = _settings(world)
    console.print(f"{settings.world} world: http://{host}:{port} (Ctrl-C stops it)")
    raise typer.Exit(serve(settings, host=host, port=port))


if __name__ == "__main__":
    main()
