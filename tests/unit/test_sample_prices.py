"""The simulated market as Yahoo shows it: forms, adjustments, and one story for all."""

from __future__ import annotations

from datetime import date, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from pipelines.catalog.models import CATALOG_DIR, Instrument, read_entries
from pipelines.sample.companies import Universe
from pipelines.sample.yahoo import YahooWire
from pipelines.sources.calendar import sessions_between
from tests.fakes.sample_world import adapter, get

NEW_YORK = ZoneInfo("America/New_York")
LONG = {"period1": "-2208988800", "period2": "9999999999", "interval": "1d", "events": "div,splits"}


def chart(symbol: str, now: date | None = None, **params: str) -> dict[str, Any]:
    reply = get("yahoo", f"/v8/finance/chart/{symbol}", now, **(LONG | params))
    assert reply.status_code == 200, reply.text[:200]
    found: dict[str, Any] = reply.json()["chart"]["result"][0]
    return found


def closes(symbol: str, now: date | None = None) -> dict[date, float]:
    found = chart(symbol, now)
    days = [datetime.fromtimestamp(t, NEW_YORK).date() for t in found["timestamp"]]
    return dict(zip(days, found["indicators"]["quote"][0]["close"], strict=True))


def yahoo() -> YahooWire:
    handler: Any = adapter()._handlers["yahoo"]
    wire: YahooWire = handler.__self__
    return wire


def universes() -> tuple[Universe, ...]:
    return yahoo().universes


def last_row(universe: Universe, day: date = date(2025, 10, 10)) -> int:
    return int(np.searchsorted(universe.days, np.datetime64(day)))


def test_every_catalogued_instrument_is_quoted_on_every_session() -> None:
    for instrument in read_entries(CATALOG_DIR / "instruments.yaml", Instrument, id_field="symbol"):
        found = closes(instrument.symbol)
        assert list(found) == sessions_between(min(found), date(2025, 10, 10)), instrument.symbol
        assert all(value > 0 for value in found.values()), instrument.symbol


def test_a_chart_has_yahoos_form() -> None:
    found = chart("IWM")
    assert found["meta"]["symbol"] == "IWM"
    assert found["meta"]["exchangeTimezoneName"] == "America/New_York"
    quote = found["indicators"]["quote"][0]
    assert set(quote) == {"open", "high", "low", "close", "volume"}
    assert len({len(v) for v in [found["timestamp"], *quote.values()]}) == 1
    assert found["events"]["splits"]["1150119000"]["splitRatio"] == "2:1"
    last = quote["close"][-1]
    assert last == float(np.float32(last))
    assert round(last, 2) == 251.2


def test_a_weekend_is_a_chart_without_bars_and_an_unknown_symbol_is_404() -> None:
    empty = chart("IWM", period1="1759550400", period2="1759636800")
    assert "timestamp" not in empty
    assert empty["indicators"]["quote"] == [{}]
    reply = get("yahoo", "/v8/finance/chart/NOSUCH", **LONG)
    assert reply.status_code == 404
    assert reply.json()["chart"]["error"]["code"] == "Not Found"


def test_a_careless_client_is_told_too_many_requests_in_plain_text() -> None:
    reply = get("yahoo", "/v8/finance/chart/IWM", None, {"User-Agent": "python-requests/2.32"})
    assert (reply.status_code, reply.text.strip()) == (429, "Too Many Requests")


def test_the_small_cap_rally_ends_in_a_record_after_almost_four_years() -> None:
    found = closes("^RUT")
    days, values = list(found), np.array(list(found.values()))
    records = [days[i] for i in range(1, len(days)) if values[i] > values[:i].max()]
    assert records[-1] == date(2025, 10, 10)
    breakouts = [d for before, d in pairwise(records) if days.index(d) - days.index(before) > 252]
    assert breakouts[-1] == date(2025, 9, 18)
    assert date(2021, 11, 8) in records


