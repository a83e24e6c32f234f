"""Moves between bars that no market made: bad ticks, and splits that came without their event.

Real moves of small companies are wild, so a move alone convicts nobody. The rules were chosen on
3.7 million recorded daily bars of 2,950 symbols (1927-2026, mostly Russell 2000 and S&P 500 members
of 2020-2025); what they caught there is noted with each.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipelines.catalog.models import GateCheck
from pipelines.quality.bench import Bad, Bench, Ruling, limit, name_some, rule_on_rows

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

SPLIT_RATIOS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)
"""One for n and n for one. Ratios below 2 (3:2, 5:4) cannot be told from an ordinary bad day."""


def sorted_closes(bench: Bench, table: str) -> pd.DataFrame:
    """Return the batch's bars in order of symbol and date, behind the newest stored close.

    Columns of the raw frame and `label` (the frame's label; -1 for a stored close). The stored
    close is added where the batch begins after it, so that the first bar has a neighbour.
    """
    frame = bench.frame(table)
    columns = ["symbol", "traded_on", "open", "high", "low", "close", "volume"]
    bars = frame[columns].assign(label=frame.index)
    bars["volume"] = frame["volume"].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    stored = bench.stored(table)
    if not stored.empty and "newest_value" in stored and not bars.empty:
        begins = bars.groupby("symbol")["traded_on"].min()
        known = stored.reindex(begins.index.astype("str"))
        use = (known["newest_on"] < begins).to_numpy() & known["newest_value"].notna().to_numpy()
        before = pd.DataFrame(
            {
                "symbol": begins.index[use],
                "traded_on": known["newest_on"].to_numpy()[use],
                "close": known["newest_value"].astype("float64").to_numpy()[use],
                "label": -1,
            }
        )
        bars = pd.concat([before, bars], ignore_index=True)
    codes = pd.factorize(bars["symbol"])[0]
    order = np.lexsort((bars["traded_on"].to_numpy(dtype="int64"), codes))
    return bars.assign(code=codes).iloc[order].reset_index(drop=True)


def find_spikes(
    codes: npt.NDArray[np.int64],
    closes: Floats,
    factors: Floats,
    *,
    longest_run: int,
    back_within_pct: float,
) -> Flags:
    """Flag runs of closes that leave by more than their factor and come back.

    Arrays are ordered by symbol and date; `factors` says per bar by how many times (up or down) it
    must differ from the close before the run. A run has at most `longest_run` bars, and the close
    after it is within `back_within_pct` of the close before it.
    """
    logs = np.log(closes)
    bounds = np.log(factors)
    band = np.log1p(back_within_pct / 100.0)
    flagged = np.zeros(len(closes), dtype=np.bool_)
    leaves = np.flatnonzero((codes[1:] == codes[:-1]) & (np.abs(np.diff(logs)) > bounds[1:])) + 1
    for length in range(1, longest_run + 1):
        first = leaves[leaves + length < len(closes)]
        before, after = first - 1, first + length
        hit = (codes[before] == codes[after]) & (np.abs(logs[after] - logs[before]) < band)
        first = first[hit]
        up = np.ones(len(first), dtype=np.bool_)
        down = up.copy()
        for step in range(length):
            away = logs[first + step] - logs[first - 1]
            up &= away > bounds[first + step]
            down &= away < -bounds[first + step]
        starts = first[up | down]
        for step in range(length):
            flagged[starts + step] = True
    return flagged


def _factors(bench: Bench, gate: GateCheck, bars: pd.DataFrame) -> Floats:
    """Return how large a move must be to be suspicious, as a factor, per bar."""
    if "spike_factor" not in gate.limits:  # instruments: the catalogue knows each one's largest
        largest = {i.symbol: 1.0 + i.largest_move_pct / 100.0 for i in bench.catalog.instruments}
        return np.asarray(bars["symbol"].map(largest).fillna(np.inf), dtype=np.float64)
    untraded = bars["volume"].to_numpy() == 0
    factors: Floats = np.full(len(bars), limit(gate, "spike_factor"), dtype=np.float64)
    factors[untraded] = limit(gate, "spike_factor_without_volume")
    return factors


def moves_are_plausible(bench: Bench, gate: GateCheck) -> Ruling:
    """No close leaves its neighbours by a bad tick's distance, nor jumps on the last bar.

    Instruments: beyond the catalogue's largest move. Members: by `spike_factor` (bars that nobody
    traded: `spike_factor_without_volume`), and back within days. On the recorded bars these rules
    took 123 members' bars of 27 symbols, none of them traded: stale quotes, many of them left
    unadjusted for a later reverse split. Real moves do not come back within a week. Untraded bars
    are judged first, so that they do not convict their neighbours.
    """
    table = bench.extract.feed
    bars = sorted_closes(bench, table)
    untraded = bars["volume"].to_numpy() == 0
    spikes = np.zeros(len(bars), dtype=np.bool_)
    for suspects in (untraded, np.ones(len(bars), dtype=np.bool_)):
        standing = np.flatnonzero(~spikes)
        kept = bars.iloc[standing]
        factors = np.where(suspects[standing], _factors(bench, gate, kept), np.inf)
        spikes[standing] |= find_spikes(
            kept["code"].to_numpy(),
            kept["close"].to_numpy(dtype=np.float64),
            factors,
            longest_run=int(limit(gate, "longest_run")),
            back_within_pct=limit(gate, "back_within_pct"),
        )
    left = bars[~spikes]
    jumps, shifts = _jumps(bench, gate, left)
    reasons = pd.concat(
        [
            _reasons(bars[spikes], "leaves its neighbours and comes back"),
            _reasons(jumps, "a jump that no later bar confirms"),
        ]
    ).sort_index()
    told = tuple(f"{r.symbol} {r.traded_on:%Y-%m-%d}" for r in shifts.itertuples())
    good = f"{len(bars)} moves are plausible"
    ruling = rule_on_rows(bench, gate, [Bad(table, reasons)], good=good)
    if told:
        note = f"{len(told)} large moves stay, confirmed by the next bar: {name_some(told)}"
        message = f"{ruling.message}; {note}" if ruling.bad else note
        return Ruling(message, ruling.bad, ruling.refuses, True, len(told), ruling.examples + told)
    return ruling


def _reasons(bars: pd.DataFrame, why: str) -> pd.Series[Any]:
    own = bars[bars["label"] >= 0]
    return pd.Series([f"close {c:g} {why}" for c in own["close"]], index=own["label"], dtype="str")


def _jumps(bench: Bench, gate: GateCheck, bars: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the last bars that jump unconfirmed, and the instruments' large moves that stay."""
    codes, closes = bars["code"].to_numpy(), bars["close"].to_numpy(dtype=np.float64)
    days = bars["traded_on"].to_numpy(dtype="datetime64[D]")
    follows = np.zeros(len(bars), dtype=np.bool_)
    follows[1:] = (codes[1:] == codes[:-1]) & (
        (days[1:] - days[:-1]).astype("int64") <= limit(gate, "longest_gap_days")
    )
    move = np.zeros(len(bars))
    move[1:] = np.abs(np.log(closes[1:] / closes[:-1]))
    members = "spike_factor" in gate.limits
    bounds: Floats | float = (
        limit(gate, "last_bar_factor") if members else _factors(bench, gate, bars)
    )
    large = follows & (move > np.log(bounds)) & (bars["label"].to_numpy() >= 0)
    last = np.ones(len(bars), dtype=np.bool_)
    last[:-1] = codes[1:] != codes[:-1]
    return bars[large & last], bars[large & ~last] if not members else bars.iloc[:0]


