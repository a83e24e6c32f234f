"""iShares: which of BlackRock's two addresses to ask for a fund's files, and for which days.

The new address (`blackrock`) is asked first; the legacy one (`ishares`), which more and more often
redirects to the new site, stands in for it. What the files say is parsed in `ishares_files`; State
Street's funds are in `ssga`, and `funds` joins both to feeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import groupby

import pandas as pd

from pipelines.catalog.models import Catalog, Fund
from pipelines.sources.calendar import sessions_between
from pipelines.sources.collect import Parser, collect
from pipelines.sources.errors import SourceContractChanged, SourceError, UnknownItem
from pipelines.sources.http import HttpClient
from pipelines.sources.ishares_files import (
    parse_holdings,
    parse_workbook,
    read_holdings_head,
    read_workbook_fund_name,
)
from pipelines.sources.payloads import Extract, FetchContext, Payload

PARSERS: Mapping[str, Parser] = {
    "ishares_holdings": parse_holdings,
    "ishares_workbook": parse_workbook,
}
HOLDINGS_BACKFILL_MONTHS = 66
"""Five years of breadth, and half a year before them for the averages to fill."""

EMPTY_MONTHS_BEFORE_HISTORY = 3
"""So many month-ends in a row without a file, and we are before the issuer's first."""

_NEW_PATH = "/varnish-api/blk-one01-product-data/product-data/api/v1/get-fund-document"
_LEGACY_COMPONENT = {"csv": "1467271812596", "xls": "1521942788811"}

_Ask = Callable[[str], Payload]


def fetch_ishares_holdings(
    client: HttpClient,
    catalog: Catalog,
    context: FetchContext,
    *,
    asked_dates: Mapping[str, Sequence[date]] | None = None,
    holdings_backfill_months: int = HOLDINGS_BACKFILL_MONTHS,
) -> Extract:
    """Fetch holdings files of the catalogued iShares funds: `fund_files` and `fund_holdings`.

    Every night asks once per fund for the newest file. A fund of which the warehouse has nothing
    (or any fund, on a full refresh) is also asked for the file of each of the last
    `holdings_backfill_months` month-ends. With `asked_dates` (fund id to days) only those days of
    those funds are asked for. A day without a file is no error; the same content counts once.
    """
    funds = [
        fund
        for fund in catalog.funds
        if fund.issuer == "ishares"
        and fund.holdings
        and (asked_dates is None or fund.id in asked_dates)
    ]

    def fetch_one(fund: Fund) -> Sequence[Payload]:
        if asked_dates is not None:
            return _files_of_days(client, fund, sorted(asked_dates[fund.id], reverse=True))
        newest = _newest_file(client, fund, context.as_of)
        state = context.state.get(fund.id)
        if context.full_refresh or state is None or state.newest_on is None:
            days = _month_ends(context.as_of, holdings_backfill_months, fund.history_from)
            return _files_of_days(client, fund, days, already=newest, ends_with_history=True)
        return () if newest.sha256 == state.sha256 else (newest,)

    extract = collect(
        "fund_holdings",
        client,
        "blackrock",
        funds,
        fetch_one=fetch_one,
        parsers=PARSERS,
        context=context,
        name=lambda fund: fund.id,
    )
    return replace(extract, frames=_each_edition_once(extract))


def fetch_ishares_shares(client: HttpClient, catalog: Catalog, context: FetchContext) -> Extract:
    """Fetch NAV and shares outstanding since inception from the fund workbooks: `fund_shares`.

    One request per fund and night; a workbook whose bytes we already hold is `unchanged`.
    """
    funds = [fund for fund in catalog.funds if fund.issuer == "ishares" and fund.shares]

    def fetch_one(fund: Fund) -> Sequence[Payload]:
        def ask(provider: str) -> Payload:
            payload = _get(client, provider, fund, file="xls", asked_on=None)
            _check_name(payload, read_workbook_fund_name(payload), fund)
            return payload

        payload = _first_that_answers(fund, ask)
        state = context.state.get(fund.id)
        if state is not None and not context.full_refresh and payload.sha256 == state.sha256:
            return ()
        return (payload,)

    return collect(
        "fund_shares",
        client,
        "blackrock",
        funds,
        fetch_one=fetch_one,
        parsers=PARSERS,
        context=context,
        name=lambda fund: fund.id,
    )


def _newest_file(client: HttpClient, fund: Fund, as_of: date) -> Payload:
    """Return the newest file that is not of a day after `as_of` (a run of the past asks again)."""
    newest = _file_of_day(client, fund, None)
    if newest is not None:
        dated = read_holdings_head(newest).as_of_on
        if dated is not None and dated > as_of:
            newest = _file_of_day(client, fund, as_of)
    if newest is None:
        raise UnknownItem("blackrock", fund.id, "no holdings file")
    return newest


