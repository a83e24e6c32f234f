"""Event studies computed a second time, straight from raw rows, by loops; what may never change.

The invented prices have missing days and a fund that starts late. Cuts and elections are listed by
hand.
"""

from __future__ import annotations

import statistics
from datetime import date, timedelta
from typing import Any
from zlib import crc32

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

START, END = date(1998, 6, 1), date(2005, 6, 30)
KNOWN_UNTIL = date(2004, 11, 30)
HORIZONS = (21, 63, 126, 252)
MEASURES = {
    "small_price": "small_return_pct",
    "large_price": "large_return_pct",
    "relative_price": "relative_return_pct",
    "small_total": "small_total_return_pct",
    "large_total": "large_total_return_pct",
    "relative_total": "relative_total_return_pct",
}
CUTS = {
    date(2000, 3, 22): True,
    date(2000, 6, 28): False,  # 98 days after the last
    date(2001, 1, 3): True,  # 189 days
    date(2003, 6, 25): True,
}
ELECTIONS = (date(2000, 11, 7), date(2004, 11, 2))
THRUSTS = {
    ("russell_2000", date(2003, 3, 18)): True,
    ("sp_500", date(2003, 3, 21)): True,
    ("sp_500", date(2004, 5, 26)): False,  # not reliable
}
KINDS = (
    ("record_high", "russell_2000"),
    ("breakout", "russell_2000"),
    ("election", "all"),
    ("first_cut", "all"),
    ("breadth_thrust", "russell_2000"),
    ("breadth_thrust", "sp_500"),
)
STUDIES = "from marts.event_studies order by event_kind, universe_id, event_on, horizon_sessions"
SUMMARY = (
    "from marts.event_study_summary order by event_kind, universe_id, horizon_sessions, measure"
)


def make_bars(sessions: list[date]) -> list[dict[str, Any]]:
    """Invent raw bars: the small index falls for 300 sessions and rises again, so it breaks out."""
    random = np.random.default_rng(31)
    rows = []
    for symbol in ("^RUT", "^GSPC", "IWM", "SPY"):
        close, before = 400.0, None
        for place, day in enumerate(sessions):
            drift = 0.0006 if symbol != "^RUT" or not 500 <= place < 800 else -0.0012
            close = round(close * float(np.exp(random.normal(drift, 0.009))), 2)
            if symbol == "IWM" and day < date(2000, 5, 26):
                continue
            if random.random() < 0.004 and day not in CUTS:
                continue
            ratio = None if before is None else close / before
            if ratio is not None and symbol in ("IWM", "SPY") and place % 63 == 0:
                ratio *= 1.003
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


def make_targets() -> list[dict[str, Any]]:
    """Invent the daily target range of the policy rate, known on its own day."""
    rows, upper, day = [], 6.0, date(1999, 6, 1)
    while day <= END:
        upper -= 0.25 * (day in CUTS)
        upper += 0.25 * (day == date(2004, 6, 30))
        for series, value in (("DFEDTARU", upper), ("DFEDTARL", upper - 0.25)):
            rows.append(
                {
                    "series_id": series,
                    "observed_on": day,
                    "value": value,
                    "known_on": day,
                    "known_on_basis": "vintage",
                    "realtime_start": day,
                    "source": "fred-api",
                    "loaded_as_of": END,
                }
            )
        day += timedelta(1)
    return rows


def levels(bars: list[dict[str, Any]], symbol: str) -> dict[date, float]:
    """Return closes of an index, or a fund's growth with distributions, from 1."""
    own = [row for row in bars if row["symbol"] == symbol]
    if symbol.startswith("^"):
        return {row["traded_on"]: row["close"] for row in own}
    growth = np.cumprod([row["total_return_ratio"] or 1.0 for row in own])
    return {row["traded_on"]: float(g) for row, g in zip(own, growth, strict=True)}


def forward_returns(
    bars: list[dict[str, Any]], sessions: list[date], calendar: list[date]
) -> dict[tuple[date, int], dict[str, Any]]:
    """Return by session and horizon what event_studies says of it."""
    series = {symbol: levels(bars, symbol) for symbol in ("^RUT", "^GSPC", "IWM", "SPY")}
    both = [day for day in sessions if day in series["^RUT"] and day in series["^GSPC"]]
    place = {day: n for n, day in enumerate(calendar)}
    out = {}
    for day in sessions:
        if not both[0] <= day <= both[-1]:
            continue
        for horizon in HORIZONS:
            end = calendar[place[day] + horizon]
            row: dict[str, Any] = {"ends_on": end, "is_over": end <= both[-1]}
            for prefix, pair in (("", ("^RUT", "^GSPC")), ("total_", ("IWM", "SPY"))):
                found = [
                    100 * (series[s][end] / series[s][day] - 1)
                    for s in pair
                    if day in series[s] and end in series[s]
                ]
                values = [*found, found[0] - found[1]] if len(found) == 2 else [None] * 3
                for side, value in zip(("small", "large", "relative"), values, strict=True):
                    row[f"{side}_{prefix}return_pct"] = value if row["is_over"] else None
            out[day, horizon] = row
    return out


