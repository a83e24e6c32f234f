"""The steps of a night, as plain functions: begin, fetch, judge, load, record, publish.

Dagster's assets and checks call these; nothing here knows Dagster. What is fetched lives in
`sources`, what is believed in `quality`, where it is kept in `storage`: here they only meet.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import pandas as pd

from pipelines.catalog.models import Catalog
from pipelines.errors import ConfigurationError
from pipelines.fetchers import FETCHERS, fetch_bars
from pipelines.loading import (
    batch_record,
    done,
    finish_interrupted_loads,
    load_feed,
    record_statuses,
)
from pipelines.night import BRANCHES, Night, make_night
from pipelines.past_nights import begin_past, end_past, lies_in_the_past
from pipelines.quality.findings import GateReport
from pipelines.quality.gates import judge_batch
from pipelines.settings import Settings
from pipelines.sources.calendar import sessions_between
from pipelines.sources.http import Transport
from pipelines.sources.parsers import PARSERS
from pipelines.sources.payloads import Extract, FetchContext, ItemState
from pipelines.sources.sec import fetch_sec_facts
from pipelines.sources.sec_frames import fetch_sec_frames, keep_listed
from pipelines.sources.tickers import EquityLine, price_symbols
from pipelines.storage import history, meta, night_lock, reference
from pipelines.storage.landing_records import LandedBatch
from pipelines.storage.reports import read_run_report
from pipelines.storage.warehouse import LOCK_WAIT_S, open_build
from pipelines.version import code_version

__all__ = [
    "begin_night",
    "check_before_run",
    "end_night",
    "fetch_feed",
    "gate_check_id",
    "judge_feed",
    "land",
    "load_feed",
]

log = logging.getLogger("pipelines.steps")

_NIGHTS: dict[str, Night] = {}
FIRST_SESSION = date(1950, 1, 3)
SAMPLE_CONTACT = {"sample": "nobody, the sample world is asked"}
"""The live world needs a real one."""


@dataclass(frozen=True, slots=True)
class FetchSummary:
    """What one fetch brought: totals, and the items that did not come, with their reasons."""

    batch: LandedBatch
    missing: Mapping[str, str]

    def missing_markdown(self, most: int = 50) -> str:
        """Return the items that did not come as a Markdown list."""
        lines = [f"- `{item}`: {why}" for item, why in list(self.missing.items())[:most]]
        if len(self.missing) > most:
            lines.append(f"- … and {len(self.missing) - most} more")
        return "\n".join(lines) or "none"


def begin_night(
    settings: Settings,
    run_id: str,
    *,
    branches: tuple[str, ...] = BRANCHES,
    from_landing: str | None = None,
    with_late_loads: bool = False,
    adapter: Transport | None = None,
    catalog: Catalog | None = None,
    wait_s: float = LOCK_WAIT_S,
) -> Night:
    """Return the night of this run, the same object for every step in this process.

    The first call takes the warehouse until `end_night`, stamps or checks it, writes the reference
    tables, notes the run, and loads what a crash kept out of raw. Where the day lies before the
    newest night, the night is a rebuild in a copy of the build file (`past_nights`).

    Raises:
        ConfigurationError: the warehouse belongs to the other world, or is to rebuild a past day in
            a way that makes no sense.
        WarehouseBusy: another process is in the middle of a run, or holds the build file.
    """
    if run_id in _NIGHTS:
        return _NIGHTS[run_id]
    night = make_night(
        settings,
        run_id,
        branches=branches,
        from_landing=from_landing,
        with_late_loads=with_late_loads,
        adapter=adapter,
    )
    if catalog is not None:
        night = replace(night, catalog=catalog)
    night_lock.hold(settings, f"run {run_id}", wait_s=wait_s)
    try:
        with open_build(settings) as connection:
            is_past = lies_in_the_past(night, connection)
        if is_past:
            night = begin_past(night)
        _note_beginning(night)
        if not night.is_rebuild:
            finish_interrupted_loads(night)
    except BaseException:
        night_lock.release(settings, f"run {run_id}")
        raise
    _NIGHTS[run_id] = night
    return night


def _note_beginning(night: Night) -> None:
    with open_build(night.settings) as connection:
        reference.write_reference(connection, night.catalog, as_of=night.as_of)
        meta.start_run(
            connection,
            night.run_id,
            world=night.settings.world,
            as_of=night.as_of,
            code_version=code_version(),
            branches=night.branches,
            started_at=datetime.now(UTC),
        )
        meta.note_crashed_runs(connection, but=night.run_id)


def end_night(run_id: str, *, failed: bool) -> None:
    """Forget the night of a run that is over, and close its row in `meta.runs` if it is open.

    A publication has closed it already. Otherwise the run is refused (a check failed), failed, or
    finished, where there was nothing to publish.
    """
    night = _NIGHTS.pop(run_id, None)
    if night is None:
        return
    try:
        with open_build(night.settings) as connection:
            report = read_run_report(connection, run_id)
            if report.status == "running":
                unhappy = "refused" if len(report.failed) else "failed"
                meta.finish_run(
                    connection,
                    run_id,
                    status=unhappy if failed else "finished",
                    finished_at=datetime.now(UTC),
                )
        end_past(night)
    finally:
        night_lock.release(night.home or night.settings, f"run {run_id}")


def check_before_run(
    settings: Settings, *, from_landing: str | None, branches: tuple[str, ...] = BRANCHES
) -> bool:
    """Refuse what cannot work before anything is fetched; return whether it will be a rebuild.

    Raises:
        ConfigurationError: the warehouse belongs to the other world; `as_of` lies after today, or
            asks for a rebuild that makes no sense; `from_landing` names no landed run.
    """
    night = make_night(settings, "check", branches=branches, from_landing=from_landing)
    with open_build(settings) as connection:
        is_past = lies_in_the_past(night, connection)
    if from_landing is not None and from_landing not in {r.run_id for r in night.landing.runs()}:
        raise ConfigurationError(f"--from-landing {from_landing}: landing holds no such run")
    return is_past


def fetch_feed(night: Night, feed: str) -> FetchSummary:
    """Fetch one feed and land it: payloads as they come, then the typed batch.

    With `from_landing` the payloads of that run are parsed again instead, without network.

    Raises:
        ConfigurationError: the night is a rebuild; what came now would be dated in its past.
    """
    if night.is_rebuild:
        raise ConfigurationError(f"a rebuild as of {night.as_of} asks no source, {feed} neither")
    log.info("fetching %s", feed)
    if night.from_landing is not None:
        extract = night.landing.reparse(night.from_landing, feed, PARSERS)
    else:
        extract = _fetch(night, feed)
    if feed == "sec_frames":
        extract = keep_listed(extract, _listed(night))
    return land(night, extract)


def land(night: Night, extract: Extract) -> FetchSummary:
    """Write the typed batch of what was fetched into landing and note it."""
    batch = night.landing.write_batch(
        night.run_id, extract, as_of=night.as_of, world=night.settings.world
    )
    with open_build(night.settings) as connection:
        meta.record_batch(connection, batch_record(batch, "landed", 0, ""))
    done("landed %s: %s rows", extract.feed, f"{sum(batch.rows.values()):,}")
    return FetchSummary(batch, missing_items(extract))


def missing_items(extract: Extract) -> dict[str, str]:
    """Return item to reason for everything that did not come."""
    return {
        o.item: f"{o.status} ({o.provider}): {o.detail}"
        for o in extract.outcomes
        if o.status in ("unknown", "unavailable", "broken")
    }


def judge_feed(night: Night, feed: str) -> GateReport:
    """Judge the landed batch of one feed and write the verdict down, here and in landing."""
    log.info("judging %s", feed)
    extract = night.landing.read_batch(night.run_id, feed)
    with open_build(night.settings) as connection:
        stored = history.read_history(connection, feed)
    report = judge_batch(
        extract,
        catalog=night.catalog,
        history=stored,
        as_of=night.as_of,
        sessions=sessions_between(FIRST_SESSION, night.as_of),
        full_refresh=night.settings.full_refresh,
    )
    night.landing.write_verdict(
        night.run_id,
        feed,
        {"refused": report.refused, "reasons": list(report.reasons)},
        report.quarantined,
        accepted=None if report.refused else report.accepted,
    )
    batch = night.landing.manifest(night.run_id, feed)
    with open_build(night.settings) as connection:
        meta.record_checks(connection, night.run_id, gate_records(feed, report))
        meta.record_quarantine(
            connection,
            rows=report.quarantined,
            run_id=night.run_id,
            batch_id=batch.batch_id,
            feed=feed,
            judged_at=datetime.now(UTC),
        )
        status = "refused" if report.refused else "landed"
        record = batch_record(batch, status, len(report.quarantined), "; ".join(report.reasons))
        meta.record_batch(connection, record)
        if report.refused:
            record_statuses(night, connection, feed, extract.outcomes, refused=True)
    done("judged %s: %s", feed, "REFUSED" if report.refused else "accepted")
    return report


def gate_records(feed: str, report: GateReport) -> list[meta.CheckRecord]:
    """Return the gate's findings as rows of `meta.checks`."""
    return [
        meta.CheckRecord(
            check_id=gate_check_id(feed, finding.check),
            kind="gate",
            target=f"landing.{feed}",
            severity=finding.severity,
            status="passed"
            if finding.passed
            else ("failed" if finding.severity == "block" else "warned"),
            finding=finding.message,
            failing_rows=finding.failing_rows,
        )
        for finding in report.findings
    ]