def no_split_without_its_event(bench: Bench, gate: GateCheck) -> Ruling:
    """No price falls or rises by a split's ratio on a quiet day without a split event.

    Quiet tells a split from a crash: open and close both at the ratio (within `tolerance_pct`), an
    ordinary day's range (`max_range_pct`) and an ordinary dollar volume (`max_volume_ratio` times
    the median of the 20 bars before). 83 % of ordinary days are that quiet, so about that share of
    missing splits is found. On the recorded bars it names 17: KLAC's ten for one of 2026,
    one spin-off (ZWS 2021) and stale quotes of thinly traded names, but no crash.

    From the day on, the symbol's bars are quarantined while it is within the last
    `settle_sessions`: by then the provider restates, and the whole history is read. Older ones are
    reported and stay: the provider has had its time. Too many symbols at once refuse the batch.
    """
    table = bench.extract.feed
    bars = sorted_closes(bench, table)
    suspicious = bars[_looks_like_split(bars, gate)]
    events = bench.frame(table.replace("_bars", "_events"))
    splits = events.loc[events["event_kind"] == "split", ["symbol", "event_on"]].astype(
        {"symbol": "str", "event_on": "datetime64[us]"}
    )
    near = suspicious[["symbol", "traded_on", "label"]].merge(splits, on="symbol")
    explained = near.loc[(near["traded_on"] - near["event_on"]).abs() <= pd.Timedelta(days=4)]
    suspicious = suspicious[~suspicious["label"].isin(explained["label"])]
    if suspicious.empty:
        return Ruling("no split-like move without its event")
    closed = bench.closed_sessions
    settle = int(limit(gate, "settle_sessions"))
    since = closed[-settle] if len(closed) >= settle else pd.Timestamp.min
    told = tuple(f"{r.symbol} {r.traded_on:%Y-%m-%d}" for r in suspicious.itertuples())
    fresh = suspicious[suspicious["traded_on"] >= since].groupby("symbol")["traded_on"].min()
    frame = bench.frame(table)
    from_on = pd.to_datetime(frame["symbol"].map(dict(zip(fresh.index, fresh, strict=True))))
    rows = frame.index[(frame["traded_on"] >= from_on).to_numpy()]
    reason = "a split-like move without a split event, restatement awaited"
    asked = max(frame["symbol"].nunique(), 1)
    return Ruling(
        f"{len(told)} split-like moves without an event, {len(fresh)} symbols new: "
        f"{name_some(told)}",
        (Bad(table, pd.Series(reason, index=rows, dtype="str")),),
        refuses=len(fresh) > max(limit(gate, "max_symbols"), limit(gate, "max_share") * asked),
        noted=True,
        failing=len(told),
        examples=told[:50],
    )


