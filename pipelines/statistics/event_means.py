"""How sure the mean return after an event is: bootstrap intervals, events without overlap."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast
from zlib import crc32

import numpy as np
import pandas as pd

DRAWS = 10_000
CONFIDENCE = 0.95
SEED = 20_000
"""Chosen once. Each kind of event and horizon draws from a stream of its own, so that a further
event of one kind moves no interval of another."""
DRAWS_AT_A_TIME = 1_000
"""1,000 draws of 500 events in three measures are 12 MB."""

MEASURES = {
    "small_price": "small_return_pct",
    "large_price": "large_return_pct",
    "relative_price": "relative_return_pct",
    "small_total": "small_total_return_pct",
    "large_total": "large_total_return_pct",
    "relative_total": "relative_total_return_pct",
}
TOGETHER = (
    ("small_price", "large_price", "relative_price"),
    ("small_total", "large_total", "relative_total"),
)
"""Measures that are there for the same events are drawn together: the same events in each draw."""


def bootstrap_event_means(events: pd.DataFrame) -> pd.DataFrame:
    """Return the interval of the mean per kind of event, universe, horizon and measure.

    `events`: event_kind, universe_id, session_no, horizon_sessions and the columns of MEASURES in
    percent, null while the horizon is not over; one row per event and horizon.

    Result: n_without_overlap (events at least a horizon apart, counted from the first), and
    mean_low_pct, mean_high_pct: 2.5th and 97.5th percentile of the means of 10,000 samples drawn
    with replacement (scipy's `bootstrap`, percentile method); null for fewer than two events.
    """
    rows: list[dict[str, Any]] = []
    keys = ["event_kind", "universe_id", "horizon_sessions"]
    for key, own in events.groupby(keys, sort=True):
        kind, universe, horizon = cast(tuple[str, str, int], key)
        for names in TOGETHER:
            columns = [MEASURES[name] for name in names]
            over = own.dropna(subset=columns).sort_values("session_no")
            if over.empty:
                continue
            low, high = mean_interval(
                over[columns].to_numpy(np.float64).T,
                np.random.default_rng(seed_of(kind, universe, horizon)),
            )
            apart = count_without_overlap(over["session_no"], horizon)
            rows += [
                {
                    "event_kind": kind,
                    "universe_id": universe,
                    "horizon_sessions": horizon,
                    "measure": name,
                    "n_without_overlap": apart,
                    "mean_low_pct": low[place],
                    "mean_high_pct": high[place],
                }
                for place, name in enumerate(names)
            ]
    numbers = {"mean_low_pct": "float64", "mean_high_pct": "float64"}
    counts = {"horizon_sessions": "int32", "n_without_overlap": "int32"}
    texts = {"event_kind": "str", "universe_id": "str", "measure": "str"}
    columns = [*keys, "measure", "n_without_overlap", *numbers]
    return pd.DataFrame(rows, columns=columns).astype(texts | counts | numbers)


def seed_of(kind: str, universe: str, horizon: int) -> list[int]:
    """Return the seed of one kind of event and horizon; the same on every machine."""
    return [SEED, horizon, crc32(f"{kind}/{universe}".encode())]


def mean_interval(
    values: np.ndarray[Any, np.dtype[np.float64]], random: np.random.Generator
) -> tuple[Any, Any]:
    """Return low and high ends of the mean of each row of `values` (measures, events)."""
    from scipy.stats import bootstrap

    if values.shape[1] < 2:
        nothing = np.full(len(values), np.nan)
        return nothing, nothing
    interval = bootstrap(
        (values,),
        np.mean,
        n_resamples=DRAWS,
        batch=DRAWS_AT_A_TIME,
        axis=-1,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=random,
    ).confidence_interval
    return interval.low, interval.high


def count_without_overlap(session_numbers: Iterable[int], horizon: int) -> int:
    """Return how many events remain if each must come a full horizon after the last one counted."""
    counted, last = 0, None
    for number in session_numbers:
        if last is None or number >= last + horizon:
            counted, last = counted + 1, number
    return counted
