"""State Street: NAV history and daily holdings workbooks, from address to frames.

iShares is in `ishares`; `funds` joins both issuers to feeds. State Street keeps one holdings file
per fund, the newest: there is no history to ask for.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd
from openpyxl import load_workbook

from pipelines.catalog.models import Catalog, Fund
from pipelines.sources.collect import Parser, collect
from pipelines.sources.errors import SourceContractChanged, SourceUnavailable
from pipelines.sources.fund_tables import (
    HoldingLine,
    ShareCount,
    holdings_frames,
    read_date,
    read_number,
    read_text,
    shares_frame,
)
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import Extract, FetchContext, Payload

_FOLDER = "/library-content/products/fund-data/etfs/us"
LARGEST_UNPACKED_MB = 64
"""The real workbooks unpack to less than 1 MB (holdings) and 3 MB (history)."""

LARGEST_RATIO = 200
_HEADER_WITHIN = 12
_NO_EQUITY = re.compile(
    r"\b(us dollar|cash|money market|futures?|e-?mini|gov(ernmen)?t? mm)\b", re.I
)

Row = tuple[Any, ...]


def fetch_ssga_shares(client: HttpClient, catalog: Catalog, context: FetchContext) -> Extract:
    """Fetch NAV and shares outstanding since inception of the State Street funds: `fund_shares`."""
    funds = [fund for fund in catalog.funds if fund.issuer == "ssga" and fund.shares]
    return _fetch(client, funds, context, feed="fund_shares", document="navhist")


def fetch_ssga_holdings(client: HttpClient, catalog: Catalog, context: FetchContext) -> Extract:
    """Fetch the newest holdings workbooks: `fund_files` and `fund_holdings`.

    They carry weights and quantities but neither prices nor values, which stay missing.
    """
    funds = [fund for fund in catalog.funds if fund.issuer == "ssga" and fund.holdings]
    return _fetch(client, funds, context, feed="fund_holdings", document="holdings-daily")


def _fetch(
    client: HttpClient,
    funds: Sequence[Fund],
    context: FetchContext,
    *,
    feed: str,
    document: str,
) -> Extract:
    """Ask once per fund; what the source says is unchanged (304, or the same bytes) is no news."""

    def fetch_one(fund: Fund) -> Sequence[Payload]:
        state = None if context.full_refresh else context.state.get(fund.id)
        payload = client.get(
            "ssga",
            f"{_FOLDER}/{document}-us-en-{fund.slug}.xlsx",
            kind="ssga_navhist" if document == "navhist" else "ssga_holdings",
            item=fund.id,
            expects="binary",
            context={"name_in_file": fund.name_in_file},
            etag=state.etag if state else None,
            last_modified=state.last_modified if state else None,
        )
        if state is not None and payload.status == 200 and payload.sha256 == state.sha256:
            return ()
        return (payload,)

    return collect(
        feed,
        client,
        "ssga",
        funds,
        fetch_one=fetch_one,
        parsers=PARSERS,
        context=context,
        name=lambda fund: fund.id,
    )


def parse_navhist(payload: Payload) -> Mapping[str, pd.DataFrame]:
    """Return `fund_shares` of one NAV history workbook, from inception.

    Raises:
        SourceUnavailable: the body is an HTML page.
        SourceContractChanged: no workbook, another fund's, a column missing, a cell that is neither
            a number nor missing, or no rows.
    """
    head, rows = _table(payload, ("Date", "NAV", "Shares Outstanding", "Total Net Assets"))
    _check_fund(payload, head)
    counts: list[ShareCount] = []
    for row in rows:
        day = read_date(row["Date"], "%d-%b-%Y", "%b %d %Y", "%m/%d/%Y")
        if day is None:
            if counts:
                break  # below the table stand disclaimers
            raise _broken(payload, f"{str(row['Date'])[:40]!r} is no date")
        counts.append(
            ShareCount(
                traded_on=day,
                nav_usd=_number(payload, row, "NAV"),
                shares_outstanding=_number(payload, row, "Shares Outstanding"),
                total_net_assets_usd=_number(payload, row, "Total Net Assets"),
            )
        )
    if not counts:
        raise _broken(payload, "no rows under the header")
    return shares_frame(payload.item, counts)


def parse_holdings(payload: Payload) -> Mapping[str, pd.DataFrame]:
    """Return `fund_files` and `fund_holdings` of one holdings workbook.

    The workbook names no asset class: a line with a SEDOL that is not called cash, money market or
    future counts as Equity, every other as Cash. It names no shares outstanding either.

    Raises:
        SourceUnavailable: the body is an HTML page.
        SourceContractChanged: no workbook, another fund's, a column or the date missing, a cell
            that is neither a number nor missing, or no lines.
    """
    head, rows = _table(
        payload, ("Name", "Ticker", "SEDOL", "Weight", "Sector", "Shares Held", "Local Currency")
    )
    name = _check_fund(payload, head)
    as_of_on = read_date(head.get("holdings", "").removeprefix("As of").strip(), "%d-%b-%Y")
    if as_of_on is None:
        raise _broken(payload, f"Holdings: {head.get('holdings', '')[:40]!r} holds no date")
    lines = []
    for row in rows:
        if row["Ticker"] is None:
            break  # below the table stand disclaimers, in the first column alone
        holding = str(row["Name"] or "").strip()
        if holding == "DUMMY":
            continue  # the issuer's own filler line
        is_equity = read_text(row["SEDOL"]) is not None and not _NO_EQUITY.search(holding)
        lines.append(
            HoldingLine(
                ticker=read_text(row["Ticker"]),
                name=holding,
                sector=read_text(row["Sector"]),
                asset_class="Equity" if is_equity else "Cash",
                market_value_usd=None,
                weight_pct=_number(payload, row, "Weight"),
                quantity=_number(payload, row, "Shares Held"),
                price_usd=None,
                location=None,
                exchange=None,
                currency=read_text(row["Local Currency"]),
            )
        )
    if not lines:
        raise _broken(payload, "no lines under the header")
    return holdings_frames(
        fund_id=payload.item,
        as_of_on=as_of_on,
        fund_name=name or payload.context["name_in_file"],
        shares_outstanding=None,
        lines=lines,
    )


PARSERS: Mapping[str, Parser] = {
    "ssga_navhist": parse_navhist,
    "ssga_holdings": parse_holdings,
}


def _table(
    payload: Payload, columns: Sequence[str]
) -> tuple[dict[str, str], Iterator[dict[str, Any]]]:
    """Return the labelled lines above the table (labels in small letters) and the table's rows."""
    rows = iter(_rows(payload))
    head: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        names = [str(cell).strip() for cell in row if cell is not None]
        if columns[0] in names and set(columns) <= set(names):
            places = {str(cell).strip(): place for place, cell in enumerate(row) if cell}
            return head, (
                {
                    name: cells[places[name]] if places[name] < len(cells) else None
                    for name in places
                }
                for cells in rows
            )
        if len(names) >= 2:
            head[names[0].rstrip(":").lower()] = names[1]
        if number == _HEADER_WITHIN:
            break
    raise _broken(payload, f"no header line with {', '.join(columns)}")


