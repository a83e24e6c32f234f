"""Scorecard and evidence computed a second time, from the rows of the marts, by numpy and loops.

The invented marts have holes, unreliable and stale spells, late share counts and rows that are
nobody's business. A signal that is published must not move by what comes later.
"""

from __future__ import annotations

import bisect
import math
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.catalog.models import load_catalog
from pipelines.storage.reference import TABLES, catalog_rows

START, END = date(2004, 1, 2), date(2017, 3, 31)
INPUTS = load_catalog().signal_inputs
SERIES = sorted({s for i in INPUTS for s in i.series})
HORIZONS = (21, 63, 126, 252)
Marts = dict[str, pd.DataFrame]

KEYS = {
    "valuation_gaps": {"pair_id": "small_vs_large"},
    "market_breadth": {"universe_id": "russell_2000", "sector": "all"},
    "flow_signals": {"group_id": "small_cap"},
    "macro_regime": {},
}
FOREIGN_KEYS: dict[str, list[dict[str, str]]] = {
    "valuation_gaps": [{"pair_id": "small_value_vs_large_growth"}],
    "market_breadth": [
        {"universe_id": "sp_500", "sector": "all"},
        {"universe_id": "russell_2000", "sector": "Energy"},
    ],
    "flow_signals": [{"group_id": "large_cap"}, {"group_id": "small_value"}],
    "macro_regime": [],
}
COLUMNS = {
    mart: sorted(
        {i.column for i in INPUTS if i.mart == mart}
        | {i.minus for i in INPUTS if i.mart == mart and i.minus}
    )
    for mart in KEYS
}


def wander(random: np.random.Generator, n: int, scale: float = 1.0) -> np.ndarray[Any, Any]:
    """Return a series that drifts and comes back, with some values missing."""
    steps = random.normal(0, scale, n)
    out = np.zeros(n)
    for place in range(1, n):
        out[place] = 0.99 * out[place - 1] + steps[place]
    out[random.random(n) < 0.002] = np.nan
    return out


def make_marts(sessions: list[date], next_on: dict[date, date]) -> Marts:
    """Return the invented marts, the state of the macro series and closes of both indices."""
    random = np.random.default_rng(11)
    n = len(sessions)
    out: Marts = {}
    for mart, columns in COLUMNS.items():
        days = sessions[2500:] if mart == "market_breadth" else sessions
        frames = []
        for key in (KEYS[mart], *FOREIGN_KEYS[mart]):
            frame = pd.DataFrame({c: wander(random, len(days)) for c in columns})
            frame.insert(0, "traded_on", days)
            if mart == "valuation_gaps":
                frame["is_book_reliable"] = random.random(len(days)) > 0.001
                frame.loc[3000:3040, "is_book_reliable"] = False
            if mart == "market_breadth":
                frame["is_reliable"] = random.random(len(days)) > 0.01
                # Longer than a tenth of a year: windows that hold it are not full.
                frame.loc[400:440, "is_reliable"] = False
            if mart == "flow_signals":
                late = random.random(len(days)) < 0.003
                frame["known_on"] = [
                    next_on[day] + timedelta(days=int(9 * slow))
                    for day, slow in zip(days, late, strict=True)
                ]
            frames.append(frame.assign(**key))
        out[mart] = pd.concat(frames, ignore_index=True)
    # Long enough for states to change in both directions, and to be clipped.
    out["valuation_gaps"]["log_price_ratio_z"] *= 0.4
    stale = [
        {
            "series_id": series,
            "traded_on": day,
            "is_stale": bool(random.random() < 0.001 or (series == "NFCI" and 2000 <= p < 2030)),
        }
        for series in (*SERIES, "UNRATE")
        for p, day in enumerate(sessions)
    ]
    out["states"] = pd.DataFrame(stale)
    closes = []
    for symbol in ("^RUT", "^GSPC", "IWM"):
        path = 1000 * np.exp(np.cumsum(random.normal(0.0003, 0.01, n)))
        kept = random.random(n) > 0.003
        closes.append(
            pd.DataFrame({"symbol": symbol, "traded_on": sessions, "close": path.round(2)})[kept]
        )
    out["prices"] = pd.concat(closes, ignore_index=True)
    return out


PLACES = {
    "states": "intermediate.int_macro_session_values",
    "prices": "intermediate.int_instrument_prices_adjusted",
} | {mart: f"marts.{mart}" for mart in KEYS}


