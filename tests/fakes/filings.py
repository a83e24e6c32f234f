"""Invented filings, holdings and prices for the tests of the fundamentals, with every wart.

Each company has a trait of its own, by number: see `TRAITS`.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np

from pipelines.catalog.models import load_catalog

Row = dict[str, Any]

FIRST_FILE, END = date(2024, 5, 31), date(2025, 2, 28)
LATE_SPLIT = date(2024, 11, 15)
"""S02 splits two for one: its file and filings of before are on the old basis."""
QUARTER_ENDS = [date(y, m, d) for y in (2022, 2023, 2024) for m, d in
                ((3, 31), (6, 30), (9, 30), (12, 31))]  # fmt: skip

TRAITS = {
    3: "loses money",
    4: "amends the year 2023 and a quarter",
    5: "has no debt and no interest",
    6: "names no debt but pays interest",
    7: "names all long-term debt with its current portion",
    8: "names all current debt with the borrowings",
    9: "files no count of shares",
    10: "counts its shares in thousands",
    11: "left out a quarter",
    12: "stopped filing in 2023",
    13: "moved to another revenue tag",
    14: "ends a quarter on two days",
    15: "is in no list of tickers",
    16: "is priced as another security",
    17: "has no price",
    18: "has no facts",
    19: "names no cash and counts its treasury shares",
}
FINANCIALS = {0, 8}


def concept_tags() -> list[Row]:
    """Return the reviewed concept map as the reference table has it."""
    return [
        {"tag": t.tag, "concept_id": c.id, "place": place, "unit": c.unit, "kind": c.kind,
         "includes": t.includes}
        for c in load_catalog().concepts
        for place, t in enumerate(c.tags, start=1)
    ]  # fmt: skip


def make_facts() -> list[Row]:
    """Return what twenty companies filed about three years."""
    return [row for number in range(20) for row in _company(number)]


def _company(number: int) -> list[Row]:
    random = np.random.default_rng(100 + number)
    scale = float(random.uniform(5_000, 50_000))

    def each_quarter(mean: float, spread: float) -> list[float]:
        return [round(scale * random.normal(mean, spread), 0) for _ in QUARTER_ENDS]

    flows = {
        "NetIncomeLoss": each_quarter(-1 if number == 3 else 1.2, 0.3),
        "Revenues": each_quarter(10, 1),
        "OperatingIncomeLoss": each_quarter(1.5, 0.5),
        "InterestExpense": each_quarter(1.2, 0.3),
        "DepreciationDepletionAndAmortization": each_quarter(0.4, 0.05),
    }
    debt = round(scale * 20, 0)
    instants = {
        "StockholdersEquity": round(scale * 30, 0),
        "CashAndCashEquivalentsAtCarryingValue": round(scale * 6, 0),
        "LongTermDebtNoncurrent": debt,
        "LongTermDebtCurrent": round(debt / 10, 0),
        "ShortTermBorrowings": round(debt / 20, 0),
    }
    if number in (5, 6):
        for tag in ("LongTermDebtNoncurrent", "LongTermDebtCurrent", "ShortTermBorrowings"):
            del instants[tag]
    if number == 5:
        del flows["InterestExpense"]
    if number == 7:
        instants["LongTermDebt"] = instants.pop("LongTermDebtNoncurrent") * 1.1
    if number == 8:
        instants["DebtCurrent"] = instants.pop("LongTermDebtCurrent") * 1.5
    if number == 19:
        del instants["CashAndCashEquivalentsAtCarryingValue"]
    if number == 18:
        return []
    shares = 1000.0 * (number + 10)
    rows: list[Row] = []

    def file(tag: str, start: date, end: date, value: float, filed: date, form: str) -> None:
        unit = {"EntityCommonStockSharesOutstanding": "shares",
                "EarningsPerShareDiluted": "USD/shares"}.get(tag, "USD")  # fmt: skip
        rows.append(
            {"cik": f"c{number:02d}", "tag": tag, "unit": unit, "period_start_on": start,
             "period_end_on": end, "value": value, "form": form, "filed_on": filed,
             "accession": f"{filed}-{form}", "known_on": filed, "known_on_basis": "vintage",
             "source": "sec", "loaded_as_of": END}
        )  # fmt: skip

    for place, end in enumerate(QUARTER_ENDS):
        in_year = place % 4
        if (number == 11 and place == 9) or (number == 12 and place > 5):
            continue
        start, year = date(end.year, end.month - 2, 1), date(end.year, 1, 1)
        form = "10-K" if in_year == 3 else "10-Q"
        filed = end + timedelta(days=(58 if in_year == 3 else 38) + number % 5)
        for tag, values in flows.items():
            used = tag
            if number == 13 and tag == "Revenues" and place < 9:
                used = "RevenueFromContractWithCustomerExcludingAssessedTax"
            so_far = sum(values[place - in_year : place + 1])
            if in_year == 3 or tag.startswith("Depreciation"):
                file(used, year, end, so_far, filed, form)
            else:
                file(used, start, end, values[place], filed, form)
                if in_year == 2:
                    file(used, year, end, so_far, filed, form)
            if number == 4 and tag == "NetIncomeLoss" and place in (7, 9):
                amended = filed + timedelta(days=45)
                since, whole = (year, so_far) if in_year == 3 else (start, values[place])
                file(used, since, end, round(whole * 0.8, 0), amended, form + "/A")
        net = flows["NetIncomeLoss"]
        split = 2.0 if number == 2 and filed >= LATE_SPLIT else 1.0
        if in_year != 3:
            each = round(net[place] / (shares * split), 2)
            file("EarningsPerShareDiluted", start, end, each, filed, form)
        if number == 14 and place == 10:
            # the quarter once more, as ending a day earlier
            for tag, values in flows.items():
                if not tag.startswith("Depreciation"):
                    before = QUARTER_ENDS[9] - timedelta(days=1)
                    file(tag, date(2024, 4, 1), before, values[9] + 7, filed, form)
        for tag, value in instants.items():
            file(tag, end, end, value + place, filed, form)
        if number != 9:
            cover = filed - timedelta(days=6)
            counted = shares * split * {10: 0.001, 19: 1.3}.get(number, 1.0) + place
            file("EntityCommonStockSharesOutstanding", cover, cover, counted, filed, form)
    return rows


def make_companies() -> list[Row]:
    """Return the SEC's list: S01B is a second class of S01."""
    listed = [(f"S{n:02d}", f"c{n:02d}") for n in range(20) if n != 15] + [("S01B", "c01")]
    return [
        {"ticker": ticker, "cik": cik, "title": ticker, "listed_on": date(2024, 1, 2),
         "known_on": date(2024, 1, 2), "known_on_basis": "observed", "source": "sec-www",
         "loaded_as_of": END}
        for ticker, cik in listed
    ]  # fmt: skip


