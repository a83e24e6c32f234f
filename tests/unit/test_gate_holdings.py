from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pandas as pd
import pytest

from pipelines.sources.payloads import Payload
from tests.fakes.gate import (
    a_fund,
    an_extract,
    catalog_with,
    finding,
    judge,
    kept_out,
    raw_frame,
    stored,
)

SMALL = a_fund("SML", holdings=True, universe_id="russell_2000")
OTHER = a_fund("OTH", holdings=True)
SHARES = 1_000_000.0


def a_file(as_of_on: str, *, fund_id="SML", equities=200, weight=None, name=None, **more):
    """Return (file row, lines): equal weights, a cash line, 10 000 dollars a line."""
    edition = f"{fund_id}{as_of_on}"
    each = weight if weight is not None else 100.0 / (equities + 1)
    head = {
        "fund_id": fund_id,
        "as_of_on": as_of_on,
        "edition": edition,
        "fund_name": name or f"The {fund_id} Fund",
        "shares_outstanding": SHARES,
        "equity_lines": equities,
        "line_count": equities + 1,
        **more,
    }
    lines = [
        {
            "fund_id": fund_id,
            "as_of_on": as_of_on,
            "edition": edition,
            "line_no": i + 1,
            "ticker": "DUP" if i < 2 else (f"T{i}" if i < equities else None),
            "name": f"Company {i}",
            "sector": "Energy",
            "asset_class": "Equity" if i < equities else "Cash",
            "market_value_usd": 10_000.0,
            "weight_pct": each,
        }
        for i in range(equities + 1)
    ]
    return head, lines


def judge_files(*files, funds=(SMALL, OTHER), history=None, payloads=(), edit=None):
    heads = raw_frame("fund_files", [head for head, _ in files])
    lines = raw_frame("fund_holdings", [line for _, own in files for line in own])
    if edit is not None:
        heads, lines = edit(heads, lines)
    extract = an_extract(
        "fund_holdings",
        {"fund_files": heads, "fund_holdings": lines},
        items=["SML", "OTH"],
        payloads=payloads,
    )
    return judge(extract, catalog_with(funds=funds), history=history)


def good_files():
    return (
        a_file("2024-04-30"),
        a_file("2024-05-30"),
        a_file("2024-05-30", fund_id="OTH"),
    )


def test_good_files_pass_whole_with_their_repeated_tickers():
    report = judge_files(*good_files())
    assert [f for f in report.findings if not f.passed] == []
    assert len(report.accepted["fund_files"]) == 3
    assert len(report.accepted["fund_holdings"]) == 3 * 201


def test_an_older_file_that_fails_is_kept_out_whole_and_the_night_goes_on():
    report = judge_files(a_file("2024-04-30", weight=0.45), *good_files()[1:])
    assert not report.refused
    own = report.quarantined[report.quarantined["rule"] == "weights_sum_to_hundred"]
    assert own["table_name"].value_counts().to_dict() == {"fund_holdings": 201, "fund_files": 1}
    assert set(own["reason"]) == {"weights sum to 90.45"}
    assert report.accepted["fund_files"]["as_of_on"].min() == pd.Timestamp("2024-05-30")
    assert len(report.accepted["fund_holdings"]) == 2 * 201


def test_the_newest_file_of_an_index_refuses_the_batch():
    report = judge_files(good_files()[0], a_file("2024-05-30", weight=0.45))
    assert report.refused
    assert report.reasons[0].endswith("the newest file of an index's fund: SML 2024-05-30")
    assert report.accepted == {}


def test_the_newest_file_of_another_fund_is_only_missed():
    report = judge_files(*good_files()[:2], a_file("2024-05-30", fund_id="OTH", weight=0.45))
    assert not report.refused
    assert set(report.accepted["fund_files"]["fund_id"]) == {"SML"}


def test_a_failing_file_older_than_the_stored_one_does_not_refuse():
    history = {"fund_files": stored(("SML", 12, "2020-01-31", "2024-05-30", 200.0))}
    report = judge_files(a_file("2024-04-30", weight=0.45), history=history)
    assert not report.refused
    assert report.accepted["fund_files"].empty


@pytest.mark.parametrize(("weight_sum", "passes"), [(99.3, True), (100.7, True), (99.2, False)])
def test_weights_sum_to_hundred_within_their_tolerance(weight_sum, passes):
    file = a_file("2024-04-30", weight=weight_sum / 201)
    found = finding(judge_files(file, *good_files()[1:]), "weights_sum_to_hundred")
    assert found.passed is passes


def test_another_funds_file_is_kept_out():
    wrong = a_file("2024-04-30", name="A Fund of Somebody Else")
    report = judge_files(wrong, *good_files()[1:])
    own = report.quarantined[report.quarantined["rule"] == "files_are_of_their_fund"]
    assert set(own["reason"]) == {"another fund's file: 'A Fund of Somebody Else'"}
    assert len(own) == 202


