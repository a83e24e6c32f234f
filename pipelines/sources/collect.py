"""The loop that every connector shares: ask, keep, parse, note how it went.

One item that fails never takes the others with it; whether what is left is enough is the landing
gate's decision, not this module's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import pandas as pd

from pipelines.sources.errors import (
    SourceContractChanged,
    SourceError,
    SourceUnavailable,
    UnknownItem,
)
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import Extract, FetchContext, ItemOutcome, Payload, Status

Frames = Mapping[str, pd.DataFrame]
Parser = Callable[[Payload], Frames]
T = TypeVar("T")

_STATUS: Mapping[type[SourceError], Status] = {
    UnknownItem: "unknown",
    SourceUnavailable: "unavailable",
    SourceContractChanged: "broken",
}


def collect(
    feed: str,
    client: HttpClient,
    provider: str,
    items: Sequence[T],
    *,
    fetch_one: Callable[[T], Sequence[Payload]],
    parsers: Mapping[str, Parser],
    context: FetchContext,
    name: Callable[[T], str] = str,
) -> Extract:
    """Fetch and parse every item; return payload records, outcomes and frames.

    `fetch_one` may run in worker threads and returns the payloads of one item (an empty sequence
    or a payload with status 304 means: nothing new). Parsing runs in the calling thread. A payload
    that breaks its contract is kept in landing and marks its item `broken`.
    """
    payloads: list[Payload] = []
    outcomes: list[ItemOutcome] = []
    parts: dict[str, list[pd.DataFrame]] = {}
    before = Counter(client.requests)

    def ask(item: T) -> Sequence[Payload] | SourceError:
        try:
            return fetch_one(item)
        except SourceError as error:
            return error

    for done, (item, got) in enumerate(client.map(provider, ask, items), start=1):
        if isinstance(got, SourceError):
            outcomes.append(ItemOutcome(got.source, name(item), _STATUS[type(got)], got.rule))
            continue
        for payload in got:
            context.keep(payload)
        payloads.extend(p.without_body() for p in got)
        fresh = [p for p in got if p.status == 200]
        source = fresh[0].provider if fresh else provider
        try:
            frames = [parse(payload, parsers) for payload in fresh]
        except SourceError as error:
            outcomes.append(ItemOutcome(error.source, name(item), _STATUS[type(error)], error.rule))
            continue
        for frame_by_table in frames:
            for table, frame in frame_by_table.items():
                parts.setdefault(table, []).append(frame)
        outcomes.append(ItemOutcome(source, name(item), "fetched" if fresh else "unchanged"))
        if done % 100 == 0:
            context.progress(f"{feed}: {done} of {len(items)}")
    return Extract(
        feed=feed,
        payloads=tuple(payloads),
        outcomes=tuple(outcomes),
        frames=_concat(parts),
        requests=dict(Counter(client.requests) - before),
    )


def parse(payload: Payload, parsers: Mapping[str, Parser]) -> Frames:
    """Parse one payload by its kind and stamp each row with where it came from.

    Raises:
        SourceContractChanged: the payload does not have the shape that its source promises.
        UnknownItem: the payload says that the source does not know the item.
        SourceUnavailable: the payload is a refusal that came with a good status.
    """
    frames = {}
    for table, frame in parsers[payload.kind](payload).items():
        frames[table] = frame.assign(
            source=payload.provider,
            payload_sha256=payload.sha256,
            fetched_at=pd.Timestamp(payload.fetched_at).tz_convert("UTC").tz_localize(None),
        )
    return frames


def merge(feed: str, extracts: Iterable[Extract]) -> Extract:
    """Join the extracts of several providers or passes into the extract of one feed."""
    every = list(extracts)
    parts: dict[str, list[pd.DataFrame]] = {}
    requests: Counter[str] = Counter()
    for extract in every:
        requests.update(extract.requests)
        for table, frame in extract.frames.items():
            parts.setdefault(table, []).append(frame)
    return Extract(
        feed=feed,
        payloads=tuple(p for e in every for p in e.payloads),
        outcomes=tuple(o for e in every for o in e.outcomes),
        frames=_concat(parts),
        requests=dict(requests),
    )


def spread_outcomes(extract: Extract, members: Mapping[str, Sequence[str]]) -> Extract:
    """Give every member of a request that covers several items the outcome of its request.

    `members` maps the name under which the request was collected to the items it asked for; an
    item of several requests gets the last one's outcome that is not `unchanged`, else that.
    """
    spread: dict[str, ItemOutcome] = {}
    for outcome in extract.outcomes:
        for item in members.get(outcome.item, (outcome.item,)):
            if item not in spread or outcome.status != "unchanged":
                spread[item] = replace(outcome, item=item)
    return replace(extract, outcomes=tuple(spread.values()))


def _concat(parts: Mapping[str, Sequence[pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    return {table: pd.concat(frames, ignore_index=True) for table, frames in parts.items()}