def load(warehouse: Any, marts: Marts) -> None:
    """Replace what the signals stand on."""
    import duckdb

    with duckdb.connect(str(warehouse.path)) as connection:
        for name, frame in marts.items():
            table = PLACES[name]
            connection.execute(f"create schema if not exists {table.split('.')[0]}")
            dates = [c for c in frame.columns if c.endswith("_on")]
            casts = ", ".join(f"cast({c} as date) as {c}" for c in dates)
            connection.register("incoming", frame)
            connection.execute(
                f"create or replace table {table} as select * replace ({casts}) from incoming"
            )
            connection.unregister("incoming")


@pytest.fixture
def calendar(dbt_warehouse: Any) -> tuple[list[date], dict[date, date]]:
    """Sessions of the invented history, and the session after each; the catalogue is loaded."""
    known = dbt_warehouse.insert_sessions(START, END + timedelta(60))
    rows = catalog_rows(load_catalog())["signal_inputs"]
    columns = list(TABLES["signal_inputs"])
    dbt_warehouse.insert("reference.signal_inputs", pd.DataFrame(rows, columns=columns))
    following = dict(pairwise(known))
    return [day for day in known if day <= END], following


def z_scores(numbers: list[int], values: list[float], n: int) -> list[float | None]:
    """Return the z-score of each usable value; None where n of them span over 1.1 n sessions."""
    out: list[float | None] = []
    for place in range(len(values)):
        window = values[place - n + 1 : place + 1] if place >= n - 1 else []
        if not window or numbers[place] - numbers[place - n + 1] + 1 > 1.1 * n:
            out.append(None)
            continue
        array = np.array(window)
        out.append(float((array[-1] - array.mean()) / array.std(ddof=1)))
    return out


def settled_flows(frame: pd.DataFrame, sessions: list[date]) -> dict[tuple[str, date], float]:
    """Return the flow columns by session on which they had settled, where at most ten old."""
    both = frame[frame.group_id.isin(["small_cap", "large_cap"])]
    days = sorted(set(both.traded_on))
    known = both.groupby("traded_on").known_on.max()
    merged = both.groupby("traded_on")[COLUMNS["flow_signals"]].max()
    settled = {
        day: max(known[d] for d in days[max(0, place - 62) : place + 6])
        for place, day in enumerate(days[:-5])
    }
    out = {}
    for place, day in enumerate(sessions):
        ready = [d for d in days[max(0, place - 10) : place] if settled.get(d, date.max) <= day]
        if ready:
            for column in COLUMNS["flow_signals"]:
                out[column, day] = float(merged.loc[ready[-1], column])
    return out


def input_scores(marts: Marts, sessions: list[date]) -> dict[str, dict[date, float]]:
    """Return the score of every input on the sessions on which it has one."""
    flows = settled_flows(marts["flow_signals"], sessions)
    stale = {(s.series_id, s.traded_on) for s in marts["states"].itertuples() if s.is_stale}
    numbers = {day: place for place, day in enumerate(sessions)}
    own = {}
    for mart, key in KEYS.items():
        frame = marts[mart]
        for column, value in key.items():
            frame = frame[frame[column] == value]
        own[mart] = frame.set_index("traded_on").to_dict("index")
    out: dict[str, dict[date, float]] = {}
    for entry in INPUTS:
        usable: dict[date, float] = {}
        for day in sessions:
            if entry.mart == "flow_signals":
                value = flows.get((entry.column, day), math.nan)
            else:
                row = own[entry.mart].get(day, {})
                value = row.get(entry.column, math.nan)
                if entry.minus is not None:
                    value -= row.get(entry.minus, math.nan)
                if entry.mart == "market_breadth" and not row.get("is_reliable"):
                    continue
                if entry.column.endswith("_gap_pct") and not row.get("is_book_reliable"):
                    continue
            back = numbers[day] - entry.span_sessions
            leans_on = {day} | ({sessions[back]} if back >= 0 else set())
            if not math.isnan(value) and not any(
                (series, d) in stale for series in entry.series for d in leans_on
            ):
                usable[day] = value
        places, values = [numbers[d] for d in usable], list(usable.values())
        scaled: list[float | None] = list(values)
        if entry.scale == "z_score":
            scaled = z_scores(places, values, entry.look_back_sessions)
        out[entry.id] = {
            day: max(-3.0, min(3.0, entry.orientation * z))
            for day, z in zip(usable, scaled, strict=True)
            if z is not None
        }
    return out


def next_state(state: str | None, score: float | None) -> str | None:
    """Return the state after one more session: entered at 0.5, left past 0.4."""
    if score is None:
        return None
    if score >= 0.5 or (state == "tailwind" and score >= 0.4):
        return "tailwind"
    if score <= -0.5 or (state == "headwind" and score <= -0.4):
        return "headwind"
    return "neutral"


