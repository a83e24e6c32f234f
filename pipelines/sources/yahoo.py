"""Yahoo's chart endpoint, version 8: the request for one symbol's daily bars, and its parser.

Closes come split-adjusted to the newest split and not dividend-adjusted, as 32-bit floats. Which
symbols are asked, how far back and what happens after a failure is decided in `sources.prices`;
whether a move is plausible is the gate's question.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pandas as pd

from pipelines.sources.bars import (
    LARGEST_NUMBER,
    CorporateEvent,
    EventKind,
    Floats,
    are_sound,
    bar_frame,
    event_frame,
    return_ratios,
    round_float32,
)
from pipelines.sources.collect import Parser
from pipelines.sources.errors import SourceContractChanged, SourceUnavailable, UnknownItem
from pipelines.sources.payloads import FetchContext, Payload
from pipelines.sources.price_provider import BarRequest, is_superseded

PROVIDER = "yahoo"
KIND = "yahoo_chart"
NEW_YORK = ZoneInfo("America/New_York")

_EVENTS: Mapping[str, EventKind] = {
    "dividends": "dividend",
    "splits": "split",
    "capitalGains": "capital_gain",
}


class YahooChart:
    """The price provider `yahoo`."""

    id = PROVIDER
    kind = KIND
    returned_statuses = (400, 404)
    """Both carry a JSON error that says whether the symbol or the request is at fault."""

    def request(self, symbol: str, *, start: date, context: FetchContext) -> BarRequest:
        """Build the request for the bars of `symbol` from `start` to the end of the as-of day."""
        return BarRequest(
            path=f"/v8/finance/chart/{quote(symbol, safe='')}",
            params={
                "period1": str(_midnight(start)),
                "period2": str(_midnight(context.as_of + timedelta(days=1))),
                "interval": "1d",
                "events": "div,splits,capitalGains",
            },
        )

    def is_busy(self, body: bytes) -> bool:
        """Recognise the refusal that sometimes comes with status 200."""
        return _is_refusal(body)

    def split_dates(self, payload: Payload) -> list[date]:
        """Return the ex-dates of the splits in a payload. Raises what `parse_chart` raises."""
        result = _chart_result(payload)
        if result is None or not result.get("timestamp"):
            return []
        zone = _zone(payload, result)
        return [e.event_on for e in _corporate_events(payload, result, zone) if e.kind == "split"]


def parse_chart(payload: Payload) -> Mapping[str, pd.DataFrame]:
    """Parse one chart payload into bars and events.

    Grain: one bar per session, one event per kind and date. Reads from `payload.context`: `symbol`
    (ours), `provider_symbol` (asked), `bars` and `events` (table names), `running_session` (ISO
    date whose bar is dropped, or empty). A bar without a close is no bar.

    Raises:
        UnknownItem: an error, an empty result or an empty shell: Yahoo does not know the symbol.
        SourceUnavailable: the body is a refusal or no JSON at all.
        SourceContractChanged: another symbol, lists of unequal length, fields that are missing or
            hold no numbers.
    """
    if is_superseded(payload):
        return {}
    symbol = payload.context["symbol"]
    result = _chart_result(payload)
    if result is None or not result.get("timestamp"):
        bars = bar_frame(symbol, pd.DatetimeIndex([]), dict.fromkeys(_FIELDS, _EMPTY), _EMPTY)
        events: list[CorporateEvent] = []
    else:
        zone = _zone(payload, result)
        bars = _bars(payload, result, symbol, zone)
        events = _corporate_events(payload, result, zone)
    return {
        payload.context["bars"]: bars,
        payload.context["events"]: event_frame(symbol, events),
    }


PARSERS: dict[str, Parser] = {KIND: parse_chart}

_FIELDS = ("open", "high", "low", "close", "volume")
_EMPTY: Floats = np.empty(0)
_LATEST_SECOND = 7_258_118_400
"""The first second of 2200 UTC, and as far back before 1970."""


def _midnight(day: date) -> int:
    """Seconds since 1970 of a New York midnight; negative before."""
    return int(datetime.combine(day, time(0), NEW_YORK).timestamp())


def _is_refusal(body: bytes) -> bool:
    return body[:64].strip().lower().startswith(b"too many requests")


def _broken(payload: Payload, rule: str) -> SourceContractChanged:
    return SourceContractChanged(PROVIDER, payload.item, rule)


def _document(payload: Payload) -> Any:
    if _is_refusal(payload.body):
        raise SourceUnavailable(PROVIDER, payload.item, "'Too Many Requests' instead of data")
    try:
        return orjson.loads(payload.body)
    except orjson.JSONDecodeError:
        pass
    try:  # the standard parser also takes NaN, which some replies hold
        return json.loads(payload.body)
    except (ValueError, RecursionError) as error:
        raise SourceUnavailable(
            PROVIDER, payload.item, f"{payload.size} bytes that are no JSON"
        ) from error


def _chart_result(payload: Payload) -> dict[str, Any] | None:
    """Return the chart's one result after checking whose it is."""
    document = _document(payload)
    chart = document.get("chart") if isinstance(document, dict) else None
    if not isinstance(chart, dict):
        raise _broken(payload, "expected 'chart' at the top")
    error = chart.get("error")
    if error:
        _raise_error(payload, error if isinstance(error, dict) else {"description": str(error)})
    results = chart.get("result")
    if not results:
        raise UnknownItem(PROVIDER, payload.item, "an empty result")
    result = results[0] if isinstance(results, list) else None
    if not isinstance(result, dict):
        raise _broken(payload, "expected a list of results")
    meta = result.get("meta")
    named = meta.get("symbol") if isinstance(meta, dict) else None
    if named is None:
        if result.get("timestamp"):
            raise _broken(payload, "bars without a symbol in 'meta'")
        raise UnknownItem(PROVIDER, payload.item, "a shell without a symbol")
    asked = payload.context["provider_symbol"]
    if str(named).upper() != asked.upper():
        raise _broken(payload, f"asked for {asked}, got {named}")
    return result


