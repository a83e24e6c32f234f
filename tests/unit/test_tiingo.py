import math
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from pipelines.settings import Secret
from pipelines.sources.errors import SourceContractChanged, SourceUnavailable, UnknownItem
from pipelines.sources.tiingo import TiingoDaily, parse_daily
from pipelines.storage.contracts import RAW_TABLES
from tests.fakes.prices import fetch_context, payload_of

NOW = datetime(2025, 4, 4, 22, tzinfo=UTC)


def day(on, close, *, adj=None, cash=0.0, split=1.0, volume=100, **more):
    return {
        "date": f"{on}T00:00:00.000Z",
        "close": close,
        "high": close,
        "low": close,
        "open": close,
        "volume": volume,
        "adjClose": close if adj is None else adj,
        "adjVolume": volume,
        "divCash": cash,
        "splitFactor": split,
    } | more


def payload(body, running=""):
    return payload_of(
        "tiingo",
        "tiingo_daily",
        "ABC",
        body,
        symbol="ABC",
        provider_symbol="ABC",
        bars="instrument_bars",
        events="instrument_events",
        running_session=running,
    )


def test_raw_closes_become_split_adjusted_to_the_last_day():
    rows = [
        day("2025-04-01", 120.0, adj=29.0, volume=10),
        day("2025-04-02", 61.0, adj=29.5, split=2.0, volume=20),
        day("2025-04-03", 31.0, adj=30.0, split=2.0, volume=40),
        day("2025-04-04", 32.0, adj=31.5, volume=50),
    ]
    frames = parse_daily(payload(rows))
    bars = frames["instrument_bars"]
    assert bars["close"].tolist() == [30.0, 30.5, 31.0, 32.0]
    assert bars["volume"].tolist() == [40, 40, 40, 50]
    assert math.isnan(bars["total_return_ratio"].iloc[0])
    assert bars["total_return_ratio"].iloc[3] == pytest.approx(31.5 / 30.0)
    splits = frames["instrument_events"]
    assert splits["event_on"].tolist() == [pd.Timestamp(2025, 4, 2), pd.Timestamp(2025, 4, 3)]
    assert splits["numerator"].tolist() == [2.0, 2.0]
    assert tuple(bars.columns) == RAW_TABLES["instrument_bars"].source_columns
    assert tuple(splits.columns) == RAW_TABLES["instrument_events"].source_columns


def test_a_dividend_before_a_split_is_split_adjusted():
    rows = [
        day("2025-04-01", 100.0, cash=1.0),
        day("2025-04-02", 50.0, split=2.0),
        day("2025-04-03", 50.0, cash=0.5),
    ]
    events = parse_daily(payload(rows))["instrument_events"]
    dividends = events[events["event_kind"] == "dividend"]
    assert dividends["amount_usd"].tolist() == [0.5, 0.5]


def test_a_reverse_split_is_one_new_share_for_several_old_ones():
    rows = [day("2025-04-01", 1.5), day("2025-04-02", 15.0, split=0.1)]
    frames = parse_daily(payload(rows))
    assert frames["instrument_bars"]["close"].tolist() == [15.0, 15.0]
    split = frames["instrument_events"].iloc[0]
    assert (split["numerator"], split["denominator"]) == (1.0, 10.0)


def test_the_order_of_the_days_does_not_matter_and_a_running_session_is_dropped():
    rows = [day("2025-04-04", 3.0), day("2025-04-02", 1.0), day("2025-04-03", 2.0)]
    bars = parse_daily(payload(rows, running="2025-04-04"))["instrument_bars"]
    assert bars["close"].tolist() == [1.0, 2.0]


def test_a_day_without_a_close_is_no_bar():
    rows = [day("2025-04-02", 1.0), day("2025-04-03", None, adj=1.0)]
    assert parse_daily(payload(rows))["instrument_bars"]["close"].tolist() == [1.0]


def test_an_empty_window_has_no_rows():
    frames = parse_daily(payload([]))
    assert [len(frame) for frame in frames.values()] == [0, 0]


def test_an_unknown_ticker_an_empty_allowance_and_a_page_are_told_apart():
    with pytest.raises(UnknownItem):
        parse_daily(payload({"detail": "Not found."}))
    over = {"detail": "Error: You have run over your hourly request allocation."}
    with pytest.raises(SourceUnavailable, match="allocation"):
        parse_daily(payload(over))
    assert TiingoDaily().is_busy(payload(over).body)
    with pytest.raises(SourceUnavailable, match="no JSON"):
        parse_daily(payload(b"oops"))


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([{"date": "2025-04-02", "close": 1.0}], "'adjClose' is missing"),
        ([day("2025-04-02", "12.5")], "'close' is missing or no number"),
        ([day("2025-04-02", 1.0, split=0)], "a split factor of 0"),
        ([day("2025-04-02", 1.0), day("2025-04-02", 2.0)], "a day stands twice"),
        ([day("yesterday", 1.0)], "a day without a date"),
        ("text", "expected a list"),
    ],
)
def test_a_changed_shape_is_told_by_its_rule(rows, rule):
    with pytest.raises(SourceContractChanged, match=rule):
        parse_daily(payload(rows))


def test_without_a_key_tiingo_is_not_asked():
    with pytest.raises(SourceUnavailable, match="no TIINGO_API_KEY"):
        TiingoDaily().request("IWM", start=date(2025, 1, 1), context=fetch_context(NOW))


def test_the_key_travels_in_a_secret_header_only():
    context = fetch_context(NOW, tiingo_api_key=Secret("sesame"))
    request = TiingoDaily().request("BRK-B", start=date(2025, 1, 1), context=context)
    assert request.path == "/tiingo/daily/BRK-B/prices"
    assert request.params == {"startDate": "2025-01-01", "endDate": "2025-04-04", "format": "json"}
    assert request.secret_headers["Authorization"].reveal() == "Token sesame"
    assert "sesame" not in repr(request)