def events(bars: list[dict[str, Any]]) -> list[tuple[str, str, date]]:
    """Return kind, universe and session of every event."""
    found = [("election", "all", day) for day in ELECTIONS]
    found += [("first_cut", "all", day) for day, is_first in CUTS.items() if is_first]
    found += [("breadth_thrust", u, day) for (u, day), reliable in THRUSTS.items() if reliable]
    closes = [(r["traded_on"], r["close"]) for r in bars if r["symbol"] == "^RUT"]
    previous = None
    for number, (day, close) in enumerate(closes):
        if number >= 252 and close > max(c for _, c in closes[:number]):
            found.append(("record_high", "russell_2000", day))
            if previous is None or number - previous > 252:
                found.append(("breakout", "russell_2000", day))
            previous = number
    return found


def described(values: list[float], relative: list[float]) -> list[float | None]:
    """Return mean, median, share positive, share where small beats large."""
    if not values:
        return [None] * 4
    positive, beaten = sum(v > 0 for v in values), sum(v > 0 for v in relative)
    return [
        statistics.fmean(values), statistics.median(values),
        100 * positive / len(values), 100 * beaten / len(relative),
    ]  # fmt: skip


def summary(
    studies: pd.DataFrame,
    forward: dict[tuple[date, int], dict[str, Any]],
    calendar: list[date],
) -> pd.DataFrame:
    """Return what event_study_summary should hold."""
    out = []
    for kind, universe in KINDS:
        own = studies[(studies.event_kind == kind) & (studies.universe_id == universe)]
        for horizon in HORIZONS:
            for measure, column in MEASURES.items():
                ahead = MEASURES["relative_" + measure.split("_")[1]]
                over = own[(own.horizon_sessions == horizon) & own[column].notna()]
                every = [
                    r for (_, h), r in forward.items() if h == horizon and r[column] is not None
                ]
                apart, last = 0, -10_000
                for day in over.event_on:
                    if calendar.index(day) >= last + horizon:
                        apart, last = apart + 1, calendar.index(day)
                low = high = None
                if len(over) > 1:
                    seed = [20_000, horizon, crc32(f"{kind}/{universe}".encode())]
                    drawn = np.random.default_rng(seed).integers(
                        0, len(over), size=(10_000, len(over))
                    )
                    means = over[column].to_numpy(float)[drawn].mean(axis=1)
                    low, high = np.percentile(means, [2.5, 97.5])
                mine = described(over[column].tolist(), over[ahead].tolist())
                base = described([r[column] for r in every], [r[ahead] for r in every])
                names = ["mean", "median", "share_positive", "share_small_beats_large"]
                out.append(
                    {
                        "event_kind": kind,
                        "universe_id": universe,
                        "horizon_sessions": horizon,
                        "measure": measure,
                        "n": len(over),
                        "n_without_overlap": apart,
                        "is_thin": len(over) < 10,
                        "first_event_on": min(over.event_on, default=None),
                        "last_event_on": max(over.event_on, default=None),
                        "mean_low_pct": low,
                        "mean_high_pct": high,
                        "base_n": len(every),
                    }
                    | {f"{name}_pct": v for name, v in zip(names, mine, strict=True)}
                    | {f"base_{name}_pct": v for name, v in zip(names, base, strict=True)}
                )
    keys = ["event_kind", "universe_id", "horizon_sessions", "measure"]
    return pd.DataFrame(out).sort_values(keys).reset_index(drop=True)


