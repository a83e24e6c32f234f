"""Which connector serves which feed, with the few decisions that need the warehouse's state."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import pandas as pd

from pipelines.night import Night
from pipelines.sources.agencies import fetch_agency_observations
from pipelines.sources.fred_api import fetch_fred_releases
from pipelines.sources.fred_graph import fetch_fred_observations
from pipelines.sources.french import fetch_french_portfolios
from pipelines.sources.funds import fetch_fund_holdings, fetch_fund_shares
from pipelines.sources.payloads import Extract, FetchContext
from pipelines.sources.prices import fetch_constituent_bars, fetch_instrument_bars
from pipelines.sources.sec import fetch_sec_companies
from pipelines.sources.shiller import fetch_shiller_history

Fetcher = Callable[[Night, FetchContext], Extract]

FETCHERS: Mapping[str, Fetcher] = {
    "fred_observations": lambda n, c: fetch_fred_observations(n.client, n.catalog, c),
    "fred_releases": lambda n, c: fetch_fred_releases(n.client, n.catalog, c),
    "agency_observations": lambda n, c: fetch_agency_observations(n.client, n.catalog, c),
    "fund_holdings": lambda n, c: fetch_fund_holdings(n.client, n.catalog, c),
    "fund_shares": lambda n, c: fetch_fund_shares(n.client, n.catalog, c),
    "french_portfolios": lambda n, c: fetch_french_portfolios(n.client, n.catalog, c),
    "shiller_history": lambda n, c: fetch_shiller_history(n.client, n.catalog, c),
    "sec_companies": lambda n, c: fetch_sec_companies(n.client, n.catalog, c),
}
"""Feeds that need nothing but the night and its context."""


def fetch_bars(
    night: Night,
    context: FetchContext,
    feed: str,
    *,
    symbols: Collection[str],
    stored: pd.DataFrame,
) -> Extract:
    """Fetch bars; a symbol whose stored closes differ from what came is read again as a whole.

    `stored` holds the closes of the overlap (symbol, traded_on, close) as loaded.
    """

    def fetch(restated: Collection[str]) -> Extract:
        if feed == "instrument_bars":
            return fetch_instrument_bars(night.client, night.catalog, context, restated=restated)
        return fetch_constituent_bars(
            night.client, night.catalog, context, sorted(symbols), restated=restated
        )

    extract = fetch(())
    restated = restated_symbols(extract.frames.get(feed), stored)
    if not restated:
        return extract
    context.progress(f"{feed}: {len(restated)} symbols restate their past, reading them whole")
    again = (
        fetch_constituent_bars(
            night.client, night.catalog, context, sorted(restated), restated=restated
        )
        if feed == "constituent_bars"
        else fetch(restated)
    )
    return replace_items(extract, again, restated)


def restated_symbols(bars: pd.DataFrame | None, stored: pd.DataFrame) -> list[str]:
    """Return the symbols of which an overlapping close is not the stored one, to six digits."""
    if bars is None or bars.empty or stored.empty:
        return []
    both = bars[["symbol", "traded_on", "close"]].merge(
        stored[["symbol", "traded_on", "close"]], on=["symbol", "traded_on"], suffixes=("", "_old")
    )
    differs = (both["close"].round(6) - both["close_old"].astype("float64").round(6)).abs() > 5e-7
    return sorted(both.loc[differs, "symbol"].unique())


def replace_items(extract: Extract, again: Extract, items: Collection[str]) -> Extract:
    """Return `extract` with everything of `items` taken from `again` instead."""
    chosen = set(items)
    frames = {}
    for table in extract.frames.keys() | again.frames.keys():
        parts = []
        if table in extract.frames:
            old = extract.frames[table]
            parts.append(old[~old["symbol"].isin(chosen)])
        if table in again.frames:
            new = again.frames[table]
            parts.append(new[new["symbol"].isin(chosen)])
        frames[table] = pd.concat(parts, ignore_index=True)
    requests = {
        provider: extract.requests.get(provider, 0) + again.requests.get(provider, 0)
        for provider in extract.requests.keys() | again.requests.keys()
    }
    return replace(
        extract,
        payloads=(
            *(p for p in extract.payloads if p.item not in chosen),
            *(p for p in again.payloads if p.item in chosen),
        ),
        outcomes=(
            *(o for o in extract.outcomes if o.item not in chosen),
            *(o for o in again.outcomes if o.item in chosen),
        ),
        frames=frames,
        requests=requests,
    )
