"""Market breadth computed a second time, straight from the raw rows, by loops and integers.

The panel has what the definition has to survive: gaps, ties, holes, late starts, two editions of a
file, a file seen late, renamed and reused tickers, two lines of one symbol, lines without sector.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

TICK = 100  # prices are whole cents, so that averages tie
SECTORS = ["Energy", "Financials", "Health Care"]
START, END = date(2019, 1, 2), date(2023, 3, 31)


@dataclass(frozen=True)
class Line:
    """A member of one file: symbol, sector, weight."""

    symbol: str
    sector: str | None
    weight: float | None


@dataclass(frozen=True)
class File:
    """A holdings file as the second computation sees it, already mapped by hand."""

    universe: str
    as_of_on: date
    known_on: date
    edition: str
    members: tuple[Line, ...]


def make_closes(sessions: list[date]) -> dict[str, dict[date, tuple[int, int]]]:
    """Return cents and volume by symbol and session: waves of rising and falling markets."""
    random = np.random.default_rng(11)
    closes: dict[str, dict[date, tuple[int, int]]] = {}
    empty = {sessions[i] for i in (120, 121, 400, 650)}
    for number in range(24):
        price = int(random.integers(400, 9_000))
        begins = 0 if number % 4 else int(random.integers(5, 30))
        if number == 7:
            begins = 500
        rows = {}
        for i, day in enumerate(sessions):
            up = 0.5 + 0.46 * math.sin(2 * math.pi * i / 47)
            step = 0 if random.random() < 0.08 else (1 if random.random() < up else -1)
            price = max(20, price + step * int(random.integers(1, 12)))
            absent = i < begins or random.random() < 0.03
            if number == 3 and 300 <= i < 316:  # a pause longer than every slack
                absent = True
            if day in empty and number != 5:
                absent = True
            if not absent:
                rows[day] = (price, int(random.integers(0, 5_000)))
        closes[f"S{number:02d}"] = rows
    return closes


def make_files(sessions: list[date]) -> tuple[list[File], list[dict[str, object]]]:
    """Return the files as they should be read, and the raw lines that say so."""
    random = np.random.default_rng(5)
    files: list[File] = []
    raw: list[dict[str, object]] = []

    def add(fund: str, universe: str, place: int, names: list[str], **options: object) -> None:
        as_of_on = sessions[place]
        known_on = options.get("known_on", sessions[place + 1])
        edition = str(options.get("edition", "first"))
        members, lines = [], []
        for name in names:
            sector = SECTORS[int(name[1:]) % 3]
            weight = round(float(random.uniform(0.1, 9)), 4)
            lines.append((name, sector, weight, "Equity"))
            members.append(Line(name, sector, weight))
        # never members: cash, an escrow line, another company's ticker
        lines += [("XTSLA", "Cash", 0.5, "Money Market"), (None, "Energy", 0.01, "Equity")]
        lines.append(("OLD", "Energy", 0.2, "Equity"))
        if options.get("odd"):
            # a class share, a rename, a line without sector, two lines of one symbol
            lines += [("S20A", "Energy", 1.0, "Equity"), ("WAS21", "Financials", 2.0, "Equity")]
            lines += [("S22", None, 3.0, "Equity"), ("S23", "Energy", 0.5, "Equity")]
            lines += [("S23X", "Health Care", 1.5, "Equity"), ("NONE", "Energy", 0.3, "Equity")]
            members += [Line("S20", "Energy", 1.0), Line("S21", "Financials", 2.0)]
            members += [Line("S22", None, 3.0), Line("S23", "Health Care", 2.0)]
            members += [Line("NONE", "Energy", 0.3)]
        files.append(File(universe, as_of_on, known_on, edition, tuple(members)))
        raw.extend(
            {
                "fund_id": fund, "as_of_on": as_of_on, "edition": edition, "line_no": number,
                "ticker": ticker, "name": "a company", "sector": sector, "asset_class": kind,
                "weight_pct": weight, "market_value_usd": weight * 1e6, "known_on": known_on,
            }
            for number, (ticker, sector, weight, kind) in enumerate(lines, start=1)
        )  # fmt: skip

    small = [f"S{n:02d}" for n in range(14)]
    large = [f"S{n:02d}" for n in range(10, 20)]
    add("IWM", "russell_2000", 12, small, odd=True)
    add("IWM", "russell_2000", 90, small[:-2])
    add("IWM", "russell_2000", 300, small[2:], odd=True)
    add("IWM", "russell_2000", 300, small[1:], edition="second", known_on=sessions[310])
    # an older date that arrives after a newer one is never in force
    add("IWM", "russell_2000", 200, small[:5], known_on=sessions[320])
    add("IWM", "russell_2000", 700, small, odd=True)
    add("IVV", "sp_500", 3, large)
    add("IVV", "sp_500", 500, large[1:])
    return files, raw


def in_force(files: list[File], universe: str, day: date) -> File | None:
    """Return the newest file that could be used on `day`."""
    usable = [f for f in files if f.universe == universe and f.known_on <= day and f.as_of_on < day]
    return max(usable, key=lambda f: (f.as_of_on, f.known_on), default=None)


@dataclass
class History:
    """One symbol's own closes: cents and session numbers, ascending."""

    numbers: list[int]
    cents: list[int]

    def last(self, place: int, count: int) -> list[int] | None:
        """Return the last `count` closes, the one at `place` included, if near enough."""
        first = place - count + 1
        if first < 0 or self.numbers[place] - self.numbers[first] >= count + 10:
            return None
        return self.cents[first : place + 1]


