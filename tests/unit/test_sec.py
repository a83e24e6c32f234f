"""The SEC connector: the list of tickers, a company's facts, who is asked and when."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import pandas as pd
import pytest

from pipelines.catalog.models import Concept, load_catalog
from pipelines.sources.collect import parse
from pipelines.sources.errors import SourceContractChanged, UnknownItem
from pipelines.sources.payloads import FetchContext, ItemState
from pipelines.sources.sec import (
    ASK_EVERY_DAYS,
    LIST_KIND,
    PARSERS,
    fetch_sec_companies,
    fetch_sec_facts,
    is_due,
    parse_companies,
    parse_facts,
)
from pipelines.storage.contracts import RAW_TABLES
from tests.fakes.prices import AnsweringAdapter, client_for, fetch_context, payload_of

NOW = datetime(2025, 4, 4, 22, tzinfo=UTC)
CIK = "0000000042"
CONTACT = "A Name a.name@example.org"
XML_404 = (404, {"content-type": "application/xml"}, b"<?xml version='1.0'?><Error/>")
CONCEPTS = (
    Concept.model_validate(
        {"id": "interest", "title": "Interest", "unit": "USD", "kind": "flow", "why": "a test",
         "tags": [{"tag": "Old"}, {"tag": "New", "from_year": 2023}]}
    ),
    Concept.model_validate(
        {"id": "shares", "title": "Shares", "unit": "shares", "kind": "instant", "why": "a test",
         "tags": [{"tag": "OnTheCover", "taxonomy": "dei"}]}
    ),
)  # fmt: skip


def a_fact(value: float, end: str, filed: str, accession: str, **more: Any) -> dict[str, Any]:
    plain = {"end": end, "val": value, "accn": accession, "fy": 2024, "fp": "Q1", "form": "10-Q"}
    return {**plain, "filed": filed, **more}


def document(*, cik: object = 42, **tags: list[dict[str, Any]]) -> dict[str, Any]:
    gaap = {tag: {"label": tag, "units": {"USD": facts}} for tag, facts in tags.items()}
    return {"cik": cik, "entityName": "An Invention", "facts": {"us-gaap": gaap}}


def facts_of(body: Any) -> pd.DataFrame:
    return parse_facts(payload_of("sec", "k", CIK, body, cik=CIK), CONCEPTS)["sec_facts"]


def row(frame: pd.DataFrame, number: int) -> tuple[object, ...]:
    columns = ["tag", "period_start_on", "period_end_on", "value", "filed_on", "accession"]
    return tuple(
        v.date() if isinstance(v, pd.Timestamp) else v for v in frame[columns].iloc[number]
    )


# -- the list -----------------------------------------------------------------------------------
TICKERS = {
    "0": {"cik_str": 42, "ticker": "inv", "title": "An Invention"},
    "1": {"cik_str": 1234567890, "ticker": "BRK-X", "title": "Another, Class X"},
    "2": {"cik_str": 42, "ticker": "INV", "title": "An Invention"},
}


def test_the_list_gives_each_ticker_once_with_a_ten_digit_key() -> None:
    payload = payload_of("sec-www", LIST_KIND, "company_tickers", TICKERS, as_of="2025-04-04")
    frame = parse_companies(payload)["sec_companies"]
    assert tuple(frame.columns) == RAW_TABLES["sec_companies"].source_columns
    assert frame.to_numpy(dtype="object").tolist() == [
        ["INV", "0000000042", "An Invention", pd.Timestamp("2025-04-04")],
        ["BRK-X", "1234567890", "Another, Class X", pd.Timestamp("2025-04-04")],
    ]


@pytest.mark.parametrize("body", [[], {}, {"0": {"cik_str": 42, "title": "x"}}, {"0": 5}, b"{oops"])
def test_another_shape_of_the_list_is_refused(body: Any) -> None:
    payload = payload_of("sec-www", LIST_KIND, "company_tickers", body, as_of="2025-04-04")
    with pytest.raises(SourceContractChanged, match="sec-www: company_tickers"):
        parse_companies(payload)


def test_an_unchanged_list_is_not_read_again() -> None:
    adapter = AnsweringAdapter(lambda _: (304, {}, b""))
    state = ItemState(
        "company_tickers", etag='"tag"', last_modified="Tue, 01 Apr 2025 00:00:00 GMT"
    )
    got = fetch_sec_companies(
        client_for(adapter, "sec-www"), load_catalog(),
        fetch_context(NOW, [state], sec_contact=CONTACT),
    )  # fmt: skip
    assert [(o.item, o.status) for o in got.outcomes] == [("company_tickers", "unchanged")]
    assert adapter.asked[0].path == "/files/company_tickers.json"
    assert adapter.asked[0].headers["if-none-match"] == '"tag"'


# -- one company's facts ------------------------------------------------------------------------
def test_a_value_stands_once_with_the_filing_that_first_gave_it() -> None:
    quarter = {"start": "2024-01-01", "end": "2024-03-31"}
    frame = facts_of(
        document(
            Old=[
                # A year later for comparison, unchanged: no news. The frame has moved there.
                a_fact(5, filed="2025-05-09", accession="c", frame="CY2024Q1", **quarter),
                a_fact(5, filed="2024-05-10", accession="a", **quarter),
                # Amended, and the same filing once more under another heading.
                a_fact(7, filed="2025-06-01", accession="d", form="10-Q/A", **quarter),
                a_fact(7, filed="2025-06-01", accession="d", form="10-Q/A", **quarter),
            ],
            New=[a_fact(1, "2024-06-30", "2024-08-09", "b", start="2024-04-01")],
            NotOurs=[a_fact(9, "2024-06-30", "2024-08-09", "b")],
        )
    )
    first = (date(2024, 1, 1), date(2024, 3, 31))
    assert [row(frame, n) for n in range(len(frame))] == [
        ("Old", *first, 5.0, date(2024, 5, 10), "a"),
        ("Old", *first, 7.0, date(2025, 6, 1), "d"),
        ("New", date(2024, 4, 1), date(2024, 6, 30), 1.0, date(2024, 8, 9), "b"),
    ]
    assert frame["form"].tolist() == ["10-Q", "10-Q/A", "10-Q"]
    assert frame["frame"].tolist()[:2] == ["CY2024Q1", "CY2024Q1"]
    assert frame["frame"].isna().tolist() == [False, False, True]
    assert tuple(frame.columns) == RAW_TABLES["sec_facts"].source_columns
    assert set(frame["cik"]) == {CIK}


def test_an_instant_begins_on_its_own_day_and_units_are_the_concepts() -> None:
    body = document()
    covers = [a_fact(1_000, "2024-04-30", "2024-05-10", "a", fy=None, fp=None)]
    units = {"shares": covers, "USD": [a_fact(3, "2024-04-30", "2024-05-10", "a")]}
    body["facts"]["dei"] = {"OnTheCover": {"units": units}}
    frame = facts_of(body)
    day = date(2024, 4, 30)
    assert row(frame, 0) == ("OnTheCover", day, day, 1000.0, date(2024, 5, 10), "a")
    assert len(frame) == 1
    assert frame["unit"].tolist() == ["shares"]
    assert frame["fiscal_year"].isna().all()


def test_who_reports_nothing_of_ours_is_unknown() -> None:
    with pytest.raises(UnknownItem, match="nothing that the concept map knows"):
        facts_of({"cik": 42, "entityName": "x", "facts": {"ifrs-full": {"Revenue": {}}}})


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (document(cik=43), "the facts of CIK 43"),
        ({"cik": 42}, "without its fields"),
        (document(Old=[{"end": "2024-03-31", "val": 1}]), "without its fields"),
        (document(Old=[a_fact(1, "31/03/2024", "2024-05-10", "a")]), "is no day"),
        (b"<html>", "no JSON"),
    ],
)
def test_another_shape_of_the_facts_is_refused(body: Any, rule: str) -> None:
    with pytest.raises(SourceContractChanged, match=rule):
        facts_of(body)


def test_a_landed_payload_parses_with_the_catalogued_concepts() -> None:
    body = document(NetIncomeLoss=[a_fact(5, "2024-03-31", "2024-05-10", "a", start="2024-01-01")])
    frame = parse(payload_of("sec", "sec_companyfacts", CIK, body, cik=CIK), PARSERS)["sec_facts"]
    assert frame[["tag", "value", "source"]].to_numpy().tolist() == [["NetIncomeLoss", 5.0, "sec"]]


# -- who is asked -------------------------------------------------------------------------------
def context(*state: ItemState, contact: str | None = CONTACT, **more: Any) -> FetchContext:
    return fetch_context(NOW, state, sec_contact=contact, **more)


def test_each_company_is_asked_once_and_what_is_missing_is_said() -> None:
    good = document(NetIncomeLoss=[a_fact(5, "2024-03-31", "2024-05-10", "a", start="2024-01-01")])

    def answer(asked):
        if asked.path.endswith("CIK0000000042.json"):
            return 200, {"content-type": "application/json"}, json.dumps(good).encode()
        if asked.path.endswith("CIK0000000044.json"):
            return 503, {"content-type": "text/html"}, b"<html>busy</html>"
        return XML_404

    adapter = AnsweringAdapter(answer)
    ciks = {"AA": CIK, "AB": CIK, "GONE": "0000000043", "BUSY": "0000000044", "X": "0000000099"}
    got = fetch_sec_facts(
        client_for(adapter, "sec"), load_catalog(), context(),
        ["AB", "AA", "GONE", "BUSY", "NOLIST"], ciks,
    )  # fmt: skip
    assert [(o.item, o.status) for o in got.outcomes] == [
        (CIK, "fetched"),
        ("0000000043", "unknown"),
        ("0000000044", "unavailable"),
        ("NOLIST", "unknown"),
    ]
    assert got.frames["sec_facts"]["cik"].tolist() == [CIK]
    assert got.requests == {"sec": 4}, "busy is asked twice, nobody else is"


@pytest.mark.parametrize("feed", ["sec_companies", "sec_facts"])
def test_without_a_contact_nothing_is_sent(feed: str) -> None:
    adapter = AnsweringAdapter(lambda _: XML_404)
    client = client_for(adapter, "sec", "sec-www")
    alone = context(contact=None)
    got = (
        fetch_sec_companies(client, load_catalog(), alone)
        if feed == "sec_companies"
        else fetch_sec_facts(client, load_catalog(), alone, ["AA"], {"AA": CIK})
    )
    assert adapter.asked == []
    [outcome] = got.outcomes
    assert outcome.status == "unavailable"
    assert "SEC_CONTACT is not set" in outcome.detail


def test_without_the_list_no_company_is_asked() -> None:
    adapter = AnsweringAdapter(lambda _: XML_404)
    got = fetch_sec_facts(client_for(adapter, "sec"), load_catalog(), context(), ["AA", "BB"], {})
    assert adapter.asked == []
    assert [(o.item, o.detail) for o in got.outcomes] == [
        ("company_tickers", "the list of tickers never came")
    ]


def test_after_a_first_load_each_company_is_due_once_in_every_seven_days() -> None:
    asked = {n: date(2025, 3, 3) for n in range(21)}
    counts = {n: 0 for n in asked}
    sizes = []
    for ordinal in range(date(2025, 3, 3).toordinal(), date(2025, 3, 31).toordinal()):
        today = date.fromordinal(ordinal)
        if today.weekday() > 4:  # no session: the shares of both days come on Monday
            continue
        states = [
            ItemState(f"{n:010d}", last_status="fetched", asked_on=day) for n, day in asked.items()
        ]
        now = datetime(today.year, today.month, today.day, 22, tzinfo=UTC)
        tonight = fetch_context(now, states)
        due = [n for n in asked if is_due(f"{n:010d}", tonight)]
        sizes.append(len(due))
        for n in due:
            asked[n] = today
            counts[n] += 1
    assert sizes[0] == 0, "the same day asks nobody twice"
    assert set(counts.values()) <= {3, 4}
    assert ASK_EVERY_DAYS == 7
    assert max(sizes[1:]) == 9
    assert sum(sizes) == sum(counts.values())


@pytest.mark.parametrize(
    ("state", "due"),
    [
        (ItemState(CIK), True),
        (ItemState(CIK, last_status="unavailable", asked_on=NOW.date()), True),
        (ItemState(CIK, last_status="broken", asked_on=NOW.date()), True),
        (ItemState(CIK, last_status="unknown", asked_on=NOW.date()), False),
        (ItemState(CIK, last_status="fetched", asked_on=date(2025, 3, 20)), True),
    ],
)
def test_who_did_not_answer_is_due_again(state: ItemState, due: bool) -> None:
    assert is_due(CIK, context(state)) is due


def test_a_full_refresh_asks_everybody() -> None:
    adapter = AnsweringAdapter(lambda _: XML_404)
    state = ItemState(CIK, last_status="fetched", asked_on=NOW.date(), etag='"tag"')
    fetch_sec_facts(
        client_for(adapter, "sec"), load_catalog(), context(state, full_refresh=True),
        ["AA"], {"AA": CIK},
    )  # fmt: skip
    assert [a.path for a in adapter.asked] == ["/api/xbrl/companyfacts/CIK0000000042.json"]
    assert "if-none-match" not in adapter.asked[0].headers


# -- the catalogue ------------------------------------------------------------------------------
def test_the_concept_map_holds_what_the_analysis_needs() -> None:
    concepts = {c.id: c for c in load_catalog().concepts}
    assert set(concepts) == {
        "net_income", "eps_diluted", "revenue", "operating_income", "depreciation",
        "interest_expense", "equity", "shares_outstanding", "long_term_debt", "current_debt",
        "short_term_borrowings", "cash",
    }  # fmt: skip
    interest = [(t.tag, t.from_year, t.to_year) for t in concepts["interest_expense"].tags]
    assert interest[:2] == [
        ("InterestExpense", None, 2023),
        ("InterestExpenseNonoperating", 2023, None),
    ]


def test_a_tag_stands_for_one_concept_only() -> None:
    catalog = load_catalog()
    doubled = catalog.concepts[1].model_copy(update={"tags": catalog.concepts[0].tags})
    with pytest.raises(ValueError, match="stands for two concepts: NetIncomeLoss"):
        type(catalog).model_validate({**dict(catalog), "concepts": (catalog.concepts[0], doubled)})


def test_a_tag_includes_only_what_the_map_knows() -> None:
    catalog = load_catalog()
    included = {t.tag: t.includes for c in catalog.concepts for t in c.tags if t.includes}
    assert included == {
        "LongTermDebt": "current_debt",
        "NotesPayable": "current_debt",
        "DebtCurrent": "short_term_borrowings",
    }
    debts = tuple(
        c for c in catalog.concepts if c.id in ("long_term_debt", "short_term_borrowings")
    )
    with pytest.raises(ValueError, match="LongTermDebt includes no concept: current_debt"):
        type(catalog).model_validate({**dict(catalog), "concepts": debts})


def test_both_addresses_of_the_sec_share_one_pace() -> None:
    providers = {p.id: p for p in load_catalog().providers}
    assert providers["sec-www"].paced_with == "sec"
    assert providers["sec"].min_interval_s >= 0.1
