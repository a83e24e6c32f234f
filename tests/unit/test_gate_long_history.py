from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from pipelines.sources.payloads import ItemOutcome
from tests.fakes.gate import an_extract, catalog_with, finding, judge, kept_out, raw_frame, stored

AS_OF = date(2024, 5, 31)
MONTHS = pd.date_range("1926-07-01", "2024-03-01", freq="MS")
FILE = "6_Portfolios_2x3"
TABLES = {
    "average_value_weighted_returns_monthly": 1.0,
    "number_of_firms_in_portfolios": 300.0,
    "average_market_cap": 900.0,
    "value_weight_average_of_be_me": 0.8,
}


def library(months=MONTHS, edition="202403", changes=None):
    rows = [
        {
            "file_id": FILE,
            "table_id": table,
            "frequency": "monthly",
            "portfolio": "SMALL LoBM",
            "period_on": month,
            "value": (changes or {}).get((table, f"{month:%Y-%m}"), value),
            "edition": edition,
        }
        for table, value in TABLES.items()
        for month in months
    ]
    return raw_frame("french_portfolios", rows)


def judge_library(frame, history=None, as_of=AS_OF):
    extract = an_extract("french_portfolios", {"french_portfolios": frame})
    return judge(extract, catalog_with(), history=history, as_of=as_of)


MEASURES = {
    "price": 1000.0,
    "dividend": 20.0,
    "earnings": 50.0,
    "cpi": 100.0,
    "long_rate_pct": 4.0,
    "cape_ratio": 25.0,
}


def workbook(months=None, changes=None, measures=MEASURES):
    months = pd.date_range("1900-01-01", "2024-04-01", freq="MS") if months is None else months
    rows = [
        {
            "observed_on": month,
            "measure": measure,
            "value": (changes or {}).get((measure, f"{month:%Y-%m}"), value),
            "edition": "e1",
        }
        for measure, value in measures.items()
        for month in months
    ]
    return raw_frame("shiller_history", rows)


def judge_workbook(frame, history=None, as_of=AS_OF):
    extract = an_extract("shiller_history", {"shiller_history": frame}, items=["ie_data"])
    return judge(extract, catalog_with(), history=history, as_of=as_of)


def test_a_good_library_file_passes_whole():
    report = judge_library(library())
    assert [f for f in report.findings if not f.passed] == []
    assert len(report.accepted["french_portfolios"]) == 4 * len(MONTHS)


def test_missing_values_are_no_fault():
    changes = {(t, "1930-07"): None for t in TABLES}
    assert judge_library(library(changes=changes)).quarantined.empty


@pytest.mark.parametrize(
    ("table", "value", "check"),
    [
        ("average_value_weighted_returns_monthly", -999.0, "returns_are_possible"),
        ("average_value_weighted_returns_monthly", 1200.0, "returns_are_possible"),
        ("number_of_firms_in_portfolios", -99.99, "firms_and_sizes_are_positive"),
        ("average_market_cap", -1.0, "firms_and_sizes_are_positive"),
        ("value_weight_average_of_be_me", 80.0, "firms_and_sizes_are_positive"),
    ],
)
def test_an_impossible_value_is_quarantined(table, value, check):
    report = judge_library(library(changes={(table, "1999-12"): value}))
    assert kept_out(report, check) == [(FILE, "1999-12-01")]
    assert table in report.quarantined.iloc[0]["reason"]
    assert not report.refused


def test_a_sentinel_that_was_not_understood_refuses_the_batch():
    months = [f"{m:%Y-%m}" for m in MONTHS[:40]]
    changes = {("average_value_weighted_returns_monthly", m): -999.0 for m in months}
    assert judge_library(library(changes=changes)).refused


def test_a_cut_file_refuses_the_batch():
    report = judge_library(library(months=MONTHS[-120:]))
    assert report.reasons[0].startswith("files_hold_their_history: tables with fewer months")


def test_an_older_edition_refuses_the_batch():
    newer = stored((FILE, len(MONTHS), "1926-07-01", "2024-03-01", None))
    older = library(months=MONTHS[:-1], edition="202402")
    report = judge_library(older, history={"french_portfolios": newer})
    assert report.reasons == (
        "edition_is_not_older: an older edition than the stored one: "
        f"{FILE}: ends 2024-02, edition 202402",
    )
    same = judge_library(library(), history={"french_portfolios": newer})
    assert finding(same, "edition_is_not_older").passed


def test_an_older_vintage_of_the_same_months_refuses_the_batch():
    known = stored((FILE, len(MONTHS), "1926-07-01", "2024-03-01", None))
    history = {"french_portfolios": known.assign(newest_edition="202404")}
    assert judge_library(library(), history=history).refused


def test_a_library_that_begins_later_than_stored_is_warned_of():
    known = stored((FILE, len(MONTHS), "1926-07-01", "2024-03-01", None))
    report = judge_library(library(months=MONTHS[60:]), history={"french_portfolios": known})
    assert finding(report, "history_has_not_shrunk").examples == (
        f"{FILE} now begins 1931-07-01, stored from 1926-07-01",
    )
    assert not report.refused


def test_a_month_that_has_not_begun_refuses_the_batch():
    report = judge_library(library(), as_of=date(2024, 2, 15))
    assert report.reasons[0].startswith("no_row_is_in_the_future: ")