def count_day(
    members: list[Line],
    histories: dict[str, History],
    volumes: dict[str, dict[int, int]],
    number: int,
) -> dict[str, float | int | None]:
    """Return the daily columns of one group of members on session `number`."""
    row: dict[str, float | int | None] = defaultdict(int)
    above: dict[int, list[bool]] = {20: [], 50: [], 200: []}
    returns: list[tuple[float, float | None]] = []
    up_volume = down_volume = 0
    row["members"] = len(members)
    for name in ("priced_members", "advances", "declines", "unchanged"):
        row[name] = 0
    highs = lows = 0
    for member in members:
        history = histories.get(member.symbol)
        place = bisect_left(history.numbers, number) if history else 0
        if history is None or place == len(history.numbers) or history.numbers[place] != number:
            continue
        row["priced_members"] += 1
        close = history.cents[place]
        for count, flags in above.items():
            closes = history.last(place, count)
            if closes is not None:
                flags.append(close > Fraction(sum(closes), count))
        year = history.last(place, 252)
        if year is not None:
            highs += close == max(year)
            lows += close == min(year)
        if place > 0 and number - history.numbers[place - 1] <= 5:
            before = history.cents[place - 1]
            kind = "advances" if close > before else "declines" if close < before else "unchanged"
            row[kind] += 1
            volume = volumes[member.symbol][number]
            up_volume += volume if close > before else 0
            down_volume += volume if close < before else 0
            returns.append((close / before - 1, member.weight))
    row["new_highs_52w"], row["new_lows_52w"] = highs, lows
    row["coverage_pct"] = 100 * row["priced_members"] / len(members)
    for count, flags in above.items():
        row[f"pct_above_{count}d"] = 100 * sum(flags) / len(flags) if flags else None
    traded = up_volume + down_volume
    row["up_volume_pct"] = 100 * up_volume / traded if traded else None
    moved = row["advances"] + row["declines"]
    row["rana"] = 1000 * (row["advances"] - row["declines"]) / moved if moved else None
    row["share"] = row["advances"] / moved if moved else None
    if returns:
        weighed = [(r, w) for r, w in returns if w is not None]
        equal = sum(r for r, _ in returns) / len(returns)
        cap = sum(r * w for r, w in weighed) / sum(w for _, w in weighed)
        row["equal_minus_cap_pct"] = 100 * (equal - cap)
    else:
        row["equal_minus_cap_pct"] = None
    return dict(row)


