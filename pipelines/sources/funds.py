"""The two feeds of the funds branch, over both issuers. Their own formats are in their modules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date

from pipelines.catalog.models import Catalog
from pipelines.sources import ishares, ssga
from pipelines.sources.collect import Parser, merge
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import Extract, FetchContext

PARSERS: Mapping[str, Parser] = {**ishares.PARSERS, **ssga.PARSERS}


def fetch_fund_holdings(
    client: HttpClient,
    catalog: Catalog,
    context: FetchContext,
    *,
    asked_dates: Mapping[str, Sequence[date]] | None = None,
    holdings_backfill_months: int = ishares.HOLDINGS_BACKFILL_MONTHS,
) -> Extract:
    """Fetch holdings files of all catalogued funds that have them.

    `asked_dates` (fund id to days) asks iShares for those days only, and State Street, which keeps
    no history, for nothing. See `ishares.fetch_ishares_holdings`.
    """
    parts = [
        ishares.fetch_ishares_holdings(
            client,
            catalog,
            context,
            asked_dates=asked_dates,
            holdings_backfill_months=holdings_backfill_months,
        )
    ]
    if asked_dates is None:
        parts.append(ssga.fetch_ssga_holdings(client, catalog, context))
    return merge("fund_holdings", parts)


def fetch_fund_shares(client: HttpClient, catalog: Catalog, context: FetchContext) -> Extract:
    """Fetch NAV and share counts of all catalogued funds, one request per fund."""
    return merge(
        "fund_shares",
        [
            ishares.fetch_ishares_shares(client, catalog, context),
            ssga.fetch_ssga_shares(client, catalog, context),
        ],
    )
