"""FRED API v1, with the user's own key: observations, vintages, what changed, release dates.

The key travels in `secret_params` only. How the bodies read is in `fred_formats`; what is done
without a key, and the choice between the two, is in `fred_graph`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from pipelines.catalog.models import Catalog, FredSeries
from pipelines.errors import ConfigurationError
from pipelines.settings import Secret
from pipelines.sources.collect import Parser, collect, merge
from pipelines.sources.errors import SourceContractChanged, UnknownItem
from pipelines.sources.fred_formats import (
    list_of,
    parse_nothing,
    parse_observations,
    parse_release_dates,
    read_object,
)
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import Extract, FetchContext, ItemOutcome, Payload

PROVIDER = "fred-api"
UPDATES_ITEM = "series/updates"
RELEASES_ITEM = "releases/dates"

OBSERVATIONS_PER_PAGE = 100_000
UPDATES_PER_PAGE = 1_000
VINTAGES_PER_REQUEST = 1_900
"""FRED refuses a window with more than 2000 vintage dates."""
UPDATES_REACH_DAYS = 13
"""FRED's updates feed looks back two weeks; a day of margin for the difference in time zones."""
RELEASES_ASKED_EVERY_DAYS = 7
RELEASES_AHEAD_DAYS = 120

FIRST_REALTIME, LAST_REALTIME = "1776-07-04", "9999-12-31"


class _TooManyVintagesError(Exception):
    """FRED has more vintages of this series than it gives in one answer."""


# -- requests -------------------------------------------------------------------------------------
def _is_busy(body: bytes) -> bool:
    return len(body) < 2_000 and re.search(rb'"error_code"\s*:\s*"?429\b', body) is not None


def _get(
    client: HttpClient,
    key: Secret,
    path: str,
    kind: str,
    item: str,
    params: Mapping[str, str],
    context: Mapping[str, str],
) -> tuple[Payload, dict[str, Any]]:
    """Ask once; return the payload and its JSON object, or raise what FRED's error means."""
    payload = client.get(
        PROVIDER,
        path,
        kind=kind,
        item=item,
        expects="json",
        params={**params, "file_type": "json"},
        secret_params={"api_key": key},
        context=context,
        returned_statuses={400},
        is_busy=_is_busy,
    )
    body = read_object(payload)
    if payload.status == 200 and "error_code" not in body:
        return payload, body
    message = str(body.get("error_message", "no error message"))
    if "api_key" in message:
        raise ConfigurationError(
            "FRED_API_KEY: FRED refuses the key (not registered or malformed); correct it, or "
            "unset it to use the keyless CSV"
        )
    if "does not exist" in message:
        raise UnknownItem(PROVIDER, item, "FRED says that it does not exist")
    if "vintage dates" in message:
        raise _TooManyVintagesError
    raise SourceContractChanged(PROVIDER, item, client.redact(f"FRED refuses: {message[:300]}"))


def _get_pages(
    client: HttpClient,
    key: Secret,
    path: str,
    kind: str,
    item: str,
    params: Mapping[str, str],
    *,
    rows: str,
    limit: int,
    context: Mapping[str, str] | None = None,
    is_enough: Callable[[list[Any], int], bool] = lambda _rows, _count: False,
) -> list[tuple[Payload, list[Any]]]:
    """Ask page by page until `count` rows are here, or `is_enough(page, count)` says stop."""
    pages: list[tuple[Payload, list[Any]]] = []
    offset = 0
    while True:
        payload, body = _get(
            client, key, path, kind, item,
            {**params, "limit": str(limit), "offset": str(offset)}, dict(context or {}),
        )  # fmt: skip
        page = list_of(body, rows, item)
        count = body.get("count")
        if not isinstance(count, int):
            raise SourceContractChanged(PROVIDER, item, "the envelope has no integer 'count'")
        pages.append((payload, page))
        offset += len(page)
        if offset >= count or is_enough(page, count):
            return pages
        if not page:
            raise SourceContractChanged(
                PROVIDER, item, f"an empty page at offset {offset} of {count} rows"
            )


