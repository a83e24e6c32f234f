import math
from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from pipelines.sources.bars import round_float32
from pipelines.sources.errors import SourceContractChanged, SourceUnavailable, UnknownItem
from pipelines.sources.yahoo import YahooChart, parse_chart
from pipelines.storage.contracts import RAW_TABLES
from tests.fakes.prices import fetch_context, payload_of

NEW_YORK = ZoneInfo("America/New_York")


def stamp(day: str, at: str = "09:30:00") -> int:
    return int(datetime.fromisoformat(f"{day} {at}").replace(tzinfo=NEW_YORK).timestamp())


def chart(days, closes, *, symbol="ABC", adjclose=None, events=None, stamps=None, **quote):
    count = len(closes)
    result = {
        "meta": {"symbol": symbol, "exchangeTimezoneName": "America/New_York", "gmtoffset": -14400},
        "timestamp": stamps or [stamp(day) for day in days],
        "indicators": {
            "quote": [
                {
                    "volume": quote.get("volume", [1000] * count),
                    "close": closes,
                    "high": quote.get("high", closes),
                    "open": quote.get("open", closes),
                    "low": quote.get("low", closes),
                }
            ],
            "adjclose": [{"adjclose": closes if adjclose is None else adjclose}],
        },
    }
    if events:
        result["events"] = events
    return {"chart": {"result": [result], "error": None}}


def payload(body, *, symbol="ABC", running="", status=200, **context):
    return payload_of(
        "yahoo",
        "yahoo_chart",
        symbol,
        body,
        status,
        symbol=symbol,
        provider_symbol=symbol,
        bars="instrument_bars",
        events="instrument_events",
        running_session=running,
        **context,
    )


def bars_of(body, **options) -> pd.DataFrame:
    return parse_chart(payload(body, **options))["instrument_bars"]


def events_of(body, **options) -> pd.DataFrame:
    return parse_chart(payload(body, **options))["instrument_events"]


def test_a_chart_becomes_bars_with_the_columns_of_the_raw_table():
    body = chart(
        ["2025-04-02", "2025-04-03"],
        [10.0, 11.0],
        adjclose=[9.0, 9.9],
        open=[9.5, 10.5],
        high=[10.25, 11.5],
        low=[9.25, 10.25],
        volume=[1200, 3400],
    )
    frames = parse_chart(payload(body))
    bars = frames["instrument_bars"]
    assert tuple(bars.columns) == RAW_TABLES["instrument_bars"].source_columns
    assert (
        tuple(frames["instrument_events"].columns) == RAW_TABLES["instrument_events"].source_columns
    )
    assert bars["traded_on"].tolist() == [pd.Timestamp("2025-04-02"), pd.Timestamp("2025-04-03")]
    assert str(bars["traded_on"].dtype) == "datetime64[us]"
    assert bars[["open", "high", "low", "close"]].iloc[1].tolist() == [10.5, 11.5, 10.25, 11.0]
    assert bars["volume"].tolist() == [1200, 3400]
    assert math.isnan(bars["total_return_ratio"].iloc[0])
    assert bars["total_return_ratio"].iloc[1] == pytest.approx(1.1)


def test_thirty_two_bit_floats_become_the_decimals_that_were_meant():
    closes = [float(np.float32(x)) for x in (12.34, 5123.41, 0.128348, 17000.52)]
    days = ["2025-04-01", "2025-04-02", "2025-04-03", "2025-04-04"]
    assert bars_of(chart(days, closes))["close"].tolist() == [12.34, 5123.41, 0.128348, 17000.52]


def test_rounding_leaves_true_doubles_and_missing_values_alone():
    values = np.array([12.345678901, np.nan, 0.0, -1.0, float(np.float32(33_554_432.0))])
    rounded = round_float32(values)
    assert rounded[0] == 12.345678901
    assert math.isnan(rounded[1])
    assert rounded[2:].tolist() == [0.0, -1.0, 33_554_430.0]


def test_a_null_close_is_no_bar_and_other_nulls_stay_missing():
    body = chart(["2025-04-02", "2025-04-03"], [None, 11.0], open=[None, None], volume=[None, None])
    bars = bars_of(body)
    assert bars["close"].tolist() == [11.0]
    assert bars["open"].isna().tolist() == [True]
    assert bars["volume"].isna().tolist() == [True]


