import json
from datetime import UTC, date, datetime
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from pipelines.catalog.models import Instrument
from pipelines.settings import Secret
from pipelines.sources.payloads import ItemState
from pipelines.sources.prices import fetch_constituent_bars, fetch_instrument_bars
from tests.fakes.prices import AnsweringAdapter, client_for, fetch_context

NEW_YORK = ZoneInfo("America/New_York")
FRIDAY_NIGHT = datetime(2025, 4, 4, 22, tzinfo=UTC)
MONDAY_NIGHT = datetime(2025, 4, 7, 22, tzinfo=UTC)
JSON = {"content-type": "application/json"}


def instrument(symbol="ABC", **changes):
    return Instrument(
        **{
            "symbol": symbol,
            "title": symbol,
            "kind": "etf",
            "groups": (),
            "history_from": date(2025, 1, 1),
            "why": "a test",
        }
        | changes
    )


def catalog_of(*instruments):
    return SimpleNamespace(instruments=instruments)


def seconds(day: date, hour=9, minute=30) -> int:
    return int(datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK).timestamp())


class Market:
    """A tiny Yahoo and Tiingo: closes per symbol and day, with switches for what goes wrong."""

    def __init__(self, closes, *, splits=None, yahoo_status=200):
        self.closes = closes
        self.splits = splits or {}
        self.yahoo_status = yahoo_status

    def __call__(self, asked):
        if asked.host == "api.tiingo.com":
            return self.tiingo(asked)
        if self.yahoo_status != 200:
            return self.yahoo_status, {}, b"busy"
        symbol = asked.path.rsplit("/", 1)[-1].replace("%5E", "^")
        if symbol not in self.closes:
            error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
            return 404, JSON, json.dumps({"chart": {"result": None, "error": error}}).encode()
        start, end = int(asked.query["period1"]), int(asked.query["period2"])
        bars = {d: c for d, c in self.closes[symbol].items() if start <= seconds(d) < end}
        values = list(bars.values())
        names = ("open", "high", "low", "close", "volume")
        result = {
            "meta": {"symbol": symbol, "exchangeTimezoneName": "America/New_York"},
            "timestamp": [seconds(d) for d in bars],
            "indicators": {
                "quote": [dict.fromkeys(names, values)],
                "adjclose": [{"adjclose": values}],
            },
        }
        split = self.splits.get(symbol)
        if split and start <= seconds(split) < end:
            at = seconds(split)
            entry = {"date": at, "numerator": 2, "denominator": 1, "splitRatio": "2:1"}
            result["events"] = {"splits": {str(at): entry}}
        return 200, JSON, json.dumps({"chart": {"result": [result], "error": None}}).encode()

    def tiingo(self, asked):
        symbol = asked.path.split("/")[3]
        start = date.fromisoformat(asked.query["startDate"])
        rows = [
            {
                "date": f"{day}T00:00:00.000Z",
                **dict.fromkeys(("open", "high", "low", "close", "adjClose"), close),
                "volume": 5,
                "divCash": 0.0,
                "splitFactor": 1.0,
            }
            for day, close in self.closes[symbol].items()
            if day >= start
        ]
        return 200, JSON, json.dumps(rows).encode()


SESSIONS = [date(2025, 3, d) for d in (3, 10, 17, 24, 31)] + [date(2025, 4, d) for d in (3, 4)]
HISTORY = {day: 10.0 + n for n, day in enumerate(SESSIONS)}


def run(market, context, *instruments, restated=(), secrets=()):
    adapter = AnsweringAdapter(market)
    client = client_for(adapter, "yahoo", "tiingo", secrets=secrets)
    found = fetch_instrument_bars(client, catalog_of(*instruments), context, restated=restated)
    return found, adapter.asked


def outcomes(found):
    return {o.item: (o.provider, o.status) for o in found.outcomes}


def test_a_first_load_reads_the_whole_history():
    found, asked = run(Market({"^RUT": HISTORY}), fetch_context(FRIDAY_NIGHT), instrument("^RUT"))
    assert found.frames["instrument_bars"]["close"].tolist() == list(HISTORY.values())
    assert found.frames["instrument_bars"]["source"].unique().tolist() == ["yahoo"]
    assert int(asked[0].query["period1"]) == seconds(date(2025, 1, 1), 0, 0)
    assert outcomes(found) == {"^RUT": ("yahoo", "fetched")}
    assert found.requests == {"yahoo": 1}


