"""The simulated SEC over the wire: the list of tickers and what the invented companies filed.

Everything is simulated, the CIKs (above 0009000000) too. Companies file a 10-Q 40 days and a 10-K
60 days after their period, some have losses, some moved to another tag, some amended a year, some
have no debt, a few file no count of shares and a few have no facts at all. Nothing is served before
the day on which it is filed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pipelines.sample.companies import Universe
from pipelines.sample.economy import Days, Floats, stream
from pipelines.sample.filed_frames import Frames, render, turn_over
from pipelines.sample.names import Company
from pipelines.sample.wire import Answer, Ask, http_date, validated
from pipelines.sample.yahoo import YahooWire

FIRST_CIK = 9_000_001
FIRST_YEAR, LAST_YEAR = 2015, 2026
QUARTERS = (LAST_YEAR - FIRST_YEAR + 1) * 4
LAG_DAYS = {"10-Q": 40, "10-K": 60, "10-K/A": 120}
FACTLESS_EACH = 60
"""Every so many companies one has no facts: a trust, a new issue."""
AMENDED_EACH, AMENDED_YEAR = 23, 2021
REVENUE_MOVED, INTEREST_MOVED = 2018, 2023
"""Fiscal years from which a third and a quarter of the companies use a newer tag."""
DEBT_FREE_EACH, BORROWS_SHORT_EACH, NAMES_ALL_DEBT_EACH = 11, 5, 7
"""Companies without debt and interest; with short-term borrowings; and those whose long-term debt
is filed with its current portion in it."""
SEVERAL_CLASSES_EACH = 31
"""Companies of several classes file no count of shares that is not of one class."""

FRAME_YEARS = 4
"""Frames are served of filings about this many years only: nobody asks for older ones."""

_FRAMES = "/api/xbrl/frames/"
_BANKS = 4
"""Number of the sector Financials: no operating income, and equity is a small part of it all."""
_NO_SUCH_KEY = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
    b"<Message>The specified key does not exist.</Message></Error>"
)


class _Filing(NamedTuple):
    """One filing: `quarter` counts from the first of `FIRST_YEAR`, `year` is fiscal."""

    quarter: int
    year: int
    period: str
    form: str
    filed: date
    accession: str


@dataclass(frozen=True)
class _Books:
    """One company's quarterly figures in dollars, an entry per quarter from `FIRST_YEAR`.

    `shares` is daily, by `days`.
    """

    company: Company
    number: int
    cik: int
    fiscal_end: int
    flows: dict[str, Floats]
    instants: dict[str, Floats]
    days: Days
    shares: Floats
    first: int
    last: int

    def shares_on(self, day: date) -> float:
        """Return the shares outstanding at the end of a day, on that day's basis."""
        row = int(np.searchsorted(self.days, np.datetime64(day), side="right")) - 1
        return float(max(self.shares[max(row, 0)], 1.0))


@dataclass(frozen=True)
class FilingsWire:
    """Answers for `www.sec.gov` and `data.sec.gov`."""

    yahoo: YahooWire

    def website(self, ask: Ask) -> Answer:
        """Answer `/files/company_tickers.json`: the companies that are listed today."""
        if ask.path != "/files/company_tickers.json":
            return Answer(404, _NO_SUCH_KEY, "application/xml")
        listed = [b for b in self._books.values() if self._is_listed(b, ask.now)]
        entries = {
            str(n): {"cik_str": b.cik, "ticker": b.company.symbol, "title": b.company.name}
            for n, b in enumerate(listed)
        }
        body = json.dumps(entries).encode()
        return validated(ask, body, "application/json", http_date(ask.now.replace(day=1)))

    def data(self, ask: Ask) -> Answer:
        """Answer for the facts of a company and for frames; 404 with XML where there are none."""
        if ask.path.startswith(_FRAMES):
            return self._frame(ask)
        found = re.fullmatch(r"/api/xbrl/companyfacts/CIK(\d{10})\.json", ask.path)
        books = self._books.get(int(found.group(1))) if found else None
        if books is None or books.number % FACTLESS_EACH == 7:
            return Answer(404, _NO_SUCH_KEY, "application/xml")
        filings = [f for f in _filings(books) if f.filed <= ask.now]
        if not filings:
            return Answer(404, _NO_SUCH_KEY, "application/xml")
        document = {
            "cik": books.cik,
            "entityName": books.company.name,
            "facts": _facts(books, filings),
        }
        return Answer(200, json.dumps(document, separators=(",", ":")).encode(), "application/json")

    def _frame(self, ask: Ask) -> Answer:
        """Answer `/api/xbrl/frames/{taxonomy}/{tag}/{unit}/{period}.json` of the newest years."""
        if ask.now not in self._turned:
            self._turned.clear()
            self._turned[ask.now] = turn_over(self._filed(ask.now))
        path = ask.path.removeprefix(_FRAMES).removesuffix(".json")
        rows = self._turned[ask.now].get(path)
        if rows is None:
            return Answer(404, _NO_SUCH_KEY, "application/xml")
        return validated(ask, render(path, rows), "application/json", http_date(ask.now))

    def _filed(self, now: date) -> Iterator[tuple[int, str, dict[str, Any]]]:
        oldest = _quarter_of(now) - 4 * FRAME_YEARS
        for books in self._books.values():
            filings = [f for f in _filings(books) if f.filed <= now and f.quarter >= oldest]
            if filings and books.number % FACTLESS_EACH != 7:
                yield books.cik, books.company.name, _facts(books, filings)

    @cached_property
    def _turned(self) -> dict[date, Frames]:
        return {}

    @cached_property
    def _books(self) -> dict[int, _Books]:
        seed = self.yahoo.market.economy.seed
        drawn = [b for u in self.yahoo.universes for b in _keep_books(u, seed)]
        books = (replace(b, number=n, cik=FIRST_CIK + n) for n, b in enumerate(drawn))
        return {b.cik: b for b in books}

    def _is_listed(self, books: _Books, now: date) -> bool:
        today = _quarter_of(now)
        return books.first <= today <= books.last


