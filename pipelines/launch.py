"""Run the Dagster jobs from the command line, on the same instance as the UI.

Besides `definitions`, `resources` and `defs` this is the only module that knows Dagster. It starts
a job in this process, shows its progress, and turns its end into an exit code.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from pipelines.errors import ConfigurationError
from pipelines.exit_codes import Exit
from pipelines.night import BRANCHES
from pipelines.settings import PROJECT_DIR, Settings, child_environment, process_environment
from pipelines.storage import night_lock
from pipelines.storage.errors import WarehouseBusy
from pipelines.summary import Conclusion, conclude, print_summary

QUIET = {"console": {"config": {"log_level": "CRITICAL"}}}
CODE_LOCATION_TAG = ".dagster/repository"
CODE_LOCATION = "__repository__@smallcaps"
"""By this tag the UI shows a run under its job and on the timeline; `smallcaps` is the name of the
code location in workspace.yaml, which `smallcaps ui` opens."""
WORKSPACE = PROJECT_DIR / "workspace.yaml"
DAGSTER_YAML = PROJECT_DIR / "warehouse" / "dagster_home" / "dagster.yaml"


def prepare_dagster_home(settings: Settings) -> Path:
    """Create Dagster's instance folder where there is none; return it."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    target = home / "dagster.yaml"
    if not target.exists():
        shutil.copyfile(DAGSTER_YAML, target)
    return home


def run_night(
    settings: Settings,
    *,
    only: str | None,
    from_landing: str | None,
    console: Console,
    with_late_loads: bool = False,
) -> Exit:
    """Run the nightly job (or one branch's) and print the summary.

    Raises:
        ConfigurationError: the warehouse belongs to the other world, or `as_of` lies before the
            newest night in a run that cannot be a rebuild, before anything is fetched.
        WarehouseBusy: another run is under way in this warehouse.
    """
    from pipelines.steps import check_before_run

    job = "nightly" if only is None else f"nightly_{only}"
    resource = {
        "world": settings.world,
        "warehouse": str(settings.warehouse),
        "as_of": settings.as_of.isoformat() if settings.as_of else "",
        "branches": [only] if only else [],
        "full_refresh": settings.full_refresh,
        "from_landing": from_landing or "",
        "with_late_loads": with_late_loads,
    }
    branches = BRANCHES if only is None else (only,)
    with night_lock.held_for(settings, "smallcaps run"):
        is_past = check_before_run(settings, from_landing=from_landing, branches=branches)
        if with_late_loads and not is_past:
            raise ConfigurationError(
                "--with-late-loads: only with an --as-of before the newest night"
            )
        with _instance(settings) as instance:
            end_dead_runs(instance)
            result = _execute(job, resource, instance, settings, console)
    conclusion = conclude(
        settings,
        result.run_id,
        error=_first_error(result),
        misconfigured=_is_misconfigured(result),
    )
    print_summary(settings, conclusion, console)
    if not is_past:
        _tell(settings, conclusion, console)
    return conclusion.exit_code


def _tell(settings: Settings, conclusion: Conclusion, console: Console) -> None:
    """Send the night's alert, as the sensors do for runs that Dagster's daemon started."""
    if settings.world != "live":
        return
    from pipelines.alert_delivery import AlertNotSent, tell_of_degraded, tell_of_failure

    try:
        if conclusion.exit_code is Exit.PUBLISHED:
            tell_of_degraded(settings)
        else:
            tell_of_failure(settings, conclusion.report.run_id, conclusion.error)
    except AlertNotSent as error:
        console.print(f"[yellow]alert not sent[/] {error}", highlight=False)


def backfill_holdings(settings: Settings, first: date, last: date, *, console: Console) -> Exit:
    """Materialise the month partitions of `landing/fund_holdings_history` from first to last."""
    from pipelines.defs.funds.backfill import range_tags
    from pipelines.steps import check_before_run

    resource = {
        "world": settings.world,
        "warehouse": str(settings.warehouse),
        "as_of": settings.as_of.isoformat() if settings.as_of else "",
    }
    tags = range_tags(first, last)
    with night_lock.held_for(settings, "smallcaps backfill"), _instance(settings) as instance:
        end_dead_runs(instance)
        if check_before_run(settings, from_landing=None):
            raise ConfigurationError("backfill: leave the as-of date out, it fetches now")
        result = _execute("holdings_backfill", resource, instance, settings, console, tags=tags)
    if result.success:
        console.print("backfill loaded; the next run publishes it")
        return Exit.PUBLISHED
    console.print(f"backfill not loaded: {_first_error(result)}", style="red", highlight=False)
    return Exit.REFUSED


