from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from pipelines.catalog.models import Restatement
from pipelines.quality.bar_moves import find_spikes
from pipelines.quality.bars import find_restated_symbols
from pipelines.sources.calendar import sessions_between
from pipelines.sources.payloads import ItemOutcome
from tests.fakes.gate import (
    an_extract,
    an_instrument,
    catalog_with,
    finding,
    judge,
    kept_out,
    raw_frame,
    stored,
)

SESSIONS = [d.isoformat() for d in sessions_between(date(2024, 1, 2), date(2024, 5, 31))]


def bars(symbol: str, closes: dict[str, float] | None = None, *, table="constituent_bars", **more):
    """Return a calm history around 20, with `closes` put in place of single ones."""
    rows = []
    for i, day in enumerate(SESSIONS):
        close = (closes or {}).get(day, 20.0 + 0.1 * (i % 7))
        rows.append(
            {
                "symbol": symbol,
                "traded_on": day,
                "open": close,
                "high": close * 1.01,
                "low": close * 0.99,
                "close": close,
                "volume": 100_000,
                "total_return_ratio": 1.0,
                **more,
            }
        )
    return raw_frame(table, rows)


def with_row(frame: pd.DataFrame, day: str, **values: object) -> pd.DataFrame:
    """Return the frame with values of one day's row changed."""
    out = frame.copy()
    for column, value in values.items():
        out.loc[out["traded_on"] == pd.Timestamp(day), column] = value
    return out


def judge_members(*frames: pd.DataFrame, events=None, history=None, outcomes=None, **options):
    tables = {"constituent_bars": pd.concat(frames, ignore_index=True)}
    if events is not None:
        tables["constituent_events"] = raw_frame("constituent_events", events)
    extract = an_extract("constituent_bars", tables, outcomes=outcomes)
    return judge(extract, catalog_with(), history=history, **options)


def judge_instruments(*frames: pd.DataFrame, instruments, **options):
    extract = an_extract("instrument_bars", {"instrument_bars": pd.concat(frames)})
    return judge(extract, catalog_with(instruments=instruments), **options)


def test_a_good_batch_passes_whole():
    report = judge_members(bars("AAA"), bars("BBB"))
    assert [f for f in report.findings if not f.passed] == []
    assert len(report.accepted["constituent_bars"]) == 2 * len(SESSIONS)


def test_prices_may_be_missing_but_the_close():
    frame = bars("AAA").assign(open=np.nan, high=np.nan, low=np.nan, volume=pd.NA)
    frame["volume"] = frame["volume"].astype("Int64")
    assert [f for f in judge_members(frame).findings if not f.passed] == []
    report = judge_members(with_row(frame, "2024-03-05", close=np.nan))
    assert kept_out(report, "columns_have_their_types") == [("AAA", "2024-03-05")]
    assert report.quarantined.iloc[0]["reason"] == "close is missing"


@pytest.mark.parametrize("close", [0.0, -1.0])
def test_a_close_of_zero_or_less_is_quarantined(close):
    report = judge_members(with_row(bars("AAA"), "2024-03-05", close=close, low=close))
    assert kept_out(report, "prices_are_positive") == [("AAA", "2024-03-05")]
    assert not report.refused


def test_an_infinite_price_is_quarantined():
    report = judge_members(with_row(bars("AAA"), "2024-03-05", high=np.inf))
    assert kept_out(report, "columns_have_their_types") == [("AAA", "2024-03-05")]


def test_a_refusal_stored_as_a_symbol_is_quarantined():
    nonsense = bars("Too Many Requests").tail(1)
    report = judge_members(bars("AAA"), bars("^B-C.D"), nonsense)
    assert kept_out(report, "columns_have_their_types") == [("Too Many Requests", "2024-05-31")]
    assert report.quarantined.iloc[0]["reason"] == "'Too Many Requests' is no name"


def test_a_negative_volume_is_quarantined():
    report = judge_members(with_row(bars("AAA"), "2024-03-05", volume=-5))
    assert kept_out(report, "volumes_are_not_negative") == [("AAA", "2024-03-05")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"high": 19.0},  # below low
        {"high": 20.0, "close": 20.2},
        {"low": 20.5, "close": 20.2},
        {"open": 21.5},
        {"low": 0.0},
    ],
)
def test_a_price_outside_its_bar_is_quarantined(wrong):
    report = judge_members(with_row(bars("AAA"), "2024-03-05", **wrong))
    assert kept_out(report, "prices_are_within_their_bar") == [("AAA", "2024-03-05")]
    assert "close" in report.quarantined.iloc[0]["reason"]


