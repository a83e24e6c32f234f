"""Sector rate sensitivity computed a second time, straight from raw rows, by loops and statsmodels.

The invented data have holidays of the bond market on Fridays, late and revised factors, values
taken back, a fund that starts late and one that misses a whole week.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.linear_model import OLS

START, END = date(2000, 1, 3), date(2003, 2, 28)
KNOWN_UNTIL = date(2002, 10, 9)
SECTORS = {"XLF": "Financials", "KRE": "Financials", "VNQ": "Real Estate"}
FACTORS = {"DGS10": "yield_10y", "T10YIE": "breakeven_10y", "DTWEXBGS": "dollar"}
VETERANS_DAYS = (date(2000, 11, 10), date(2001, 11, 9), date(2002, 11, 8))
ESTIMATES = (
    "beta_yield_10y_pct_per_pt",
    "beta_breakeven_10y_pct_per_pt",
    "beta_dollar_pct_per_pct",
    "t_yield_10y",
    "t_breakeven_10y",
    "t_dollar",
    "r_squared_ratio",
)
BETAS = "select * from marts.sector_rate_sensitivity order by fund_id, traded_on"


class Value(NamedTuple):
    """One vintage of a factor."""

    observed_on: date
    known_on: date
    value: float | None
    basis: str


def monday(day: date) -> date:
    """Return the Monday of the day's week."""
    return day - timedelta(days=day.weekday())


def make_factors(sessions: list[date]) -> dict[str, list[Value]]:
    """Invent all vintages of the three factors."""
    random = np.random.default_rng(11)
    out: dict[str, list[Value]] = {}
    for series, (level, step) in zip(
        FACTORS, ((4.0, 0.06), (2.0, 0.03), (100.0, 0.4)), strict=True
    ):
        rows = []
        for day in sessions:
            level += random.normal(0, step)
            basis = str(random.choice(["vintage", "estimated", "observed"], p=[0.9, 0.07, 0.03]))
            if series == "DTWEXBGS":
                known = monday(day) + timedelta(7)
                if date(2002, 6, 3) <= day <= date(2002, 6, 28):
                    known = date(2002, 7, 8)  # a release that fails for four weeks
            else:
                known = day + timedelta(days=int(random.choice([0, 1, 3])))
            missing = random.random() < 0.03 or (day in VETERANS_DAYS and series == "DGS10")
            rows.append(Value(day, known, None if missing else level, basis))
            if not missing and random.random() < 0.02:
                rows.append(
                    Value(day, known + timedelta(int(random.integers(1, 60))), level + step, basis)
                )
            elif not missing and random.random() < 0.01:
                rows.append(Value(day, known + timedelta(2), None, basis))
        out[series] = rows
    # The yearly new weights of the dollar restate its past at once.
    restated = [v for v in out["DTWEXBGS"] if v.value and v.known_on < date(2002, 5, 1)]
    newest = {v.observed_on: v for v in restated}
    out["DTWEXBGS"] += [
        Value(v.observed_on, date(2002, 8, 21), 1.01 * (v.value or 0) + 0.1, "observed")
        for v in newest.values()
    ]
    return out