def _looks_like_split(bars: pd.DataFrame, gate: GateCheck) -> Flags:
    codes = bars["code"].to_numpy()
    close, open_, high, low, volume = (
        bars[c].to_numpy(dtype=np.float64, na_value=np.nan)
        for c in ("close", "open", "high", "low", "volume")
    )
    days = bars["traded_on"].to_numpy(dtype="datetime64[D]")
    tolerance = np.log1p(limit(gate, "tolerance_pct") / 100.0)
    ratios = np.log(np.array(SPLIT_RATIOS, dtype="float64"))
    with np.errstate(invalid="ignore", divide="ignore"):
        moved = np.abs(np.log(close[1:] / close[:-1]))
    candidate = np.zeros(len(bars), dtype=np.bool_)
    candidate[1:] = (
        (codes[1:] == codes[:-1])
        & (moved > ratios[0] - tolerance)
        & ((days[1:] - days[:-1]).astype("int64") <= limit(gate, "longest_gap_days"))
    )
    found = np.zeros(len(bars), dtype=np.bool_)
    for i in np.flatnonzero(candidate & (bars["label"].to_numpy() >= 0)):
        step = abs(np.log(close[i] / close[i - 1]))
        nearest = ratios[np.argmin(np.abs(ratios - step))]
        if not (open_[i] > 0 and low[i] > 0 and high[i] > 0):
            continue  # nothing says whether the day was quiet
        opened = abs(np.log(open_[i] / close[i - 1]))
        reach = high[i] / low[i] - 1.0
        before = slice(max(i - 20, 0), i)
        own = codes[before] == codes[i]
        traded = (close[before] * volume[before])[own]
        traded = traded[np.isfinite(traded)]
        usual = float(np.median(traded)) if len(traded) else 0.0
        dollars = 0.0 if np.isnan(volume[i]) else close[i] * volume[i]
        found[i] = (
            abs(step - nearest) <= tolerance
            and abs(opened - nearest) <= tolerance
            and reach <= limit(gate, "max_range_pct") / 100.0
            and (usual <= 0 or dollars <= limit(gate, "max_volume_ratio") * usual)
        )
    return found
