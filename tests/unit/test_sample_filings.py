"""The simulated SEC: forms, lags, clock, and the warts that the connector must bear."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from functools import cache
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest

from pipelines.catalog.models import load_catalog
from pipelines.sample.yahoo import YahooWire
from pipelines.sources.payloads import Payload
from pipelines.sources.sec import parse_facts
from tests.fakes.sample_world import adapter, get


@cache
def tickers(now: date | None = None) -> dict[str, int]:
    listed = get("sec-www", "/files/company_tickers.json", now).json()
    assert list(listed) == [str(n) for n in range(len(listed))]
    return {entry["ticker"]: entry["cik_str"] for entry in listed.values()}


def reply(cik: int, now: date | None = None) -> Any:
    return get("sec", f"/api/xbrl/companyfacts/CIK{cik:010d}.json", now)


@cache
def facts(cik: int, now: date | None = None) -> pd.DataFrame:
    body = reply(cik, now).content
    payload = Payload("sec", "k", "x", "u", 200, {}, body, datetime.now(UTC), {"cik": str(cik)})
    return parse_facts(payload, load_catalog().concepts)["sec_facts"]


def some(count: int) -> list[int]:
    found = [cik for cik in sorted(tickers().values()) if reply(cik).status_code == 200]
    return found[:count]


def test_the_list_names_the_listed_companies_in_the_spelling_of_prices() -> None:
    assert 540 < len(tickers()) < 700
    assert {"BRK-B", "MOG-A", "META"} <= set(tickers())
    assert len(set(tickers().values())) == len(tickers())
    assert not set(tickers(date(2018, 1, 5)).values()) <= set(tickers().values())


def test_an_unchanged_list_is_not_sent_again() -> None:
    first = get("sec-www", "/files/company_tickers.json")
    again = get("sec-www", "/files/company_tickers.json",
                headers={"If-None-Match": first.headers["ETag"]})  # fmt: skip
    assert (first.status_code, again.status_code) == (200, 304)


def test_a_company_without_facts_is_a_404_with_xml() -> None:
    missing = [cik for cik in sorted(tickers().values())[:80] if reply(cik).status_code == 404]
    assert len(missing) == 2
    answer = reply(missing[0])
    assert answer.headers["Content-Type"] == "application/xml"
    assert answer.content.startswith(b"<?xml")


def test_filings_come_forty_and_sixty_days_after_their_period_and_not_before() -> None:
    for cik in some(12):
        frame = facts(cik)
        own = frame[frame["tag"].isin(["StockholdersEquity"])]
        lag = (own["filed_on"] - own["period_end_on"]).dt.days
        assert lag[own["form"] == "10-Q"].between(35, 42).all()
        assert lag[own["form"] == "10-K"].between(55, 62).all()
        assert set(own["form"]) == {"10-Q", "10-K"}
        assert frame["filed_on"].max() <= pd.Timestamp("2025-10-10")
        assert not frame["filed_on"].dt.day_of_week.gt(4).any()
        assert not frame.duplicated(["tag", "period_start_on", "period_end_on", "accession"]).any()


def test_a_year_is_the_sum_of_its_quarters() -> None:
    frame = facts(some(1)[0])
    net = frame[(frame["tag"] == "NetIncomeLoss") & (frame["form"] != "10-K/A")]
    of_2024 = net[net["period_start_on"] == "2024-01-01"].set_index("period_end_on")["value"]
    quarters = net[net["period_start_on"].dt.year == 2024].assign(
        days=lambda f: (f["period_end_on"] - f["period_start_on"]).dt.days
    )
    three = quarters.loc[quarters["days"] < 100, "value"].sum()
    assert of_2024[pd.Timestamp("2024-09-30")] == pytest.approx(three, abs=3)
    assert pd.Timestamp("2024-12-31") in of_2024.index


def test_the_past_is_served_as_it_was() -> None:
    cik = some(1)[0]
    then, today = facts(cik, date(2021, 6, 30)), facts(cik)
    assert then["filed_on"].max() <= pd.Timestamp("2021-06-30")
    columns = ["tag", "period_end_on", "period_start_on", "value", "accession"]
    known = today[today["filed_on"] <= "2021-06-30"][columns]
    pd.testing.assert_frame_equal(
        then[columns].sort_values(columns, ignore_index=True),
        known.sort_values(columns, ignore_index=True),
    )


def test_some_lose_money_some_amend_some_move_to_another_tag() -> None:
    frames = [facts(cik) for cik in some(60)]
    every = pd.concat(frames)
    net = every[(every["tag"] == "NetIncomeLoss") & (every["period_end_on"] == "2024-12-31")]
    assert 0.1 < (net.groupby("cik")["value"].last() < 0).mean() < 0.6
    amended = every[every["form"] == "10-K/A"]
    assert set(amended["tag"]) == {"NetIncomeLoss", "EarningsPerShareDiluted",
                                   "EntityCommonStockSharesOutstanding"}  # fmt: skip
    assert 2 <= amended["cik"].nunique() <= 4
    moved = every[every["tag"] == "InterestExpenseNonoperating"]
    assert 10 <= moved["cik"].nunique() <= 20
    assert moved["fiscal_year"].min() == 2023
    assert "RevenueFromContractWithCustomerExcludingAssessedTax" in set(every["tag"])


def test_the_replies_are_the_same_every_time() -> None:
    cik = some(1)[0]
    assert reply(cik).content == reply(cik).content
    assert json.loads(reply(cik).content)["cik"] == cik


def test_some_have_no_debt_some_borrow_short_some_file_no_count_of_shares() -> None:
    frames = {cik: set(facts(cik)["tag"]) for cik in some(70)}
    debts = {"LongTermDebtNoncurrent", "LongTermDebt"}
    free = [cik for cik, tags in frames.items() if not tags & debts]
    assert 4 <= len(free) <= 9
    assert not any({"InterestExpense", "LongTermDebtCurrent"} & frames[cik] for cik in free)
    assert not any(debts <= tags for tags in frames.values())
    assert 6 <= sum("LongTermDebt" in tags for tags in frames.values()) <= 12
    assert 8 <= sum("ShortTermBorrowings" in tags for tags in frames.values()) <= 16
    uncounted = [t for t in frames.values() if "EntityCommonStockSharesOutstanding" not in t]
    assert 1 <= len(uncounted) <= 4


def test_the_cover_counts_shares_on_the_basis_of_its_day() -> None:
    """Shares change by splits alone here: between two covers by the splits between their days."""
    listed, splits_seen = tickers(), 0
    yahoo: YahooWire = adapter()._handlers["yahoo"].__self__
    for universe in yahoo.universes:
        for company, splits in zip(universe.companies, universe.splits, strict=True):
            if not splits or company.symbol not in listed:
                continue
            cik = listed[company.symbol]
            if reply(cik).status_code != 200 or splits_seen > 12:
                continue
            frame = facts(cik)
            covers = frame[frame["tag"] == "EntityCommonStockSharesOutstanding"]
            covers = covers.sort_values(["period_end_on", "filed_on"])
            for (_, one), (_, two) in pairwise(covers.iterrows()):
                factor = 1.0
                for split in splits:
                    on = pd.Timestamp(universe.days[split.at])
                    if one["period_end_on"] < on <= two["period_end_on"]:
                        factor *= split.new / split.old
                        splits_seen += 1
                assert two["value"] / one["value"] == pytest.approx(factor, rel=1e-5)
    assert splits_seen > 12


def frame_of(path: str, now: date | None = None) -> dict[int, dict[str, Any]]:
    body = get("sec", f"/api/xbrl/frames/{path}.json", now).json()
    taxonomy, tag, unit, period = path.split("/")
    assert (body["taxonomy"], body["tag"], body["ccp"]) == (taxonomy, tag, period)
    assert body["uom"] == unit.replace("-per-", "/")
    assert body["pts"] == len(body["data"])
    assert not any("filed" in point for point in body["data"])
    return {point["cik"]: point for point in body["data"]}


def test_a_frame_gives_what_each_company_filed_last_for_the_period() -> None:
    net = frame_of("us-gaap/NetIncomeLoss/USD/CY2024")
    per_share = frame_of("us-gaap/EarningsPerShareDiluted/USD-per-shares/CY2025Q1")
    equity = frame_of("us-gaap/StockholdersEquity/USD/CY2025Q1I")
    assert 500 < len(net) < 700
    for cik in some(12):
        own = facts(cik)
        for tag, point in (
            ("NetIncomeLoss", net[cik]),
            ("EarningsPerShareDiluted", per_share[cik]),
            ("StockholdersEquity", equity[cik]),
        ):
            same = own[
                (own["tag"] == tag)
                & (own["period_end_on"] == point["end"])
                & (own["period_start_on"] == point.get("start", point["end"]))
            ].sort_values("filed_on")
            assert same["value"].tolist()[-1] == point["val"]
    assert "start" not in equity[some(1)[0]]


def test_an_amended_year_stands_in_its_frame_as_amended() -> None:
    then = date(2022, 12, 30)
    frame = frame_of("us-gaap/NetIncomeLoss/USD/CY2021", then)
    amended = [
        cik
        for cik in some(60)
        if (facts(cik, then)["form"] == "10-K/A").any() and cik in frame
    ]  # fmt: skip
    assert len(amended) >= 2
    for cik in amended:
        own = facts(cik, then)
        year = own[(own["tag"] == "NetIncomeLoss") & (own["form"] == "10-K/A")]
        assert frame[cik]["val"] == year["value"].iloc[0]
        assert frame[cik]["accn"] == year["accession"].iloc[0]


def test_a_frame_fills_with_its_season_and_is_not_there_before() -> None:
    path = "us-gaap/NetIncomeLoss/USD/CY2025Q1"
    assert get("sec", f"/api/xbrl/frames/{path}.json", date(2025, 4, 30)).status_code == 404
    early, late = frame_of(path, date(2025, 5, 8)), frame_of(path, date(2025, 6, 30))
    assert 0 < len(early) < len(late)
    assert early.items() <= late.items()


def test_an_unchanged_frame_is_not_sent_again_and_an_unknown_one_is_xml() -> None:
    path = "/api/xbrl/frames/us-gaap/StockholdersEquity/USD/CY2025Q1I.json"
    tag = get("sec", path).headers["ETag"]
    assert get("sec", path, headers={"If-None-Match": tag}).status_code == 304
    missing = get("sec", path.replace("StockholdersEquity", "CommercialPaper"))
    assert (missing.status_code, missing.headers["Content-Type"]) == (404, "application/xml")