def gate_check_id(feed: str, check: str) -> str:
    """Return the id under which a gate's check stands in `meta.checks`."""
    return f"gate:{feed}.{check}"


def _fetch(night: Night, feed: str) -> Extract:
    with open_build(night.settings) as connection:
        context = fetch_context(night, feed, history.read_item_states(connection, feed))
        if feed in FETCHERS:
            connection.close()
            return FETCHERS[feed](night, context)
        if feed == "sec_frames":
            connection.close()
            return fetch_sec_frames(night.client, night.catalog, context, _listed(night))
        lines = history.read_universe_lines(connection)
        if feed == "sec_facts":
            ciks = history.read_company_keys(connection)
            connection.close()
            present = member_symbols(newest_files(lines), night)
            return fetch_sec_facts(night.client, night.catalog, context, present, ciks)
        symbols = member_symbols(lines, night)
        stored = history.read_history(connection, feed)[f"{feed}__overlap"]
    return fetch_bars(night, context, feed, symbols=symbols, stored=stored)


def _listed(night: Night) -> set[str]:
    with open_build(night.settings) as connection:
        return history.read_listed_companies(connection, as_of=night.as_of)


def newest_files(lines: pd.DataFrame) -> pd.DataFrame:
    """Return the lines of each fund's newest file."""
    newest = lines.groupby("fund_id")["as_of_on"].transform("max")
    return lines[lines["as_of_on"] == newest]