def test_a_close_a_hair_outside_its_range_is_no_fault():
    report = judge_members(with_row(bars("AAA"), "2024-03-05", close=20.0, open=20.0, high=19.95))
    assert finding(report, "prices_are_within_their_bar").passed


@pytest.mark.parametrize(
    ("day", "reason"),
    [
        ("2024-03-10", "Sunday, no session"),
        ("2024-03-29", "Friday, no session"),  # Good Friday
    ],
)
def test_a_bar_of_no_session_is_quarantined(day, reason):
    extra = bars("AAA").iloc[[40]].assign(traded_on=pd.Timestamp(day).as_unit("us"))
    report = judge_members(bars("AAA"), extra)
    assert kept_out(report, "bars_are_of_sessions") == [("AAA", day)]
    assert report.quarantined.iloc[0]["reason"] == reason


def test_a_currency_index_may_trade_on_a_holiday_but_not_on_a_sunday():
    dollar = an_instrument("DOLLAR", kind="index", groups=("dollar",))
    plain = an_instrument("INDEX", kind="index")
    frames = []
    for symbol in ("DOLLAR", "INDEX"):
        frame = bars(symbol, table="instrument_bars")
        for day in ("2024-03-29", "2024-03-31"):
            extra = frame.iloc[[40]].assign(traded_on=pd.Timestamp(day).as_unit("us"))
            frame = pd.concat([frame, extra], ignore_index=True)
        frames.append(frame)
    report = judge_instruments(*frames, instruments=[dollar, plain])
    assert kept_out(report, "bars_are_of_sessions") == [
        ("DOLLAR", "2024-03-31"),
        ("INDEX", "2024-03-29"),
        ("INDEX", "2024-03-31"),
    ]


def test_a_bar_from_the_future_is_quarantined():
    extra = bars("AAA").iloc[[40]].assign(traded_on=pd.Timestamp("2024-06-03").as_unit("us"))
    report = judge_members(bars("AAA"), extra)
    assert kept_out(report, "no_row_is_in_the_future") == [("AAA", "2024-06-03")]


@pytest.mark.parametrize(
    ("fetched_at", "expected"),
    [
        ("2024-05-31 18:00", [("AAA", "2024-05-31")]),  # 14:00 in New York
        ("2024-05-31 20:00", []),  # the close itself
        ("2024-06-01 01:00", []),
    ],
)
def test_a_bar_of_a_running_session_is_quarantined(fetched_at, expected):
    report = judge_members(bars("AAA", fetched_at=pd.Timestamp(fetched_at)))
    assert kept_out(report, "bars_are_of_closed_sessions") == expected


def test_a_batch_of_impossible_bars_is_refused():
    frames = [bars(f"S{i}").assign(low=50.0) for i in range(3)]
    report = judge_members(*frames)
    assert report.refused
    assert "prices_are_within_their_bar" in report.reasons[0]


def test_doubled_rows_refuse_the_batch():
    report = judge_members(bars("AAA"), bars("AAA"), bars("BBB"), bars("BBB"))
    assert report.refused
    assert report.reasons[0].startswith("keys_are_unique: ")


@pytest.mark.parametrize("factor", [10.0, 0.1, 3.5])
def test_a_tick_that_comes_back_is_quarantined(factor):
    report = judge_members(bars("AAA", {"2024-03-05": 20.0 * factor}), bars("BBB"))
    assert kept_out(report, "moves_are_plausible") == [("AAA", "2024-03-05")]
    assert not report.refused
    assert len(report.accepted["constituent_bars"]) == 2 * len(SESSIONS) - 1


def test_a_run_of_bad_ticks_is_quarantined_whole():
    wrong = dict.fromkeys(("2024-03-05", "2024-03-06", "2024-03-07"), 0.31)
    report = judge_members(bars("AAA", wrong))
    assert kept_out(report, "moves_are_plausible") == [("AAA", d) for d in wrong]


def test_a_crash_that_stays_is_real():
    crash = {d: 1.2 for d in SESSIONS if d >= "2024-03-05"}
    report = judge_members(with_row(bars("AAA", crash), "2024-03-05", volume=9_000_000))
    assert finding(report, "moves_are_plausible").passed
    assert len(report.accepted["constituent_bars"]) == len(SESSIONS)