def make_bars(sessions: list[date]) -> tuple[list[Row], list[Row]]:
    """Return bars and splits; the history of S02 is restated on the day of its split."""
    random = np.random.default_rng(7)
    bars: list[Row] = []

    def bar(symbol: str, day: date, close: float, known: date, basis: date) -> None:
        bars.append(
            {"symbol": symbol, "traded_on": day, "close": close, "total_return_ratio": None,
             "known_on": known, "known_on_basis": "estimated", "basis_on": basis,
             "source": "yahoo", "loaded_as_of": END}
        )  # fmt: skip

    always = date(1900, 1, 1)
    for symbol in [f"S{n:02d}" for n in range(20)] + ["S01B"]:
        price = float(random.uniform(10, 60))
        for day in sessions:
            price = max(1.0, price * (1 + random.normal(0, 0.02)))
            close = 2 * round(price, 2)
            if symbol == "S17" or random.random() < 0.05:
                continue
            if symbol != "S02":
                bar(symbol, day, close, day, always)
                continue
            if day < LATE_SPLIT:
                bar(symbol, day, close, day, always)
            bar(symbol, day, close / 2, max(day, LATE_SPLIT), LATE_SPLIT)
    splits = [
        {"symbol": symbol, "event_kind": "split", "event_on": day, "numerator": new,
         "denominator": 1.0, "known_on": day, "known_on_basis": "estimated", "source": "yahoo",
         "loaded_as_of": END}
        for symbol, day, new in (("S02", LATE_SPLIT, 2.0), ("S03", date(2023, 10, 2), 5.0))
    ]  # fmt: skip
    return bars, splits


def make_lines(sessions: list[date], bars: list[Row]) -> list[Row]:
    """Return the lines of month-end files of two funds."""
    random = np.random.default_rng(8)
    raw_closes = {
        (b["symbol"], b["traded_on"]): b["close"]
        for b in bars
        if b["symbol"] != "S02" or (b["basis_on"] < LATE_SPLIT) == (b["traded_on"] < LATE_SPLIT)
    }
    ends = [a for a, b in pairwise(sessions) if a.month != b.month]
    lines: list[Row] = []
    for day in (d for d in ends if FIRST_FILE <= d < END):
        for fund, numbers in (("IWM", range(20)), ("IVV", range(8))):
            symbols = [f"S{n:02d}" for n in numbers] + (["S01B"] if fund == "IVV" else [])
            for number, symbol in enumerate(symbols, start=1):
                price = raw_closes.get((symbol, day), 20.0)
                held = float(random.integers(20, 400))
                if symbol == "S02" and day >= LATE_SPLIT:
                    held *= 2
                company = int(symbol[1:3])
                lines.append(
                    {"fund_id": fund, "as_of_on": day, "edition": "a", "line_no": number,
                     "ticker": symbol, "name": symbol, "asset_class": "Equity",
                     "sector": "Financials" if company in FINANCIALS else "Industrials",
                     "market_value_usd": held * price, "quantity": None if company == 5 else held,
                     "weight_pct": round(float(random.uniform(1, 6)), 4),
                     "price_usd": price * (1.5 if company == 16 else 1),
                     "known_on": sessions[sessions.index(day) + 1],
                     "known_on_basis": "estimated", "source": "ishares", "loaded_as_of": END}
                )  # fmt: skip
    return lines
