"""From landing into raw: a batch of tonight, of a night that was cut short, or of all nights again.

Raw is what comes out when every accepted batch is loaded in the order of landing. So whatever a
crash kept out is loaded before the next night begins, and `pipelines.rebuild` gives the same rows.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import replace

from pipelines.night import Night
from pipelines.quality.freshness import feed_freshness
from pipelines.sources.payloads import ItemOutcome
from pipelines.storage import history, loader, meta
from pipelines.storage.dating import dating_rules
from pipelines.storage.errors import LandingCorrupt, LoadRefused
from pipelines.storage.landing_log import LoggedBatch, judged_batches, read_log
from pipelines.storage.landing_records import LandedBatch, batch_id
from pipelines.storage.warehouse import Connection, open_build

log = logging.getLogger("pipelines.steps")


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
        record_statuses(night, connection, feed, extract.outcomes, refused=False)
    done("loaded %s: %s new rows", feed, f"{sum(result.inserted.values()):,}")
    return result


def replay_batch(night: Night, logged: LoggedBatch) -> str:
    """Load one batch of landing again under the run and the date that it had; return its status.

    What the gate said then stands. A batch that it refused, or that breaks the contract of its raw
    table, is noted and nothing of it is loaded.

    Raises:
        LandingCorrupt: a file of the batch cannot be read.
    """
    batch = logged.batch
    earlier = replace(
        night, run_id=batch.run_id, as_of=batch.as_of, now=batch.fetched_at or batch.written_at
    )
    judged = night.landing.read_verdict(batch.run_id, batch.feed)
    kept_out = judged[1] if judged else None
    refused = logged.verdict == "refused"
    record = batch_record(
        batch,
        "refused" if refused else "landed",
        0 if kept_out is None else len(kept_out),
        "; ".join(logged.reasons),
    )
    with open_build(night.settings) as connection:
        meta.record_batch(connection, record)
        if kept_out is not None:
            meta.record_quarantine(
                connection,
                rows=kept_out,
                run_id=batch.run_id,
                batch_id=batch.batch_id,
                feed=batch.feed,
                judged_at=batch.written_at,
            )
        if refused:
            outcomes = night.landing.read_batch(batch.run_id, batch.feed).outcomes
            record_statuses(earlier, connection, batch.feed, outcomes, refused=True)
    if logged.verdict != "accepted":
        return "refused" if refused else "landed"
    try:
        load_feed(earlier, batch.feed)
    except LoadRefused as error:
        with open_build(night.settings) as connection:
            meta.record_batch(connection, replace(record, status="refused", reasons=str(error)))
        return "refused"
    return "loaded"


def finish_interrupted_loads(night: Night) -> list[str]:
    """Load what earlier runs landed and the gate accepted, but a crash kept out of raw.

    Only batches that are newer than anything loaded of their feed: an older one would come after
    what superseded it. Returns the ids of the batches that were loaded.
    """
    with open_build(night.settings) as connection:
        settled = meta.batch_statuses(connection)
    ended = {batch for batch, status in settled.items() if status != "landed"}
    open_batches = judged_batches(night.settings.landing_dir) - ended
    if not open_batches:
        return []
    try:
        logged = read_log(night.settings.landing_dir)
    except LandingCorrupt as error:
        log.warning("landing is damaged, interrupted loads stay as they are: %s", error)
        return []
    superseded = set()
    unfinished = []
    for entry in reversed(logged):
        batch = entry.batch
        if settled.get(batch.batch_id) == "loaded":
            superseded.add(batch.feed)
        elif (
            batch.batch_id in open_batches
            and entry.verdict == "accepted"
            and batch.feed not in superseded
            and batch.world == night.settings.world
        ):
            unfinished.append(entry)
    loaded = []
    for entry in reversed(unfinished):
        try:
            if replay_batch(night, entry) == "loaded":
                loaded.append(entry.batch.batch_id)
        except LandingCorrupt as error:
            log.warning("%s is not loaded: %s", entry.batch.batch_id, error)
    return loaded


def record_statuses(
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


def batch_record(
    batch: LandedBatch, status: str, quarantined: int, reasons: str
) -> meta.BatchRecord:
    """Return a landed batch as a row of `meta.batches`."""
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


def done(message: str, *arguments: object) -> None:
    """Log the end of a step, so that a progress display can count it."""
    log.info(message, *arguments, extra={"step_done": True})
