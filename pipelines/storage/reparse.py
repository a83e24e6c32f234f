"""A landed batch parsed again from its payloads, to the same rows where the parsers are the same.

Reads no file itself: `storage.landing` hands in the batch and the way to a payload's body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import pandas as pd

from pipelines.sources.collect import Parser, parse
from pipelines.sources.errors import (
    SourceContractChanged,
    SourceError,
    SourceUnavailable,
    UnknownItem,
)
from pipelines.sources.payloads import Extract, ItemOutcome, Payload, Status
from pipelines.storage.contracts import RAW_TABLES

_STATUS_OF: Mapping[type[SourceError], Status] = {
    UnknownItem: "unknown",
    SourceUnavailable: "unavailable",
    SourceContractChanged: "broken",
}


def reparse_extract(
    landed: Extract, parsers: Mapping[str, Parser], *, read_body: Callable[[Payload], bytes]
) -> Extract:
    """Return the extract that the batch's payloads give today.

    A connector may have used only some of an item's payloads (a tail that a whole history
    replaced, a second copy of a file). So a payload counts if rows of it were landed, or if no
    payload of its item gave any (it broke then, and may parse now). As in the first parse, an item
    with one broken payload gives no rows. Outcomes that had no payload stay as they were.
    """
    used = {
        digest for frame in landed.frames.values() for digest in frame["payload_sha256"].unique()
    }
    parts: dict[str, list[pd.DataFrame]] = {}
    judged: dict[str, ItemOutcome] = {}
    for item, payloads in _by_item(landed.payloads).items():
        some = [p for p in payloads if p.sha256 in used]
        try:
            parsed = [parse(replace(p, body=read_body(p)), parsers) for p in some or payloads]
        except SourceError as error:
            judged[item] = ItemOutcome(error.source, item, _STATUS_OF[type(error)], error.rule)
            continue
        judged[item] = ItemOutcome(payloads[0].provider, item, "fetched")
        for frames in parsed:
            for table, frame in frames.items():
                parts.setdefault(table, []).append(frame)
    frames = {table: pd.concat(found, ignore_index=True) for table, found in parts.items()}
    return replace(landed, outcomes=_outcomes(landed, judged, frames), frames=frames)


def _by_item(payloads: Iterable[Payload]) -> dict[str, list[Payload]]:
    """Return each item's payloads with a body to parse; the same bytes count once."""
    groups: dict[str, list[Payload]] = {}
    for payload in payloads:
        group = groups.setdefault(payload.item, [])
        if payload.status == 200 and payload.sha256 not in {p.sha256 for p in group}:
            group.append(payload)
    return {item: group for item, group in groups.items() if group}


def _outcomes(
    landed: Extract, judged: Mapping[str, ItemOutcome], frames: Mapping[str, pd.DataFrame]
) -> tuple[ItemOutcome, ...]:
    """Return today's outcome where a payload says so, else the landed one."""
    brought: set[str] = set()
    for table, frame in frames.items():
        brought |= set(frame[RAW_TABLES[table].entity].astype(str).unique())
    told: list[ItemOutcome] = []
    for outcome in landed.outcomes:
        if outcome.status not in ("fetched", "broken"):
            told.append(outcome)
        elif outcome.item in judged:
            told.append(replace(judged[outcome.item], provider=outcome.provider))
        elif outcome.status == "broken" and outcome.item in brought:
            told.append(replace(outcome, status="fetched", detail=""))
        else:
            told.append(outcome)
    named = {o.item for o in landed.outcomes}
    broken = (o for o in judged.values() if o.status != "fetched" and o.item not in named)
    return (*told, *broken)