def test_a_later_night_reads_the_tail_with_ten_days_of_overlap():
    context = fetch_context(FRIDAY_NIGHT, [ItemState("ABC", newest_on=date(2025, 4, 3))])
    found, asked = run(Market({"ABC": HISTORY}), context, instrument())
    assert int(asked[0].query["period1"]) == seconds(date(2025, 3, 24), 0, 0)
    days = found.frames["instrument_bars"]["traded_on"].dt.date.tolist()
    assert days == [date(2025, 3, 24), date(2025, 3, 31), date(2025, 4, 3), date(2025, 4, 4)]


def test_a_symbol_with_the_last_closed_session_is_not_asked():
    context = fetch_context(FRIDAY_NIGHT, [ItemState("ABC", newest_on=date(2025, 4, 4))])
    found, asked = run(Market({"ABC": HISTORY}), context, instrument())
    assert asked == []
    assert outcomes(found) == {"ABC": ("yahoo", "unchanged")}
    assert found.requests == {}


def test_before_the_bell_the_last_closed_session_is_the_day_before():
    before_the_bell = datetime(2025, 4, 4, 19, tzinfo=UTC)
    state = [ItemState("ABC", newest_on=date(2025, 4, 3))]
    _, asked = run(Market({"ABC": HISTORY}), fetch_context(before_the_bell, state), instrument())
    assert asked == []
    found, _ = run(Market({"ABC": HISTORY}), fetch_context(before_the_bell), instrument())
    assert found.frames["instrument_bars"]["traded_on"].max() == pd.Timestamp(2025, 4, 3)


def test_a_full_refresh_asks_for_everything_whatever_is_stored():
    context = fetch_context(
        FRIDAY_NIGHT, [ItemState("ABC", newest_on=date(2025, 4, 4))], full_refresh=True
    )
    found, _ = run(Market({"ABC": HISTORY}), context, instrument())
    assert len(found.frames["instrument_bars"]) == len(HISTORY)


def test_a_new_split_in_the_tail_restates_the_whole_history():
    kept = []
    context = fetch_context(FRIDAY_NIGHT, [ItemState("ABC", newest_on=date(2025, 4, 3))], kept=kept)
    market = Market({"ABC": HISTORY}, splits={"ABC": date(2025, 4, 4)})
    found, asked = run(market, context, instrument())
    assert len(asked) == 2
    bars = found.frames["instrument_bars"]
    assert bars["close"].tolist() == list(HISTORY.values())
    assert not bars.duplicated("traded_on").any()
    assert bars["payload_sha256"].nunique() == 1
    assert len(found.frames["instrument_events"]) == 1
    assert [len(p.body) > 0 for p in kept] == [True, True]  # the tail stays in landing as evidence


def test_a_split_that_the_stored_history_already_has_is_no_reason_to_read_again():
    context = fetch_context(FRIDAY_NIGHT, [ItemState("ABC", newest_on=date(2025, 4, 3))])
    market = Market({"ABC": HISTORY}, splits={"ABC": date(2025, 4, 3)})
    _, asked = run(market, context, instrument())
    assert len(asked) == 1


def test_restated_symbols_are_read_whole_and_alone():
    state = [ItemState(s, newest_on=date(2025, 4, 4)) for s in ("ABC", "XYZ")]
    market = Market({"ABC": HISTORY, "XYZ": HISTORY})
    found, asked = run(
        market,
        fetch_context(FRIDAY_NIGHT, state),
        instrument("ABC"),
        instrument("XYZ"),
        restated=["XYZ"],
    )
    assert [a.path for a in asked] == ["/v8/finance/chart/XYZ"]
    assert len(found.frames["instrument_bars"]) == len(HISTORY)
    assert set(outcomes(found)) == {"XYZ"}


def test_an_unknown_symbol_rests_until_monday_or_a_week_or_a_full_refresh():
    state = [ItemState("GONE", last_status="unknown", asked_on=date(2025, 4, 1))]
    rested, asked = run(Market({}), fetch_context(FRIDAY_NIGHT, state), instrument("GONE"))
    assert asked == []
    assert outcomes(rested) == {"GONE": ("yahoo", "unknown")}
    _, monday = run(Market({}), fetch_context(MONDAY_NIGHT, state), instrument("GONE"))
    week_old = [ItemState("GONE", last_status="unknown", asked_on=date(2025, 3, 28))]
    _, later = run(Market({}), fetch_context(FRIDAY_NIGHT, week_old), instrument("GONE"))
    _, full = run(
        Market({}), fetch_context(FRIDAY_NIGHT, state, full_refresh=True), instrument("GONE")
    )
    assert [len(a) for a in (monday, later, full)] == [1, 1, 1]


