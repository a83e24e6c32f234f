from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from pipelines.sources.calendar import sessions_between
from tests.fakes.gate import a_fund, an_extract, catalog_with, finding, judge, kept_out, raw_frame

SESSIONS = [d.isoformat() for d in sessions_between(date(2023, 6, 1), date(2024, 5, 30))]


def counts(fund_id="SML", changes: dict[str, dict[str, object]] | None = None, extra=()):
    rows = [
        {
            "fund_id": fund_id,
            "traded_on": day,
            "nav_usd": 50.0 + 0.01 * i,
            "shares_outstanding": 1_000_000.0 + 50_000.0 * (i // 40),
            **(changes or {}).get(day, {}),
        }
        for i, day in enumerate(SESSIONS)
    ]
    return raw_frame("fund_shares", [*rows, *extra])


def judge_counts(*frames: pd.DataFrame, **options):
    frame = pd.concat(frames, ignore_index=True)
    funds = [a_fund(f) for f in frame["fund_id"].unique()]
    return judge(an_extract("fund_shares", {"fund_shares": frame}), catalog_with(funds=funds),
                 **options)  # fmt: skip


def test_good_counts_pass_whole():
    report = judge_counts(counts(), counts("OTH"))
    assert [f for f in report.findings if not f.passed] == []
    assert len(report.accepted["fund_shares"]) == 2 * len(SESSIONS)


@pytest.mark.parametrize(
    ("day", "reason"), [("2024-03-31", "Sunday, no session"), ("2024-03-29", "Friday, no session")]
)
def test_a_count_of_no_session_is_quarantined(day, reason):
    extra = {"fund_id": "SML", "traded_on": day, "nav_usd": 51.0, "shares_outstanding": 1_100_000.0}
    report = judge_counts(counts(extra=[extra]))
    assert kept_out(report, "counts_are_of_sessions") == [("SML", day)]
    assert report.quarantined.iloc[0]["reason"] == reason
    assert not report.refused


@pytest.mark.parametrize(
    ("count", "reason"),
    [(None, "no count: '-' or '--'"), (0.0, "a count of 0"), (-5.0, "a count of -5")],
)
def test_what_is_no_count_is_quarantined(count, reason):
    report = judge_counts(counts(changes={"2024-03-05": {"shares_outstanding": count}}))
    assert kept_out(report, "counts_are_positive") == [("SML", "2024-03-05")]
    assert report.quarantined.iloc[0]["reason"] == reason


def test_a_file_full_of_dashes_refuses_the_batch():
    gone = {day: {"shares_outstanding": None} for day in SESSIONS[-20:]}
    report = judge_counts(counts(changes=gone), counts("OTH"))
    assert report.reasons[0].startswith(
        f"counts_are_positive: 20 rows fail, too many in SML (20 of {len(SESSIONS)} rows)"
    )


def test_a_spike_of_the_count_is_left_to_the_night_that_knows_what_followed():
    report = judge_counts(counts(changes={"2024-03-05": {"shares_outstanding": 1_500.0}}))
    assert len(report.accepted["fund_shares"]) == len(SESSIONS)


@pytest.mark.parametrize("nav", [0.0, -1.0, 500.0, 5.0, 2_000_000.0])
def test_an_impossible_nav_is_quarantined(nav):
    report = judge_counts(counts(changes={"2024-03-05": {"nav_usd": nav}}))
    assert kept_out(report, "navs_are_plausible") == [("SML", "2024-03-05")]


def test_a_missing_nav_is_no_fault():
    report = judge_counts(counts(changes={"2024-03-05": {"nav_usd": None}}))
    assert report.quarantined.empty


def test_a_split_is_no_spike_of_the_nav():
    halved = {d: {"nav_usd": 25.0} for d in SESSIONS if d >= "2024-03-05"}
    assert finding(judge_counts(counts(changes=halved)), "navs_are_plausible").passed


def test_totals_that_do_not_add_up_are_warned_of():
    good = counts(changes={d: {"total_net_assets_usd": None} for d in SESSIONS})
    good["total_net_assets_usd"] = good["shares_outstanding"] * good["nav_usd"]
    assert finding(judge_counts(good), "total_net_assets_add_up").passed
    bad = good.assign(total_net_assets_usd=good["total_net_assets_usd"] * 1.1)
    found = finding(judge_counts(bad), "total_net_assets_add_up")
    assert (found.passed, found.severity) == (False, "warn")
    assert found.examples[0] == "SML 2023-06-01: 10.00 % from shares x NAV"


def test_a_count_from_the_future_is_quarantined():
    extra = {"fund_id": "SML", "traded_on": "2024-06-03", "nav_usd": 53.0,
             "shares_outstanding": 1.1e6}  # fmt: skip
    report = judge_counts(counts(extra=[extra]))
    assert kept_out(report, "no_row_is_in_the_future") == [("SML", "2024-06-03")]


def test_two_counts_of_one_day_that_differ_are_both_kept_out():
    extra = {"fund_id": "SML", "traded_on": "2024-03-05", "nav_usd": 51.0,
             "shares_outstanding": 7.0}  # fmt: skip
    report = judge_counts(counts(extra=[extra]))
    assert kept_out(report, "keys_are_unique") == [("SML", "2024-03-05")] * 2


def test_counts_that_do_not_move_on_are_stale():
    frame = counts()
    report = judge_counts(frame[frame["traded_on"] <= "2024-05-22"])
    assert finding(report, "share_counts_are_fresh").examples == (
        "SML: newest 2024-05-22, limit 5 sessions, stale since 2024-05-31",
    )