def test_the_index_is_the_weighted_return_of_its_members() -> None:
    for universe, symbol in zip(universes(), ("^RUT", "^GSPC"), strict=True):
        quoted = closes(symbol)
        index = np.array([quoted[d] for d in universe.days.tolist() if d in quoted])
        worst = 0.0
        for row in range(1, len(index), 7):
            before = np.nan_to_num(universe.raw[row - 1] * universe.shares[row - 1])
            after = np.nan_to_num(universe.raw[row] * universe.shares[row])
            inside = universe.member[row] & (before > 0)
            own = after[inside].sum() / before[inside].sum()
            worst = max(worst, abs(own / (index[row] / index[row - 1]) - 1))
        assert worst < 2e-4


def test_breadth_index_and_fund_rise_together() -> None:
    small = universes()[0]
    row = last_row(small)
    inside = small.member[row] & small.member[row - 200]
    average = small.raw[row - 199 : row + 1, inside].mean(axis=0)
    assert (small.raw[row, inside] > average).mean() > 0.6
    index, fund = closes("^RUT"), closes("IWM")
    pair = np.array([[index[d], fund[d]] for d in small.days[: row + 1].tolist()])
    moves = np.diff(np.log(pair), axis=0)
    assert np.corrcoef(moves.T)[0, 1] > 0.999


def test_both_universes_have_names_enough_at_all_times() -> None:
    for universe in universes():
        assert universe.member.sum(axis=1).min() >= 255
        tickers = [c.ticker for c in universe.companies]
        assert len(set(tickers)) == len(tickers)
    first, second = ({c.symbol for c in u.companies} for u in universes())
    assert not first & second
    assert {"BRK-B", "META"} <= second
    assert "MOG-A" in first


@pytest.mark.parametrize("place", [0, 1])
def test_a_recent_split_restates_the_history_when_the_clock_moves(place: int) -> None:
    universe = universes()[place]
    row = last_row(universe, date(2025, 10, 8))
    company, split = next(
        (c.symbol, s)
        for c, splits in zip(universe.companies, universe.splits, strict=True)
        for s in splits
        if s.at == row
    )
    before, after = closes(company, date(2025, 10, 7)), closes(company, date(2025, 10, 8))
    assert max(before) == date(2025, 10, 7)
    for day in (date(2020, 1, 2), date(2025, 10, 7)):
        assert before[day] / after[day] == pytest.approx(split.new / split.old, rel=1e-6)
    move = after[date(2025, 10, 8)] / after[date(2025, 10, 7)]
    assert 0.85 < move < 1.15


def test_the_adjusted_close_carries_the_dividends() -> None:
    found = chart("HYG")
    close = np.array(found["indicators"]["quote"][0]["close"])
    adjusted = np.array(found["indicators"]["adjclose"][0]["adjclose"])
    paid = {int(k): v["amount"] for k, v in found["events"]["dividends"].items()}
    place = found["timestamp"].index(max(paid))
    assert place > 0
    before = close[place - 1]
    step = (adjusted[place] / adjusted[place - 1]) / (close[place] / before)
    assert step == pytest.approx(1 / (1 - paid[max(paid)] / before), rel=1e-6)
    assert adjusted[-1] == close[-1]


def test_thin_companies_miss_sessions_and_some_companies_are_gone() -> None:
    small = universes()[0]
    gone = [c.symbol for c, end in zip(small.companies, small.delisted_at.tolist(), strict=True)
            if end < last_row(small)]  # fmt: skip
    statuses = {
        symbol: get("yahoo", f"/v8/finance/chart/{symbol}", **LONG).status_code for symbol in gone
    }
    assert set(statuses.values()) == {200, 404}
    thin = [c.symbol for c, flag in zip(small.companies, small.illiquid.tolist(), strict=True)
            if flag]  # fmt: skip
    assert len(thin) > 10
    held = closes(thin[0])
    assert len(held) < len(sessions_between(min(held), max(held)))