def _raise_error(payload: Payload, error: Mapping[str, Any]) -> None:
    code, text = str(error.get("code")), str(error.get("description"))
    if code == "Not Found" or text.startswith("Data doesn't exist"):
        raise UnknownItem(PROVIDER, payload.item, text)
    if code == "Bad Request" or payload.status == 400:
        raise _broken(payload, f"Yahoo did not understand the request: {text}")
    raise SourceUnavailable(PROVIDER, payload.item, f"{code}: {text}")


def _zone(payload: Payload, result: Mapping[str, Any]) -> ZoneInfo:
    """Return the exchange's zone: `gmtoffset` is today's and would move half the year."""
    name = result["meta"].get("exchangeTimezoneName")
    try:
        return ZoneInfo(name)
    except (TypeError, ValueError, OSError, KeyError) as error:
        raise _broken(payload, f"no time zone in 'meta': {name!r}") from error


def _days(seconds: Floats, zone: ZoneInfo) -> pd.DatetimeIndex:
    if not (np.abs(seconds) < _LATEST_SECOND).all():
        raise ValueError("a timestamp that is none")
    stamps = pd.to_datetime(pd.Series(seconds.astype("int64")), unit="s", utc=True)
    return pd.DatetimeIndex(stamps.dt.tz_convert(zone).dt.tz_localize(None).dt.normalize())


def _numbers(payload: Payload, name: str, values: Any, length: int) -> Floats:
    if not isinstance(values, list):
        raise _broken(payload, f"{name!r} is missing")
    if len(values) != length:
        raise _broken(payload, f"{len(values)} values of {name!r} for {length} timestamps")
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise _broken(payload, f"{name!r} holds something that is no number") from error
    if numbers.ndim != 1 or not are_sound(numbers):
        raise _broken(payload, f"{name!r} holds something that is no number")
    return numbers


