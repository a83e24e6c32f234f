"""Tiingo's end-of-day endpoint: the keyed alternate for bars of ETFs and shares.

Its `close` is as traded; here it becomes split-adjusted to the last day of the payload, as the
raw tables want it. The key travels in a header that is never landed. When Tiingo is asked at all
is decided in `sources.prices`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import quote

import numpy as np
import orjson
import pandas as pd

from pipelines.settings import Secret
from pipelines.sources.bars import (
    LARGEST_NUMBER,
    CorporateEvent,
    Floats,
    are_sound,
    bar_frame,
    event_frame,
    return_ratios,
)
from pipelines.sources.collect import Parser
from pipelines.sources.errors import SourceContractChanged, SourceUnavailable, UnknownItem
from pipelines.sources.payloads import FetchContext, Payload
from pipelines.sources.price_provider import BarRequest, is_superseded

PROVIDER = "tiingo"
KIND = "tiingo_daily"

_REQUIRED = ("close", "adjClose", "divCash", "splitFactor")
_OPTIONAL = ("open", "high", "low", "volume")

SMALLEST_SPLIT = 1e-6
"""New shares for one old; nothing in the market has come near (the largest were thousands)."""


class TiingoDaily:
    """The price provider `tiingo`."""

    id = PROVIDER
    kind = KIND
    returned_statuses = ()

    def request(self, symbol: str, *, start: date, context: FetchContext) -> BarRequest:
        """Build the request for the bars of `symbol` from `start` to the as-of day.

        Raises:
            SourceUnavailable: there is no key.
        """
        if context.tiingo_api_key is None:
            raise SourceUnavailable(PROVIDER, symbol, "no TIINGO_API_KEY")
        return BarRequest(
            path=f"/tiingo/daily/{quote(symbol, safe='')}/prices",
            params={
                "startDate": start.isoformat(),
                "endDate": context.as_of.isoformat(),
                "format": "json",
            },
            secret_headers={"Authorization": Secret(f"Token {context.tiingo_api_key.reveal()}")},
        )

    def is_busy(self, body: bytes) -> bool:
        """Recognise an exhausted allowance that comes with status 200."""
        return body[:1] == b"{" and b"allocation" in body[:500]

    def split_dates(self, payload: Payload) -> list[date]:
        """Return the ex-dates of the splits in a payload. Raises what `parse_daily` raises."""
        return [day for day, row in _rows(payload) if row["splitFactor"] != 1]


def parse_daily(payload: Payload) -> Mapping[str, pd.DataFrame]:
    """Parse one end-of-day payload into bars and events.

    Prices are divided, volumes multiplied by the product of the split factors of later days;
    dividends are divided likewise. `total_return_ratio` comes from `adjClose`.

    Raises:
        UnknownItem: Tiingo says that it does not know the ticker.
        SourceUnavailable: an exhausted allowance, or no JSON at all.
        SourceContractChanged: a field is missing or no number, a day stands twice.
    """
    if is_superseded(payload):
        return {}
    symbol = payload.context["symbol"]
    rows = sorted(_rows(payload), key=lambda pair: pair[0])
    running = payload.context.get("running_session")
    rows = [(day, row) for day, row in rows if day.isoformat() != running]
    days = pd.DatetimeIndex([pd.Timestamp(day) for day, _ in rows])
    if days.has_duplicates:
        raise _broken(payload, "a day stands twice")
    value = {name: _column(rows, name) for name in (*_REQUIRED, *_OPTIONAL)}
    later = _later_factors(value["splitFactor"])
    prices = {n: np.round(value[n] / later, 6) for n in ("open", "high", "low", "close")}
    prices["volume"] = value["volume"] * later
    if not all(are_sound(column) for column in prices.values()):
        raise _broken(payload, "split factors that no price survives")
    traded = np.isfinite(prices["close"])
    bars = bar_frame(
        symbol,
        days[traded],
        {name: column[traded] for name, column in prices.items()},
        return_ratios(value["adjClose"][traded]),
    )
    events = _corporate_events([day for day, _ in rows], value, later)
    return {
        payload.context["bars"]: bars,
        payload.context["events"]: event_frame(symbol, events),
    }


PARSERS: dict[str, Parser] = {KIND: parse_daily}


def _broken(payload: Payload, rule: str) -> SourceContractChanged:
    return SourceContractChanged(PROVIDER, payload.item, rule)


def _rows(payload: Payload) -> list[tuple[date, Mapping[str, Any]]]:
    """Return (day, fields) pairs after checking that all fields are there and are numbers."""
    try:
        document = orjson.loads(payload.body)
    except orjson.JSONDecodeError as error:
        raise SourceUnavailable(
            PROVIDER, payload.item, f"{payload.size} bytes that are no JSON"
        ) from error
    if isinstance(document, dict) and "detail" in document:
        text = str(document["detail"])
        if "not found" in text.lower():
            raise UnknownItem(PROVIDER, payload.item, text)
        raise SourceUnavailable(PROVIDER, payload.item, text)
    if not isinstance(document, list):
        raise _broken(payload, "expected a list of days")
    pairs: list[tuple[date, Mapping[str, Any]]] = []
    for row in document:
        if not isinstance(row, dict):
            raise _broken(payload, "a day that is no object")
        for name in (*_REQUIRED, *_OPTIONAL):
            number = row.get(name)
            missing = name not in row or (number is None and name in ("divCash", "splitFactor"))
            if missing or not (number is None or isinstance(number, (int, float))):
                raise _broken(payload, f"{name!r} is missing or no number")
            if number is not None and not abs(number) < LARGEST_NUMBER:
                raise _broken(payload, f"{name!r} is missing or no number")
        if not SMALLEST_SPLIT <= row["splitFactor"] <= 1 / SMALLEST_SPLIT:
            raise _broken(payload, f"a split factor of {row['splitFactor']}")
        try:
            pairs.append((date.fromisoformat(str(row["date"])[:10]), row))
        except (KeyError, ValueError) as error:
            raise _broken(payload, f"a day without a date: {row.get('date')!r}") from error
    return pairs


def _column(rows: list[tuple[date, Mapping[str, Any]]], name: str) -> Floats:
    return np.asarray([row[name] for _, row in rows], dtype=np.float64)


def _later_factors(factors: Floats) -> Floats:
    """Product of the split factors of all later days, 1 for the last."""
    later = np.ones(len(factors))
    if len(factors) > 1:
        later[:-1] = np.cumprod(factors[:0:-1])[::-1]
    return later


def _corporate_events(
    days: list[date], value: Mapping[str, Floats], later: Floats
) -> list[CorporateEvent]:
    found: list[CorporateEvent] = []
    for place, day in enumerate(days):
        cash, factor = float(value["divCash"][place]), float(value["splitFactor"][place])
        if cash > 0:
            amount = round(cash / float(later[place]), 6)
            found.append(CorporateEvent("dividend", day, amount_usd=amount))
        if factor != 1:
            new, old = (factor, 1.0) if factor > 1 else (1.0, round(1 / factor, 6))
            found.append(CorporateEvent("split", day, numerator=new, denominator=old))
    return found