def _rows(payload: Payload) -> list[Row]:
    """Open the workbook within limits and return the rows of its first sheet."""
    if re.match(rb"\s*<(!doctype html|html)", payload.body[:200], re.IGNORECASE):
        raise SourceUnavailable(payload.provider, payload.item, "an HTML page instead of a file")
    try:
        with zipfile.ZipFile(io.BytesIO(payload.body)) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
        if unpacked > min(LARGEST_UNPACKED_MB << 20, LARGEST_RATIO * max(len(payload.body), 1)):
            raise _broken(payload, f"unpacks to {unpacked >> 20} MB: refused")
        book = load_workbook(io.BytesIO(payload.body), read_only=True, data_only=True)
        try:
            return [tuple(row) for row in book.worksheets[0].iter_rows(values_only=True)]
        finally:
            book.close()
    except SourceContractChanged:
        raise
    except Exception as error:  # openpyxl answers broken bytes with whatever it stumbles over
        raise _broken(payload, f"no readable workbook: {type(error).__name__}") from error


def _check_fund(payload: Payload, head: Mapping[str, str]) -> str | None:
    """Compare the fund named on top with the one asked for; return the name as printed."""
    ticker, name = head.get("ticker symbol"), head.get("fund name")
    expected = payload.context["name_in_file"]
    if ticker is not None and ticker != payload.item:
        raise _broken(payload, f"another fund's file, ticker {ticker[:20]!r}")
    if name is not None and _plain(expected) not in _plain(name):
        raise _broken(payload, f"another fund's file, {name[:60]!r}, not {expected!r}")
    return name


def _plain(name: str) -> str:
    """Return a fund's name without trade marks, for comparison."""
    return " ".join(re.sub("[®™]", "", name).split()).lower()


def _number(payload: Payload, row: Mapping[str, Any], column: str) -> float | None:
    return read_number(row[column], source=payload.provider, item=payload.item, column=column)


def _broken(payload: Payload, rule: str) -> SourceContractChanged:
    return SourceContractChanged(payload.provider, payload.item, rule)
