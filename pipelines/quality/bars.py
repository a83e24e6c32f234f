"""What must be true of daily bars: sessions, prices within the bar, restated pasts, coverage.

Moves between bars (bad ticks, splits without their event) are in `bar_moves`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from pipelines.catalog.models import GateCheck
from pipelines.quality import expectations as gx
from pipelines.quality.bench import Bad, Bench, Ruling, limit, name_some, rule_on_rows
from pipelines.quality.freshness import instrument_freshness
from pipelines.quality.structure import fresh_items
from pipelines.sources.calendar import running_session

_ALIKE = 0.001
"""Closes that changed by the same factor, but for rounding."""


def _bars(bench: Bench) -> str:
    return bench.extract.feed  # the feeds of bars are named after their table of bars


def _all_rows(rows: pd.Index, reason: str) -> pd.Series[Any]:
    return pd.Series(reason, index=rows, dtype="str")


def prices_are_positive(bench: Bench, gate: GateCheck) -> Ruling:
    """Closes are above zero and below `max_close`; zero is a missing price in disguise."""
    table = _bars(bench)
    frame = bench.frame(table)
    rows = gx.expect_between(frame["close"], 0.0, limit(gate, "max_close"), above=True).rows
    told = frame.loc[rows, "close"].map("close {:g}".format)
    reasons = told.astype("str")
    return rule_on_rows(bench, gate, [Bad(table, reasons)], good="every close is positive")


def volumes_are_not_negative(bench: Bench, gate: GateCheck) -> Ruling:
    """Volumes, where given, are zero or more."""
    table = _bars(bench)
    frame = bench.frame(table)
    volume = frame["volume"].astype("Float64").to_numpy(dtype="float64", na_value=np.nan)
    rows = gx.expect_between(pd.Series(volume, index=frame.index), 0.0).rows
    return rule_on_rows(
        bench, gate, [Bad(table, _all_rows(rows, "negative volume"))], good="no negative volume"
    )


def prices_are_within_their_bar(bench: Bench, gate: GateCheck) -> Ruling:
    """High is the highest and low the lowest price of the bar, within a tolerance.

    Missing prices are no fault. Opens get their own, wider tolerance (`open_tolerance_pct`): no
    published number uses them, and providers take them from other venues.
    """
    table = _bars(bench)
    frame = bench.frame(table)
    high, low, close, open_ = (
        frame[c].to_numpy(dtype="float64", na_value=np.nan)
        for c in ("high", "low", "close", "open")
    )
    tolerance = limit(gate, "tolerance_pct") / 100.0
    wider = limit(gate, "open_tolerance_pct") / 100.0
    with np.errstate(invalid="ignore", divide="ignore"):
        overshoot = np.fmax.reduce(
            [
                (low / high - 1.0) / tolerance,
                (close / high - 1.0) / tolerance,
                (low / close - 1.0) / tolerance,
                (open_ / high - 1.0) / wider,
                (low / open_ - 1.0) / wider,
                np.where((high <= 0) | (low <= 0) | (open_ <= 0), np.inf, np.nan),
            ]
        )
    rows = gx.expect_between(pd.Series(overshoot, index=frame.index), high=1.0).rows
    told = frame.loc[rows, ["open", "high", "low", "close"]]
    reasons = pd.Series(
        [f"open {o:g}, high {h:g}, low {lo:g}, close {c:g}" for o, h, lo, c in told.to_numpy()],
        index=rows,
        dtype="str",
    )
    return rule_on_rows(bench, gate, [Bad(table, reasons)], good="every price lies in its bar")


def bars_are_of_sessions(bench: Bench, gate: GateCheck) -> Ruling:
    """Bars are dated on sessions of the exchange.

    Currency indices trade on its holidays too: instruments of group `dollar` are held to weekdays
    only. So are dates before the calendar begins, Saturdays included, on which it once traded.
    """
    table = _bars(bench)
    frame = bench.frame(table)
    days = frame["traded_on"]
    own_week = {i.symbol for i in bench.catalog.instruments if "dollar" in i.groups}
    weekday = days.dt.day_of_week
    ok = days.isin(bench.sessions)
    if len(bench.sessions):
        ok |= (days < bench.sessions[0]) & (weekday <= 5)
    ok |= frame["symbol"].isin([s for s in own_week if _is_currency(bench, s)]) & (weekday <= 4)
    rows = gx.expect_true(ok).rows
    names = days[rows].dt.day_name()
    reasons = pd.Series([f"{n}, no session" for n in names], index=rows, dtype="str")
    return rule_on_rows(bench, gate, [Bad(table, reasons)], good="every bar is of a session")


def _is_currency(bench: Bench, symbol: str) -> bool:
    return any(i.symbol == symbol and i.kind == "index" for i in bench.catalog.instruments)


def bars_are_of_closed_sessions(bench: Bench, gate: GateCheck) -> Ruling:
    """No bar of the day on which it was fetched came before that day's close.

    Only the fetch's own New York day can be running; a bar of a later day is another check's
    business (`no_row_is_in_the_future`).
    """
    table = _bars(bench)
    frame = bench.frame(table)
    days, fetched = frame["traded_on"], frame["fetched_at"]
    running = {moment: _running_day(moment) for moment in fetched.unique()}
    closed = days != pd.to_datetime(fetched.map(running))
    rows = gx.expect_true(closed).rows
    return rule_on_rows(
        bench,
        gate,
        [Bad(table, _all_rows(rows, "the session was still running"))],
        good="every bar's session had closed",
    )


def _running_day(fetched_at: pd.Timestamp) -> pd.Timestamp | None:
    """Return the session that was running, or not yet open, at a moment in UTC; None if none."""
    moment = pd.Timestamp(fetched_at).tz_localize("UTC").to_pydatetime()
    day = running_session(moment)
    return None if day is None else pd.Timestamp(day)


def find_restated_symbols(
    frame: pd.DataFrame, overlap: pd.DataFrame, *, tolerance_pct: float
) -> pd.DataFrame:
    """Compare closes with the stored ones of the same symbol and date.

    Returns one row per symbol with a differing close, indexed by symbol: `differing` and `compared`
    (rows), `ratio` (median of new over stored close: away from 1 after a split), `alike` (share of
    the closes that changed by about that ratio).
    """
    both = frame[["symbol", "traded_on", "close"]].merge(
        overlap[["symbol", "traded_on", "close"]].astype({"close": "float64"}),
        on=["symbol", "traded_on"],
        suffixes=("", "_stored"),
    )
    both["ratio"] = both["close"] / both["close_stored"]
    both["differs"] = (both["ratio"] - 1.0).abs() * 100.0 > tolerance_pct
    # The lower of two middle ones, so that it is a ratio that occurs.
    middle = both.groupby("symbol")["ratio"].transform("quantile", 0.5, interpolation="lower")
    both["alike"] = (both["ratio"] / middle - 1.0).abs() <= _ALIKE
    found = both.groupby("symbol").agg(
        differing=("differs", "sum"),
        compared=("differs", "size"),
        ratio=("ratio", "median"),
        alike=("alike", "mean"),
    )
    return found[found["differing"] > 0]


def stored_closes_agree(bench: Bench, gate: GateCheck) -> Ruling:
    """Closes that are stored already come again as they were.

    A symbol whose closes differ was restated or corrected: its whole history is to be read again
    (`examples` names every one). That is information. But a mere tail on another basis, read
    beside a stored history on the old one, is quarantined: two bases are never spliced.
    """
    table = _bars(bench)
    frame, overlap = bench.frame(table), bench.history.get(f"{table}__overlap")
    if frame.empty or overlap is None or overlap.empty:
        return Ruling("no stored close to compare with")
    found = find_restated_symbols(frame, overlap, tolerance_pct=limit(gate, "tolerance_pct"))
    if found.empty:
        return Ruling(f"{len(overlap)} stored closes come as they were")
    moved = found.index[(found["ratio"] - 1.0).abs() * 100.0 > limit(gate, "basis_tolerance_pct")]
    begins = frame[frame["symbol"].isin(found.index)].groupby("symbol")["traded_on"].min()
    stored = bench.stored(table)["oldest_on"].reindex(begins.index)
    tails = begins.index[(begins > stored).to_numpy()]
    rows = frame.index[frame["symbol"].isin(tails.intersection(moved))]
    return Ruling(
        f"{len(found)} symbols have changed closes, {len(found) - len(tails)} of them came with "
        f"their whole history: {name_some(found.index)}",
        (Bad(table, _all_rows(rows, "a tail on another basis than the stored history")),),
        noted=True,
        failing=len(found),
        examples=tuple(str(s) for s in found.index),
    )


def restatements_are_explained(bench: Bench, gate: GateCheck) -> Ruling:
    """A history that comes on another basis is the same one, and a split or a review explains it.

    The same one: at least `min_alike` of the stored closes changed by one factor, be it 1; else it
    is another symbol's. Explained: within `largest_unexplained`, a factor (spin-offs, corrections),
    it is the provider's business; beyond, it must be that of the newest splits in the batch, or
    stand under `restatements` in the ticker catalogue. Else the symbol's bars and events are kept
    out and its stored history stays. Too many such symbols refuse the batch.
    """
    table = _bars(bench)
    frame, overlap = bench.frame(table), bench.history.get(f"{table}__overlap")
    if frame.empty or overlap is None or overlap.empty:
        return Ruling("no stored close to compare with")
    found = find_restated_symbols(frame, overlap, tolerance_pct=100.0 * _ALIKE)
    bound = np.log(limit(gate, "largest_unexplained"))
    band = np.log1p(limit(gate, "tolerance_pct") / 100.0)
    wrong: dict[str, str] = {}
    for symbol, ratio, alike in zip(found.index, found["ratio"], found["alike"], strict=True):
        step = abs(np.log(ratio))
        if alike < limit(gate, "min_alike"):
            wrong[str(symbol)] = "another symbol's history: its closes are not the stored ones"
        elif step > bound and not any(
            abs(np.log(ratio) - known) <= band for known in _known_steps(bench, str(symbol))
        ):
            wrong[str(symbol)] = f"the history came times {ratio:g}, and no split says why"
    if not wrong:
        return Ruling(f"{len(found)} histories on another basis, each explained")
    events = table.replace("_bars", "_events")
    bad = [Bad(name, _reasons_of(bench.frame(name), wrong)) for name in (table, events)]
    told = tuple(f"{symbol}: {why}" for symbol, why in wrong.items())
    asked = max(frame["symbol"].nunique(), 1)
    return Ruling(
        f"{len(wrong)} histories on another basis, unexplained: {name_some(told)}",
        tuple(b for b in bad if not b.reasons.empty),
        refuses=len(wrong) > max(limit(gate, "max_symbols"), limit(gate, "max_share") * asked),
        noted=True,
        failing=len(wrong),
        examples=told[:50],
    )


def _reasons_of(frame: pd.DataFrame, why: Mapping[str, str]) -> pd.Series[Any]:
    rows = frame["symbol"][frame["symbol"].isin(why)]
    return rows.map(why).astype("str")


def _known_steps(bench: Bench, symbol: str) -> list[float]:
    """Return the logarithms by which closes may change: the newest splits', the reviewed ones."""
    events = bench.frame(_bars(bench).replace("_bars", "_events"))
    own = events[(events["symbol"] == symbol) & (events["event_kind"] == "split")]
    newest = own.sort_values("event_on", ascending=False)
    sides = newest[["denominator", "numerator"]].astype("float64")
    splits = np.cumsum(np.log((sides["denominator"] / sides["numerator"]).to_numpy()))
    reviewed = bench.catalog.tickers.restatements
    steps = (*splits, *(np.log(r.factor) for r in reviewed if r.price_symbol == symbol))
    return [float(step) for step in steps]