def _quarter_of(day: date) -> int:
    return (day.year - FIRST_YEAR) * 4 + (day.month - 1) // 3


def _quarter_start(quarter: int) -> date:
    return date(FIRST_YEAR + quarter // 4, quarter % 4 * 3 + 1, 1)


def _quarter_end(quarter: int) -> date:
    return _quarter_start(quarter + 1) - timedelta(days=1)


def _keep_books(universe: Universe, seed: int) -> list[_Books]:
    """Draw the figures of all companies of one universe at once: quarters x companies."""
    rng = stream(seed, f"filings/{universe.universe_id}")
    small = universe.universe_id == "russell_2000"
    count = len(universe.companies)
    ends = np.array([np.datetime64(_quarter_end(q)) for q in range(QUARTERS)])
    rows = np.clip(np.searchsorted(universe.days, ends, side="right") - 1, 0, None)
    listed = ~np.isnan(universe.raw[rows])
    prices = np.nan_to_num(universe.raw)
    first_row = np.argmax(prices > 0, axis=0)
    cap = prices[first_row, np.arange(count)] * universe.shares[first_row, np.arange(count)]
    bank = np.array([c.sector == _BANKS for c in universe.companies])
    growth = 0.016 + 0.008 * rng.standard_normal(count)
    quarter = np.arange(QUARTERS)[:, None]
    season = 1 + 0.05 * np.sin(np.pi / 2 * (quarter % 4) + 6 * rng.random(count))
    noise = np.exp(0.05 * rng.standard_normal((QUARTERS, count)))
    revenue = cap / (4 * rng.uniform(0.8, 3.5, count)) * np.exp(growth * quarter) * season * noise
    margin = rng.normal(0.055 if small else 0.11, 0.11 if small else 0.05, count)
    margin = margin + 0.02 * rng.standard_normal((QUARTERS, count))
    net = revenue * margin
    debt = cap * rng.uniform(0.02, 0.6, count) * np.exp(0.5 * growth * quarter)
    interest = debt * (0.0145 if small else 0.0095)
    operating = net / 0.79 + interest
    equity = cap * rng.uniform(0.25, 0.75, count) + 0.4 * np.cumsum(net, axis=0)
    cash = cap * rng.uniform(0.03, 0.2, count) * noise
    depreciation = revenue * rng.uniform(0.02, 0.08, count)
    books = []
    for i, company in enumerate(universe.companies):
        present = np.flatnonzero(listed[:, i])
        if not len(present):
            continue
        flows = {"net": net, "revenue": revenue, "depreciation": depreciation}
        if not bank[i]:
            flows["operating"] = operating
        instants = {"equity": equity, "cash": cash}
        if i % DEBT_FREE_EACH != 6:
            flows["interest"] = interest
            instants |= {"debt": 0.9 * debt, "current": 0.1 * debt}
            if i % NAMES_ALL_DEBT_EACH == 3:
                instants["all_debt"] = instants.pop("debt") + instants["current"]
            if i % BORROWS_SHORT_EACH == 2:
                instants["short"] = 0.05 * debt
        books.append(
            _Books(
                company=company,
                number=i,
                cik=0,
                fiscal_end=1 if i % 9 == 4 else 3,
                flows={k: np.round(v[:, i], -3) for k, v in flows.items()},
                instants={k: np.round(v[:, i], -3) for k, v in instants.items()},
                days=universe.days,
                shares=universe.shares[:, i],
                first=int(present[0]),
                last=int(present[-1]),
            )
        )
    return books


def _filings(books: _Books) -> list[_Filing]:
    found = []
    for quarter in range(books.first, min(books.last + 1, QUARTERS)):
        place = (quarter % 4 - books.fiscal_end - 1) % 4  # 0 is the fiscal year's first quarter
        year = FIRST_YEAR + quarter // 4 + (1 if quarter % 4 > books.fiscal_end else 0)
        form = "10-K" if place == 3 else "10-Q"
        forms = [form]
        if form == "10-K" and year == AMENDED_YEAR and books.number % AMENDED_EACH == 0:
            forms.append("10-K/A")
        for nth, kind in enumerate(forms):
            filed = _quarter_end(quarter) + timedelta(days=LAG_DAYS[kind] - books.number % 6)
            filed += timedelta(days=(0, 0, 0, 0, 0, 2, 1)[filed.weekday()])
            accession = f"{books.cik:010d}-{filed:%y}-{quarter * 2 + nth + 1:06d}"
            name = "FY" if place == 3 else f"Q{place + 1}"
            found.append(_Filing(quarter, year, name, kind, filed, accession))
    return found


def _tags(books: _Books, year: int) -> dict[str, str]:
    moved_revenue = books.number % 3 == 0 and year >= REVENUE_MOVED
    moved_interest = books.number % 4 == 0 and year >= INTEREST_MOVED
    return {
        "net": "NetIncomeLoss",
        "revenue": "RevenueFromContractWithCustomerExcludingAssessedTax"
        if moved_revenue
        else "Revenues",
        "interest": "InterestExpenseNonoperating" if moved_interest else "InterestExpense",
        "depreciation": "DepreciationDepletionAndAmortization",
        "operating": "OperatingIncomeLoss",
        "equity": "StockholdersEquity",
        "debt": "LongTermDebtNoncurrent",
        "all_debt": "LongTermDebt",
        "current": "LongTermDebtCurrent",
        "short": "ShortTermBorrowings",
        "cash": "CashAndCashEquivalentsAtCarryingValue",
    }


def _facts(books: _Books, filings: list[_Filing]) -> dict[str, Any]:
    """Return the facts of the filings in the order in which they were filed."""
    gaap: dict[str, dict[str, list[dict[str, Any]]]] = {}
    covers = []
    for filing in sorted(filings, key=lambda f: f.filed):
        quarter, place = filing.quarter, 3 if filing.period == "FY" else int(filing.period[1]) - 1
        first_of_year = max(quarter - place, 0)
        stamp = {"accn": filing.accession, "fy": filing.year, "fp": filing.period,
                 "form": filing.form, "filed": filing.filed.isoformat()}  # fmt: skip
        end = _quarter_end(quarter).isoformat()
        tags = _tags(books, filing.year)
        factor = 0.93 if filing.form == "10-K/A" else 1.0
        cover = filing.filed - timedelta(days=7)
        count = books.shares_on(cover)
        for name, values in books.flows.items():
            # A 10-K gives the year alone, a 10-Q the quarter; cash flows only the year so far.
            to_date = name == "depreciation"
            starts = {first_of_year} if place == 3 or to_date else {quarter}
            if place == 2 and not to_date:
                starts.add(first_of_year)
            if place == 1 and name == "net":
                starts.add(first_of_year)
            for since in sorted(starts, reverse=True):
                total = float(values[since : quarter + 1].sum())
                value = round(total * (factor if name == "net" else 1.0))
                entry = {"start": _quarter_start(since).isoformat(), "end": end, "val": value}
                gaap.setdefault(tags[name], {}).setdefault("USD", []).append(entry | stamp)
                if name == "net" and (place == 3 or since == quarter):
                    each = round(value / count, 2)
                    gaap.setdefault("EarningsPerShareDiluted", {}).setdefault(
                        "USD/shares", []
                    ).append(entry | {"val": each} | stamp)
                if name == "net" and place == 0 and since - 4 >= books.first:
                    # The year before once more, for comparison.
                    before = {"start": _quarter_start(quarter - 4).isoformat(),
                              "end": _quarter_end(quarter - 4).isoformat(),
                              "val": round(float(values[quarter - 4]))}  # fmt: skip
                    gaap[tags[name]]["USD"].append(before | stamp)
        for name, values in books.instants.items():
            value = round(float(values[quarter]))
            frame = {"frame": f"CY{_quarter_end(quarter).year}Q{quarter % 4 + 1}I"}
            gaap.setdefault(tags[name], {}).setdefault("USD", []).append(
                {"end": end, "val": value} | stamp | frame
            )
        if books.number % SEVERAL_CLASSES_EACH != 9:
            covers.append({"end": cover.isoformat(), "val": round(count)} | stamp)
    return {
        "dei": {"EntityCommonStockSharesOutstanding": {"units": {"shares": covers}}},
        "us-gaap": {
            tag: {"label": tag, "description": "Simulated.", "units": units}
            for tag, units in gaap.items()
        },
    }