def test_a_doubling_that_comes_back_is_real_if_it_traded():
    spike = bars("AAA", {"2024-03-05": 44.0})
    assert finding(judge_members(spike), "moves_are_plausible").passed
    untraded = with_row(spike, "2024-03-05", volume=0)
    assert kept_out(judge_members(untraded), "moves_are_plausible") == [("AAA", "2024-03-05")]


def test_a_tenfold_jump_on_the_last_bar_waits_a_night():
    report = judge_members(bars("AAA", {SESSIONS[-1]: 210.0}))
    assert kept_out(report, "moves_are_plausible") == [("AAA", SESSIONS[-1])]
    assert "no later bar confirms" in report.quarantined.iloc[0]["reason"]


def test_a_jump_from_the_stored_close_is_seen_in_a_batch_of_one_bar():
    history = {"constituent_bars": stored(("AAA", 900, "2020-01-02", SESSIONS[-2], 20.0))}
    tail = bars("AAA", {SESSIONS[-1]: 210.0}).tail(1)
    assert kept_out(judge_members(tail, history=history), "moves_are_plausible") == [
        ("AAA", SESSIONS[-1])
    ]
    calm = bars("AAA").tail(1)
    assert judge_members(calm, history=history).quarantined.empty


def test_an_instrument_is_held_to_its_own_largest_move():
    calm = an_instrument("CALM", largest_move_pct=20)
    wild = an_instrument("WILD", largest_move_pct=180)
    spike = {"2024-03-05": 30.0}
    report = judge_instruments(
        bars("CALM", spike, table="instrument_bars"),
        bars("WILD", spike, table="instrument_bars"),
        instruments=[calm, wild],
    )
    assert kept_out(report, "moves_are_plausible") == [("CALM", "2024-03-05")]


def test_an_instruments_large_move_that_stays_is_reported():
    moved = {d: 30.0 for d in SESSIONS if d >= "2024-03-05"}
    report = judge_instruments(
        bars("CALM", moved, table="instrument_bars"),
        instruments=[an_instrument("CALM", largest_move_pct=20)],
    )
    found = finding(report, "moves_are_plausible")
    assert (found.passed, found.severity) == (False, "warn")
    assert found.examples == ("CALM 2024-03-05",)
    assert len(report.accepted["instrument_bars"]) == len(SESSIONS)


def a_split(symbol: str, first_day: str, ratio: float, **more):
    return bars(symbol, {d: 20.0 / ratio for d in SESSIONS if d >= first_day}, **more)


@pytest.mark.parametrize("ratio", [2.0, 10.0, 0.25])
def test_a_new_split_without_its_event_is_kept_out_until_it_is_restated(ratio):
    day = SESSIONS[-3]
    report = judge_members(a_split("AAA", day, ratio), bars("BBB"))
    assert kept_out(report, "no_split_without_its_event") == [("AAA", d) for d in SESSIONS[-3:]]
    assert not report.refused
    assert finding(report, "no_split_without_its_event").examples == (f"AAA {day}",)


def test_a_split_with_its_event_is_no_fault():
    day = SESSIONS[-3]
    event = {"symbol": "AAA", "event_kind": "split", "event_on": day}
    report = judge_members(
        a_split("AAA", day, 10.0), events=[{**event, "numerator": 10.0, "denominator": 1.0}]
    )
    assert finding(report, "no_split_without_its_event").passed


def test_a_crash_is_no_split():
    day = SESSIONS[-3]
    frame = with_row(a_split("AAA", day, 2.0), day, volume=20_000_000, high=14.0)
    assert finding(judge_members(frame), "no_split_without_its_event").passed


def test_an_old_split_like_move_is_reported_and_stays():
    report = judge_members(a_split("AAA", "2024-02-01", 2.0))
    found = finding(report, "no_split_without_its_event")
    assert (found.passed, found.severity) == (False, "warn")
    assert found.examples == ("AAA 2024-02-01",)
    assert report.quarantined.empty


def test_a_provider_that_lost_its_events_is_refused():
    report = judge_members(*(a_split(f"S{i}", SESSIONS[-3], 10.0) for i in range(25)))
    assert report.refused
    assert report.reasons[0].startswith("no_split_without_its_event: 25 split-like moves")


def an_overlap(symbol: str, factor: float = 1.0) -> pd.DataFrame:
    known = bars(symbol).iloc[-6:-1]
    return known[["symbol", "traded_on", "close"]].assign(close=known["close"] * factor)


