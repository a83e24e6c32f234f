"""Both lenses of valuation computed a second time, straight from raw rows, by pandas and loops.

The invented library has two editions with different histories and a month without an average cap;
the prices have gaps, dividends and a symbol that starts late.
"""

from __future__ import annotations

import math
import statistics
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

START, END = date(1995, 1, 3), date(2007, 6, 29)
SECOND_EDITION_ON = date(2006, 11, 8)
KNOWN_UNTIL = date(2006, 10, 20)
SMALL = ("SMALL LoBM", "ME1 BM2", "SMALL HiBM")
LARGE = ("BIG LoBM", "ME2 BM2", "BIG HiBM")
PAIRS = {
    "small_vs_large": ("^RUT", "^GSPC", SMALL, LARGE),
    "small_value_vs_large_growth": ("IWN", "IWF", ("SMALL HiBM",), ("BIG LoBM",)),
}
FIRMS = "number_of_firms_in_portfolios"
CAP = "average_market_cap"
BOOK = "value_weight_average_of_be_fyt_1_me_june_t"
WINDOW = 2520


def month_plus(day: date, months: int) -> date:
    """Return the first day of the month so many months away."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def make_library() -> list[dict[str, Any]]:
    """Return raw rows of two editions: the first known month by month, the second at once."""
    random = np.random.default_rng(3)
    rows: list[dict[str, Any]] = []
    for edition, last in (("200609", date(2006, 9, 1)), ("200610", date(2006, 10, 1))):
        month = date(1985, 7, 1)
        scale = dict(zip(SMALL + LARGE, (2.0, 1.5, 1.0, 90.0, 60.0, 40.0), strict=True))
        while month <= last:
            for portfolio in SMALL + LARGE:
                scale[portfolio] *= 1 + random.normal(0.006, 0.05)
                values: dict[str, float | None] = {
                    FIRMS: float(random.integers(20, 900)),
                    CAP: round(scale[portfolio], 4),
                    BOOK: round(float(random.uniform(0.1, 1.9)), 4),
                    "value_weight_average_of_be_me": 77.0,  # another table of the same file
                }
                if month == date(1988, 3, 1) and portfolio == "ME2 BM2":
                    values[CAP] = None
                known = month_plus(month, 1) + timedelta(days=33)
                rows += [
                    {
                        "file_id": "6_Portfolios_2x3",
                        "table_id": table,
                        "frequency": "monthly",
                        "portfolio": portfolio,
                        "period_on": month,
                        "value": value,
                        "edition": edition,
                        "known_on": known if edition == "200609" else SECOND_EDITION_ON,
                        "known_on_basis": "estimated" if edition == "200609" else "vintage",
                        "source": "french",
                        "loaded_as_of": END,
                    }
                    for table, value in values.items()
                ]
            month = month_plus(month, 1)
    return rows


def make_shiller() -> list[dict[str, Any]]:
    """Return raw rows of two editions of the workbook; the hash of the newer sorts first."""
    random = np.random.default_rng(4)
    rows = []
    for edition, last in (("f0", date(2006, 9, 1)), ("0a", date(2006, 11, 1))):
        month, ratio = date(1980, 1, 1), 12.0
        while month <= last:
            ratio = round(ratio * (1 + random.normal(0.002, 0.03)), 2)
            known = month_plus(month, 1) + timedelta(days=29)
            rows += [
                {
                    "observed_on": month,
                    "measure": measure,
                    "value": value,
                    "edition": edition,
                    "known_on": known if edition == "f0" else date(2006, 11, 2),
                    "known_on_basis": "estimated" if edition == "f0" else "observed",
                    "source": "shiller",
                    "loaded_as_of": END,
                }
                for measure, value in (
                    ("cape_ratio", None if month == date(2006, 11, 1) else ratio),
                    ("price", 1000.0),
                )
            ]
            month = month_plus(month, 1)
    return rows


def make_bars(sessions: list[date]) -> list[dict[str, Any]]:
    """Return raw bars with missing days; IWN pays dividends, IWF starts late."""
    random = np.random.default_rng(5)
    rows = []
    for number, symbol in enumerate(("^RUT", "^GSPC", "IWN", "IWF")):
        cents = 10_000 * (number + 1)
        before = None
        for place, day in enumerate(sessions):
            if symbol == "IWF" and place < 300:
                continue
            cents = max(100, cents + int(random.integers(-120, 125)))
            if random.random() < 0.01:
                continue
            ratio = None if before is None else cents / before
            if ratio is not None and symbol == "IWN" and place % 63 == 0:
                ratio *= 1.004
            before = cents
            rows.append(
                {
                    "symbol": symbol,
                    "traded_on": day,
                    "close": cents / 100,
                    "total_return_ratio": ratio,
                    "known_on": day,
                    "known_on_basis": "estimated",
                    "basis_on": date(1900, 1, 1),
                    "source": "yahoo",
                    "loaded_as_of": END,
                }
            )
    return rows


def total_return(rows: list[dict[str, Any]], symbol: str) -> dict[date, float]:
    """Return adjusted closes: backwards from the newest close by the ratios."""
    own = sorted((r for r in rows if r["symbol"] == symbol), key=lambda r: r["traded_on"])
    out, level = {}, float(own[-1]["close"])
    for row in reversed(own):
        out[row["traded_on"]] = level
        if row["total_return_ratio"] is not None:
            level /= row["total_return_ratio"]
    return out


def price_lens(rows: list[dict[str, Any]], pair: str) -> pd.DataFrame:
    """Return the price columns of a pair."""
    small_symbol, large_symbol = PAIRS[pair][:2]
    if pair == "small_vs_large":
        closes = {
            symbol: {r["traded_on"]: r["close"] for r in rows if r["symbol"] == symbol}
            for symbol in (small_symbol, large_symbol)
        }
    else:
        closes = {symbol: total_return(rows, symbol) for symbol in (small_symbol, large_symbol)}
    small, large = closes[small_symbol], closes[large_symbol]
    days = sorted(set(small) & set(large))
    ratios = np.array([small[day] / large[day] for day in days])
    logs = np.log(ratios)
    out = []
    for place, day in enumerate(days):
        last = logs[place - WINDOW + 1 : place + 1] if place >= WINDOW - 1 else None
        out.append(
            {
                "pair_id": pair,
                "traded_on": day,
                "log_price_ratio": logs[place],
                "log_price_ratio_z": None
                if last is None
                else (logs[place] - last.mean()) / last.std(ddof=1),
                "log_price_ratio_percentile": None
                if last is None
                else 100 * float((last <= logs[place]).mean()),
                "price_ratio_drawdown_pct": 100 * (ratios[place] / ratios[: place + 1].max() - 1),
            }
        )
    return pd.DataFrame(out)


def side_ratio(
    table: dict[tuple[str, str, date], float | None], side: tuple[str, ...], month: date
) -> float | None:
    """Return price to book at the end of `month` (first day given), all portfolios or none."""
    label = month_plus(month, 1)
    july = date(label.year if label.month >= 7 else label.year - 1, 7, 1)
    market, book = [], []
    for portfolio in side:
        firms, cap = table.get((FIRMS, portfolio, label)), table.get((CAP, portfolio, label))
        formed = [table.get((name, portfolio, july)) for name in (FIRMS, CAP, BOOK)]
        if firms is None or cap is None or None in formed:
            return None
        market.append(firms * cap)
        book.append(math.prod(v for v in formed if v is not None))
    return math.fsum(market) / math.fsum(book)


def book_lens(rows: list[dict[str, Any]], pair: str) -> list[dict[str, Any]]:
    """Return the book columns per edition and month, in the order in which they became known."""
    out = []
    for edition in sorted({r["edition"] for r in rows}):
        own = [r for r in rows if r["edition"] == edition]
        table = {(r["table_id"], r["portfolio"], r["period_on"]): r["value"] for r in own}
        known = {r["period_on"]: r["known_on"] for r in own}
        basis = own[0]["known_on_basis"]
        history: dict[date, tuple[float | None, float | None]] = {}
        for label in sorted(known):
            month = month_plus(label, -1)
            small, large = (side_ratio(table, side, month) for side in PAIRS[pair][2:])
            history[month] = (small, large)
            if small is None or large is None:
                continue
            row = {
                "book_observed_on": label - timedelta(days=1),
                "book_known_on": known[label],
                "book_known_on_basis": basis,
                "book_edition": edition,
                "pb_small_ratio": small,
                "pb_large_ratio": large,
                "pb_gap_pct": 100 * (small / large - 1),
            }
            for place, side in enumerate(("small", "large")):
                last = [history.get(month_plus(month, -k), (None, None))[place] for k in range(180)]
                full = None not in last
                median = statistics.median(v for v in last if v is not None) if full else None
                row[f"pb_{side}_median_180m_ratio"] = median
                row[f"{side}_fair_value_gap_pct"] = (
                    100 * (row[f"pb_{side}_ratio"] / median - 1) if median else None
                )
            out.append(row)
    return out


def cape_lens(rows: list[dict[str, Any]], day: date) -> dict[str, Any]:
    """Return the CAPE columns as known on a day."""
    known = [
        r
        for r in rows
        if r["measure"] == "cape_ratio" and r["value"] is not None and r["known_on"] <= day
    ]
    if any(r["edition"] == "0a" for r in known):
        known = [r for r in known if r["edition"] == "0a"]
    newest = max(known, key=lambda r: r["observed_on"])
    below = sum(r["value"] <= newest["value"] for r in known)
    return {
        "cape_ratio": newest["value"],
        "cape_percentile": 100 * below / len(known),
        "cape_observed_on": newest["observed_on"],
        "cape_known_on": newest["known_on"],
        "cape_known_on_basis": newest["known_on_basis"],
        "is_cape_reliable": (day - newest["observed_on"]).days <= 130,
    }


def gaps(
    bars: list[dict[str, Any]], library: list[dict[str, Any]], shiller: list[dict[str, Any]]
) -> pd.DataFrame:
    """Return what valuation_gaps should hold."""
    capes: dict[date, dict[str, Any]] = {}
    frames = []
    for pair in PAIRS:
        months = book_lens(library, pair)
        rows = []
        for row in price_lens(bars, pair).to_dict("records"):
            day = row["traded_on"]
            known = [m for m in months if m["book_known_on"] <= day]
            newest = max(known, key=lambda m: (m["book_edition"], m["book_observed_on"]))
            if day not in capes:
                capes[day] = cape_lens(shiller, day)
            age = (day - newest["book_observed_on"]).days
            rows.append(row | newest | capes[day] | {"is_book_reliable": age <= 130})
        frames.append(pd.DataFrame(rows))
    return pd.concat(frames).sort_values(["pair_id", "traded_on"]).reset_index(drop=True)


GAPS = "select * from marts.valuation_gaps order by pair_id, traded_on"


@pytest.fixture
def loaded(dbt_warehouse: Any) -> tuple[Any, list[dict[str, Any]]]:
    """A warehouse with the invented prices and libraries, and the bars that it holds."""
    sessions = dbt_warehouse.insert_sessions(date(1994, 12, 1), END + timedelta(30))
    bars = make_bars([s for s in sessions if START <= s <= END])
    dbt_warehouse.insert(
        "reference.instruments",
        [
            {"symbol": symbol, "provider_order": ["yahoo", "tiingo"]}
            for symbol in ("^RUT", "^GSPC", "IWN", "IWF")
        ],
    )
    dbt_warehouse.insert("raw.instrument_bars", bars)
    dbt_warehouse.insert("raw.french_portfolios", make_library())
    dbt_warehouse.insert("raw.shiller_history", make_shiller())
    return dbt_warehouse, bars


def test_every_figure_agrees_with_a_second_computation(
    loaded: tuple[Any, list[dict[str, Any]]],
) -> None:
    warehouse, bars = loaded
    warehouse.build("+valuation_gaps", command="run")
    actual = warehouse.query(GAPS)
    expected = gaps(bars, make_library(), make_shiller())
    assert len(actual) == len(expected)
    for column in expected.columns:
        for key, got, want in zip(
            zip(expected.pair_id, expected.traded_on, strict=True),
            actual[column],
            expected[column],
            strict=True,
        ):
            where = f"{column} of {key}: {got!r} instead of {want!r}"
            if want is None or (isinstance(want, float) and want != want):
                assert pd.isna(got), where
            elif isinstance(want, float):
                assert math.isclose(got, want, rel_tol=1e-9, abs_tol=1e-9), where
            elif isinstance(want, date):
                assert pd.Timestamp(got) == pd.Timestamp(want), where
            else:
                assert got == want, where

    # The invented data reach what they are there for.
    assert set(expected.book_edition) == {"200609", "200610"}
    assert set(expected.cape_known_on_basis) == {"estimated", "observed"}
    assert expected.groupby("pair_id").log_price_ratio_z.count().min() > 100
    assert 0 < expected.small_fair_value_gap_pct.isna().sum() < len(expected)
    assert set(expected.is_book_reliable) == {True, False}


def test_no_row_uses_what_came_later(loaded: tuple[Any, list[dict[str, Any]]]) -> None:
    warehouse, _ = loaded
    warehouse.build("+valuation_gaps", command="run")
    full = warehouse.query(GAPS)
    until = full[pd.to_datetime(full.traded_on) <= pd.Timestamp(KNOWN_UNTIL)].reset_index(drop=True)

    warehouse.build("+valuation_gaps", command="run", as_of=KNOWN_UNTIL)
    then = warehouse.query(GAPS)

    # A dividend restates the level of adjusted closes for the whole past by one constant; what is
    # said about the level (z-score, percentile, drawdown) does not move.
    shift = then.log_price_ratio - until.log_price_ratio
    indices = until.pair_id.eq("small_vs_large")
    assert shift[indices].abs().max() == 0
    assert shift[~indices].std() < 1e-12
    pd.testing.assert_frame_equal(
        then.drop(columns="log_price_ratio"),
        until.drop(columns="log_price_ratio"),
        rtol=1e-9,
        atol=1e-9,
    )
    assert set(then.book_edition) == {"200609"}