def write_dbt_docs(settings: Settings) -> Path:
    """Write dbt's documentation of the build file as one HTML file; return its path.

    Raises:
        ConfigurationError: nothing was built yet.
        WarehouseBusy: a run is under way.
    """
    from pipelines.defs.dbt.runner import write_docs

    if not settings.build_path.exists():
        raise ConfigurationError("nothing was built yet: run `smallcaps run` first")
    path = settings.warehouse / "docs" / "dbt.html"
    with night_lock.held_for(settings, "smallcaps docs"):
        write_docs(settings.build_path, path)
    return path


def end_dead_runs(instance: Any) -> list[str]:
    """Fail the runs whose process ended without a word; return their ids.

    The caller holds the night's lock, and every run holds it from its first step to its end: what
    still counts as started was killed, or lost its machine. Left alone it would keep later runs
    waiting for ever, in Dagster's queue or for a slot of the pool.
    """
    import dagster as dg

    alive = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    dead = instance.get_runs(filters=dg.RunsFilter(statuses=alive))
    for run in dead:
        instance.report_run_failed(run, message="Its process ended without a word.")
    log = instance.event_log_storage
    if log.supports_global_concurrency_limits:
        for run_id in log.get_concurrency_run_ids():
            log.free_concurrency_slots_for_run(run_id)
    return [run.run_id for run in dead]


def clear_dead_runs(settings: Settings) -> list[str]:
    """End dead runs, where no run is under way; return their ids."""
    try:
        with night_lock.held_for(settings, "smallcaps ui", wait_s=0), _instance(settings) as found:
            return end_dead_runs(found)
    except WarehouseBusy:
        return []


@contextmanager
def _instance(settings: Settings) -> Iterator[Any]:
    import dagster as dg

    home = prepare_dagster_home(settings)
    environment = child_environment(settings) | {"DAGSTER_HOME": str(home)}
    with process_environment(environment), dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def _execute(
    job: str,
    resource: Mapping[str, Any],
    instance: Any,
    settings: Settings,
    console: Console,
    *,
    tags: Mapping[str, str] | None = None,
) -> Any:
    """Execute a job in process, one line of progress for each step that starts."""
    from pipelines.definitions import defs

    definition = defs.resolve_job_def(job)
    steps = len(definition.graph.node_dict)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"{settings.world}: starting", total=steps)

        class _Show(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                progress.update(task, description=record.getMessage()[:78])
                if getattr(record, "step_done", False):
                    progress.advance(task)

        handler = _Show(level=logging.INFO)
        logger = logging.getLogger("pipelines")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logging.getLogger("dagster").setLevel(logging.ERROR)
        try:
            return definition.execute_in_process(
                instance=instance,
                run_config={
                    "resources": {"night": {"config": dict(resource)}},
                    "loggers": QUIET,
                },
                tags={**(tags or {}), CODE_LOCATION_TAG: CODE_LOCATION},
                raise_on_error=False,
            )
        finally:
            logger.removeHandler(handler)


def _is_misconfigured(result: Any) -> bool:
    """Return whether a step ended with a ConfigurationError, e.g. a key that FRED refuses."""
    errors = [e.step_failure_data.error for e in result.all_events if e.is_step_failure]
    return any(
        e is not None and "ConfigurationError" in {e.cls_name, e.cause.cls_name if e.cause else ""}
        for e in errors
    )


def _first_error(result: Any) -> str:
    """Return the message of the first step that failed, as one line."""
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            cause = error.cause if error is not None and error.cause is not None else error
            return f"{event.step_key}: {cause.message if cause is not None else 'failed'}".strip()
    return ""