def make_bars(sessions: list[date]) -> list[dict[str, Any]]:
    """Invent raw bars; XLF pays dividends, KRE starts late, VNQ misses a week and two Fridays."""
    random = np.random.default_rng(12)
    rows = []
    for symbol in ("SPY", "XLF", "KRE", "VNQ", "IWM"):
        close, before = 50.0, None
        for place, day in enumerate(sessions):
            close = round(close * math.exp(random.normal(0.0003, 0.012)), 2)
            if symbol == "KRE" and day < date(2000, 4, 3):
                continue
            if symbol == "VNQ" and (
                monday(day) == date(2000, 3, 6) or day in (date(2001, 6, 8), date(2002, 2, 22))
            ):
                continue
            ratio = None if before is None else close / before
            if ratio is not None and symbol == "XLF" and place % 63 == 0:
                ratio *= 1.006
            before = close
            rows.append(
                {
                    "symbol": symbol,
                    "traded_on": day,
                    "close": close,
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
    """Return adjusted closes, forwards from 1."""
    out, level = {}, 1.0
    for row in rows:
        if row["symbol"] == symbol:
            level *= row["total_return_ratio"] or 1.0
            out[row["traded_on"]] = level
    return out


def in_force(rows: list[Value], day: date, known: date) -> Value | None:
    """Return the newest vintage of a day by a day of knowledge."""
    told = [v for v in rows if v.observed_on == day and v.known_on <= known]
    return max(told, key=lambda v: v.known_on, default=None)


def newest_value(rows: list[Value], known: date) -> float:
    """Return the newest value of one day's vintages by a day of knowledge, taken back or not."""
    told = [v for v in rows if v.known_on <= known and v.value is not None]
    return float(max(told, key=lambda v: v.known_on).value or 0)


def expected_rows(sessions: list[date]) -> pd.DataFrame:
    """Return what sector_rate_sensitivity should hold."""
    factors, bars = make_factors(sessions), make_bars(sessions)
    market = total_return(bars, "SPY")
    of_week: dict[date, list[date]] = {}
    for session in sessions:
        of_week.setdefault(monday(session), []).append(session)
    by_day = {
        series: {day: [v for v in rows if v.observed_on == day] for day in sessions}
        for series, rows in factors.items()
    }
    # first day on which the value of a session, or of a later one, was known
    settled: dict[str, dict[date, date]] = {}
    for series in factors:
        soonest, settled[series] = date(9999, 12, 31), {}
        for day in reversed(sessions):
            known = [v.known_on for v in by_day[series][day] if v.value is not None]
            soonest = min([soonest, *known])
            settled[series][day] = soonest

    out = []
    for fund, sector in SECTORS.items():
        prices = total_return(bars, fund)
        weeks: dict[date, tuple[date, date]] = {}  # Monday: day of knowledge, date
        for start, days in of_week.items():
            last = days[-1]
            dates = [
                min((d for d in legs if d >= last), default=None) for legs in (prices, market)
            ] + [settled[series][last] for series in FACTORS]
            if None in dates or date(9999, 12, 31) in dates:
                continue
            known = max(d for d in dates if d is not None)
            whole = [
                day
                for day in days
                if day in prices
                and day in market
                and all(
                    (told := in_force(by_day[s][day], day, known)) and told.value is not None
                    for s in FACTORS
                )
            ]
            if whole:
                weeks[start] = (known, whole[-1])
        fits: list[dict[str, Any]] = []
        for known in sorted({k for k, _ in weeks.values()}):
            newest = max(start for start, (k, _) in weeks.items() if k <= known)
            if fits and fits[-1]["newest"] == newest:
                continue
            window = [newest - timedelta(7 * back) for back in range(104, -1, -1)]
            levels = []
            for start in window:
                if start not in weeks:
                    levels.append([math.nan] * 5)
                    continue
                day = weeks[start][1]
                levels.append(
                    [prices[day], market[day]]
                    + [newest_value(by_day[s][day], known) for s in FACTORS]
                )
            table = np.array(levels)
            change, ratio = np.diff(table, axis=0), 100 * (table[1:] / table[:-1] - 1)
            y = ratio[:, 0] - ratio[:, 1]
            x = np.column_stack([np.ones(104), change[:, 2], change[:, 3], ratio[:, 4]])
            estimates = [math.nan] * 7
            if not np.isnan(y).any():
                fit = OLS(y, x).fit(
                    cov_type="HAC", cov_kwds={"maxlags": 4, "use_correction": False}
                )
                estimates = [*fit.params[1:], *fit.tvalues[1:], fit.rsquared]
            said = [in_force(by_day[s][weeks[newest][1]], weeks[newest][1], known) for s in FACTORS]
            fits.append(
                {
                    "newest": newest,
                    "fund_id": fund,
                    "sector": sector,
                    "weeks": int(np.count_nonzero(~np.isnan(y))),
                    "window_from_on": next(weeks[s][1] for s in window if s in weeks),
                    "window_to_on": weeks[newest][1],
                    "factors_known_on": known,
                    "factors_known_on_basis": min(v.basis for v in said if v),
                }
                | dict(zip(ESTIMATES, estimates, strict=True))
            )
        first = next(f["factors_known_on"] for f in fits if not math.isnan(f["r_squared_ratio"]))
        for session in sessions:
            if session not in prices or session < first:
                continue
            fit = [f for f in fits if f["factors_known_on"] <= session][-1]
            old = (session - fit["window_to_on"]).days
            out.append(
                {**fit, "traded_on": session}
                | {"is_reliable": not math.isnan(fit["r_squared_ratio"]) and old <= 21}
            )
    frame = pd.DataFrame(out).drop(columns="newest")
    return frame.sort_values(["fund_id", "traded_on"]).reset_index(drop=True)


@pytest.fixture
def loaded(dbt_warehouse: Any) -> tuple[Any, list[date]]:
    """A warehouse with the invented prices and factors, and the sessions they are of."""
    calendar = dbt_warehouse.insert_sessions(date(1999, 12, 1), END + timedelta(400))
    sessions = [s for s in calendar if START <= s <= END]
    dbt_warehouse.insert(
        "reference.instruments",
        [
            {"symbol": s, "sector": SECTORS.get(s), "provider_order": ["yahoo", "tiingo"]}
            for s in ("SPY", *SECTORS, "IWM")
        ],
    )
    dbt_warehouse.insert("raw.instrument_bars", make_bars(sessions))
    dbt_warehouse.insert(
        "raw.fred_observations",
        [
            {
                "series_id": series,
                "observed_on": v.observed_on,
                "value": v.value,
                "known_on": v.known_on,
                "known_on_basis": v.basis,
                "realtime_start": v.known_on,
                "source": "fred-api",
                "loaded_as_of": END + timedelta(30),
            }
            for series, rows in make_factors(sessions).items()
            for v in {(v.observed_on, v.known_on): v for v in rows}.values()
        ],
    )
    return dbt_warehouse, sessions


def test_every_beta_agrees_with_a_second_computation(loaded: tuple[Any, list[date]]) -> None:
    warehouse, sessions = loaded
    warehouse.build("+sector_rate_sensitivity", command="run")
    actual = warehouse.query(BETAS)
    expected = expected_rows(sessions)

    for column in actual.columns:
        got, want = actual[column], expected[column]
        if column in ESTIMATES:
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9, err_msg=column)
        elif column.endswith("_on"):
            assert pd.to_datetime(got).tolist() == pd.to_datetime(want).tolist(), column
        else:
            assert got.tolist() == want.tolist(), column

    # The invented data reach what they are there for.
    assert set(expected.columns) == set(actual.columns)
    assert set(expected.is_reliable) == {True, False}
    assert expected.groupby("fund_id").r_squared_ratio.nunique().min() > 30
    assert not set(VETERANS_DAYS) & set(expected.window_to_on)
    assert sum(day.weekday() == 3 for day in set(expected.window_to_on)) >= 3  # not on Friday
    by_fund = expected.groupby("fund_id").traded_on.min()
    assert by_fund["XLF"] < by_fund["VNQ"] < by_fund["KRE"]


def test_no_beta_uses_what_came_later(loaded: tuple[Any, list[date]]) -> None:
    warehouse, _ = loaded
    warehouse.build("+sector_rate_sensitivity", command="run")
    full = warehouse.query(BETAS)
    until = full[pd.to_datetime(full.traded_on) <= pd.Timestamp(KNOWN_UNTIL)].reset_index(drop=True)

    warehouse.build("+sector_rate_sensitivity", command="run", as_of=KNOWN_UNTIL)
    pd.testing.assert_frame_equal(warehouse.query(BETAS), until, rtol=1e-9, atol=1e-9)
    assert len(until) > 300
