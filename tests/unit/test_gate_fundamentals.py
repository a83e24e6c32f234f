"""The gate of the SEC feeds: good batches pass whole, each fault is caught by its own check."""

from __future__ import annotations

import pandas as pd
import pytest

from pipelines.catalog.models import load_catalog
from tests.fakes.gate import AS_OF, an_extract, catalog_with, finding, judge, kept_out, raw_frame

CATALOG = catalog_with().model_copy(update={"concepts": load_catalog().concepts})
CIK = "0000009999"


def companies(count: int = 300, **changes: object) -> pd.DataFrame:
    rows = [
        {"ticker": f"T{n}", "cik": f"{n + 1:010d}", "title": f"Company {n}", "listed_on": AS_OF}
        for n in range(count)
    ]
    rows[7] |= changes
    return raw_frame("sec_companies", rows)


def judge_list(frame: pd.DataFrame, stored: int = 0):
    history = pd.DataFrame(
        {
            "entity": [f"T{n}" for n in range(stored)],
            "rows": 1,
            "oldest_on": pd.Timestamp("2024-01-02"),
            "newest_on": pd.Timestamp("2024-01-02"),
            "newest_value": float("nan"),
        }
    )
    extract = an_extract("sec_companies", {"sec_companies": frame}, items=["company_tickers"])
    return judge(extract, CATALOG, history={"sec_companies": history})


def test_a_good_list_passes_whole() -> None:
    report = judge_list(companies(), stored=310)
    assert [f for f in report.findings if not f.passed] == []
    assert len(report.accepted["sec_companies"]) == 300


@pytest.mark.parametrize("cik", ["42", "0000000000", "000000004X"])
def test_what_is_no_key_is_kept_out(cik: str) -> None:
    report = judge_list(companies(cik=cik))
    assert kept_out(report, "companies_have_their_keys") == [("T7", AS_OF.isoformat())]
    assert not report.refused


@pytest.mark.parametrize(("count", "stored"), [(199, 0), (300, 400)])
def test_a_cut_list_is_refused(count: int, stored: int) -> None:
    report = judge_list(companies(count), stored=stored)
    assert report.refused
    assert "a cut list" in finding(report, "list_is_whole").message


def facts(count: int = 100, **changes: object) -> pd.DataFrame:
    ends = pd.date_range(end="2024-03-31", periods=count, freq="QE")
    rows = [
        {
            "cik": CIK, "tag": "NetIncomeLoss", "unit": "USD", "value": 1e6 + n, "form": "10-Q",
            "period_start_on": end - pd.Timedelta(days=90), "period_end_on": end,
            "filed_on": end + pd.Timedelta(days=40), "accession": f"{CIK}-24-{n:06d}",
            "fiscal_year": end.year, "fiscal_period": "Q1",
        }
        for n, end in enumerate(ends)
    ]  # fmt: skip
    rows[7] |= changes
    return raw_frame("sec_facts", rows)


def judge_facts(frame: pd.DataFrame):
    return judge(an_extract("sec_facts", {"sec_facts": frame}), CATALOG)


def test_good_facts_pass_whole() -> None:
    report = judge_facts(facts())
    assert [f for f in report.findings if not f.passed] == []
    assert len(report.accepted["sec_facts"]) == 100


@pytest.mark.parametrize(
    "changes", [{"tag": "SomethingElse"}, {"unit": "EUR"}, {"unit": "shares"}], ids=str
)
def test_a_tag_or_unit_that_is_not_ours_refuses_the_batch(changes: dict[str, object]) -> None:
    report = judge_facts(facts(**changes))
    assert report.refused
    assert "is not in the concept map" in finding(report, "facts_are_catalogued").message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"period_end_on": "2105-03-31"}, "of 38075 days"),
        ({"filed_on": "2001-01-02"}, "filed -"),
        ({"period_start_on": "2003-01-01"}, "of -"),
    ],
)
def test_mistyped_days_are_kept_out(changes: dict[str, object], reason: str) -> None:
    frame = facts(**changes)
    report = judge_facts(frame)
    [(item, _)] = kept_out(report, "filings_follow_their_period")
    assert item == CIK
    told = report.quarantined.iloc[0]["reason"]
    assert told.startswith("NetIncomeLoss")
    assert reason in told
    assert not report.refused