def test_bars_are_dated_in_the_exchange_zone_not_by_todays_offset():
    # 23:30 in New York is the next day in UTC; in January the offset is another than in July.
    body = chart(
        [], [1.0, 2.0], stamps=[stamp("2024-01-09", "23:30:00"), stamp("2024-07-09", "23:30:00")]
    )
    assert bars_of(body)["traded_on"].dt.strftime("%m-%d").tolist() == ["01-09", "07-09"]


def test_timestamps_before_1970_are_negative():
    body = chart(["1929-10-28", "1929-10-29"], [22.5, 20.25])
    assert body["chart"]["result"][0]["timestamp"][0] < 0
    assert bars_of(body)["traded_on"].iloc[0] == pd.Timestamp(1929, 10, 28)


def test_of_two_bars_of_a_day_the_later_counts_in_whatever_order():
    stamps = [stamp("2025-04-04", "16:00:01"), stamp("2025-04-03"), stamp("2025-04-04")]
    bars = bars_of(chart([], [10.75, 9.5, 10.25], stamps=stamps))
    assert bars["close"].tolist() == [9.5, 10.75]


def test_two_closes_of_one_moment_are_a_changed_contract():
    moment = stamp("2025-04-04")
    with pytest.raises(SourceContractChanged, match="two closes of one moment"):
        bars_of(chart([], [10.25, 10.5], stamps=[moment, moment]))
    assert len(bars_of(chart([], [10.25, 10.25], stamps=[moment, moment]))) == 1


def test_a_later_bar_without_a_close_does_not_displace_the_earlier():
    stamps = [stamp("2025-04-04"), stamp("2025-04-04", "16:00:01")]
    assert bars_of(chart([], [10.25, None], stamps=stamps))["close"].tolist() == [10.25]


def test_the_bar_of_a_running_session_is_dropped():
    body = chart(["2025-04-03", "2025-04-04"], [10.0, 11.0])
    assert bars_of(body, running="2025-04-04")["close"].tolist() == [10.0]
    assert bars_of(body)["close"].tolist() == [10.0, 11.0]


def test_without_adjusted_closes_there_is_no_total_return():
    body = chart(["2025-04-03", "2025-04-04"], [10.0, 11.0])
    body["chart"]["result"][0]["indicators"]["adjclose"] = [{}]
    assert bars_of(body)["total_return_ratio"].isna().all()


def test_adjusted_closes_under_another_name_are_a_changed_contract():
    body = chart(["2025-04-03", "2025-04-04"], [10.0, 11.0])
    body["chart"]["result"][0]["indicators"]["adjclose"] = [{"adj_close": [10.0, 11.0]}]
    with pytest.raises(SourceContractChanged, match="'adjclose' is missing"):
        bars_of(body)


def test_events_become_dated_facts():
    at = stamp("2025-04-03")
    events = {
        "dividends": {str(at): {"amount": float(np.float32(0.12)), "date": at}},
        "splits": {str(at): {"date": at, "numerator": 3, "denominator": 2, "splitRatio": "3:2"}},
        "capitalGains": {str(at): {"amount": 1.5, "date": at}},
    }
    rows = events_of(chart(["2025-04-03"], [10.0], events=events)).set_index("event_kind")
    assert rows.loc["dividend", "amount_usd"] == 0.12
    assert rows.loc["capital_gain", "amount_usd"] == 1.5
    assert rows.loc["split", ["numerator", "denominator"]].tolist() == [3.0, 2.0]
    assert set(rows["event_on"]) == {pd.Timestamp("2025-04-03")}


def test_two_dividends_of_one_day_are_one_row_with_their_sum():
    first, second = stamp("2025-04-03"), stamp("2025-04-03", "10:00:00")
    events = {
        "dividends": {
            str(first): {"amount": 0.25, "date": first},
            str(second): {"amount": 0.5, "date": second},
        }
    }
    rows = events_of(chart(["2025-04-03"], [10.0], events=events))
    assert rows["amount_usd"].tolist() == [0.75]