@pytest.mark.parametrize(
    ("printed", "passes"),
    [
        ("SPDR® Test ETF Trust", True),
        ("State Street® SPDR® Test ETF Trust", True),
        ("State Street® SPDR® Other ETF Trust", False),
    ],
)
def test_state_street_prints_its_own_name_around_the_funds(printed, passes):
    fund = a_fund("SML", holdings=True, issuer="ssga", name_in_file="SPDR Test ETF Trust")
    report = judge_files(a_file("2024-05-30", name=printed), funds=[fund])
    assert finding(report, "files_are_of_their_fund").passed is passes


def test_a_file_from_the_future_refuses_the_batch():
    report = judge_files(*good_files(), a_file("2024-06-03"))
    assert report.refused
    assert report.reasons[0].startswith("no_row_is_in_the_future: ")


def a_payload(asked_on: str, sha256: str) -> Payload:
    return Payload(
        "ishares",
        "ishares_holdings",
        "SML",
        "u",
        200,
        {},
        b"",
        datetime(2024, 6, 1, tzinfo=UTC),
        {"asked_on": asked_on},
        sha256,
    )


def asked(asked_on: str):
    """Judge the file of 2024-04-30 as the answer to a question for `asked_on`."""

    def stamp(heads, lines):
        first = heads["as_of_on"] == pd.Timestamp("2024-04-30")
        return heads.assign(payload_sha256=heads["payload_sha256"].mask(first, "abc")), lines

    return judge_files(*good_files(), payloads=[a_payload(asked_on, "abc")], edit=stamp)


def test_a_holiday_may_be_answered_with_the_file_before():
    assert finding(asked("2024-05-01"), "files_are_of_the_day_asked").passed


def test_a_later_file_than_asked_is_kept_out():
    report = asked("2024-03-28")
    rows = kept_out(report, "files_are_of_the_day_asked")
    assert rows.count(("SML", "2024-04-30")) == 202
    assert not report.refused


def test_a_file_of_a_sunday_is_kept_out():
    report = judge_files(a_file("2024-04-28"), a_file("2024-05-30"))
    assert kept_out(report, "files_are_of_weekdays").count(("SML", "2024-04-28")) == 202
    assert set(report.quarantined["reason"]) == {"dated on Sunday, 2024-04-28"}
    assert not report.refused


def test_the_newest_file_of_an_index_that_is_of_a_sunday_refuses_the_batch():
    report = judge_files(a_file("2024-04-30"), a_file("2024-05-26"))
    assert report.refused
    assert "SML 2024-05-26" in finding(report, "files_are_of_weekdays").message


def test_a_much_older_file_than_asked_is_reported_and_kept():
    report = asked("2024-05-20")
    found = finding(report, "files_are_of_the_day_asked")
    assert found.examples == ("SML 2024-04-30: 20 days before asked",)
    assert len(report.accepted["fund_files"]) == 3


def test_a_cut_file_is_kept_out():
    def cut(heads, lines):
        gone = (lines["as_of_on"] == pd.Timestamp("2024-04-30")) & (lines["line_no"] > 150)
        kept = lines[~gone].copy()
        first = kept["as_of_on"] == pd.Timestamp("2024-04-30")
        kept.loc[first, "weight_pct"] = 100.0 / 150
        return heads, kept.reset_index(drop=True)

    report = judge_files(*good_files(), edit=cut)
    assert set(report.quarantined["reason"]) == {"150 lines of 201"}


def test_half_the_companies_of_the_file_before_is_a_cut_file():
    report = judge_files(a_file("2024-03-28", equities=300), *good_files())
    assert set(report.quarantined["reason"]) == {"200 equity lines after 300 in the file before"}
    assert set(report.quarantined["row_date"]) == {pd.Timestamp("2024-04-30")}


def test_a_file_is_compared_with_the_stored_one():
    history = {"fund_files": stored(("SML", 12, "2020-01-31", "2024-04-30", 400.0))}
    report = judge_files(a_file("2024-05-30"), history=history)
    assert report.refused
    assert "200 equity lines after 400" in report.reasons[0]


def test_a_file_with_hardly_an_equity_is_kept_out():
    report = judge_files(a_file("2024-04-30", equities=20), a_file("2024-05-30", fund_id="OTH"))
    reasons = report.quarantined.query("item == 'SML'")["reason"]
    assert set(reasons) == {"20 equity lines"}


