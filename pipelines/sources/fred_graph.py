"""FRED's values: `fetch_fred_observations` uses the API with a key, the chart CSV without one.

Here are the choice between the two and the asking for the CSV (`fredgraph.csv`), which knows
current values only. The API is in `fred_api`, how bodies read in `fred_formats`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from pipelines.catalog.models import Catalog, FredSeries
from pipelines.sources.collect import Parser, collect, merge, spread_outcomes
from pipelines.sources.fred_api import fetch_fred_api_observations
from pipelines.sources.fred_formats import parse_graph_csv
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import Extract, FetchContext, ItemState, Payload

PROVIDER = "fred-graph"
PATH = "/graph/fredgraph.csv"
MOST_IDS = 10
"""Series in one request: enough to make a quiet night short, few enough to split at an error."""

Batch = tuple[FredSeries, ...]


def fetch_fred_observations(client: HttpClient, catalog: Catalog, context: FetchContext) -> Extract:
    """Fetch what can have changed of every catalogued FRED series.

    With a key the API is asked, and the CSV steps in for a series that the API could not deliver,
    unless it is the first load of a series with vintages: current values would be taken for its
    whole real-time history. Without a key the CSV is asked for everything. A series that FRED does
    not know ends `unknown` and disturbs no other.

    Raises:
        ConfigurationError: FRED refuses the key.
    """
    if context.fred_api_key is None:
        return _fetch_graph(client, catalog.fred_series, context)
    extract = fetch_fred_api_observations(client, catalog, context, context.fred_api_key)
    down = {o.item for o in extract.outcomes if o.status == "unavailable"}
    replaced = [
        s
        for s in catalog.fred_series
        if s.id in down and not (s.vintages and _known(s, context) is None)
    ]
    if not replaced:
        return extract
    second = _fetch_graph(client, replaced, context)
    helped = {o.item for o in second.outcomes if o.status == "fetched"}
    return merge(
        "fred_observations",
        [
            replace(extract, outcomes=tuple(o for o in extract.outcomes if o.item not in helped)),
            replace(second, outcomes=tuple(o for o in second.outcomes if o.item in helped)),
        ],
    )


def _known(series: FredSeries, context: FetchContext) -> ItemState | None:
    return None if context.full_refresh else context.state.get(series.id)


def _first_day(series: FredSeries, context: FetchContext) -> date | None:
    """Return the first day to ask for; None is the whole history."""
    known = _known(series, context)
    if known is None or known.newest_on is None or series.observations_in_future:
        return None
    start = known.newest_on - timedelta(days=series.revision_days)
    return start if known.oldest_on is None or start > known.oldest_on else None


def _fetch_graph(
    client: HttpClient, series: Sequence[FredSeries], context: FetchContext
) -> Extract:
    """Ask for series that exist together where their tails are alike, for all others one by one.

    One id that FRED does not know makes it answer 404 to the whole request; a request of several
    that fails for another reason than the host being down is asked again one by one, so that
    exactly the guilty series carry the blame.
    """
    batches = _plan_batches(series, context)
    first = _collect_batches(client, batches, context)
    failed = {o.item for o in first.outcomes if o.status in ("unknown", "broken")}
    split = [batch for batch in batches if len(batch) > 1 and _name(batch) in failed]
    extracts = [first]
    if split:
        again = {_name(batch) for batch in split}
        kept = tuple(o for o in first.outcomes if o.item not in again)
        one_by_one = [(series,) for batch in split for series in batch]
        extracts = [
            replace(first, outcomes=kept),
            _collect_batches(client, one_by_one, context),
        ]
    members = {_name(batch): [s.id for s in batch] for batch in batches}
    return spread_outcomes(merge("fred_observations", extracts), members)


def _plan_batches(series: Sequence[FredSeries], context: FetchContext) -> list[Batch]:
    alone: list[Batch] = []
    together: dict[tuple[str, int], list[FredSeries]] = defaultdict(list)
    for one in series:
        start = _first_day(one, context)
        if start is None:
            alone.append((one,))
        else:
            together[one.frequency, start.year].append(one)
    batches = [
        tuple(group[i : i + MOST_IDS])
        for group in together.values()
        for i in range(0, len(group), MOST_IDS)
    ]
    return batches + alone


def _name(batch: Batch) -> str:
    return ",".join(series.id for series in batch)


def _collect_batches(
    client: HttpClient, batches: Sequence[Batch], context: FetchContext
) -> Extract:
    def ask(batch: Batch) -> list[Payload]:
        params = {"id": _name(batch)}
        starts = [start for s in batch if (start := _first_day(s, context)) is not None]
        if len(starts) == len(batch):
            params["cosd"] = min(starts).isoformat()
        kept = {"ids": _name(batch)}
        if not any(s.observations_in_future for s in batch):
            params["coed"] = context.as_of.isoformat()
            kept["as_of"] = context.as_of.isoformat()
        payload = client.get(
            PROVIDER,
            PATH,
            kind="fred_graph_csv",
            item=_name(batch),
            expects="text",
            params=params,
            context=kept,
        )
        return [payload]

    return collect(
        "fred_observations",
        client,
        PROVIDER,
        batches,
        fetch_one=ask,
        parsers=PARSERS,
        context=context,
        name=_name,
    )


PARSERS: dict[str, Parser] = {"fred_graph_csv": parse_graph_csv}