def scorecard(marts: Marts, sessions: list[date]) -> pd.DataFrame:
    """Return what signal_scorecard should hold."""
    scores = input_scores(marts, sessions)
    pillars: dict[str, list[Any]] = defaultdict(list)
    for entry in INPUTS:
        pillars[entry.pillar].append(entry)
    rows = []
    for day in sessions:
        present: dict[str, float] = {}
        for pillar, entries in pillars.items():
            there = [e for e in entries if day in scores[e.id]]
            weight = math.fsum(e.weight for e in there)
            score = None
            if weight >= 0.5 * math.fsum(e.weight for e in entries):
                score = math.fsum(e.weight * scores[e.id][day] for e in there) / weight
                present[pillar] = score
            missing = sorted({e.id for e in entries} - {e.id for e in there})
            rows.append([pillar, day, score, len(entries), len(there), ", ".join(missing)])
        score = math.fsum(present.values()) / len(present) if len(present) >= 4 else None
        absent = ", ".join(sorted(set(pillars) - set(present)))
        rows.append(["composite", day, score, 6, len(present), absent])
    columns = ["signal_id", "traded_on", "score_z", "inputs_expected", "inputs_used"]
    frame = pd.DataFrame(rows, columns=[*columns, "missing_inputs"])
    frame = frame[frame.traded_on >= frame[frame.score_z.notna()].traded_on.min()]
    parts = []
    for _, part in frame.groupby("signal_id"):
        states, since, began, before = [], [], None, None
        for day, score in zip(part.traded_on, part.score_z, strict=True):
            state = next_state(before, None if math.isnan(score) else score)
            began = None if state is None else (began if state == before else day)
            states.append(state)
            since.append(began)
            before = state
        parts.append(part.assign(state=states, state_since_on=since))
    return pd.concat(parts).sort_values(["signal_id", "traded_on"]).reset_index(drop=True)


def evidence(card: pd.DataFrame, marts: Marts, sessions: list[date]) -> pd.DataFrame:
    """Return the figures of signal_evidence: ranks by hand, Newey and West as in their paper."""
    numbers = {day: place for place, day in enumerate(sessions)}
    close = {(p.symbol, p.traded_on): p.close for p in marts["prices"].itertuples()}
    rows = []
    for signal, part in card.groupby("signal_id"):
        scored = part[part.score_z.notna()]
        before: list[float] = []
        quintiles = {}
        for day, score in zip(scored.traded_on, scored.score_z, strict=True):
            bisect.insort(before, score)
            if len(before) >= 252:
                at_most = sum(s <= score for s in before)
                quintiles[day] = next(q for q in range(1, 6) if 5 * at_most <= q * len(before))
        for horizon in HORIZONS:
            pairs = []
            for day, score in zip(scored.traded_on, scored.score_z, strict=True):
                if numbers[day] + horizon >= len(sessions):
                    continue
                end = sessions[numbers[day] + horizon]
                four = [close.get((s, d)) for s in ("^RUT", "^GSPC") for d in (day, end)]
                if None not in four:
                    r0, r1, g0, g1 = four
                    pairs.append((day, score, 100 * (r1 / r0 - g1 / g0)))
            row = [signal, horizon, *figures(pairs, quintiles, numbers, horizon)]
            if len(pairs) <= horizon:
                row[6:-1] = [math.nan] * len(row[6:-1])
            rows.append([*row, len(pairs) > horizon])
    names = ["n", "n_without_overlap", "first_on", "last_on", "rank_correlation", "hit_rate_pct"]
    names += ["small_beats_large_pct", "mean_relative_return_pct", "slope_pct_per_z"]
    names += ["newey_west_t", *(f"mean_return_quintile_{q}_pct" for q in range(1, 6))]
    names += ["n_in_quintiles", "has_evidence"]
    return pd.DataFrame(rows, columns=["signal_id", "horizon_sessions", *names])


def figures(
    pairs: list[tuple[date, float, float]],
    quintiles: dict[date, int],
    numbers: dict[date, int],
    horizon: int,
) -> Iterator[Any]:
    """Yield the figures of one signal and horizon, in the order of the columns."""
    days = [p[0] for p in pairs]
    x, y = np.array([p[1] for p in pairs]), np.array([p[2] for p in pairs])
    picked: list[int] = []
    for day in days:
        if not picked or numbers[day] - picked[-1] >= horizon:
            picked.append(numbers[day])
    yield from (len(pairs), len(picked), days[0], days[-1])
    ranks = [pd.Series(v).rank().to_numpy() for v in (x, y)]
    yield np.corrcoef(*ranks)[0, 1]
    yield 100 * np.mean([(a > 0) == (b > 0) for a, b in zip(x, y, strict=True) if a])
    yield 100 * np.mean(y > 0)
    yield np.mean(y)
    design = np.column_stack([np.ones_like(x), x])
    bread = np.linalg.inv(design.T @ design)
    beta = bread @ design.T @ y
    moments = design * (y - design @ beta)[:, None]
    meat = moments.T @ moments
    for lag in range(1, horizon):
        cross = moments[lag:].T @ moments[:-lag]
        meat = meat + (1 - lag / horizon) * (cross + cross.T)
    yield beta[1]
    yield beta[1] / math.sqrt((bread @ meat @ bread)[1, 1])
    for quintile in range(1, 6):
        found = [r for d, _, r in pairs if quintiles.get(d) == quintile]
        yield np.mean(found) if found else math.nan
    yield sum(d in quintiles for d in days)