def fetch_vintage_dates(
    client: HttpClient, key: Secret, series_id: str, *, since: str = FIRST_REALTIME
) -> tuple[list[Payload], list[date]]:
    """Return the payloads and the dates on which FRED stored a vintage of a series, ascending."""
    pages = _get_pages(
        client, key, "/fred/series/vintagedates", "fred_vintage_dates", series_id,
        {"series_id": series_id, "realtime_start": since, "realtime_end": LAST_REALTIME},
        rows="vintage_dates", limit=10_000,
    )  # fmt: skip
    try:
        days = sorted(date.fromisoformat(str(day)) for _, page in pages for day in page)
    except ValueError as error:
        raise SourceContractChanged(PROVIDER, series_id, f"vintage dates: {error}") from error
    return [payload for payload, _ in pages], days


# -- observations ---------------------------------------------------------------------------------
def fetch_fred_api_observations(
    client: HttpClient, catalog: Catalog, context: FetchContext, key: Secret
) -> Extract:
    """Ask the FRED API for what can have changed of every catalogued series.

    FRED's updates feed is asked first: a series loaded within its reach that it does not list makes
    no request and ends `unchanged`. Series with `vintages` bring their real-time history, on the
    first load the whole of it, later from the day after the previous load. The first day of such a
    window repeats what was known already, so equal values are no news (the loader drops them).

    Raises:
        ConfigurationError: FRED refuses the key.
    """
    skipped, feed = _find_unchanged(client, catalog, context, key)
    asked = [s for s in catalog.fred_series if s.id not in skipped]
    extract = collect(
        "fred_observations",
        client,
        PROVIDER,
        asked,
        fetch_one=lambda series: _fetch_series(client, series, context, key),
        parsers=PARSERS,
        context=context,
        name=lambda series: series.id,
    )
    quiet = tuple(
        ItemOutcome(PROVIDER, item, "unchanged", f"not in FRED's updates since {since}")
        for item, since in skipped.items()
    )
    return merge("fred_observations", [feed, replace(extract, outcomes=extract.outcomes + quiet)])


def _fetch_series(
    client: HttpClient, series: FredSeries, context: FetchContext, key: Secret
) -> list[Payload]:
    params = {"series_id": series.id}
    if not series.observations_in_future:
        params["observation_end"] = context.as_of.isoformat()
    known = None if context.full_refresh else context.state.get(series.id)

    def ask(extra: Mapping[str, str], *, vintages: bool) -> list[Payload]:
        pages = _get_pages(
            client, key, "/fred/series/observations", "fred_observations", series.id,
            params | dict(extra), rows="observations", limit=OBSERVATIONS_PER_PAGE,
            context={"vintages": str(vintages), "as_of": context.as_of.isoformat()},
        )  # fmt: skip
        return [payload for payload, _ in pages]

    if not series.vintages:
        tail = {}
        if known is not None and known.newest_on and not series.observations_in_future:
            start = known.newest_on - timedelta(days=series.revision_days)
            tail["observation_start"] = max(start, date(1776, 7, 4)).isoformat()
        return ask(tail, vintages=False)
    since = FIRST_REALTIME
    if known is not None and known.loaded_as_of:
        since = str(min(known.loaded_as_of + timedelta(days=1), context.as_of))
    try:
        return ask({"realtime_start": since, "realtime_end": LAST_REALTIME}, vintages=True)
    except _TooManyVintagesError:
        pass  # asked again below, in windows
    # Windows that follow each other: an interval cut at a seam repeats the value on its first day
    # and is dropped as no news, so the cuts invent nothing.
    payloads, days = fetch_vintage_dates(client, key, series.id, since=since)
    starts = [since, *(str(d) for d in days[VINTAGES_PER_REQUEST::VINTAGES_PER_REQUEST])]
    ends = [str(date.fromisoformat(s) - timedelta(days=1)) for s in starts[1:]]
    for first, last in zip(starts, [*ends, LAST_REALTIME], strict=True):
        try:
            payloads += ask({"realtime_start": first, "realtime_end": last}, vintages=True)
        except _TooManyVintagesError:
            raise SourceContractChanged(
                PROVIDER, series.id, f"{VINTAGES_PER_REQUEST} vintages are too many for one request"
            ) from None
    return payloads