def assert_same(actual: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Compare by name: numbers to 1e-9, everything else exactly."""
    assert len(actual) == len(expected)
    for column in expected.columns:
        got, want = actual[column], expected[column]
        if column.endswith("_pct"):
            np.testing.assert_allclose(
                got.astype(float), want.astype(float), rtol=1e-9, atol=1e-9, err_msg=column
            )
        elif column.endswith("_on"):
            pd.testing.assert_series_equal(
                pd.to_datetime(got).astype("datetime64[s]"),
                pd.to_datetime(want).astype("datetime64[s]"),
            )
        else:
            assert got.tolist() == want.tolist(), column


@pytest.fixture
def loaded(dbt_warehouse: Any) -> tuple[Any, list[date], list[dict[str, Any]]]:
    """A warehouse with the invented prices and targets, the calendar, and the bars."""
    calendar = dbt_warehouse.insert_sessions(START, END + timedelta(400))
    bars = make_bars([s for s in calendar if s <= END])
    dbt_warehouse.insert(
        "reference.instruments",
        [
            {"symbol": symbol, "provider_order": ["yahoo", "tiingo"]}
            for symbol in ("^RUT", "^GSPC", "IWM", "SPY")
        ],
    )
    dbt_warehouse.insert(
        "reference.series",
        [
            {"series_id": s, "frequency": "daily", "stale_after_days": 8}
            for s in ("DFEDTARU", "DFEDTARL")
        ],
    )
    dbt_warehouse.insert("raw.instrument_bars", bars)
    dbt_warehouse.insert("raw.fred_observations", make_targets())
    return dbt_warehouse, calendar, bars


def build(warehouse: Any, **options: Any) -> None:
    """Build all that events stand on; thrusts are put into their mart, which has its own test."""
    warehouse.build("+int_events_dated", command="run", **options)
    warehouse.insert(
        "marts.market_breadth",
        [
            {
                "universe_id": universe,
                "sector": "all",
                "traded_on": day,
                "is_zweig_thrust": True,
                "is_reliable": reliable,
            }
            for (universe, day), reliable in THRUSTS.items()
            if day <= options.get("as_of", END)
        ],
    )
    warehouse.build("tag:events", command="run", **options)


def test_every_figure_agrees_and_no_row_uses_what_came_later(
    loaded: tuple[Any, list[date], list[dict[str, Any]]],
) -> None:
    warehouse, calendar, bars = loaded
    build(warehouse)
    sessions = [s for s in calendar if s <= END]
    forward = forward_returns(bars, sessions, calendar)
    rows = [
        {"event_kind": k, "universe_id": u, "event_on": day, "horizon_sessions": h}
        | forward[day, h]
        for k, u, day in events(bars)
        for h in HORIZONS
    ]
    keys = ["event_kind", "universe_id", "event_on", "horizon_sessions"]
    studies = pd.DataFrame(rows).sort_values(keys).reset_index(drop=True)
    full = warehouse.query(STUDIES)
    assert_same(full, studies)
    found = warehouse.query(SUMMARY)
    assert_same(found, summary(studies, forward, calendar))
    assert set(pd.to_datetime(found.measured_until_on)) == {pd.Timestamp(END)}

    # The invented data reach what they are there for.
    assert studies.groupby("event_kind").event_on.nunique().to_dict() == {
        "breadth_thrust": 2,
        "breakout": 2,
        "election": 2,
        "first_cut": 3,
        "record_high": studies[studies.event_kind == "record_high"].event_on.nunique(),
    }
    assert set(studies.is_over) == {True, False}
    assert studies[studies.is_over].small_return_pct.isna().any()  # a day without a close
    assert set(found.is_thin) == {True, False}

    build(warehouse, as_of=KNOWN_UNTIL)
    then = warehouse.query(STUDIES)
    known = full[pd.to_datetime(full.event_on) <= pd.Timestamp(KNOWN_UNTIL)].reset_index(drop=True)
    assert len(then) == len(known)
    assert_same(then[then.is_over], known[then.is_over])
    assert then.loc[~then.is_over, list(MEASURES.values())].isna().all(axis=None)
    assert (pd.to_datetime(then.ends_on) <= pd.Timestamp(KNOWN_UNTIL)).tolist() == (
        then.is_over.tolist()
    )


def test_later_data_change_no_horizon_that_was_over(dbt_warehouse: Any) -> None:
    """Any prices, any day of looking: what was over then has the same returns for ever."""
    dbt_warehouse.build("+int_forward_returns_measured", command="run")
    compiled = "target/compiled/smallcaps/models/intermediate/events"
    sql = (dbt_warehouse.folder / compiled / "int_forward_returns_measured.sql").read_text()
    calendar = [date(2020, 1, 1) + timedelta(n) for n in range(400)]
    symbols = ("^RUT", "^GSPC", "IWM", "SPY")

    with duckdb.connect(str(dbt_warehouse.path)) as connection:

        def measure(prices: pd.DataFrame) -> pd.DataFrame:
            connection.execute("delete from intermediate.int_instrument_prices_adjusted")
            connection.register("prices", prices)
            connection.execute(
                "insert into intermediate.int_instrument_prices_adjusted by name from prices"
            )
            frame = connection.sql(sql).df().drop(columns="measured_until_on")
            return frame.set_index(["traded_on", "horizon_sessions"]).sort_index()

        connection.execute(
            "insert into reference.sessions by name "
            "select unnest(?) as traded_on, generate_subscripts(?, 1) as session_no",
            [calendar, calendar],
        )

        @settings(max_examples=25, deadline=None)
        @given(
            seed=st.integers(0, 2**32 - 1),
            seen=st.integers(2, 299),
            missing=st.floats(0, 0.2),
        )
        def holds(seed: int, seen: int, missing: float) -> None:
            random = np.random.default_rng(seed)
            prices = pd.DataFrame(
                [
                    {"symbol": s, "traded_on": day, "close": price, "adj_close": price}
                    for s in symbols
                    for day, price in zip(
                        calendar[:300], random.uniform(1, 200, 300).round(2), strict=True
                    )
                ]
            )[random.random(4 * 300) >= missing]
            all_of_it = measure(prices)
            then = measure(prices[prices.traded_on <= calendar[seen]])
            over = then[then.is_over]
            pd.testing.assert_frame_equal(over, all_of_it.loc[over.index], check_exact=True)
            assert then.loc[~then.is_over, list(MEASURES.values())].isna().all(axis=None)

        holds()