def _files_of_days(
    client: HttpClient,
    fund: Fund,
    days: Sequence[date],
    *,
    already: Payload | None = None,
    ends_with_history: bool = False,
) -> list[Payload]:
    """Return the files of `days` (asked newest first), each content once, `already` included.

    With `ends_with_history`, a few days in a row without a file end the search. The newest file
    comes last, so that it is the one that a record by item remembers.
    """
    found = {} if already is None else {already.sha256: already}
    empty_in_a_row = 0
    for day in days:
        payload = _file_of_day(client, fund, day)
        if payload is None:
            empty_in_a_row += 1
            if ends_with_history and empty_in_a_row == EMPTY_MONTHS_BEFORE_HISTORY:
                break
            continue
        empty_in_a_row = 0
        found.setdefault(payload.sha256, payload)
    if days and not found:
        raise UnknownItem("blackrock", fund.id, "no holdings file for any of the days asked")
    return list(found.values())[::-1]


def _file_of_day(client: HttpClient, fund: Fund, asked_on: date | None) -> Payload | None:
    """Return the file in force on a day (None: the newest), or None where there is none.

    A holiday is answered with the file before it; the file's own date is what counts. An answer
    with a *later* file means that the address ignores the day, and the other one is asked.
    """

    def ask(provider: str) -> Payload:
        payload = _get(client, provider, fund, file="csv", asked_on=asked_on)
        head = read_holdings_head(payload)
        _check_name(payload, head.fund_name, fund)
        if asked_on is not None and head.as_of_on is not None and head.as_of_on > asked_on:
            raise SourceContractChanged(
                provider, fund.id, f"asked for {asked_on}, answered with {head.as_of_on}"
            )
        return payload

    payload = _first_that_answers(fund, ask)
    return None if read_holdings_head(payload).as_of_on is None else payload


def _get(
    client: HttpClient, provider: str, fund: Fund, *, file: str, asked_on: date | None
) -> Payload:
    if provider == "blackrock":
        path = _NEW_PATH
        params = {
            "appType": "PRODUCT_PAGE",
            "appSubType": "ISHARES",
            "targetSite": "us-ishares",
            "locale": "en_US",
            "portfolioId": fund.product_id,
            "userType": "individual",
            "component": "holdings" if file == "csv" else "fundDownload",
        }
    else:
        path = f"/us/products/{fund.product_id}/{fund.slug}/{_LEGACY_COMPONENT[file]}.ajax"
        params = {
            "fileType": file,
            "fileName": f"{fund.id}_{'holdings' if file == 'csv' else 'fund'}",
            "dataType": "fund",
        }
    context = {"name_in_file": fund.name_in_file}
    if asked_on is not None:
        params["asOfDate"] = f"{asked_on:%Y%m%d}"
        context["asked_on"] = asked_on.isoformat()
    return client.get(
        provider,
        path,
        kind="ishares_holdings" if file == "csv" else "ishares_workbook",
        item=fund.id,
        expects="text",
        params=params,
        context=context,
    )


def _first_that_answers(fund: Fund, ask: _Ask) -> Payload:
    """Ask the new address, then the legacy one; raise what says most where neither helps."""
    errors: list[SourceError] = []
    for provider in ("blackrock", "ishares"):
        try:
            return ask(provider)
        except SourceError as error:
            errors.append(error)
    chosen = next((e for e in errors if isinstance(e, UnknownItem)), errors[0])
    rules = "; ".join(f"{error.source}: {error.rule}" for error in errors)
    raise type(chosen)(chosen.source, fund.id, rules)


def _check_name(payload: Payload, name: str, fund: Fund) -> None:
    """Refuse another fund's file: a product id that the address does not know gets one."""
    if name != fund.name_in_file:
        raise UnknownItem(
            payload.provider,
            fund.id,
            f"product {fund.product_id} is answered with another fund's file, {name[:60]!r}",
        )


def _month_ends(as_of: date, months: int, history_from: date) -> list[date]:
    """Return the last session of each of the `months` months before that of `as_of`, newest first.

    None of them is before the fund's inception.
    """
    last = as_of.replace(day=1) - timedelta(days=1)
    total = last.year * 12 + last.month - months
    first = date(total // 12, total % 12 + 1, 1)
    sessions = sessions_between(max(first, history_from), last)
    ends = [list(group)[-1] for _, group in groupby(sessions, key=lambda day: day.replace(day=1))]
    return ends[::-1]


def _each_edition_once(extract: Extract) -> dict[str, pd.DataFrame]:
    keys = {
        "fund_files": ["fund_id", "as_of_on", "edition"],
        "fund_holdings": ["fund_id", "as_of_on", "edition", "line_no"],
    }
    return {
        table: frame.drop_duplicates(keys[table], ignore_index=True)
        for table, frame in extract.frames.items()
    }
