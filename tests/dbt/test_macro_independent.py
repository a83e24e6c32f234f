"""The macro regime computed a second time: each session replays what was known, by plain loops.

The invented economy has what the definitions have to survive: revisions of old months, a month that
does not exist, days without a value, late and retracted values, an agency that fills in for FRED
and is overruled by it, a target range that is corrected afterwards, and projections.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

START, END = date(1989, 6, 1), date(2002, 12, 31)
TARGETS_FROM = date(1998, 3, 2)
KNOWN_UNTIL = date(2001, 9, 12)

DAILY = {
    "T10YIE": "breakeven_10y_pct",
    "DGS3MO": "yield_3m_pct",
    "DGS2": "yield_2y_pct",
    "DGS10": "yield_10y_pct",
    "T10Y2Y": "slope_10y_2y_pts",
    "T10Y3M": "slope_10y_3m_pts",
    "DFII10": "real_yield_10y_pct",
    "BAMLH0A0HYM2": "high_yield_spread_pct",
    "BAA10Y": "baa_spread_pct",
    "DTWEXBGS": "broad_dollar_index",
    "ECBDFR": "ecb_deposit_rate_pct",
}
STALE_AFTER = {"monthly": 100, "weekly": 20, "daily": 8, "annual": 200}
FREQUENCY = {
    **dict.fromkeys(DAILY, "daily"),
    "DFEDTARU": "daily",
    "DFEDTARL": "daily",
    "NFCI": "weekly",
    "ICSA": "weekly",
    "PCEPILFE": "monthly",
    "PAYEMS": "monthly",
    "UNRATE": "monthly",
    "USREC": "monthly",
    "JCXFEMD": "annual",
    "FEDTARMD": "annual",
}
BLOCKS = {
    "inflation": ("PCEPILFE", "T10YIE"),
    "projections": ("JCXFEMD", "FEDTARMD"),
    "policy": ("DFEDTAR_MID",),
    "rates": ("DGS3MO", "DGS2", "DGS10", "T10Y2Y", "T10Y3M", "DFII10"),
    "credit": ("BAMLH0A0HYM2", "BAA10Y", "NFCI"),
    "dollar": ("DTWEXBGS", "ECBDFR"),
    "labour": ("PAYEMS", "UNRATE", "ICSA"),
    "cycle": ("USREC",),
}
YEARS = ("this_year", "next_year", "year_after", "in_three_years")


class Row(NamedTuple):
    """One vintage of one provider."""

    series_id: str
    observed_on: date
    known_on: date
    value: float | None
    source: str


def month_plus(day: date, months: int) -> date:
    """Return the first day of the month so many months away."""
    index = day.year * 12 + day.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


def days_between(start: date, end: date) -> list[date]:
    """Return every calendar day from start to end."""
    return [start + timedelta(n) for n in range((end - start).days + 1)]


def make_rows() -> list[Row]:
    """Invent all vintages; no two of a provider share series, date and day of knowledge."""
    random = np.random.default_rng(20)
    rows: list[Row] = []

    def add(
        series: str, day: date, known: date, value: float | None, source: str = "fred-api"
    ) -> None:
        rows.append(Row(series, day, known, None if value is None else float(value), source))

    for number, series in enumerate(DAILY):
        level = 2.0 + number
        begins = START + timedelta(days=40 * number)
        for day in days_between(begins, END):
            level += random.normal(0, 0.04)
            if day.weekday() > 4 or random.random() < 0.01:
                continue
            if series == "BAA10Y" and date(2000, 5, 1) <= day <= date(2000, 5, 25):
                continue  # long enough to be stale
            known = day + timedelta(days=int(random.choice([0, 1, 1, 1, 3, 6])))
            if random.random() < 0.02:
                add(series, day, known, None)  # FRED's '.'
                if series == "DGS10":
                    add(series, day, known + timedelta(2), level + 0.01, "treasury")
                    add(series, day, known + timedelta(2), level + 0.02, "fed-board")
                    if random.random() < 0.5:
                        add(series, day, known + timedelta(9), level)
                continue
            add(series, day, known, level)
            if random.random() < 0.01:
                add(series, day, known + timedelta(int(random.integers(1, 40))), level + 0.3)
            elif random.random() < 0.004:
                add(series, day, known + timedelta(2), None)  # taken back
            if series == "DGS2" and random.random() < 0.05:
                add(series, day, known + timedelta(1), 99.0, "treasury")  # too late to be heard

    month = date(1988, 1, 1)
    levels = {"PCEPILFE": 80.0, "PAYEMS": 100_000.0, "UNRATE": 5.0, "USREC": 0.0}
    values: dict[tuple[str, date], float] = {}
    while month < END:
        for series in levels:
            if series == "PCEPILFE":
                levels[series] *= 1 + random.normal(0.0022, 0.0009)
            elif series == "PAYEMS":
                levels[series] += random.normal(120, 90)
            elif series == "UNRATE":
                levels[series] = round(levels[series] + random.normal(0, 0.12), 1)
            else:
                levels[series] = float(month.year in (1991, 2001))
            if (series, month) in {("UNRATE", date(1996, 10, 1)), ("PCEPILFE", date(1999, 10, 1))}:
                continue  # a month that does not exist
            values[series, month] = levels[series]
            known = month_plus(month, 1) + timedelta(days=int(random.integers(3, 33)))
            add(series, month, known, levels[series])
            for back in range(1, 15):  # old months are revised, sometimes between two new ones
                old = month_plus(month, -back)
                if random.random() < 0.12 and (series, old) in values and series != "USREC":
                    values[series, old] *= 1 + random.normal(0, 0.0004)
                    add(series, old, known + timedelta(2), values[series, old])
        month = month_plus(month, 1)
    add("UNRATE", date(1998, 5, 1), date(1998, 7, 6), None)
    add("UNRATE", date(1998, 5, 1), date(1998, 7, 20), 5.5)

    week = date(1989, 1, 7)
    while week < END:
        if week != date(1995, 12, 23):
            add("ICSA", week, week + timedelta(5), random.integers(200_000, 400_000))
            add("ICSA", week, week + timedelta(12), random.integers(200_000, 400_000))
        add("NFCI", week - timedelta(1), week + timedelta(4), random.normal(-0.3, 0.2))
        week += timedelta(7)

    upper = 5.5
    moves = {
        date(1998, 9, 30): -0.25, date(1998, 10, 16): -0.25, date(1999, 4, 17): -0.5,
        date(1999, 8, 25): 0.25, date(2000, 2, 3): 0.25, date(2001, 1, 4): -0.5,
        date(2001, 2, 1): -0.25, date(2001, 8, 3): -0.25, date(2002, 2, 4): -0.25,
    }  # fmt: skip
    for day in days_between(TARGETS_FROM, END):
        upper += moves.get(day, 0.0)
        known = day + timedelta(days=3) if day == date(2000, 2, 3) else day
        add("DFEDTARU", day, known, upper)
        add("DFEDTARL", day, day, upper - 0.25)
        if day == date(2001, 5, 4):  # a slip that looks like a cut until it is corrected
            rows.pop()
            add("DFEDTARL", day, day, upper - 0.75)
            add("DFEDTARL", day, day + timedelta(6), upper - 0.25)

    for year in range(1996, 2003):
        for published in (date(year, 3, 20), date(year, 12, 11)):
            for ahead in range(4):
                for series in ("JCXFEMD", "FEDTARMD"):
                    if random.random() < 0.9:
                        add(series, date(year + ahead, 1, 1), published, random.normal(2.5, 0.4))
    unique = {(r.source, r.series_id, r.observed_on, r.known_on): r for r in rows}
    return list(unique.values())


class Knowledge:
    """What stands on a day: applied vintage by vintage, in the order in which they came."""

    def __init__(self) -> None:
        self.fred: dict[str, dict[date, tuple[float | None, date]]] = defaultdict(dict)
        self.agencies: dict[str, dict[date, tuple[float | None, date, str]]] = defaultdict(dict)
        self.published: dict[str, date] = {}
        self.order: dict[str, list[date]] = defaultdict(list)

    def learn(self, row: Row) -> None:
        series, day = row.series_id, row.observed_on
        if row.source == "fred-api":
            if row.value is None and day not in self.fred[series]:
                return
            self.fred[series][day] = (row.value, row.known_on)
        elif row.value is not None and day not in self.fred[series]:
            standing = self.agencies[series].get(day)
            if standing and standing[1] == row.known_on and standing[2] < row.source:
                return
            self.agencies[series][day] = (row.value, row.known_on, row.source)
        else:
            return
        self.published[series] = row.known_on
        order = self.order[series]
        if not order or day > order[-1]:
            order.append(day)
        elif day not in order[-400:]:
            order.append(day)
            order.sort()

    def at(self, series: str, day: date) -> tuple[float | None, date | None]:
        if day in self.fred[series]:
            return self.fred[series][day]
        if day in self.agencies[series]:
            return self.agencies[series][day][:2]
        return None, None

    def newest(self, series: str) -> tuple[date, float, date] | None:
        for day in reversed(self.order[series]):
            value, known = self.at(series, day)
            if value is not None and known is not None:
                return day, value, known
        return None


def middle(knowledge: Knowledge) -> list[tuple[date, float, date]]:
    """Return the days of the target range with both limits known: day, middle, day known."""
    out = []
    for day in sorted(knowledge.fred["DFEDTARU"]):
        upper, upper_known = knowledge.at("DFEDTARU", day)
        lower, lower_known = knowledge.at("DFEDTARL", day)
        if upper is not None and lower is not None and upper_known and lower_known:
            out.append((day, (upper + lower) / 2, max(upper_known, lower_known)))
    return out


def policy(days: list[tuple[date, float, date]], session: date) -> dict[str, Any]:
    """Return the policy columns that follow from the days of the target range as known."""
    moves = [
        (day, "cut" if value < before else "hike")
        for (_, before, _), (day, value, _) in pairwise(days)
        if value != before
    ]
    cuts = [day for day, move in moves if move == "cut"]
    last_move_on, last_move = moves[-1] if moves else (None, None)
    if last_move_on and (session - last_move_on).days <= 183:
        phase = "cutting" if last_move == "cut" else "hiking"
    else:
        quiet_from = last_move_on or days[0][0]
        phase = "on_hold" if (session - quiet_from).days > 183 else None
    first: bool | None = False
    if len(cuts) > 1:
        first = (cuts[-1] - cuts[-2]).days > 183
    elif cuts:
        first = True if (cuts[-1] - days[0][0]).days >= 183 else None
    return {
        "last_move": last_move,
        "last_move_on": last_move_on,
        "last_cut_on": cuts[-1] if cuts else None,
        "previous_cut_on": cuts[-2] if len(cuts) > 1 else None,
        "policy_phase": phase,
        "months_since_last_cut": (session - cuts[-1]).days / 30.4375 if cuts else None,
        "cuts": cuts,
        "newest_cut_is_first": first,
    }


def mean_of_three(knowledge: Knowledge, series: str, month: date) -> float | None:
    values = [knowledge.at(series, month_plus(month, -k))[0] for k in range(3)]
    present = [v for v in values if v is not None]
    return statistics.fmean(present) if len(present) >= 2 else None


def monthly(knowledge: Knowledge) -> dict[str, Any]:
    """Return the figures that compare months."""
    out: dict[str, Any] = {}
    pce = knowledge.newest("PCEPILFE")
    if pce:
        month, value, known = pce
        year_ago = knowledge.at("PCEPILFE", month_plus(month, -12))[0]
        quarter_ago = knowledge.at("PCEPILFE", month_plus(month, -3))[0]
        out["core_pce_yoy_pct"] = 100 * (value / year_ago - 1) if year_ago else None
        out["core_pce_3m_annualized_pct"] = (
            100 * ((value / quarter_ago) ** 4 - 1) if quarter_ago else None
        )
        out["core_pce_observed_on"], out["core_pce_known_on"] = month, known
    jobs = knowledge.newest("PAYEMS")
    if jobs:
        before = knowledge.at("PAYEMS", month_plus(jobs[0], -3))[0]
        out["payrolls_3m_avg_change_thousand"] = None if before is None else (jobs[1] - before) / 3
    rate = knowledge.newest("UNRATE")
    if rate:
        out["unemployment_pct"] = rate[1]
        means = [mean_of_three(knowledge, "UNRATE", month_plus(rate[0], -k)) for k in range(13)]
        if all(m is not None for m in means):
            out["sahm_pts"] = means[0] - min(m for m in means[1:] if m is not None)  # type: ignore[operator]
    claims = knowledge.newest("ICSA")
    if claims:
        weeks = [knowledge.at("ICSA", claims[0] - timedelta(7 * k))[0] for k in range(4)]
        out["claims_4w_mean"] = (
            None if None in weeks else statistics.fmean(w for w in weeks if w is not None)
        )
    return out


def inflation_phase(yoy: float | None, recent: float | None) -> str | None:
    if yoy is None:
        return None
    if abs(yoy - 2.0) <= 0.25:
        return "at_target"
    if recent is None:
        return None
    if recent < yoy - 0.1:
        return "easing"
    return "rising" if recent > yoy + 0.1 else "steady"


def z_score(values: list[float | None], count: int) -> float | None:
    last = values[-count:]
    if len(last) < count or None in last:
        return None
    numbers = [v for v in last if v is not None]
    return (numbers[-1] - statistics.fmean(numbers)) / float(np.std(numbers, ddof=1))


def difference(values: list[float | None], back: int) -> float | None:
    if len(values) <= back or values[-1] is None or values[-1 - back] is None:
        return None
    return values[-1] - values[-1 - back]  # type: ignore[operator]


def regime(rows: Iterable[Row], sessions: list[date]) -> pd.DataFrame:
    """Return what macro_regime should hold for the sessions from 1990 on."""
    # An agency is heard only before FRED, so on one day FRED speaks first.
    waiting = sorted(rows, key=lambda r: (r.known_on, r.source != "fred-api", r.source))
    knowledge = Knowledge()
    past: dict[str, list[float | None]] = defaultdict(list)
    out: list[dict[str, Any]] = []
    place = 0
    cuts_before: list[date] = []
    for session in sessions:
        while place < len(waiting) and waiting[place].known_on <= session:
            knowledge.learn(waiting[place])
            place += 1
        row: dict[str, Any] = {"traded_on": session, **monthly(knowledge)}
        ages: dict[str, int] = {}
        for series in FREQUENCY:
            newest = knowledge.newest(series)
            if newest:
                ages[series] = (session - min(newest[0], knowledge.published[series])).days
            if series in DAILY:
                past[series].append(newest[1] if newest else None)
                row[DAILY[series]] = past[series][-1]
        nfci, recession = knowledge.newest("NFCI"), knowledge.newest("USREC")
        row["nfci"] = nfci[1] if nfci else None
        row["is_recession"] = recession[1] == 1 if recession else None
        yoy = row.get("core_pce_yoy_pct")
        row["core_pce_gap_to_target_pts"] = None if yoy is None else yoy - 2.0
        row["inflation_phase"] = inflation_phase(yoy, row.get("core_pce_3m_annualized_pct"))

        days = middle(knowledge)
        if days:
            found = policy(days, session)
            cuts = found.pop("cuts")
            is_news = bool(cuts) and cuts[-1] not in cuts_before
            first = found.pop("newest_cut_is_first")
            row |= found
            row["is_first_cut_after_pause"] = first if is_news else False
            cuts_before = cuts
            row["fed_target_mid_pct"] = days[-1][1]
            row["fed_target_mid_observed_on"] = days[-1][0]
            row["fed_target_mid_known_on"] = days[-1][2]
            row["real_policy_rate_pct"] = None if yoy is None else days[-1][1] - yoy
            if row["ecb_deposit_rate_pct"] is not None:
                row["policy_divergence_pts"] = days[-1][1] - row["ecb_deposit_rate_pct"]
            ages["DFEDTAR_MID"] = (session - days[-1][0]).days
        for name, series in (
            ("yield_2y", "DGS2"), ("yield_10y", "DGS10"), ("slope_10y_2y", "T10Y2Y"),
            ("slope_10y_3m", "T10Y3M"), ("real_yield_10y", "DFII10"),
        ):  # fmt: skip
            row[f"{name}_change_63d_pts"] = difference(past[series], 63)
        for name, series in (("high_yield_spread", "BAMLH0A0HYM2"), ("baa_spread", "BAA10Y")):
            for count in (756, 2520):
                row[f"{name}_z_{count}d"] = z_score(past[series], count)
        for back in (63, 252):
            change = difference(past["DTWEXBGS"], back)
            row[f"broad_dollar_change_{back}d_pct"] = (
                None if change is None else 100 * change / past["DTWEXBGS"][-1 - back]  # type: ignore[operator]
            )
        shown = []
        for series, name in (("JCXFEMD", "core_pce"), ("FEDTARMD", "funds_rate")):
            for ahead, year in enumerate(YEARS):
                value, known = knowledge.at(series, date(session.year + ahead, 1, 1))
                row[f"fomc_{name}_{year}_pct"] = value
                shown += [known] if known else []
        row["fomc_projections_known_on"] = max(shown, default=None)

        limits = {**{s: STALE_AFTER[f] for s, f in FREQUENCY.items()}, "DFEDTAR_MID": 8}
        used = {series for block in BLOCKS.values() for series in block}
        stale = sorted(s for s, age in ages.items() if s in used and age > limits[s])
        row["stale_inputs"] = ", ".join(stale)
        for block, members in BLOCKS.items():
            known_members = [s for s in members if s in ages]
            row[f"is_{block}_reliable"] = bool(known_members) and not set(stale) & set(members)
        row["is_reliable"] = all(
            row[f"is_{b}_reliable"] for b in BLOCKS if b not in {"projections", "cycle"}
        )
        out.append(row)
    frame = pd.DataFrame(out)
    return frame[frame.traded_on >= date(1990, 1, 2)].reset_index(drop=True)


def insert_raw(warehouse: Any, rows: Iterable[Row], loaded: date) -> None:
    """Put the vintages into the raw tables and the catalogue's limits into reference."""
    frame = pd.DataFrame(rows)
    frame["known_on_basis"] = "vintage"
    frame["loaded_as_of"] = loaded
    is_fred = frame.source == "fred-api"
    warehouse.insert("raw.fred_observations", frame[is_fred].assign(realtime_start=frame.known_on))
    warehouse.insert(
        "raw.agency_observations", frame[~is_fred].assign(source_series="the agency's own")
    )


