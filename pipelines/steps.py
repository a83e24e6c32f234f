"""The steps of a night, as plain functions: begin, fetch, judge, load, record, publish.

Dagster's assets and checks call these; nothing here knows Dagster. What is fetched lives in
`sources`, what is believed in `quality`, where it is kept in `storage`: here they only meet.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pandas as pd

from pipelines.errors import ConfigurationError
from pipelines.fetchers import FETCHERS, fetch_bars
from pipelines.night import BRANCHES, Night, make_night
from pipelines.quality.findings import GateReport
from pipelines.quality.freshness import feed_freshness
from pipelines.quality.gates import judge_batch
from pipelines.settings import Settings
from pipelines.sources.calendar import sessions_between
from pipelines.sources.http import Transport
from pipelines.sources.parsers import PARSERS
from pipelines.sources.payloads import Extract, FetchContext, ItemOutcome, ItemState
from pipelines.sources.sec import fetch_sec_facts
from pipelines.sources.tickers import EquityLine, price_symbols
from pipelines.storage import history, loader, meta, reference
from pipelines.storage.dating import dating_rules
from pipelines.storage.landing_records import LandedBatch, batch_id
from pipelines.storage.reports import read_run_report
from pipelines.storage.warehouse import Connection, open_build
from pipelines.version import code_version

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
    adapter: Transport | None = None,
) -> Night:
    """Return the night of this run, the same object for every step in this process.

    The first call stamps or checks the warehouse, writes the reference tables and notes the run.

    Raises:
        ConfigurationError: the warehouse belongs to the other world.
        WarehouseBusy: another process holds the build file.
    """
    if run_id in _NIGHTS:
        return _NIGHTS[run_id]
    night = make_night(
        settings, run_id, branches=branches, from_landing=from_landing, adapter=adapter
    )
    with open_build(settings) as connection:
        reference.write_reference(connection, night.catalog, as_of=night.as_of)
        meta.start_run(
            connection,
            run_id,
            world=settings.world,
            as_of=night.as_of,
            code_version=code_version(),
            branches=branches,
            started_at=datetime.now(UTC),
        )
    _NIGHTS[run_id] = night
    return night


def end_night(run_id: str, *, failed: bool) -> None:
    """Forget the night of a run that is over, and close its row in `meta.runs` if it is open.

    A publication has closed it already. Otherwise the run is refused (a check failed), failed, or
    finished, where there was nothing to publish.
    """
    night = _NIGHTS.pop(run_id, None)
    if night is None:
        return
    with open_build(night.settings) as connection:
        report = read_run_report(connection, run_id)
        if report.status != "running":
            return
        unhappy = "refused" if len(report.failed) else "failed"
        meta.finish_run(
            connection,
            run_id,
            status=unhappy if failed else "finished",
            finished_at=datetime.now(UTC),
        )


def check_before_run(settings: Settings, *, from_landing: str | None) -> None:
    """Refuse what cannot work before anything is fetched.

    Raises:
        ConfigurationError: the warehouse belongs to the other world; `as_of` lies before the newest
            night of this warehouse, or after today; `from_landing` names no landed run.
    """
    night = make_night(settings, "check", branches=BRANCHES, from_landing=from_landing)
    with open_build(settings) as connection:
        newest = meta.newest_published_as_of(connection)
    if newest is not None and night.as_of < newest and from_landing is None:
        raise ConfigurationError(
            f"--as-of {night.as_of}: this warehouse has already published {newest}; a night cannot "
            f"be run again with what is known now (use an empty SMALLCAPS_WAREHOUSE)"
        )
    if from_landing is not None and from_landing not in {r.run_id for r in night.landing.runs()}:
        raise ConfigurationError(f"--from-landing {from_landing}: landing holds no such run")


def fetch_feed(night: Night, feed: str) -> FetchSummary:
    """Fetch one feed and land it: payloads as they come, then the typed batch.

    With `from_landing` the payloads of that run are parsed again instead, without network.
    """
    log.info("fetching %s", feed)
    if night.from_landing is not None:
        extract = night.landing.reparse(night.from_landing, feed, PARSERS)
    else:
        extract = _fetch(night, feed)
    return land(night, extract)


def land(night: Night, extract: Extract) -> FetchSummary:
    """Write the typed batch of what was fetched into landing and note it."""
    batch = night.landing.write_batch(
        night.run_id, extract, as_of=night.as_of, world=night.settings.world
    )
    with open_build(night.settings) as connection:
        meta.record_batch(connection, _batch_record(batch, "landed", 0, ""))
    _done("landed %s: %s rows", extract.feed, f"{sum(batch.rows.values()):,}")
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
        record = _batch_record(batch, status, len(report.quarantined), "; ".join(report.reasons))
        meta.record_batch(connection, record)
        if report.refused:
            _record_statuses(night, connection, feed, extract.outcomes, refused=True)
    _done("judged %s: %s", feed, "REFUSED" if report.refused else "accepted")
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


def load_feed(night: Night, feed: str) -> loader.LoadResult:
    """Load what the gate accepted into raw, all tables of the feed in one transaction or none.

    Raises:
        LoadRefused: the gate refused the batch or has not judged it, or a row breaks its contract.
    """
    log.info("loading %s", feed)
    extract = night.landing.read_batch(night.run_id, feed)
    accepted = night.landing.accepted_frames(night.run_id, feed)
    with open_build(night.settings) as connection:
        result = loader.load_batch(
            connection,
            feed,
            accepted,
            run_id=night.run_id,
            batch_id=batch_id(night.run_id, feed),
            as_of=night.as_of,
            rules=dating_rules(night.catalog),
            payloads=extract.payloads,
            outcomes=extract.outcomes,
        )
        _record_statuses(night, connection, feed, extract.outcomes, refused=False)
    _done("loaded %s: %s new rows", feed, f"{sum(result.inserted.values()):,}")
    return result


def _fetch(night: Night, feed: str) -> Extract:
    with open_build(night.settings) as connection:
        context = fetch_context(night, feed, history.read_item_states(connection, feed))
        if feed in FETCHERS:
            connection.close()
            return FETCHERS[feed](night, context)
        lines = history.read_universe_lines(connection)
        if feed == "sec_facts":
            ciks = history.read_company_keys(connection)
            connection.close()
            present = member_symbols(newest_files(lines), night)
            return fetch_sec_facts(night.client, night.catalog, context, present, ciks)
        symbols = member_symbols(lines, night)
        stored = history.read_history(connection, feed)[f"{feed}__overlap"]
    return fetch_bars(night, context, feed, symbols=symbols, stored=stored)


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


def _record_statuses(
    night: Night,
    connection: Connection,
    feed: str,
    outcomes: Iterable[ItemOutcome],
    *,
    refused: bool,
) -> None:
    """Write how each item ended and how old its newest stored row is."""
    states = history.read_item_states(connection, feed)
    newest = {item: s.newest_on for item, s in states.items() if s.newest_on is not None}
    ages = {f.item: f for f in feed_freshness(feed, night.catalog, newest, as_of=night.as_of)}
    rows = []
    for outcome in outcomes:
        age = ages.get(outcome.item)
        answered = outcome.status in ("fetched", "unchanged") and not refused
        rows.append(
            meta.SourceStatus(
                feed=feed,
                item=outcome.item,
                provider=outcome.provider,
                status="refused" if refused and outcome.status == "fetched" else outcome.status,
                detail=outcome.detail,
                last_attempt_at=night.now,
                last_fetched_at=night.now if answered else None,
                newest_on=newest.get(outcome.item),
                is_stale=age.is_stale if age else False,
                stale_since=age.stale_since if age else None,
                is_required=age.is_required if age else False,
            )
        )
    meta.update_source_status(connection, night.run_id, rows)


def _batch_record(
    batch: LandedBatch, status: str, quarantined: int, reasons: str
) -> meta.BatchRecord:
    return meta.BatchRecord(
        batch_id=batch.batch_id,
        run_id=batch.run_id,
        feed=batch.feed,
        as_of=batch.as_of,
        fetched_at=batch.fetched_at,
        payloads=batch.payloads,
        requests=sum(batch.requests.values()),
        bytes=batch.bytes,
        rows=sum(batch.rows.values()),
        quarantined_rows=quarantined,
        inserted_rows=0,
        status=status,
        reasons=reasons,
    )


def _done(message: str, *arguments: object) -> None:
    """Log the end of a step, so that a progress display can count it."""
    log.info(message, *arguments, extra={"step_done": True})