def run_on(rows: list[dict]) -> None:
    """Add the running columns to the rows of one universe and sector, day by day."""
    fast = slow = zweig = None
    ad_line, summation = 0, None
    history: list[float | None] = []
    armed = True
    for number, row in enumerate(rows, start=1):
        hole = row["coverage_pct"] < 50
        yesterday = zweig
        if not hole:
            ad_line += row["advances"] - row["declines"]
            if row["rana"] is not None:
                fast = row["rana"] if fast is None else fast + 0.10 * (row["rana"] - fast)
                slow = row["rana"] if slow is None else slow + 0.05 * (row["rana"] - slow)
                share = row["share"]
                zweig = share if zweig is None else zweig + 2 / 11 * (share - zweig)
        row["ad_line"] = ad_line
        oscillator = fast - slow if number > 39 and fast is not None else None
        if oscillator is not None:
            summation = (summation or 0.0) + (0 if hole else oscillator)
        row["mcclellan_oscillator"], row["mcclellan_summation"] = oscillator, summation
        row["zweig_ema"] = zweig
        was_low = any(value is not None and value < 0.40 for value in history[-10:])
        through = yesterday is not None and yesterday <= 0.615 < zweig
        row["is_zweig_thrust"] = through and was_low and armed
        if row["is_zweig_thrust"]:
            armed = False
        if zweig is not None and zweig < 0.40:
            armed = True
        history.append(zweig)


def compute(files: list[File], closes: dict, sessions: list[date]) -> pd.DataFrame:
    """Return the whole mart, computed day by day."""
    numbers = {day: i for i, day in enumerate(sessions)}
    histories = {
        s: History([numbers[d] for d in rows], [c for c, _ in rows.values()])
        for s, rows in closes.items()
    }
    volumes = {s: {numbers[d]: v for d, (_, v) in rows.items()} for s, rows in closes.items()}
    out: list[dict] = []
    for universe in ("russell_2000", "sp_500"):
        series: dict[str, list[dict]] = defaultdict(list)
        begun = False
        for day in sessions:
            file = in_force(files, universe, day)
            if file is None:
                continue
            groups = {"all": list(file.members)}
            for member in file.members:
                if member.sector is not None:
                    groups.setdefault(member.sector, []).append(member)
            rows = {
                sector: count_day(members, histories, volumes, numbers[day])
                for sector, members in groups.items()
            }
            begun = begun or rows["all"]["coverage_pct"] >= 50
            if not begun:
                continue
            for sector, row in rows.items():
                age = (day - file.as_of_on).days
                series[sector].append(
                    row
                    | {
                        "universe_id": universe,
                        "sector": sector,
                        "traded_on": pd.Timestamp(day),
                        "membership_as_of_on": pd.Timestamp(file.as_of_on),
                        "membership_age_days": age,
                        "is_reliable": row["coverage_pct"] >= 90 and age <= 100,
                    }
                )
        for rows in series.values():
            run_on(rows)
            out.extend(rows)
    return pd.DataFrame(out).drop(columns="share")


def fill(warehouse, files, lines, closes) -> None:
    """Write the panel into the raw and reference tables."""
    warehouse.insert(
        "reference.funds",
        [
            {"fund_id": "IWM", "universe_id": "russell_2000", "has_holdings": True},
            {"fund_id": "IVV", "universe_id": "sp_500", "has_holdings": True},
            {"fund_id": "IWN", "universe_id": None, "has_holdings": True},
        ],
    )
    ever = {"valid_from": date(1900, 1, 1), "valid_to": date(9999, 12, 31), "note": "test"}
    warehouse.insert(
        "reference.class_shares",
        [
            {"universe_ticker": "S20A", "price_symbol": "S20"},
            {"universe_ticker": "S23X", "price_symbol": "S23"},
        ],
    )
    warehouse.insert(
        "reference.ticker_renames",
        [
            ever | {"universe_ticker": "WAS21", "price_symbol": "S21"},
            # no file is that old: the ticker stands for itself
            ever | {"universe_ticker": "S00", "price_symbol": "X", "valid_to": date(2001, 1, 1)},
        ],
    )
    warehouse.insert("reference.ticker_reuses", [ever | {"price_symbol": "OLD"}])
    warehouse.insert("raw.fund_holdings", lines)
    editions = pd.DataFrame(lines).groupby(["fund_id", "as_of_on", "edition"], as_index=False)
    warehouse.insert("raw.fund_files", editions.agg({"known_on": "first"}).assign(fund_name="x"))
    bars = [
        {"symbol": symbol, "traded_on": day, "close": cents / TICK, "volume": volume}
        for symbol, rows in closes.items()
        for day, (cents, volume) in rows.items()
    ]
    bars += [{**bar, "symbol": "OLD"} for bar in bars if bar["symbol"] == "S00"]
    warehouse.insert("raw.constituent_bars", pd.DataFrame(bars).assign(known_on=date(2019, 1, 1)))