def test_lines_without_values_condemn_their_file():
    def empty(heads, lines):
        some = (lines["as_of_on"] == pd.Timestamp("2024-04-30")) & lines["line_no"].between(11, 20)
        return heads, lines.assign(market_value_usd=lines["market_value_usd"].mask(some))

    report = judge_files(*good_files(), edit=empty)
    assert kept_out(report, "lines_have_their_values").count(("SML", "2024-04-30")) == 202
    assert report.quarantined.iloc[0]["reason"] == "5.0 % of the equity lines lack a value"


def test_an_issuer_that_gives_no_market_values_is_asked_for_weights_only():
    def valueless(heads, lines):
        return heads, lines.assign(market_value_usd=float("nan"))

    def weightless(heads, lines):
        return heads, lines.assign(weight_pct=lines["weight_pct"].mask(lines["line_no"] < 9, None))

    assert finding(judge_files(*good_files(), edit=valueless), "lines_have_their_values").passed
    report = judge_files(*good_files(), edit=weightless)
    assert report.refused


def test_net_assets_away_from_nav_are_warned_of():
    worth = 201 * 10_000.0 / SHARES
    navs = pd.DataFrame(
        {
            "fund_id": ["SML", "SML"],
            "traded_on": [date(2024, 4, 30), date(2024, 5, 30)],
            "nav_usd": [worth, worth * 1.05],
        }
    )
    report = judge_files(*good_files(), history={"fund_files__nav": navs})
    found = finding(report, "net_assets_match_nav")
    assert found.examples == ("SML 2024-05-30: -4.76 % from NAV",)
    assert (found.severity, len(report.accepted["fund_files"])) == ("warn", 3)


def test_a_line_without_its_name_is_quarantined_alone():
    def nameless(heads, lines):
        return heads, lines.assign(name=lines["name"].mask(lines.index == 5))

    report = judge_files(*good_files(), edit=nameless)
    assert report.quarantined.query("rule == 'columns_have_their_types'")["reason"].tolist() == [
        "name is missing"
    ]


def test_old_files_are_stale():
    report = judge_files(a_file("2024-01-31"), a_file("2024-05-30", fund_id="OTH"))
    assert finding(report, "holdings_are_fresh").examples == (
        "SML: newest 2024-01-31, limit 100 days, stale since 2024-05-11",
    )


def test_the_same_file_twice_is_one_file():
    def twice(heads, lines):
        return (
            pd.concat([heads, heads.iloc[[0]]], ignore_index=True),
            pd.concat([lines, lines[lines["as_of_on"] == "2024-04-30"]], ignore_index=True),
        )

    report = judge_files(*good_files(), edit=twice)
    assert not report.refused
    assert len(report.accepted["fund_holdings"]) == 3 * 201
    assert set(report.quarantined["reason"]) == {"an exact copy of another row"}


def test_the_extract_is_not_changed():
    head, lines = a_file("2024-05-30", weight=0.45)
    frames = {
        "fund_files": raw_frame("fund_files", [head]),
        "fund_holdings": raw_frame("fund_holdings", lines),
    }
    extract = an_extract("fund_holdings", frames)
    copy = replace(extract, frames={t: f.copy() for t, f in frames.items()})
    judge(extract, catalog_with(funds=[SMALL]))
    for table, frame in copy.frames.items():
        pd.testing.assert_frame_equal(extract.frames[table], frame)


def with_copies(count: int):
    def edit(heads, lines):
        newest = lines[(lines["as_of_on"] == "2024-05-30") & (lines["fund_id"] == "SML")]
        copies = newest.head(count).assign(line_no=newest.head(count)["line_no"] + 10_000)
        heads = heads.copy()
        of_file = (heads["as_of_on"] == "2024-05-30") & (heads["fund_id"] == "SML")
        heads.loc[of_file, "line_count"] += count
        return heads, pd.concat([lines, copies], ignore_index=True)

    return edit


def test_a_line_that_stands_twice_is_dropped_once():
    report = judge_files(*good_files(), edit=with_copies(1))
    assert report.quarantined["reason"].tolist() == ["Company 0 stands twice"]
    assert not report.refused
    kept = report.accepted["fund_holdings"]
    of_file = kept[(kept["as_of_on"] == "2024-05-30") & (kept["fund_id"] == "SML")]
    assert of_file["name"].value_counts().max() == 1


def test_many_lines_that_stand_twice_refuse_the_batch():
    report = judge_files(*good_files(), edit=with_copies(60))
    assert report.reasons[0].startswith("lines_stand_once: 60 rows fail")


def test_alike_lines_without_a_weight_stay():
    def edit(heads, lines):
        heads, lines = with_copies(1)(heads, lines)
        lines.loc[lines["name"] == "Company 0", "weight_pct"] = 0.0
        return heads, lines

    assert finding(judge_files(*good_files(), edit=edit), "lines_stand_once").passed