def member_symbols(lines: pd.DataFrame, night: Night) -> list[str]:
    """Return the price symbols of every equity line that a universe's file ever named."""
    lines = lines[lines["asset_class"] == "Equity"]
    return price_symbols(
        [
            EquityLine(fund_id=fund_id, as_of_on=as_of_on.date(), ticker=ticker)
            for fund_id, as_of_on, ticker in zip(
                lines["fund_id"], lines["as_of_on"], lines["ticker"], strict=True
            )
        ],
        night.catalog.tickers,
        as_of=night.as_of,
    )


def record_checks(night: Night, records: Iterable[meta.CheckRecord]) -> None:
    """Write check results of this run, which is what the publication trusts."""
    with open_build(night.settings) as connection:
        meta.record_checks(connection, night.run_id, records)


def fetch_context(night: Night, feed: str, states: Mapping[str, ItemState]) -> FetchContext:
    """Return the surroundings of one fetch of this night."""
    return FetchContext(
        as_of=night.as_of,
        now=night.now,
        state=states,
        keep=night.landing.keep(night.run_id, feed),
        full_refresh=night.settings.full_refresh,
        fred_api_key=night.settings.fred_api_key,
        tiingo_api_key=night.settings.tiingo_api_key,
        sec_contact=night.settings.sec_contact or SAMPLE_CONTACT.get(night.settings.world),
        progress=log.info,
    )