def test_a_tail_on_another_basis_is_kept_out_and_its_symbol_named():
    history = {
        "constituent_bars": stored(
            ("AAA", 900, "2020-01-02", SESSIONS[-2], 40.0),
            ("BBB", 900, "2020-01-02", SESSIONS[-2], 20.0),
        ),
        "constituent_bars__overlap": pd.concat([an_overlap("AAA", 2.0), an_overlap("BBB")]),
    }
    report = judge_members(bars("AAA").tail(6), bars("BBB").tail(6), history=history)
    found = finding(report, "stored_closes_agree")
    assert (found.examples, found.severity) == (("AAA",), "warn")
    assert kept_out(report, "stored_closes_agree") == [("AAA", d) for d in SESSIONS[-6:]]
    assert set(report.accepted["constituent_bars"]["symbol"]) == {"BBB"}


def judge_restated(factor: float, *, splits=(), reviewed=()):
    """Judge AAA's whole history at 1 / `factor` of the stored closes, beside a calm BBB."""
    history = {
        "constituent_bars": stored(
            ("AAA", len(SESSIONS), SESSIONS[0], SESSIONS[-2], 20.0 * factor),
            ("BBB", len(SESSIONS), SESSIONS[0], SESSIONS[-2], 20.0),
        ),
        "constituent_bars__overlap": pd.concat([an_overlap("AAA", factor), an_overlap("BBB")]),
    }
    events = [
        {
            "symbol": "AAA",
            "event_kind": "split",
            "event_on": SESSIONS[-2 - i],
            "numerator": n,
            "denominator": d,
        }
        for i, (n, d) in enumerate(splits)
    ]
    frames = {
        "constituent_bars": pd.concat([bars("AAA"), bars("BBB")], ignore_index=True),
        "constituent_events": raw_frame("constituent_events", events),
    }
    catalog = catalog_with()
    tickers = catalog.tickers.model_copy(update={"restatements": tuple(reviewed)})
    catalog = catalog.model_copy(update={"tickers": tickers})
    return judge(an_extract("constituent_bars", frames), catalog, history=history)


@pytest.mark.parametrize("factor", [10.0, 0.1, 1.6])
def test_a_whole_history_in_another_unit_is_kept_out(factor):
    report = judge_restated(factor)
    found = finding(report, "restatements_are_explained")
    assert not found.passed
    assert found.examples == (f"AAA: the history came times {1 / factor:g}, and no split says why",)
    assert set(kept_out(report, "restatements_are_explained")) == {("AAA", d) for d in SESSIONS}
    assert set(report.accepted["constituent_bars"]["symbol"]) == {"BBB"}


@pytest.mark.parametrize(
    ("factor", "splits"),
    [(2.0, [(2, 1)]), (10.0, [(10, 1)]), (0.05, [(1, 20)]), (6.0, [(3, 1), (2, 1)])],
)
def test_a_history_that_its_splits_explain_is_no_fault(factor, splits):
    report = judge_restated(factor, splits=splits)
    assert finding(report, "restatements_are_explained").passed
    assert report.quarantined.empty


def test_a_split_of_another_ratio_explains_nothing():
    report = judge_restated(10.0, splits=[(2, 1)])
    assert not finding(report, "restatements_are_explained").passed


def test_another_symbols_history_is_kept_out_with_its_events():
    history = {
        "constituent_bars": stored(("AAA", len(SESSIONS), SESSIONS[0], SESSIONS[-2], 20.0)),
        "constituent_bars__overlap": an_overlap("AAA").assign(close=[21.0, 21.3, 20.9, 22.0, 21.1]),
    }
    event = {"symbol": "AAA", "event_kind": "dividend", "event_on": SESSIONS[5], "amount_usd": 0.2}
    report = judge_members(bars("AAA"), bars("BBB"), events=[event], history=history)
    found = finding(report, "restatements_are_explained")
    why = "another symbol's history: its closes are not the stored ones"
    assert found.examples == (f"AAA: {why}",)
    assert ("AAA", SESSIONS[5]) in kept_out(report, "restatements_are_explained")
    assert report.accepted["constituent_events"].empty
    assert set(report.accepted["constituent_bars"]["symbol"]) == {"BBB"}


def test_a_split_inside_the_overlap_is_no_other_history():
    overlap = an_overlap("AAA")
    overlap.loc[overlap.index[:3], "close"] *= 4.0
    history = {
        "constituent_bars": stored(("AAA", len(SESSIONS), SESSIONS[0], SESSIONS[-2], 20.0)),
        "constituent_bars__overlap": overlap,
    }
    split = {"symbol": "AAA", "event_kind": "split", "event_on": SESSIONS[-3]}
    report = judge_members(
        bars("AAA"), events=[{**split, "numerator": 4.0, "denominator": 1.0}], history=history
    )
    assert finding(report, "restatements_are_explained").passed