def _object(payload: Payload, name: str, value: Any) -> Mapping[str, Any]:
    """Return a JSON object, an empty one where there is none."""
    if not value:
        return {}
    if not isinstance(value, dict):
        raise _broken(payload, f"{name!r} is no object")
    return value


def _first_object(payload: Payload, name: str, value: Any) -> Mapping[str, Any]:
    """Return the first object of a JSON list, an empty one where there is none."""
    if not value:
        return {}
    if not isinstance(value, list):
        raise _broken(payload, f"{name!r} is no list")
    return _object(payload, name, value[0])


def _bars(payload: Payload, result: Mapping[str, Any], symbol: str, zone: ZoneInfo) -> pd.DataFrame:
    stamps = result["timestamp"]
    count = len(stamps) if isinstance(stamps, list) else 0
    seconds = _numbers(payload, "timestamp", stamps, count)
    if not (np.abs(seconds) < _LATEST_SECOND).all():
        raise _broken(payload, "a bar without a timestamp")
    indicators = _object(payload, "indicators", result.get("indicators"))
    quote_ = _first_object(payload, "quote", indicators.get("quote"))
    prices = {name: _numbers(payload, name, quote_.get(name), count) for name in _FIELDS}
    adjusted = _adjusted(payload, indicators.get("adjclose"), count)

    order = np.argsort(seconds, kind="stable")
    order = order[np.isfinite(prices["close"][order])]
    days = _days(seconds[order], zone)
    if _contradict(seconds[order], prices["close"][order]):
        raise _broken(payload, "two closes of one moment")
    # A live bar stamped at the close stands beside the day's first one: the later one counts.
    keep = ~days.duplicated(keep="last")
    running = payload.context.get("running_session")
    if running:
        keep &= days != pd.Timestamp(running)
    order, days = order[keep], days[keep]
    rounded = {
        name: values[order] if name == "volume" else round_float32(values[order])
        for name, values in prices.items()
    }
    return bar_frame(symbol, days, rounded, return_ratios(adjusted[order]))


def _contradict(seconds: Floats, closes: Floats) -> bool:
    """Say whether two bars have one timestamp (both ascending) and not one close."""
    return bool(((np.diff(seconds) == 0) & (np.diff(closes) != 0)).any())


def _adjusted(payload: Payload, blocks: Any, count: int) -> Floats:
    """Return the dividend-adjusted closes; NaN where Yahoo gives none at all.

    A block whose field has another name is a changed contract: read as "none given", it would
    take the dividends out of every total return without a word.
    """
    block = _first_object(payload, "adjclose", blocks)
    if not block:
        return np.full(count, np.nan)
    return _numbers(payload, "adjclose", block.get("adjclose"), count)


def _corporate_events(
    payload: Payload, result: Mapping[str, Any], zone: ZoneInfo
) -> list[CorporateEvent]:
    found: list[CorporateEvent] = []
    for name, entries in _object(payload, "events", result.get("events")).items():
        kind = _EVENTS.get(name)
        if kind is None:
            continue
        try:
            rows = list(entries.values())
            stamps = np.asarray([row["date"] for row in rows], dtype=np.float64)
            for day, row in zip(_days(stamps, zone), rows, strict=True):
                found.append(_event(kind, day.date(), row))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise _broken(payload, f"events: {name}: {type(error).__name__} {error}") from error
    return found


def _event(kind: EventKind, day: date, row: Mapping[str, Any]) -> CorporateEvent:
    if kind == "split":
        new, old = float(row["numerator"]), float(row["denominator"])
        if not (0 < new < LARGEST_NUMBER and 0 < old < LARGEST_NUMBER):
            raise ValueError(f"a split of {new:g} for {old:g}")
        return CorporateEvent(kind, day, numerator=new, denominator=old)
    amount = np.asarray([row["amount"]], dtype=np.float64)
    if amount.ndim != 1 or not are_sound(amount):
        raise ValueError("an amount that is no number")
    return CorporateEvent(kind, day, amount_usd=float(round_float32(amount)[0]))
