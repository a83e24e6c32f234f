"""The build file made anew from landing alone: every accepted batch in the order of landing.

No source is asked, no gate judges again: the verdicts in landing stand. dbt builds the marts. The
new file takes the old one's place only when it is whole; what is published is not touched.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.defs.dbt import runner
from pipelines.errors import ConfigurationError
from pipelines.loading import replay_batch
from pipelines.night import BRANCHES, DBT_TAGS_OF_BRANCH, FEEDS_OF_BRANCH, Night, make_night
from pipelines.settings import Settings
from pipelines.storage import meta, night_lock, reference
from pipelines.storage.errors import StorageError
from pipelines.storage.landing import Landing
from pipelines.storage.landing_log import LoggedBatch, read_log
from pipelines.storage.publish import adopt_publications
from pipelines.storage.rebuilding import (
    RawDifference,
    clear_staging,
    compare_raw,
    staging_settings,
    swap_in,
)
from pipelines.storage.warehouse import open_build

log = logging.getLogger("pipelines.steps")


class RebuildRefused(StorageError):
    """The new build file is not put in place. The message says why; the old one stays."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did.

    `batches` counts batches by status (loaded, refused, landed: never judged), `raw` compares each
    raw table with the old file's (None where that cannot be read), `findings` are the dbt tests
    that did not pass, `kept` is the folder of the old file.
    """

    batches: Mapping[str, int]
    raw: Mapping[str, RawDifference] | None
    models: int
    tests: int
    findings: tuple[str, ...]
    kept: Path | None


def rebuild(
    settings: Settings,
    *,
    without: Collection[str] = (),
    accept_loss: bool = False,
    moment: datetime | None = None,
) -> Rebuilt:
    """Make the build file anew from landing and put it in the old one's place.

    `without` names runs that are left out (their batches are damaged). `accept_loss` allows the new
    file to lack raw rows that the old one has.

    Raises:
        ConfigurationError: landing holds nothing, another world, or not a run named in `without`.
        LandingCorrupt: a batch cannot be read; the message names file and run.
        RebuildRefused: a model could not be built, or raw rows of the old file would be lost.
        WarehouseBusy: a run is under way.
    """
    moment = moment or datetime.now(UTC)
    with night_lock.held_for(settings, "smallcaps rebuild"):
        clear_staging(settings)
        logged = _chosen(settings, without)
        staging = staging_settings(settings, moment)
        try:
            statuses = _load_all(settings, staging, logged)
            loaded = [entry for entry, status in statuses if status == "loaded"]
            results = _build_marts(staging, loaded)
            raw = compare_raw(settings.build_path, staging.build_path)
            _refuse_loss(raw, accept_loss=accept_loss)
            kept = swap_in(settings, staging.build_path, moment)
        finally:
            shutil.rmtree(staging.warehouse, ignore_errors=True)
    tests = [r for r in results if r.resource_type == "test"]
    return Rebuilt(
        batches=Counter(status for _, status in statuses),
        raw=raw,
        models=sum(r.resource_type == "model" for r in results),
        tests=len(tests),
        findings=tuple(f"{r.name}: {r.message}" for r in tests if r.status in ("fail", "error")),
        kept=kept,
    )


def print_rebuilt(settings: Settings, rebuilt: Rebuilt, console: Console) -> None:
    """Print what a rebuild loaded and built, and how raw compares with the old file's."""
    told = ", ".join(f"{n} {status}" for status, n in sorted(rebuilt.batches.items()))
    console.print(f"[bold green]rebuilt[/] {settings.build_path}", soft_wrap=True)
    console.print(f"batches: {told}; dbt: {rebuilt.models} models, {rebuilt.tests} tests")
    if rebuilt.raw is None:
        console.print("the old file could not be read, so there is nothing to compare with")
    else:
        table = Table(title="raw, compared with the old file", title_justify="left")
        for name in ("table", "rows", "only in the old", "only in the new"):
            table.add_column(name, justify="left" if name == "table" else "right")
        for name, d in rebuilt.raw.items():
            table.add_row(name, f"{d.rows:,}", f"{d.only_old:,}", f"{d.only_new:,}")
        console.print(table)
    for finding in rebuilt.findings:
        console.print(f"[red]{escape(finding)}[/]")
    if rebuilt.kept is not None:
        console.print(f"the old file: {rebuilt.kept} (delete it when you are content)")
    console.print("nothing is published by this: smallcaps run does that")