@pytest.fixture
def panel(dbt_warehouse):
    sessions = dbt_warehouse.insert_sessions(START, END)
    closes = make_closes(sessions)
    files, lines = make_files(sessions)
    fill(dbt_warehouse, files, lines, closes)
    return dbt_warehouse, files, closes, sessions


def test_breadth_equals_a_second_computation_from_raw(panel):
    warehouse, files, closes, sessions = panel
    warehouse.build("+market_breadth")
    order = ["universe_id", "sector", "traded_on"]
    measured = warehouse.query("select * from marts.market_breadth").sort_values(order)
    expected = compute(files, closes, sessions).sort_values(order)

    assert len(sessions) > 1_000
    assert list(measured["sector"].unique()) == ["Energy", "Financials", "Health Care", "all"]
    assert set(measured.columns) == set(expected.columns)
    pd.testing.assert_frame_equal(
        measured.reset_index(drop=True),
        expected[measured.columns].reset_index(drop=True),
        check_dtype=False,
        rtol=1e-9,
        atol=1e-9,
    )

    # the panel does exercise what it is there for
    whole = expected[expected["sector"] == "all"]
    assert whole["is_zweig_thrust"].sum() >= 5
    assert (whole["coverage_pct"] < 50).sum() == 8
    assert len(whole[whole["universe_id"] == "russell_2000"]) > 3 * 256


def test_a_rebuild_as_of_a_past_day_gives_the_rows_of_that_day(panel):
    warehouse, _, _, sessions = panel
    cut = sessions[305]  # the second edition of file 300 is not known yet
    warehouse.execute("update raw.constituent_bars set known_on = traded_on")
    warehouse.build("+market_breadth", command="run")
    full = warehouse.query("select * from marts.market_breadth")
    warehouse.build("+market_breadth", as_of=cut, command="run")
    past = warehouse.query("select * from marts.market_breadth")

    expected = full[full["traded_on"] <= pd.Timestamp(cut)].reset_index(drop=True)
    assert past["traded_on"].max() == pd.Timestamp(cut)
    pd.testing.assert_frame_equal(past, expected, check_exact=True)


def test_the_order_of_arrival_does_not_matter(panel):
    warehouse, _, _, _ = panel
    warehouse.build("+market_breadth", command="run")
    first = warehouse.query("select * from marts.market_breadth")
    for table in ("constituent_bars", "fund_holdings", "fund_files"):
        warehouse.execute(
            f"create or replace table raw.{table} as"
            f" select * from raw.{table} order by hash(raw.{table})"
        )
    warehouse.build("+market_breadth", command="run")
    second = warehouse.query("select * from marts.market_breadth")

    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_the_session_after_a_file_is_the_first_to_use_it(panel):
    warehouse, files, _, sessions = panel
    warehouse.build("+int_universe_membership", command="run")
    dated = warehouse.query(
        "select universe_id, as_of_on, edition, usable_from, usable_to"
        " from intermediate.int_universe_files_dated where universe_id = 'russell_2000'"
        " order by usable_from"
    )

    assert [d.date() for d in dated["usable_from"]] == [
        sessions[i] for i in (13, 91, 301, 310, 701)
    ]
    assert list(dated["edition"]) == ["first", "first", "first", "second", "first"]
    assert [d.date() for d in dated["usable_to"][:4]] == [sessions[i] for i in (90, 300, 309, 700)]
    assert bisect_right(sessions, files[0].as_of_on) == 13
