"""The simulated fund issuers over the wire: iShares (two addresses) and State Street.

A file is published on the morning after its session: at the close of the clock's day the newest is
that of the session before. What the funds hold is in `holdings`, workbook formats in `workbooks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from pipelines.sample.companies import Universe
from pipelines.sample.economy import Days
from pipelines.sample.holdings import FUND_UNIVERSE, Portfolio, hold, traded_share_factor
from pipelines.sample.market import FUNDS, Market
from pipelines.sample.wire import Answer, Ask, html_page, http_date, validated
from pipelines.sample.workbooks import Cell, spreadsheet_ml, xlsx
from pipelines.sample.yahoo import YahooWire

PRODUCTS: Mapping[str, str] = {
    "239710": "IWM",
    "239712": "IWN",
    "239709": "IWO",
    "239726": "IVV",
    "239774": "IJR",
}
SHARES_UNTIL = date(2022, 6, 30)
"""Until then the column with the number of shares is called Shares, after it Quantity."""

NAVHIST_FROM = date(2015, 1, 2)
"""First row of the State Street workbooks; the real ones go back to inception."""

_COLUMNS = (
    "Ticker,Name,Sector,Asset Class,Market Value,Weight (%),Notional Value,{},Price,Location,"
    "Exchange,Currency,FX Rate,Market Currency,Accrual Date"
)
_NBSP = "\u00a0"
_DISCLAIMER = (
    '"Everything in this file is simulated. It describes no fund, no company and no market.\n'
    "The figures were drawn by the sample world of the smallcaps project. They are no offer, no\n"
    'advice and no statement of any issuer."'
)
_XLSX_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass(frozen=True)
class IssuersWire:
    """Answers for `www.ishares.com`, `www.blackrock.com` and `www.ssga.com`."""

    market: Market
    yahoo: YahooWire

    def _published(self, now: date) -> int:
        """Return the number of the newest session whose files are out."""
        return self.market.place(now) - 2

    def _universe(self, fund: str) -> Universe:
        wanted = FUND_UNIVERSE[fund][0]
        return next(u for u in self.yahoo.universes if u.universe_id == wanted)

    # -- iShares --------------------------------------------------------------------------------
    def ishares(self, ask: Ask) -> Answer:
        """Answer the legacy address: `/us/products/{id}/{slug}/{component}.ajax`."""
        found = re.match(r"/us/products/(\d+)(/[^/]+/\d+\.ajax)?", ask.path)
        if found is None:
            return html_page(404, "Page Not Found | iShares", "We could not find that page.")
        fund = PRODUCTS.get(found.group(1))
        if fund is None or not found.group(2) or ask.query.get("dataType") != "fund":
            return _product_page(found.group(1))
        return self._document(fund, ask, workbook=ask.query.get("fileType") == "xls")

    def blackrock(self, ask: Ask) -> Answer:
        """Answer the new address; an unknown `portfolioId` gets some other fund's file."""
        if not ask.path.endswith("/get-fund-document"):
            return html_page(404, "Page Not Found", "We could not find that page.")
        component = ask.query.get("component", "")
        if component not in ("holdings", "fundDownload"):
            return Answer(400, b'{"status":400,"error":"Bad Request"}', "application/json")
        fund = PRODUCTS.get(ask.query.get("portfolioId", ""), "IVV")
        return self._document(fund, ask, workbook=component == "fundDownload")

    def _document(self, fund: str, ask: Ask, *, workbook: bool) -> Answer:
        at = self._published(ask.now)
        text = ask.query.get("asOfDate", "")
        if re.fullmatch(r"\d{8}", text):
            asked = datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a day, no time
            if asked < FUNDS[fund].inception:
                return _product_page(fund)
            at = min(at, self.market.place(asked) - 1)  # a holiday: the file before
        if workbook:
            name, kind, body = "fund.xls", "application/vnd.ms-excel", self._workbook(fund, at)
        else:
            name, kind, body = "holdings.csv", "text/csv;charset=UTF-8", self._csv(fund, at)
        disposition = {"Content-Disposition": f'attachment; filename="{fund}_{name}"'}
        return Answer(200, body, kind, disposition)

    def _portfolio(self, fund: str, at: int) -> Portfolio | None:
        universe = self._universe(fund)
        return hold(self.market, universe, fund, at) if at >= universe.offset else None

    def _csv(self, fund: str, at: int) -> bytes:
        spec, day = FUNDS[fund], self.market.days[at].item()
        portfolio = self._portfolio(fund, at)
        as_of = "-" if portfolio is None else f"{day:%b %d, %Y}"
        count = "-" if portfolio is None else f"{portfolio.shares:,.2f}"
        lines = [
            f"\ufeff{spec.title}",
            f'Fund Holdings as of,"{as_of}"',
            f'Inception Date,"{spec.inception:%b %d, %Y}"',
            f'Shares Outstanding,"{count}"',
            'Stock,"-"', 'Bond,"-"', 'Cash,"-"', 'Other,"-"',
            _NBSP,
            _COLUMNS.format("Shares" if day <= SHARES_UNTIL else "Quantity"),
        ]  # fmt: skip
        for line in portfolio.lines if portfolio else ():
            cells = (
                line.ticker or "-", line.name, line.sector, line.asset_class, f"{line.value:,.2f}",
                f"{line.weight:,.2f}", f"{line.notional:,.2f}", f"{line.quantity:,.2f}",
                f"{line.price:,.2f}", "United States", line.exchange, "USD", "1.00", "USD", "-",
            )  # fmt: skip
            lines.append('"' + '","'.join(cells) + '"')
        lines += [_NBSP, _DISCLAIMER, ""]
        return "\n".join(lines).encode("utf-8")

    def _workbook(self, fund: str, at: int) -> bytes:
        spec, day = FUNDS[fund], self.market.days[at].item()
        note = "Simulated: terms & conditions of the sample world apply, R&D only."
        return spreadsheet_ml(
            {
                "Disclaimers": [[note]],
                "Holdings": self._holdings_sheet(fund, at),
                "Historical": self._historical(fund, at),
                "Performance": [[spec.title], ["Month End Date", "Monthly Total (NAV) Return"],
                                [f"{day:%b %d, %Y}", "--"]],
                "Distributions": [["Record Date", "Ex-Date", "Payable Date", "Total Distribution"]],
            }
        )  # fmt: skip

    def _holdings_sheet(self, fund: str, at: int) -> Iterator[list[Cell]]:
        spec, day = FUNDS[fund], self.market.days[at].item()
        portfolio = self._portfolio(fund, at)
        held = portfolio.lines[:10] if portfolio else ()
        yield [f"{day:%d-%b-%Y}"]
        yield [spec.title]
        yield ["Inception Date", f"{spec.inception:%b %d, %Y}"]
        yield ["Fund Holdings as of", f"{day:%b %d, %Y}"]
        yield ["Shares Outstanding", f"{portfolio.shares:,.2f}" if portfolio else "-"]
        yield [""]
        yield ["Ticker", "Name", "Sector", "Asset Class", "Market Value", "Weight (%)", "Price"]
        for line in held:
            yield [line.ticker or "-", line.name, line.sector, line.asset_class, line.value,
                   line.weight, line.price]  # fmt: skip

    def _historical(self, fund: str, at: int) -> Iterator[list[Cell]]:
        """Newest first, as counted at the time (a split doubles the count), with known warts.

        The warts: a holiday and a Sunday without values, and one day of IWN with a count of
        150,000 between days with tens of millions.
        """
        market = self.market
        nav, count, factor = (
            market.fund_nav(fund),
            market.fund_shares(fund),
            traded_share_factor(market, fund),
        )
        odd = {np.datetime64("2011-07-04"), np.datetime64("2013-03-10")} if fund == "IWM" else set()
        spike = market.place(date(2012, 5, 16)) - 1 if fund == "IWN" else -1
        yield ["As Of", "NAV per Share", "Ex-Dividends", "Shares Outstanding"]
        for i in range(at, market.place(FUNDS[fund].inception) - 2, -1):
            day = market.days[i]
            for wart in [d for d in odd if day < d]:
                odd.remove(wart)
                yield [f"{wart.item():%b %d, %Y}", "--", "--", "--"]
            shares = 150_000 if i == spike else int(count[i] / factor[i])
            yield [f"{day.item():%b %d, %Y}", round(float(nav[i] * factor[i]), 6), "--", shares]

    # -- State Street -----------------------------------------------------------------------------
    def ssga(self, ask: Ask) -> Answer:
        """Answer `navhist-us-en-{ticker}.xlsx` and `holdings-daily-us-en-{ticker}.xlsx`."""
        found = re.search(r"/(navhist|holdings-daily)-us-en-([a-z]+)\.xlsx$", ask.path)
        fund = found.group(2).upper() if found else ""
        known = fund in FUNDS and fund not in PRODUCTS.values() and FUNDS[fund].shares_million
        if found is None or not known:
            return html_page(404, "Page not found", "The page you are looking for is not here.")
        at = self._published(ask.now)
        if found.group(1) == "navhist":
            body = xlsx("navhist", self._navhist(fund, at))
        elif fund in FUND_UNIVERSE:
            body = xlsx("holdings", self._ssga_holdings(fund, at))
        else:
            return html_page(404, "Page not found", "The page you are looking for is not here.")
        return validated(ask, body, _XLSX_TYPE, http_date(ask.now))

    def _navhist(self, fund: str, at: int) -> Iterator[list[Cell]]:
        market = self.market
        nav, count = market.fund_nav(fund), market.fund_shares(fund)
        first = market.place(max(FUNDS[fund].inception, NAVHIST_FROM)) - 1
        yield ["Fund Name:", FUNDS[fund].title]
        yield ["Ticker Symbol:", fund]
        yield []
        yield ["Date", "NAV", "Shares Outstanding", "Total Net Assets"]
        for i in range(at, first - 1, -1):
            price, shares = round(float(nav[i]), 6), int(count[i])
            yield [_long_day(market.days, i), price, shares, round(price * shares, 2)]
        yield []
        yield ["Simulated figures of the smallcaps sample world."]

    def _ssga_holdings(self, fund: str, at: int) -> Iterator[list[Cell]]:
        portfolio = hold(self.market, self._universe(fund), fund, at)
        yield ["Fund Name:", FUNDS[fund].title]
        yield ["Ticker Symbol:", fund]
        yield ["Holdings:", f"As of {_long_day(self.market.days, at)}"]
        yield []
        yield ["Name", "Ticker", "Identifier", "SEDOL", "Weight", "Sector", "Shares Held",
               "Local Currency"]  # fmt: skip
        wealth = portfolio.shares * portfolio.nav
        number = 0
        for line in portfolio.lines:
            if line.asset_class != "Equity" or line.ticker is None:
                continue
            number += 1
            ticker = re.sub(r"^(BRK|MOG)([AB])$", r"\1.\2", line.ticker)
            yield [line.name, ticker, f"9S{number:07d}", f"S{number:06d}",
                   round(100 * line.value / wealth, 6), "-", line.quantity, "USD"]  # fmt: skip
        yield ["US DOLLAR", "-", "999USDZ92", None, 0.25, "-", round(0.0025 * wealth, 2), "USD"]
        yield []
        yield ["Simulated figures of the smallcaps sample world."]


def _long_day(days: Days, at: int) -> str:
    day: date = days[at].item()
    return f"{day:%d-%b-%Y}"


def _product_page(product: str) -> Answer:
    return html_page(200, "iShares by BlackRock", f"Product {product}. Accept our cookie policy.")
