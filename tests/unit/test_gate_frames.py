"""The gate of the frames: a good cross-section passes whole, each fault meets its own check."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from pipelines.catalog.models import load_catalog
from pipelines.sources.payloads import ItemOutcome
from tests.fakes.gate import (
    an_extract,
    catalog_with,
    finding,
    judge,
    kept_out,
    raw_frame,
    stored,
)

CATALOG = catalog_with().model_copy(update={"concepts": load_catalog().concepts})
AS_OF = date(2024, 5, 31)
NET = "us-gaap.NetIncomeLoss.USD.CY2024Q1"


def a_frame(count: int = 100, **changes: object) -> pd.DataFrame:
    plain = {
        "frame_id": NET, "taxonomy": "us-gaap", "tag": "NetIncomeLoss", "unit": "USD",
        "frame": "CY2024Q1", "period_start_on": "2024-01-01", "period_end_on": "2024-03-31",
    }  # fmt: skip
    rows = [
        plain | {"cik": f"{n:010d}", "value": 1e6 + n, "accession": f"{n:010d}-24-000001"}
        for n in range(1, count + 1)
    ]
    rows[7] |= changes
    return raw_frame("sec_frames", rows)


def judged(frame: pd.DataFrame, history=None, outcomes=None, as_of: date = AS_OF):
    extract = an_extract("sec_frames", {"sec_frames": frame}, outcomes=outcomes)
    return judge(extract, CATALOG, history=history, as_of=as_of)


def sizes(count: int):
    return {"sec_frames__sizes": pd.DataFrame({"frame_id": [NET], "companies": [count]})}


def test_a_good_frame_passes_whole() -> None:
    report = judged(a_frame(), sizes(100))
    assert [f for f in report.findings if not f.passed] == []
    assert len(report.accepted["sec_frames"]) == 100


@pytest.mark.parametrize(
    "changes", [{"tag": "SomethingElse"}, {"unit": "EUR"}, {"unit": "shares"}], ids=str
)
def test_a_tag_or_unit_that_is_not_ours_refuses_the_batch(changes: dict[str, object]) -> None:
    report = judged(a_frame(**changes))
    assert report.refused
    assert "is not in the concept map" in finding(report, "facts_are_catalogued").message


def test_copies_are_dropped_and_contradictions_kept_out() -> None:
    once = a_frame()
    twice = pd.concat([once, once.iloc[[3]]], ignore_index=True)
    report = judged(twice)
    assert kept_out(report, "keys_are_unique") == [(NET, "2024-03-31")]
    assert len(report.accepted["sec_frames"]) == 100
    other = once.iloc[[3]].assign(value=-1.0)
    report = judged(pd.concat([once, other], ignore_index=True))
    assert len(kept_out(report, "keys_are_unique")) == 2
    assert len(report.accepted["sec_frames"]) == 99


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"period_end_on": "2024-05-20"}, "141 days in CY2024Q1"),
        ({"period_start_on": "2023-04-01"}, "366 days in CY2024Q1"),
        ({"period_start_on": "2024-03-31"}, "1 days in CY2024Q1"),
        ({"period_start_on": "2023-10-01", "period_end_on": "2023-12-31"}, "ends 91 days from"),
        ({"frame": "CY2024Q1I"}, "91 days in CY2024Q1I"),
        ({"frame": "CY2023"}, "91 days in CY2023"),
    ],
    ids=str,
)
def test_a_period_that_is_not_the_frame_s_is_kept_out(changes, reason: str) -> None:
    report = judged(a_frame(**changes))
    [(item, _)] = kept_out(report, "periods_fit_their_frame")
    assert item == NET
    assert report.quarantined.iloc[0]["reason"].startswith(reason)
    assert not report.refused


@pytest.mark.parametrize(
    "changes",
    [
        {"period_start_on": "2023-11-27", "period_end_on": "2024-02-25"},
        {"period_start_on": "2024-02-05", "period_end_on": "2024-05-04"},
        {"frame": "CY2023", "period_start_on": "2023-05-29", "period_end_on": "2024-05-26"},
        {"frame": "CY2023Q4I", "period_start_on": "2024-02-20", "period_end_on": "2024-02-20"},
    ],
    ids=str,
)
def test_fiscal_calendars_and_cover_pages_are_borne(changes: dict[str, object]) -> None:
    report = judged(a_frame(**changes))
    assert report.quarantined.empty
    assert len(report.accepted["sec_frames"]) == 100


def test_a_frame_of_other_periods_refuses_the_batch() -> None:
    frame = a_frame().assign(frame="CY2024Q3")
    report = judged(frame)
    assert report.refused
    assert "100 rows fail" in finding(report, "periods_fit_their_frame").message


@pytest.mark.parametrize(
    "changes",
    [
        {"value": 2e13},
        {"tag": "EarningsPerShareDiluted", "unit": "USD/shares", "value": -5e6},
        {"tag": "CommonStockSharesOutstanding", "unit": "shares", "value": -1.0},
        {"tag": "CommonStockSharesOutstanding", "unit": "shares", "value": 2e12},
    ],
    ids=str,
)
def test_figures_that_no_company_has_are_kept_out(changes: dict[str, object]) -> None:
    report = judged(a_frame(**changes))
    assert [item for item, _ in kept_out(report, "facts_are_plausible")] == [NET]
    assert not report.refused


def test_a_period_that_is_not_over_is_kept_out() -> None:
    report = judged(a_frame(period_end_on="2024-06-01", frame="CY2024Q2"))
    assert kept_out(report, "no_row_is_in_the_future") == [(NET, "2024-06-01")]


@pytest.mark.parametrize(("before", "passed"), [(125, True), (126, False)])
def test_a_frame_that_lost_a_fifth_of_its_companies_is_named_and_loaded(before, passed) -> None:
    report = judged(a_frame(), sizes(before))
    found = finding(report, "cross_sections_have_not_shrunk")
    assert (found.passed, found.severity, report.refused) == (passed, "warn", False)
    assert (f"{NET}: 100 companies, {before} stored" in found.message) is not passed


@pytest.mark.parametrize(
    ("statuses", "passed"),
    [
        (["fetched", "unknown", "unknown"], True),
        (["unchanged", "unknown", "broken"], True),
        (["fetched"] * 19 + ["unavailable"], True),
        (["fetched"] * 18 + ["unavailable"] * 2, False),
        (["unknown", "unknown"], False),
    ],
    ids=str,
)
def test_a_frame_of_nobody_is_an_answer_unless_there_is_no_other(statuses, passed) -> None:
    outcomes = [ItemOutcome("sec", f"f{n}", s) for n, s in enumerate(statuses)]
    report = judged(raw_frame("sec_frames", []), outcomes=outcomes)
    assert finding(report, "frames_are_answered").passed is passed


def test_what_is_unknown_tonight_is_an_answer_where_frames_are_stored() -> None:
    outcomes = [ItemOutcome("sec", "f", "unknown")]
    history = {"sec_frames": stored((NET, 1, "2024-03-31", "2024-03-31", None))}
    report = judged(raw_frame("sec_frames", []), history, outcomes)
    assert finding(report, "frames_are_answered").passed


@pytest.mark.parametrize(("as_of", "passed"), [("2024-08-28", True), ("2024-08-29", False)])
def test_a_concept_without_a_recent_frame_is_named(as_of: str, passed: bool) -> None:
    old = "us-gaap.ProfitLoss.USD.CY2023Q4"
    history = {"sec_frames": stored((old, 1, "2023-12-31", "2023-12-31", None))}
    report = judged(a_frame(), history, as_of=date.fromisoformat(as_of))
    found = finding(report, "frames_are_fresh")
    assert found.passed is passed
    assert ("net_income: newest 2024-03-31" in found.message) is not passed


def values_of(frame: pd.DataFrame, changed: int) -> dict[str, pd.DataFrame]:
    kept = frame[["frame_id", "cik", "value"]].copy()
    kept.loc[kept.index[:changed], "value"] *= 1000
    return {"sec_frames__values": kept}


@pytest.mark.parametrize(("changed", "refused"), [(0, False), (30, False), (31, True)])
def test_a_frame_whose_values_are_mostly_others_refuses_the_batch(changed, refused) -> None:
    report = judged(a_frame(), values_of(a_frame(), changed))
    assert report.refused is refused
    found = finding(report, "stored_values_agree")
    assert found.passed is not refused
    assert (f"{NET}: 31 of 100" in found.message) is refused


def test_few_companies_of_a_young_frame_may_all_be_amended() -> None:
    report = judged(a_frame(10), values_of(a_frame(10), 10))
    assert not report.refused
    assert finding(report, "stored_values_agree").message == "10 of 10 stored values changed"