CARD = "select * from marts.signal_scorecard order by signal_id, traded_on"
EVIDENCE = "select * from marts.signal_evidence order by signal_id, horizon_sessions"


def assert_same(actual: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Compare the columns of `expected`: numbers to 1e-9, all else exactly."""
    assert len(actual) == len(expected)
    for column in expected.columns:
        got, want = actual[column], expected[column]
        if column.endswith("_on"):
            assert got.equals(pd.to_datetime(want).astype(got.dtype)), column
        elif want.dtype.kind == "f":
            np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9, err_msg=column)
        else:
            assert got.fillna("none").tolist() == want.fillna("none").tolist(), column


def test_scorecard_and_evidence_agree_with_a_second_computation(
    dbt_warehouse: Any, calendar: tuple[list[date], dict[date, date]]
) -> None:
    sessions, following = calendar
    marts = truncate(make_marts(sessions, following), END)
    load(dbt_warehouse, marts)
    dbt_warehouse.build("tag:signals")
    card = scorecard(marts, sessions)
    actual = dbt_warehouse.query(CARD)
    assert_same(actual, card)
    # The published scores are rounded to ten places, and so are those that the evidence sees.
    rounded = card.assign(score_z=card.score_z.round(10))
    worth = evidence(rounded, marts, sessions)
    assert_same(dbt_warehouse.query(EVIDENCE), worth)
    assert set(worth.has_evidence) == {True, False}

    # The invented data reach what they are there for.
    assert set(card.state.dropna()) == {"tailwind", "headwind", "neutral"}
    assert card.groupby("signal_id").score_z.count().min() > 252
    inside = card[card.score_z.abs().between(0.4, 0.5)]
    assert set(inside.state) == {"tailwind", "headwind", "neutral"}
    partial = card[card.score_z.notna() & card.missing_inputs.ne("")]
    assert len(set(partial.signal_id)) >= 5
    reasons = " ".join(set(actual.missing_because))
    assert all(r in reasons for r in ("no value", "unreliable", "stale", "window not full"))


def truncate(marts: Marts, last: date) -> Marts:
    """Return the marts as a night of that day would have them."""
    out = {name: frame[frame.traded_on <= last].copy() for name, frame in marts.items()}
    out["flow_signals"] = out["flow_signals"][out["flow_signals"].known_on <= last]
    return out


@settings(
    max_examples=2,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(place=st.integers(2700, 3250), seed=st.integers(0, 2**16))
def test_nothing_that_comes_later_moves_a_published_signal(
    dbt_warehouse: Any, calendar: tuple[list[date], dict[date, date]], place: int, seed: int
) -> None:
    sessions, following = calendar
    marts, last = truncate(make_marts(sessions, following), END), sessions[place]
    load(dbt_warehouse, truncate(marts, last))
    dbt_warehouse.build("+signal_scorecard,tag:signals", command="run")
    then = dbt_warehouse.query(CARD)
    assert then.traded_on.max() == pd.Timestamp(last)

    # Everything after that evening in another order, on another scale, with other flags.
    random = np.random.default_rng(seed)
    for frame in marts.values():
        known = frame["known_on"] if "known_on" in frame.columns else frame["traded_on"]
        later = np.flatnonzero(known > last)
        for column in frame.columns.difference(["traded_on", "known_on"]):
            moved = frame[column].to_numpy()[random.permutation(later)]
            if frame[column].dtype.kind == "f":
                moved = moved * random.uniform(0.1, 10) + random.normal()
            if frame[column].dtype.kind in "fb":
                frame.loc[later, column] = moved
    load(dbt_warehouse, marts)
    dbt_warehouse.build("+signal_scorecard,tag:signals", command="run")
    now = dbt_warehouse.query(CARD)
    assert now.traded_on.max() > pd.Timestamp(last)
    until = now[now.traded_on <= pd.Timestamp(last)].reset_index(drop=True)
    pd.testing.assert_frame_equal(then, until, check_exact=True)