def prepare(warehouse: Any) -> list[date]:
    """Fill the reference tables; return the sessions up to the last one loaded."""
    warehouse.insert(
        "reference.series",
        [
            {"series_id": s, "frequency": f, "stale_after_days": STALE_AFTER[f]}
            for s, f in FREQUENCY.items()
        ],
    )
    sessions = warehouse.insert_sessions(date(1979, 12, 3), END + timedelta(60))
    return [s for s in sessions if START <= s <= END]


def assert_same(actual: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Compare every column of the second computation: numbers to 1e-9, the rest exactly."""
    assert list(pd.to_datetime(actual.traded_on)) == list(pd.to_datetime(expected.traded_on))
    for column in expected.columns:
        for session, got, want in zip(
            expected.traded_on, actual[column], expected[column], strict=True
        ):
            missing = want is None or want is pd.NaT or (isinstance(want, float) and want != want)
            where = f"{column} on {session}: {got!r} instead of {want!r}"
            if missing:
                assert pd.isna(got), where
            elif isinstance(want, float):
                assert math.isclose(got, want, rel_tol=1e-9, abs_tol=1e-9), where
            elif isinstance(want, date):
                assert pd.Timestamp(got) == pd.Timestamp(want), where
            else:
                assert got == want, where


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return make_rows()


REGIME = "select * from marts.macro_regime order by traded_on"


def test_every_figure_agrees_with_a_replay_of_what_was_known(
    dbt_warehouse: Any, rows: list[Row]
) -> None:
    sessions = prepare(dbt_warehouse)
    insert_raw(dbt_warehouse, rows, END)
    dbt_warehouse.build("+macro_regime", command="run")
    expected = regime(rows, sessions)
    assert_same(dbt_warehouse.query(REGIME), expected)

    # The invented data reach what they are there for.
    assert set(expected.inflation_phase) >= {"at_target", "easing", "rising", "steady"}
    assert set(expected.policy_phase) >= {"cutting", "hiking", "on_hold"}
    first_cuts = expected[expected.is_first_cut_after_pause.eq(True)]
    assert list(first_cuts.last_cut_on) == [
        date(1998, 9, 30), date(2001, 1, 4), date(2002, 2, 4)
    ]  # fmt: skip
    assert expected.stale_inputs.str.contains("BAA10Y").any()
    assert expected.high_yield_spread_z_2520d.notna().sum() > 300


def test_no_row_uses_what_came_later(dbt_warehouse: Any, rows: list[Row]) -> None:
    prepare(dbt_warehouse)
    insert_raw(dbt_warehouse, rows, END)
    dbt_warehouse.build("+macro_regime", command="run")
    full = dbt_warehouse.query(REGIME)
    until = full[pd.to_datetime(full.traded_on) <= pd.Timestamp(KNOWN_UNTIL)]

    dbt_warehouse.build("+macro_regime", command="run", as_of=KNOWN_UNTIL)
    pd.testing.assert_frame_equal(dbt_warehouse.query(REGIME), until, rtol=0, atol=0)

    dbt_warehouse.execute("delete from raw.fred_observations where known_on > '2001-09-12'")
    dbt_warehouse.execute("delete from raw.agency_observations where known_on > '2001-09-12'")
    dbt_warehouse.build("+macro_regime", command="run")
    again = dbt_warehouse.query(REGIME)
    known = again[pd.to_datetime(again.traded_on) <= pd.Timestamp(KNOWN_UNTIL)]
    pd.testing.assert_frame_equal(known, until, rtol=0, atol=0)
    assert len(again) == len(full)


def test_nothing_loaded_gives_no_rows(dbt_warehouse: Any) -> None:
    prepare(dbt_warehouse)
    dbt_warehouse.build("+macro_regime", command="run")
    assert dbt_warehouse.query("select count(*) as n from marts.macro_regime").n[0] == 0