def test_small_changes_of_basis_are_the_providers_business():
    assert finding(judge_restated(1.4), "restatements_are_explained").passed


def test_a_reviewed_restatement_passes():
    reviewed = [Restatement(price_symbol="AAA", factor=0.1, note="looked into")]
    assert finding(judge_restated(10.0, reviewed=reviewed), "restatements_are_explained").passed


def test_many_histories_in_another_unit_refuse_the_batch():
    names = [f"S{i}" for i in range(25)]
    history = {
        "constituent_bars": stored(
            *((n, len(SESSIONS), SESSIONS[0], SESSIONS[-2], 200.0) for n in names)
        ),
        "constituent_bars__overlap": pd.concat([an_overlap(n, 10.0) for n in names]),
    }
    report = judge_members(*(bars(n) for n in names), history=history)
    assert report.refused
    assert report.reasons[0].startswith("restatements_are_explained: 25 histories on another basis")


def test_a_single_corrected_close_is_named_and_nothing_kept_out():
    overlap = an_overlap("AAA")
    overlap.iloc[-1, 2] = 19.0
    found = find_restated_symbols(bars("AAA"), overlap, tolerance_pct=0.01)
    assert found.to_dict("index") == {
        "AAA": {"differing": 1, "compared": 5, "ratio": 1.0, "alike": 0.8}
    }
    history = {
        "constituent_bars": stored(("AAA", 900, "2020-01-02", SESSIONS[-2], 19.0)),
        "constituent_bars__overlap": overlap,
    }
    assert judge_members(bars("AAA").tail(6), history=history).quarantined.empty


def test_a_late_provider_is_warned_of():
    late = [bars(f"S{i}").iloc[:-1] for i in range(4)]
    found = finding(judge_members(bars("AAA"), *late), "symbols_have_the_last_session")
    assert found.message.startswith("1 of 5 symbols have a bar of 2024-05-31; not S0, S1, S2, S3")
    assert found.severity == "warn"


def test_a_few_broken_members_warn_and_many_refuse():
    def outcomes(broken: int) -> list[ItemOutcome]:
        return [
            ItemOutcome("yahoo", f"S{i}", "broken" if i < broken else "fetched", "no timestamp")
            for i in range(300)
        ]

    few = judge_members(bars("S299"), outcomes=outcomes(3))
    assert not few.refused
    assert finding(few, "no_payload_broke_its_contract").failing_rows == 3
    many = judge_members(bars("S299"), outcomes=outcomes(4))
    assert many.reasons[0].startswith("no_payload_broke_its_contract: 4 of 300 payloads")


def test_unusable_events_are_quarantined():
    good = {"symbol": "AAA", "event_on": "2024-03-05"}
    report = judge_members(
        bars("AAA"),
        events=[
            {**good, "event_kind": "dividend", "amount_usd": 0.5},
            {**good, "event_kind": "split", "numerator": 2.0, "denominator": 0.0},
            {**good, "event_kind": "spin", "amount_usd": 1.0},
            {**good, "event_kind": "capital_gain"},
        ],
    )
    assert len(kept_out(report, "events_are_plausible")) == 3
    assert report.accepted["constituent_events"]["event_kind"].tolist() == ["dividend"]


def test_a_stale_required_index_is_named_first():
    report = judge_instruments(
        bars("AAA", table="instrument_bars").iloc[:-5],
        bars("ZZZ", table="instrument_bars").iloc[:-5],
        instruments=[an_instrument("AAA"), an_instrument("ZZZ", required=True)],
    )
    found = finding(report, "instruments_are_fresh")
    assert [e.split(":")[0] for e in found.examples] == ["ZZZ (required)", "AAA"]
    assert found.severity == "warn"


def test_spikes_never_reach_over_symbols():
    codes = np.array([0, 0, 0, 1, 1, 1])
    closes = np.array([1.0, 1.0, 9.0, 1.0, 1.0, 1.0])
    flags = find_spikes(codes, closes, np.full(6, 3.0), longest_run=2, back_within_pct=20)
    assert not flags.any()


def test_a_close_of_zero_without_a_neighbour_is_kept_out():
    lone = bars("LONE", dict.fromkeys(SESSIONS, 0.0)).tail(1).reset_index(drop=True)
    report = judge_members(bars("CALM"), lone)
    assert kept_out(report, "prices_are_positive") == [("LONE", SESSIONS[-1])]