def test_one_unknown_symbol_does_not_take_the_others_with_it():
    found, _ = run(
        Market({"ABC": HISTORY}), fetch_context(FRIDAY_NIGHT), instrument("GONE"), instrument("ABC")
    )
    assert outcomes(found) == {"GONE": ("yahoo", "unknown"), "ABC": ("yahoo", "fetched")}
    detail = {o.item: o.detail for o in found.outcomes}["GONE"]
    assert detail == "No data found, symbol may be delisted; tiingo: no TIINGO_API_KEY"


def test_the_alternate_reads_its_own_whole_history_and_the_key_stays_out():
    key = Secret("sesame-opens")
    kept = []
    context = fetch_context(
        FRIDAY_NIGHT,
        [ItemState("ABC", newest_on=date(2025, 4, 3))],
        kept=kept,
        tiingo_api_key=key,
    )
    market = Market({"ABC": HISTORY}, yahoo_status=503)
    found, asked = run(market, context, instrument(), secrets=[key])
    bars = found.frames["instrument_bars"]
    assert bars["source"].unique().tolist() == ["tiingo"]
    assert bars["close"].tolist() == list(HISTORY.values())
    assert asked[-1].headers["authorization"] == "Token sesame-opens"
    assert outcomes(found) == {"ABC": ("tiingo", "fetched")}
    assert "sesame" not in repr(kept) + repr(found.payloads)


def test_rows_of_the_alternate_are_continued_by_the_alternate_only():
    state = [ItemState("ABC", newest_on=date(2025, 4, 3), source="tiingo")]
    context = fetch_context(FRIDAY_NIGHT, state, tiingo_api_key=Secret("sesame"))
    _, asked = run(Market({"ABC": HISTORY}, yahoo_status=503), context, instrument())
    assert asked[-1].query["startDate"] == "2025-03-24"
    # Yahoo is back: its history is its own and has to be read from the start.
    _, again = run(Market({"ABC": HISTORY}), context, instrument())
    assert int(again[0].query["period1"]) == seconds(date(2025, 1, 1), 0, 0)


def test_an_index_has_no_alternate():
    market = Market({"^RUT": HISTORY}, yahoo_status=503)
    context = fetch_context(FRIDAY_NIGHT, tiingo_api_key=Secret("sesame"))
    found, asked = run(market, context, instrument("^RUT", providers=("yahoo",)))
    assert outcomes(found) == {"^RUT": ("yahoo", "unavailable")}
    assert {a.host for a in asked} == {"query1.finance.yahoo.com"}


def test_another_spelling_at_a_provider_is_asked_and_ours_is_stored():
    found, asked = run(
        Market({"NEW": HISTORY}),
        fetch_context(FRIDAY_NIGHT),
        instrument("OLD", provider_symbols={"yahoo": "NEW"}),
    )
    assert asked[0].path.endswith("/NEW")
    assert found.frames["instrument_bars"]["symbol"].unique().tolist() == ["OLD"]


def test_a_payload_that_breaks_its_contract_is_kept_and_marked():
    kept = []

    def answer(asked):
        status, headers, body = Market({"ABC": HISTORY})(asked)
        return status, headers, body.replace(b'"symbol": "ABC"', b'"symbol": "XYZ"')

    found, _ = run(answer, fetch_context(FRIDAY_NIGHT, kept=kept), instrument())
    assert outcomes(found) == {"ABC": ("yahoo", "broken")}
    assert len(kept) == 1
    assert "instrument_bars" not in found.frames


@pytest.mark.parametrize(("status", "body"), [(404, b"<html>gone</html>"), (400, b"nonsense")])
def test_an_error_without_yahoos_own_words_says_nothing_about_the_symbol(status, body):
    found, _ = run(
        lambda _: (status, {}, body),
        fetch_context(FRIDAY_NIGHT),
        instrument(providers=("yahoo",)),
    )
    assert outcomes(found) == {"ABC": ("yahoo", "unavailable")}


def test_constituents_are_asked_once_each_and_fill_their_own_tables():
    adapter = AnsweringAdapter(Market({"AAA": HISTORY, "BRK-B": HISTORY}))
    found = fetch_constituent_bars(
        client_for(adapter, "yahoo"),
        catalog_of(),
        fetch_context(FRIDAY_NIGHT),
        ["AAA", "BRK-B", "AAA"],
    )
    assert len(adapter.asked) == 2
    assert set(found.frames) == {"constituent_bars", "constituent_events"}
    assert len(found.frames["constituent_bars"]) == 2 * len(HISTORY)