def symbols_have_the_last_session(bench: Bench, gate: GateCheck) -> Ruling:
    """Most of the symbols asked for have a bar of the last session."""
    table = _bars(bench)
    closed = bench.closed_sessions
    asked = sorted({o.item for o in bench.extract.outcomes})
    if not asked or closed.empty:
        return Ruling("nothing was asked")
    newest = bench.newest(table)
    last = closed[-1].date()
    has = pd.Series([newest.get(s, date.min) >= last for s in asked], dtype="bool")
    verdict = gx.expect_true(has, mostly=limit(gate, "min_share"))
    behind = [asked[i] for i in verdict.rows]
    told = f"{len(asked) - len(behind)} of {len(asked)} symbols have a bar of {last}"
    if verdict.success:
        return Ruling(told)
    return Ruling(
        f"{told}; not {name_some(behind)}",
        noted=True,
        failing=len(behind),
        examples=tuple(behind[:50]),
    )


def instruments_are_fresh(bench: Bench, gate: GateCheck) -> Ruling:  # noqa: ARG001 - a check's shape
    """No instrument is older than its limit; the required ones come first in the message."""
    records = instrument_freshness(
        bench.catalog.instruments,
        bench.newest(_bars(bench)),
        sessions=bench.sessions,
        as_of=bench.as_of,
    )
    records.sort(key=lambda r: not r.is_required)
    return fresh_items({r.item: (r.is_stale, r.describe()) for r in records})


def events_are_plausible(bench: Bench, gate: GateCheck) -> Ruling:
    """Splits have two positive sides, dividends a positive amount, kinds are known."""
    table = _bars(bench).replace("_bars", "_events")
    frame = bench.frame(table)
    kinds = gx.expect_in_set(frame["event_kind"], ["dividend", "split", "capital_gain"]).rows
    split = frame["event_kind"] == "split"
    sides = frame[["numerator", "denominator"]].astype("float64").min(axis=1, skipna=False)
    amount = frame["amount_usd"].astype("float64").where(~split, sides).fillna(-1.0)
    rows = gx.expect_between(amount, 0.0, above=True).rows.union(kinds)
    return rule_on_rows(
        bench,
        gate,
        [Bad(table, _all_rows(rows, "no usable amount, ratio or kind"))],
        good=f"{len(frame)} events are plausible",
    )