@pytest.mark.parametrize(
    "changes",
    [
        {"value": 2e13},
        {"value": -2e13},
        {"tag": "EarningsPerShareDiluted", "unit": "USD/shares", "value": 5e6},
        {"tag": "CommonStockSharesOutstanding", "unit": "shares", "value": -1.0},
        {"tag": "CommonStockSharesOutstanding", "unit": "shares", "value": 2e12},
    ],
    ids=str,
)
def test_figures_that_no_company_has_are_kept_out(changes: dict[str, object]) -> None:
    report = judge_facts(facts(**changes))
    assert [item for item, _ in kept_out(report, "facts_are_plausible")] == [CIK]
    assert not report.refused


def test_a_loss_is_plausible() -> None:
    report = judge_facts(facts(value=-5e9))
    assert len(report.accepted["sec_facts"]) == 100


def test_a_filing_of_tomorrow_is_kept_out_without_refusing() -> None:
    report = judge_facts(facts(period_end_on="2024-03-31", filed_on="2024-06-03"))
    assert kept_out(report, "no_row_is_in_the_future") == [(CIK, "2024-06-03")]
    assert not report.refused


def test_a_company_that_stopped_filing_is_named() -> None:
    old = facts()
    old = old[old["filed_on"] <= "2023-12-31"].reset_index(drop=True)
    report = judge_facts(old)
    fresh = finding(report, "filings_are_fresh")
    assert not fresh.passed
    assert fresh.severity == "warn"
    assert f"{CIK}: newest 2023-11-09, limit 130 days, stale since 2024-03-19" in fresh.message


def judge_keys(moved: int):
    keys = companies()[["ticker", "cik"]].copy()
    keys.loc[keys.index[:moved], "cik"] = "0000009999"
    extract = an_extract("sec_companies", {"sec_companies": companies()}, items=["company_tickers"])
    return judge(extract, CATALOG, history={"sec_companies__keys": keys})


def test_a_list_that_moves_every_ticker_to_another_company_is_refused():
    report = judge_keys(300)
    assert report.reasons[0].startswith(
        "tickers_keep_their_company: 300 of 300 tickers have another company"
    )


def test_a_ticker_that_was_given_away_is_named_and_loaded():
    report = judge_keys(1)
    found = finding(report, "tickers_keep_their_company")
    assert (found.passed, found.severity, report.refused) == (False, "warn", False)
    assert len(report.accepted["sec_companies"]) == 300


def judge_again(told: pd.DataFrame, stored: pd.DataFrame):
    key = ["cik", "tag", "unit", "period_start_on", "period_end_on", "accession", "value"]
    extract = an_extract("sec_facts", {"sec_facts": told}, items=[CIK])
    return judge(extract, CATALOG, history={"sec_facts__values": stored[key]})


def test_a_filing_that_says_something_else_is_kept_out():
    told = facts()
    told.loc[3, "value"] *= 10
    report = judge_again(told, facts())
    assert [item for item, _ in kept_out(report, "filings_keep_their_values")] == [CIK]
    assert "now " in report.quarantined.iloc[0]["reason"]
    assert not report.refused


def test_filings_that_all_say_ten_times_as_much_refuse_the_batch():
    many = [facts().assign(cik=f"{n:010d}", accession=lambda f: f["cik"]) for n in range(1, 61)]
    stored = pd.concat(many, ignore_index=True)
    stored["accession"] += stored.index.astype("str")
    report = judge_again(stored.assign(value=lambda f: f["value"] * 10), stored)
    assert report.refused
    assert report.reasons[0].startswith("filings_keep_their_values")


def test_a_figure_of_which_most_filings_say_something_else_is_kept_out_whole():
    told = facts()
    told["value"] *= 10
    report = judge_again(told, facts().tail(30))
    assert len(kept_out(report, "filings_keep_their_values")) == 100
