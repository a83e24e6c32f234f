"""What the price providers' parsers share: exact prices, and the frames of bars and events.

A frame holds the columns that `storage.contracts` says a source fills. Fetching is in
`sources.prices`, wire formats are in `sources.yahoo` and `sources.tiingo`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

LARGEST_NUMBER = 1e18
"""No price, volume or payment comes near; beyond it sums and 64-bit counts break."""

Floats = npt.NDArray[np.float64]
EventKind = Literal["dividend", "split", "capital_gain"]


def are_sound(values: Floats) -> bool:
    """Say whether every value is missing (NaN) or a number that a price or a volume can be."""
    return bool((np.isnan(values) | (np.abs(values) < LARGEST_NUMBER)).all())


@dataclass(frozen=True, slots=True)
class CorporateEvent:
    """One dated fact of a symbol: cash per share in dollars, or new shares for old ones."""

    kind: EventKind
    event_on: date
    amount_usd: float | None = None
    numerator: float | None = None
    denominator: float | None = None


def round_float32(values: Floats) -> Floats:
    """Round what is exactly a 32-bit float to 7 significant digits; leave the rest as it is.

    A price of 12.34 that went through a 32-bit float arrives as 12.34000015258789. The decimal
    that was meant is within the float's precision (7.2 digits), and only it makes ties exact.
    """
    known = np.isfinite(values) & (values != 0)
    with np.errstate(over="ignore"):
        known &= values == values.astype(np.float32).astype(np.float64)
    exact = values[known]
    places = 6 - np.floor(np.log10(np.abs(exact))).astype(np.int64)
    up = 10.0 ** np.maximum(places, 0)
    down = 10.0 ** np.maximum(-places, 0)
    out = values.copy()
    # Dividing a whole number by a power of ten gives the double nearest to the decimal.
    out[known] = np.round(exact * up / down) * down / up
    return out


def return_ratios(adjusted: Floats) -> Floats:
    """Return each adjusted close over the one before: NaN for the first and where either is bad.

    A close too small for a 32-bit float is bad like one of zero: a ratio on it is no number.
    """
    good = np.where(adjusted > np.finfo(np.float32).tiny, adjusted, np.nan)
    ratios = np.full(len(good), np.nan)
    ratios[1:] = good[1:] / good[:-1]
    return ratios


def bar_frame(
    symbol: str, days: pd.Series | pd.DatetimeIndex, prices: Mapping[str, Floats], ratios: Floats
) -> pd.DataFrame:
    """Build a frame of bars; `prices` has open, high, low, close and volume, NaN where missing."""
    return pd.DataFrame(
        {
            "symbol": pd.Series([symbol] * len(days), dtype="str"),
            "traded_on": pd.Series(pd.DatetimeIndex(days)).astype("datetime64[us]"),
            "open": prices["open"],
            "high": prices["high"],
            "low": prices["low"],
            "close": prices["close"],
            "volume": pd.array(np.round(prices["volume"]), dtype="Int64"),
            "total_return_ratio": ratios,
        }
    )


def event_frame(symbol: str, events: Iterable[CorporateEvent]) -> pd.DataFrame:
    """Build a frame of events, one row per kind and date.

    Two payments of one kind on one date become their sum: the row says what was paid that day.
    """
    merged: dict[tuple[EventKind, date], CorporateEvent] = {}
    for event in sorted(events, key=lambda e: (e.event_on, e.kind)):
        first = merged.get((event.kind, event.event_on))
        if first is not None and first.amount_usd is not None and event.amount_usd is not None:
            total = round(first.amount_usd + event.amount_usd, 6)
            event = CorporateEvent(event.kind, event.event_on, amount_usd=total)
        merged[event.kind, event.event_on] = event
    rows = list(merged.values())
    return pd.DataFrame(
        {
            "symbol": pd.Series([symbol] * len(rows), dtype="str"),
            "event_kind": pd.Series([e.kind for e in rows], dtype="str"),
            "event_on": pd.to_datetime(pd.Series([e.event_on for e in rows], dtype="object"))
            .astype("datetime64[us]"),
            "amount_usd": pd.Series([e.amount_usd for e in rows], dtype="float64"),
            "numerator": pd.Series([e.numerator for e in rows], dtype="float64"),
            "denominator": pd.Series([e.denominator for e in rows], dtype="float64"),
        }
    )  # fmt: skip