def test_a_split_of_nothing_is_refused():
    at = stamp("2025-04-03")
    events = {"splits": {str(at): {"date": at, "numerator": 2, "denominator": 0}}}
    with pytest.raises(SourceContractChanged, match="a split of 2 for 0"):
        events_of(chart(["2025-04-03"], [10.0], events=events))


def test_a_weekend_window_has_no_rows():
    body = {
        "chart": {
            "result": [
                {
                    "meta": {"symbol": "ABC", "exchangeTimezoneName": "America/New_York"},
                    "indicators": {"quote": [{}], "adjclose": [{}]},
                }
            ],
            "error": None,
        }
    }
    frames = parse_chart(payload(body))
    assert [len(frame) for frame in frames.values()] == [0, 0]
    assert tuple(frames["instrument_bars"].columns) == RAW_TABLES["instrument_bars"].source_columns


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (
            {
                "chart": {
                    "result": None,
                    "error": {"code": "Not Found", "description": "No data found"},
                }
            },
            404,
        ),
        (
            {
                "chart": {
                    "result": None,
                    "error": {
                        "code": "Bad Request",
                        "description": "Data doesn't exist for startDate = 1, endDate = 2",
                    },
                }
            },
            400,
        ),
        ({"chart": {"result": [], "error": None}}, 200),
        ({"chart": {"result": [{"meta": None, "indicators": {}}], "error": None}}, 200),
        ({"chart": {"result": [{"meta": {"symbol": None}}], "error": None}}, 200),
    ],
)
def test_every_form_of_an_unknown_symbol_is_told(body, status):
    with pytest.raises(UnknownItem, match="yahoo: ABC"):
        parse_chart(payload(body, status=status))


def test_a_refusal_with_a_good_status_is_never_data():
    for body in (b"Too Many Requests\r\n", b"", b"\x00\x01", b'{"chart": {"res'):
        with pytest.raises(SourceUnavailable):
            parse_chart(payload(body))
    assert YahooChart().is_busy(b"Too Many Requests\r\n")
    assert not YahooChart().is_busy(b'{"chart":{}}')


def test_a_request_that_is_not_understood_is_a_changed_contract():
    error = {"code": "Bad Request", "description": "Invalid input - interval=1d"}
    with pytest.raises(SourceContractChanged, match="did not understand"):
        parse_chart(payload({"chart": {"result": None, "error": error}}, status=400))


def test_another_symbol_than_asked_is_refused():
    with pytest.raises(SourceContractChanged, match="asked for ABC, got XYZ"):
        bars_of(chart(["2025-04-03"], [1.0], symbol="XYZ"))


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda r: r["indicators"]["quote"][0].pop("close"), "'close' is missing"),
        (
            lambda r: r["indicators"]["quote"][0].update(low=[10.0]),
            "1 values of 'low' for 2 timestamps",
        ),
        (
            lambda r: r["indicators"]["quote"][0].update(close=["Too Many", 1.0]),
            "'close' holds something that is no number",
        ),
        (lambda r: r["timestamp"].__setitem__(0, None), "a bar without a timestamp"),
        (lambda r: r["meta"].update(exchangeTimezoneName="Mars/Olympus"), "no time zone"),
        (lambda r: r["meta"].pop("symbol"), "bars without a symbol"),
    ],
)
def test_a_changed_shape_is_told_by_its_rule(change, rule):
    body = chart(["2025-04-03", "2025-04-04"], [10.0, 11.0])
    change(body["chart"]["result"][0])
    with pytest.raises(SourceContractChanged, match=rule):
        bars_of(body)


def test_a_superseded_tail_gives_no_rows():
    body = chart(["2025-04-03"], [10.0])
    assert parse_chart(payload(body, superseded="yes")) == {}


def test_symbols_are_quoted_and_windows_reach_before_1970():
    context = fetch_context(datetime(2025, 4, 4, 22, tzinfo=ZoneInfo("UTC")))
    request = YahooChart().request("^RUT", start=date(1927, 1, 1), context=context)
    assert request.path == "/v8/finance/chart/%5ERUT"
    assert int(request.params["period1"]) < 0
    # the end is excluded: midnight after the as-of day
    assert int(request.params["period2"]) == stamp("2025-04-05", "00:00:00")
    brk = YahooChart().request("BRK-B", start=date(2025, 1, 1), context=context)
    assert brk.path.endswith("/BRK-B")