def _find_unchanged(
    client: HttpClient, catalog: Catalog, context: FetchContext, key: Secret
) -> tuple[dict[str, date], Extract]:
    """Return the series that need no request tonight (with the day since when), and the feed.

    The feed is paged only as long as that costs fewer requests than asking for every series.
    """
    nothing = Extract("fred_observations", (), (), {})
    reach = context.as_of - timedelta(days=UPDATES_REACH_DAYS)
    recent = {
        s.id: day
        for s in catalog.fred_series
        if (known := context.state.get(s.id)) is not None
        and (day := known.loaded_as_of) is not None
        and reach <= day <= context.as_of
    }
    if context.full_refresh or not recent:
        return {}, nothing
    since = min(recent.values())
    changed: set[str] = set()
    affordable = len(recent)
    complete = True

    def ask(item: str) -> list[Payload]:
        nonlocal complete

        def is_enough(_page: list[Any], count: int) -> bool:
            nonlocal complete
            complete = -(-count // UPDATES_PER_PAGE) <= affordable
            return not complete

        pages = _get_pages(
            client, key, "/fred/series/updates", "fred_updates", item,
            {
                "start_time": f"{since:%Y%m%d}0000",
                "end_time": f"{context.as_of:%Y%m%d}2359",
                "filter_value": "all",
            },
            rows="seriess", limit=UPDATES_PER_PAGE, is_enough=is_enough,
        )  # fmt: skip
        for _, page in pages:
            changed.update(str(row["id"]) for row in page if isinstance(row, dict) and "id" in row)
        return [payload for payload, _ in pages]

    feed = collect(
        "fred_observations", client, PROVIDER, [UPDATES_ITEM],
        fetch_one=ask, parsers=PARSERS, context=context,
    )  # fmt: skip
    usable = complete and feed.outcomes[0].status == "fetched"
    feed = replace(feed, outcomes=())  # the feed is no catalogued item
    if not usable:
        return {}, feed
    return {item: since for item in recent if item not in changed}, feed


# -- releases -------------------------------------------------------------------------------------
def fetch_fred_releases(client: HttpClient, catalog: Catalog, context: FetchContext) -> Extract:
    """Fetch the release calendar of the catalogue's releases, past days of this year included.

    Asked once a week; needs a key. Nights without a request end `unchanged` and say why.
    """
    key = context.fred_api_key
    ids = sorted({s.release.release_id for s in catalog.fred_series if s.release.release_id})

    def unchanged(why: str) -> Extract:
        outcome = ItemOutcome(PROVIDER, RELEASES_ITEM, "unchanged", why)
        return Extract("fred_releases", (), (outcome,), {})

    if key is None:
        return unchanged("needs FRED_API_KEY; the catalogue's release rules are the calendar")
    items = (RELEASES_ITEM, *map(str, ids))
    loads = [s.loaded_as_of for i in items if (s := context.state.get(i)) and s.loaded_as_of]
    if loads and not context.full_refresh:
        age = (context.as_of - max(loads)).days
        if 0 <= age < RELEASES_ASKED_EVERY_DAYS:
            return unchanged(f"asked {age} days ago, once a week is enough")
    last = context.as_of + timedelta(days=RELEASES_AHEAD_DAYS)
    wanted = {"releases": ",".join(map(str, ids)), "until": last.isoformat()}

    def ask(item: str) -> list[Payload]:
        pages = _get_pages(
            client, key, "/fred/releases/dates", "fred_releases", item,
            {
                "realtime_start": f"{context.as_of.year}-01-01",
                "realtime_end": last.isoformat(),
                "include_release_dates_with_no_data": "true",
                "order_by": "release_date",
                "sort_order": "asc",
            },
            rows="release_dates", limit=1_000, context=wanted,
        )  # fmt: skip
        return [payload for payload, _ in pages]

    return collect(
        "fred_releases", client, PROVIDER, [RELEASES_ITEM],
        fetch_one=ask, parsers=PARSERS, context=context,
    )  # fmt: skip


PARSERS: dict[str, Parser] = {
    "fred_observations": parse_observations,
    "fred_releases": parse_release_dates,
    "fred_updates": parse_nothing,
    "fred_vintage_dates": parse_nothing,
}
