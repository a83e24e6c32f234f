"""The simulated market as Yahoo's chart endpoint (v8) would show it: daily bars and events.

Closes are split-adjusted to the clock's day and pass through 32-bit floats, as Yahoo's do. Some
sessions of thinly traded companies have no bar, some bars are null, and some companies that were
taken over are no longer known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
from numpy.typing import NDArray

from pipelines.sample.companies import Dividend, Split, Universe, simulate_universe
from pipelines.sample.economy import Floats, stream
from pipelines.sample.market import FUNDS, Market
from pipelines.sample.wire import Answer, Ask

NEW_YORK = ZoneInfo("America/New_York")
_JSON = "application/json;charset=utf-8"
_INDICES: Mapping[str, tuple[str, str, str]] = {
    "^RUT": ("Russell 2000", "WCB", "Chicago Options"),
    "^GSPC": ("S&P 500", "SNP", "SNP"),
    "^VIX": ("CBOE Volatility Index", "CXI", "Cboe Indices"),
    "DX-Y.NYB": ("US Dollar Index", "NYB", "ICE Futures"),
}
_RANGES = ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"]

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Quote:
    """All bars of one symbol as traded: `at` are session numbers, prices NaN where null."""

    symbol: str
    name: str
    kind: str
    at: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    splits: tuple[Split, ...] = ()
    dividends: tuple[Dividend, ...] = ()


@dataclass(frozen=True)
class YahooWire:
    """Answers for `query1.finance.yahoo.com`."""

    market: Market

    @cached_property
    def universes(self) -> tuple[Universe, ...]:
        """Both universes, simulated on first use."""
        return (
            simulate_universe(self.market, "russell_2000"),
            simulate_universe(self.market, "sp_500"),
        )

    @cached_property
    def _places(self) -> dict[str, tuple[Universe, int]]:
        return {c.symbol: (u, i) for u in self.universes for i, c in enumerate(u.companies)}

    @cached_property
    def _opens(self) -> Ints:
        return self._stamps(time(9, 30))

    @cached_property
    def _midnights(self) -> Ints:
        return self._stamps(time(0))

    def _stamps(self, at: time) -> Ints:
        days: list[date] = self.market.days.tolist()
        return np.array([epoch(d, at) for d in days], dtype=np.int64)

    # -- quotes ---------------------------------------------------------------------------
    def quote(self, symbol: str, now: date) -> Quote | None:
        """Return all simulated bars of a symbol, or None where the provider knows none."""
        if symbol in _INDICES:
            return self._index_quote(symbol)
        if symbol in FUNDS:
            return self._fund_quote(symbol)
        if symbol in self._places:
            universe, i = self._places[symbol]
            gone = universe.delisted_at[i] < self.market.place(now) - universe.offset
            return None if gone and i % 4 == 0 else self._company_quote(universe, i)
        return None

    def _index_quote(self, symbol: str) -> Quote:
        market = self.market
        close = {
            "^RUT": market.economy.indices["small"],
            "^GSPC": market.economy.indices["large"],
            "^VIX": market.economy.vix,
            "DX-Y.NYB": market.dollar_index,
        }[symbol]
        start = market.place(date(1990, 1, 2)) - 1 if symbol == "^VIX" else 0
        at = np.arange(start, len(close))
        scale = 4e9 if symbol in ("^RUT", "^GSPC") else 0.0
        return self._bars(symbol, _INDICES[symbol][0], "INDEX", at, close[at], scale,
                          digits=3 if symbol == "DX-Y.NYB" else 2)  # fmt: skip

    def _fund_quote(self, symbol: str) -> Quote:
        spec, market = FUNDS[symbol], self.market
        start = market.place(spec.inception) - 1
        at = np.arange(start, len(market.days))
        count = 2.0 if spec.split else 1.0
        traded_as = np.ones(len(at))
        splits: tuple[Split, ...] = ()
        if spec.split:
            place = market.place(spec.split[0]) - 1
            splits = (Split(place, spec.split[1], 1),)
            traded_as[at < place] = count
        close = np.round(market.fund_nav(symbol)[at] * traded_as, 2)
        volume = 0.08e6 * max(spec.shares_million, 60)
        quote = self._bars(symbol, spec.title, "ETF", at, close, volume, splits=splits)
        every = 21 if spec.monthly else 63
        paid = tuple(
            Dividend(int(at[i]), round(float(close[i - 1]) * spec.yield_pct / 100 * every / 252, 3))
            for i in range(40, len(at), every)
            if spec.yield_pct and at[i] not in {s.at for s in splits}
        )
        return _with_dividends(quote, paid)

    def _company_quote(self, universe: Universe, i: int) -> Quote:
        company = universe.companies[i]
        raw = universe.raw[:, i]
        at = np.flatnonzero(~np.isnan(raw))
        shift = universe.offset
        rng = stream(self.market.economy.seed, f"holes/{company.symbol}")
        draws = rng.random(len(at))
        if universe.illiquid[i]:
            at = at[(draws > 0.006) | (at == at[-1])]
        splits = tuple(Split(s.at + shift, s.new, s.old) for s in universe.splits[i])
        volume = 0.006 * float(universe.shares[0, i])
        quote = self._bars(
            company.symbol, company.name.title(), "EQUITY", at + shift, raw[at], volume,
            splits=splits,
        )  # fmt: skip
        if universe.illiquid[i]:  # the session has a time, but nothing was quoted
            null = (rng.random(len(at)) < 0.001) & (np.arange(len(at)) < len(at) - 1)
            for values in (quote.open, quote.high, quote.low, quote.close, quote.volume):
                values[null] = np.nan
        paid = tuple(Dividend(d.at + shift, d.amount) for d in universe.dividends[i])
        return _with_dividends(quote, paid)

    def _bars(
        self,
        symbol: str,
        name: str,
        kind: str,
        at: Ints,
        close: Floats,
        volume: float,
        *,
        splits: tuple[Split, ...] = (),
        digits: int = 2,
    ) -> Quote:
        """Draw open, high, low and volume around the closes."""
        rng = stream(self.market.economy.seed, f"bars/{symbol}")
        size = len(close)
        gap, up, down, busy = rng.standard_normal((4, size))
        ratio = split_ratio(at, splits, upto=int(at[-1]))
        before = np.concatenate([close[:1], close[:-1] * ratio[1:] / ratio[:-1]])
        move = close / before - 1
        spread = 0.004 * np.sqrt(self.market.volatility[at]) + 0.3 * np.abs(move)
        opens = np.round(before * (1 + 0.3 * move + 0.25 * spread * gap), digits)
        top = np.maximum(opens, close)
        bottom = np.minimum(opens, close)
        shares = volume * ratio[0] / ratio * np.exp(0.3 * busy) * (1 + 12 * np.abs(move))
        return Quote(
            symbol=symbol,
            name=name,
            kind=kind,
            at=at,
            open=np.maximum(opens, 0.01),
            high=np.round(top * (1 + 0.5 * spread * np.abs(up)), digits),
            low=np.maximum(np.round(bottom * (1 - 0.4 * spread * np.abs(down)), digits), 0.01),
            close=close.copy(),
            volume=np.round(shares),
            splits=splits,
        )

    # -- the wire -------------------------------------------------------------------------
    def chart(self, ask: Ask) -> Answer:
        """Answer one chart request."""
        agent = ask.headers.get("user-agent", "").lower()
        if not agent or agent.startswith("python-requests"):
            return Answer(429, b"Too Many Requests\r\n", "text/plain")
        found = re.fullmatch(r"/v8/finance/chart/([^/]+)", ask.path)
        if not found:
            return _error(404, "Not Found", "HTTP 404 Not Found")
        quote = self.quote(found.group(1).upper(), ask.now)
        known = 0
        if quote is not None:
            known = int(np.searchsorted(quote.at, self.market.place(ask.now), side="left"))
        if quote is None or not known:
            return _error(404, "Not Found", "No data found, symbol may be delisted")
        if ask.query.get("interval", "1d") != "1d":
            return _error(422, "Unprocessable Entity", "Invalid input - interval is not supported.")
        end = epoch(ask.now + timedelta(days=1), time(0))
        low = int(float(ask.query.get("period1", -(2**40))))
        high = min(int(float(ask.query.get("period2", end))), end)
        if low > high:
            text = f"start date cannot be after end date. startDate = {low}, endDate = {high}"
            return _error(400, "Bad Request", f"Invalid input - {text}")
        clock = self._midnights if quote.symbol == "DX-Y.NYB" else self._opens
        stamps = clock[quote.at]
        if high <= stamps[0]:
            text = f"Data doesn't exist for startDate = {low}, endDate = {high}"
            return _error(400, "Bad Request", text)
        first = int(np.searchsorted(stamps, low))
        last = min(int(np.searchsorted(stamps, high)), known)
        return Answer(200, self._render(quote, stamps, first, last, known, ask), _JSON)

    def _render(
        self, quote: Quote, stamps: Ints, first: int, last: int, known: int, ask: Ask
    ) -> bytes:
        today = self.market.place(ask.now) - 1
        ratio = split_ratio(quote.at, quote.splits, upto=today)
        close = _float32(quote.close / ratio)
        result: dict[str, Any] = {"meta": self._meta(quote, close, stamps, first, known, ask.now)}
        if first < last:
            part = slice(first, last)
            shown = stamps[part].copy()
            if quote.kind != "INDEX" and self.market.days[quote.at[last - 1]] == np.datetime64(
                ask.now
            ):
                shown[-1] = epoch(ask.now, time(16, 0, 1))  # today's bar carries the close's time
            result["timestamp"] = shown
            events = self._events(quote, first, last, today, ask.query.get("events", ""))
            if events:
                result["events"] = events
            adjusted = _float32(quote.close / ratio * _dividend_factor(quote, today))
            result["indicators"] = {
                "quote": [{
                    "close": close[part],
                    "low": _float32(quote.low / ratio)[part],
                    "volume": _integers(quote.volume[part] * ratio[part]),
                    "open": _float32(quote.open / ratio)[part],
                    "high": _float32(quote.high / ratio)[part],
                }],
                "adjclose": [{"adjclose": adjusted[part]}],
            }  # fmt: skip
        else:
            result["indicators"] = {"quote": [{}], "adjclose": [{}]}
        return orjson.dumps(
            {"chart": {"result": [result], "error": None}}, option=orjson.OPT_SERIALIZE_NUMPY
        )

    def _events(
        self, quote: Quote, first: int, last: int, today: int, wanted: str
    ) -> dict[str, Any]:
        """Dividends and splits whose ex-date lies inside the returned bars."""
        inside = set(quote.at[first:last].tolist())
        out: dict[str, Any] = {}
        ratio = split_ratio(np.arange(today + 1), quote.splits, upto=today)
        paid = {
            str(self._opens[d.at]): {
                "amount": float(np.float32(d.amount / ratio[d.at])),
                "date": int(self._opens[d.at]),
            }
            for d in quote.dividends
            if d.at in inside
        }
        split = {
            str(self._opens[s.at]): {
                "date": int(self._opens[s.at]),
                "numerator": float(s.new),
                "denominator": float(s.old),
                "splitRatio": f"{s.new}:{s.old}",
            }
            for s in quote.splits
            if s.at in inside
        }
        if "div" in wanted and paid:
            out["dividends"] = paid
        if "split" in wanted and split:
            out["splits"] = split
        return out

    def _meta(
        self, quote: Quote, close: Floats, stamps: Ints, first: int, known: int, now: date
    ) -> dict[str, Any]:
        noon = datetime.combine(now, time(12), NEW_YORK)
        offset = int((noon.utcoffset() or timedelta()).total_seconds())
        year = close[max(0, known - 252) : known]
        code, full = {"ETF": ("PCX", "NYSEArca"), "EQUITY": ("NYQ", "NYSE")}.get(
            quote.kind, _INDICES.get(quote.symbol, ("", "", ""))[1:]
        )  # fmt: skip
        last = close[known - 1]
        return {
            "currency": "USD",
            "symbol": quote.symbol,
            "exchangeName": code,
            "fullExchangeName": full,
            "instrumentType": quote.kind,
            "firstTradeDate": int(stamps[0]),
            "regularMarketTime": epoch(
                self.market.days[quote.at[known - 1]].item(), time(16, 0, 1)
            ),
            "hasPrePostMarketData": quote.kind != "INDEX",
            "gmtoffset": offset,
            "timezone": noon.tzname(),
            "exchangeTimezoneName": "America/New_York",
            "regularMarketPrice": round(float(last), 3),
            "fiftyTwoWeekHigh": round(float(np.nanmax(year)), 3),
            "fiftyTwoWeekLow": round(float(np.nanmin(year)), 3),
            "longName": quote.name,
            "shortName": quote.name[:31],
            "chartPreviousClose": round(float(close[max(first - 1, 0)]), 3),
            "priceHint": 2,
            "dataGranularity": "1d",
            "range": "",
            "validRanges": _RANGES,
        }


def epoch(day: date, at: time) -> int:
    """Return the seconds since 1970 of a New York wall-clock time."""
    return int(datetime.combine(day, at, NEW_YORK).timestamp())


def split_ratio(at: Ints, splits: Sequence[Split], *, upto: int) -> Floats:
    """Return today's shares for one share of each session: splits after it, up to `upto`."""
    out = np.ones(len(at))
    for split in splits:
        if split.at <= upto:
            out[at < split.at] *= split.new / split.old
    return out


def _dividend_factor(quote: Quote, today: int) -> Floats:
    """Return the product of 1 - dividend / close before, over the dividends after each bar."""
    out = np.ones(len(quote.at))
    for paid in quote.dividends:
        place = int(np.searchsorted(quote.at, paid.at))
        if paid.at > today or place == 0:
            continue
        before = quote.close[place - 1]
        if before == before:
            out[:place] *= 1 - paid.amount / before
    return out


def _with_dividends(quote: Quote, paid: tuple[Dividend, ...]) -> Quote:
    return Quote(
        quote.symbol, quote.name, quote.kind, quote.at, quote.open, quote.high, quote.low,
        quote.close, quote.volume, quote.splits, paid,
    )  # fmt: skip


def _float32(values: Floats) -> Floats:
    return values.astype(np.float32).astype(np.float64)


def _integers(values: Floats) -> Any:
    if not np.isnan(values).any():
        return np.round(values).astype(np.int64)
    return [None if v != v else round(v) for v in values.tolist()]


def _error(status: int, code: str, text: str) -> Answer:
    error = {"code": code, "description": text}
    return Answer(status, orjson.dumps({"chart": {"result": None, "error": error}}), _JSON)