def test_an_old_library_is_stale():
    report = judge_library(library(), as_of=date(2024, 8, 1))
    found = finding(report, "newest_month_is_recent")
    assert (found.severity, found.examples) == ("warn", (f"{FILE} ends 2024-03",))


def test_doubled_rows_refuse_the_batch():
    frame = pd.concat([library(), library()], ignore_index=True)
    assert judge_library(frame).refused


def test_a_good_workbook_passes_whole():
    report = judge_workbook(workbook())
    assert [f for f in report.findings if not f.passed] == []


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("price", 10_000.0),
        ("price", 100.0),
        ("cpi", 1000.0),
        ("price", -5.0),
        ("cape_ratio", 250.0),
        ("long_rate_pct", 40.0),
    ],
)
def test_a_value_that_cannot_be_is_quarantined(measure, value):
    report = judge_workbook(workbook(changes={(measure, "1999-12"): value}))
    assert kept_out(report, "measures_are_plausible") == [(measure, "1999-12-01")]
    assert not report.refused


def test_earnings_may_collapse():
    report = judge_workbook(workbook(changes={("earnings", "2009-03"): 7.0}))
    assert report.quarantined.empty


def test_a_workbook_without_a_measure_refuses_the_batch():
    fewer = {k: v for k, v in MEASURES.items() if k != "cape_ratio"}
    report = judge_workbook(workbook(measures=fewer))
    assert report.reasons == (
        "every_measure_is_there: measures are not the workbook's: cape_ratio: 0 values",
    )


def test_months_after_the_as_of_date_are_kept_out_and_refuse_nothing():
    report = judge_workbook(workbook(), as_of=date(2024, 2, 15))
    assert not report.refused
    assert len(kept_out(report, "no_row_is_in_the_future")) == 2 * len(MEASURES)
    newest = report.accepted["shiller_history"]["observed_on"].max()
    assert newest == pd.Timestamp("2024-02-01")


def test_a_newest_month_without_a_value_is_as_new_as_the_stored_one():
    known = stored(*((m, 1492, "1900-01-01", "2024-04-01", None) for m in MEASURES))
    empty_end = {("earnings", "2024-04"): None, ("earnings", "2024-03"): None}
    report = judge_workbook(workbook(changes=empty_end), history={"shiller_history": known})
    assert finding(report, "edition_is_not_older").passed


def test_a_workbook_that_ends_before_the_stored_one_refuses_the_batch():
    known = stored(*((m, 1492, "1900-01-01", "2024-05-01", None) for m in MEASURES))
    assert judge_workbook(workbook(), history={"shiller_history": known}).refused


def judge_against(frame, old, name="french_portfolios"):
    extract = an_extract(name, {name: frame})
    keys = ["file_id", "table_id", "portfolio", "period_on", "value"]
    if name == "shiller_history":
        keys = ["measure", "observed_on", "value"]
    return judge(extract, catalog_with(), history={f"{name}__values": old[keys]}, as_of=AS_OF)


def test_a_rewritten_history_agrees_with_the_stored_one():
    report = judge_against(library().assign(value=lambda f: f["value"] * 1.01), library())
    assert finding(report, "stored_values_agree").message == (
        "4 histories agree with the stored ones"
    )


def test_a_table_in_another_unit_refuses_the_batch():
    table = "average_market_cap"
    changed = library()
    changed.loc[changed["table_id"] == table, "value"] *= 10
    report = judge_against(changed, library())
    [reason] = report.reasons
    assert reason.startswith("stored_values_agree: not the history that is stored: ")
    assert reason.endswith(f"{FILE}.{table}.SMALL LoBM: 10 times the stored")


def test_a_portfolio_that_is_gone_refuses_the_batch_and_a_new_one_is_named():
    renamed = library().assign(portfolio="Renamed")
    report = judge_against(renamed, library())
    assert report.refused
    assert "SMALL LoBM is gone" in report.reasons[0]
    report = judge_against(pd.concat([library(), renamed], ignore_index=True), library())
    found = finding(report, "stored_values_agree")
    assert (found.passed, report.refused) == (False, False)
    assert "new portfolios" in found.message


def test_a_measure_in_another_unit_refuses_the_batch():
    changed = workbook()
    changed.loc[changed["measure"] == "price", "value"] *= 10
    report = judge_against(changed, workbook(), "shiller_history")
    assert "price: 10 times the stored" in report.reasons[0]


@pytest.mark.parametrize("value", [10_000.0, 100.0])
def test_a_newest_price_that_leaps_is_kept_out(value):
    report = judge_workbook(workbook(changes={("price", "2024-04"): value}))
    assert kept_out(report, "measures_are_plausible") == [("price", "2024-04-01")]
    assert not report.refused


def test_a_file_that_did_not_come_is_told_when_all_else_is_well():
    outcomes = [ItemOutcome("french", FILE, "fetched"), ItemOutcome("french", "X", "unavailable")]
    extract = an_extract("french_portfolios", {"french_portfolios": library()}, outcomes=outcomes)
    report = judge(extract, catalog_with(), as_of=AS_OF)
    assert [f.check for f in report.findings if not f.passed] == ["every_item_is_answered"]
    assert not report.refused