def _chosen(settings: Settings, without: Collection[str]) -> list[LoggedBatch]:
    runs = {p.name for p in settings.landing_dir.glob("runs/*")}
    if unknown := sorted(set(without) - runs):
        raise ConfigurationError(f"--without {unknown[0]}: landing holds no such run")
    logged = read_log(settings.landing_dir, without=without)
    if not logged:
        raise ConfigurationError(f"{settings.landing_dir} holds no batch to rebuild from")
    if others := sorted({entry.batch.world for entry in logged} - {settings.world}):
        raise ConfigurationError(
            f"{settings.landing_dir} holds batches of {others[0]!r}, this command is for "
            f"{settings.world!r}: set SMALLCAPS_WORLD or SMALLCAPS_WAREHOUSE"
        )
    return list(logged)


def _load_all(
    settings: Settings, staging: Settings, logged: Sequence[LoggedBatch]
) -> list[tuple[LoggedBatch, str]]:
    night = make_night(staging, "rebuild")
    night = replace(night, landing=Landing(settings.landing_dir))
    _note_runs(night, logged)
    statuses = []
    for entry in logged:
        statuses.append((entry, replay_batch(night, entry)))
    with open_build(staging) as connection:
        adopt_publications(connection, settings)
    return statuses


def _note_runs(night: Night, logged: Sequence[LoggedBatch]) -> None:
    """Write the reference tables of the newest date, and a row for every run."""
    with open_build(night.settings) as connection:
        newest = max(entry.batch.as_of for entry in logged)
        reference.write_reference(connection, night.catalog, as_of=newest)
        for run_id in dict.fromkeys(entry.batch.run_id for entry in logged):
            batches = [entry.batch for entry in logged if entry.batch.run_id == run_id]
            meta.start_run(
                connection,
                run_id,
                world=night.settings.world,
                as_of=batches[0].as_of,
                code_version="",
                branches=_branches({b.feed for b in batches}),
                started_at=batches[0].written_at,
            )
            meta.finish_run(
                connection, run_id, status="rebuilt", finished_at=batches[-1].written_at
            )


def _branches(feeds: Collection[str]) -> list[str]:
    return [branch for branch in BRANCHES if set(FEEDS_OF_BRANCH[branch]) & set(feeds)]


def _build_marts(staging: Settings, loaded: Sequence[LoggedBatch]) -> list[runner.NodeResult]:
    """Build what stands on the branches that have data, as of the newest date loaded."""
    branches = _branches({entry.batch.feed for entry in loaded})
    tags = dict.fromkeys(tag for branch in branches for tag in DBT_TAGS_OF_BRANCH[branch])
    if not tags:
        return []
    log.info("building %s", ", ".join(tags))
    as_of = max(entry.batch.as_of for entry in loaded)
    # With what they stand on: a branch alone stands on models of branches that were never loaded.
    results = runner.build(
        [f"+tag:{tag}" for tag in tags],
        build_path=staging.build_path,
        variables={"as_of": as_of.isoformat()},
    )
    broken = [r for r in results if r.resource_type == "model" and r.status != "success"]
    errors = [f"{r.name}: {r.message or r.status}" for r in broken if r.status == "error"]
    if errors:
        raise RebuildRefused(f"not rebuilt, dbt could not build {'; '.join(errors[:5])}")
    return results


def _refuse_loss(raw: Mapping[str, RawDifference] | None, *, accept_loss: bool) -> None:
    lost = {name: d.only_old for name, d in (raw or {}).items() if d.only_old}
    if lost and not accept_loss:
        told = ", ".join(f"{n:,} of raw.{name}" for name, n in lost.items())
        raise RebuildRefused(
            f"not rebuilt: landing does not give back rows that the build file has ({told}); "
            f"put the missing runs back, or say --accept-loss"
        )
