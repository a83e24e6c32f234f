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
    odd = good["traded_on"] < good["traded_on"].iloc[20]
    bad = good.assign(total_net_assets_usd=good["total_net_assets_usd"].where(~odd, 1.0))
    found = finding(judge_counts(bad), "total_net_assets_add_up")
    assert (found.passed, found.severity, found.failing_rows) == (False, "warn", 20)
    assert found.examples[0] == "SML 2023-06-01: 100.00 % from shares x NAV"


def test_totals_of_which_most_do_not_add_up_refuse_the_batch():
    good = counts(changes={d: {"total_net_assets_usd": None} for d in SESSIONS})
    tenfold = good.assign(
        total_net_assets_usd=good["shares_outstanding"] * good["nav_usd"],
        shares_outstanding=good["shares_outstanding"] * 10.0,
    )
    report = judge_counts(tenfold)
    assert report.refused
    assert report.reasons[0].startswith("total_net_assets_add_up: ")


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


def known_counts(factor: float = 1.0, nav_factor: float = 1.0) -> dict[str, pd.DataFrame]:
    """Return the stored counts of SML's last sessions, a multiple of what `counts()` brings."""
    tail = counts().iloc[-16:-1]
    return {
        "fund_shares__overlap": pd.DataFrame(
            {
                "fund_id": tail["fund_id"],
                "traded_on": tail["traded_on"],
                "shares_outstanding": tail["shares_outstanding"].astype("float64") * factor,
                "nav_usd": tail["nav_usd"] * nav_factor,
            }
        )
    }


@pytest.mark.parametrize("factor", [10.0, 0.1, 1000.0])
def test_counts_in_another_unit_are_kept_out_with_all_of_the_fund(factor):
    report = judge_counts(counts(), counts("OTH"), history=known_counts(1 / factor))
    found = finding(report, "stored_counts_agree")
    assert not found.passed
    assert found.examples == (f"SML (times {factor:g})",)
    assert len(kept_out(report, "stored_counts_agree")) == len(SESSIONS)
    assert set(report.accepted["fund_shares"]["fund_id"]) == {"OTH"}


def test_counts_of_many_funds_in_another_unit_refuse_the_batch():
    one = known_counts(10.0)["fund_shares__overlap"]
    history = {"fund_shares__overlap": pd.concat([one, one.assign(fund_id="OTH")])}
    report = judge_counts(counts(), counts("OTH"), history=history)
    assert report.reasons[0].startswith("stored_counts_agree: the counts of 2 funds changed")


@pytest.mark.parametrize(("factor", "nav_factor"), [(1.0, 1.0), (1.2, 1.0), (0.25, 4.0)])
def test_a_revised_count_and_a_history_restated_for_a_split_are_no_fault(factor, nav_factor):
    report = judge_counts(counts(), history=known_counts(factor, nav_factor))
    assert finding(report, "stored_counts_agree").passed


@pytest.mark.parametrize("factor", [10.0, 0.1])
def test_a_newest_count_that_leaps_waits_for_its_confirmation(factor):
    day, before = SESSIONS[-1], SESSIONS[-2]
    count = float(counts().iloc[-1]["shares_outstanding"])
    leap = {"shares_outstanding": factor * count}
    report = judge_counts(counts(changes={day: leap}))
    assert kept_out(report, "newest_counts_are_confirmed") == [("SML", day)]
    assert report.quarantined.iloc[0]["reason"] == (
        f"a count {factor:g} times the one before, not confirmed yet"
    )
    assert not report.refused
    confirmed = judge_counts(counts(changes={day: leap, before: leap}))
    assert finding(confirmed, "newest_counts_are_confirmed").passed


def test_a_split_is_no_leap():
    last = counts().iloc[-1]
    split = {
        "shares_outstanding": 4.0 * float(last["shares_outstanding"]),
        "nav_usd": last["nav_usd"] / 4.0,
    }
    report = judge_counts(counts(changes={SESSIONS[-1]: split}))
    assert finding(report, "newest_counts_are_confirmed").passed
