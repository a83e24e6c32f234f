"""The frames connector: what is asked and when, whose figures are kept, what is refused."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.catalog.models import Concept, FrameRules, load_catalog
from pipelines.errors import ConfigurationError
from pipelines.sources.collect import parse
from pipelines.sources.errors import SourceContractChanged, UnknownItem
from pipelines.sources.payloads import FetchContext, ItemState
from pipelines.sources.sec_frames import (
    PARSERS,
    Frame,
    fetch_sec_frames,
    frames_of,
    is_due,
    keep_listed,
    parse_frame,
)
from pipelines.storage.contracts import RAW_TABLES
from tests.fakes.prices import AnsweringAdapter, client_for, fetch_context, payload_of

AS_OF = date(2025, 4, 4)
RULES = FrameRules(years=1)
XML_404 = (404, {"content-type": "application/xml"}, b"<?xml version='1.0'?><Error/>")
LISTED = {"0000000042", "0000000043"}
CATALOG = load_catalog().model_copy(
    update={
        "frames": RULES,
        "concepts": tuple(
            Concept.model_validate(
                {"id": f"c{n}", "title": "x", "why": "a test", "unit": unit, "kind": kind,
                 "tags": [{"tag": tag} for tag in tags]}
            )
            for n, (unit, kind, tags) in enumerate(
                [("USD", "flow", ["Net", "Profit"]), ("shares", "instant", ["Shares"]),
                 ("USD/shares", "flow", ["PerShare"])]
            )
        ),
    }
)  # fmt: skip
ASKED = {"taxonomy": "us-gaap", "tag": "Net", "unit": "USD", "period": "CY2024Q3"}


def a_company(cik: object = 42, **changes: Any) -> dict[str, Any]:
    plain = {"accn": "0000000042-24-000007", "cik": cik, "entityName": "Inc", "loc": "US-CA",
             "start": "2024-07-01", "end": "2024-09-30", "val": 5}  # fmt: skip
    return plain | changes


def document(*companies: Any, **changes: Any) -> dict[str, Any]:
    plain = {
        "taxonomy": "us-gaap",
        "tag": "Net",
        "ccp": "CY2024Q3",
        "uom": "USD",
        "label": "Net",
        "description": "x",
        "pts": len(companies),
        "data": list(companies),
    }
    return plain | changes  # fmt: skip


def rows_of(body: Any, **asked: str) -> pd.DataFrame:
    payload = payload_of("sec", "k", "us-gaap.Net.USD.CY2024Q3", body, **(ASKED | asked))
    return parse_frame(payload)["sec_frames"]


# -- reading ------------------------------------------------------------------------------------
def test_a_frame_gives_a_row_for_each_company_with_its_own_period() -> None:
    other = a_company(1234567890, start="2024-06-30", end="2024-09-28", val=-1.5, accn="b")
    frame = rows_of(document(a_company(), other))
    assert tuple(frame.columns) == RAW_TABLES["sec_frames"].source_columns
    same = ["us-gaap", "Net", "USD", "CY2024Q3"]
    day = pd.Timestamp
    assert frame.to_numpy(dtype="object").tolist() == [
        ["us-gaap.Net.USD.CY2024Q3", "0000000042", *same, day("2024-07-01"), day("2024-09-30"),
         5.0, "0000000042-24-000007"],
        ["us-gaap.Net.USD.CY2024Q3", "1234567890", *same, day("2024-06-30"), day("2024-09-28"),
         -1.5, "b"],
    ]  # fmt: skip


def test_an_instant_begins_on_its_own_day() -> None:
    point = a_company()
    del point["start"]
    frame = rows_of(document(point, ccp="CY2024Q3I"), period="CY2024Q3I")
    assert frame["period_start_on"].tolist() == [pd.Timestamp("2024-09-30")]
    assert frame["period_end_on"].tolist() == [pd.Timestamp("2024-09-30")]


@pytest.mark.parametrize("uom", ["USD/shares", "USD-per-shares"])
def test_a_unit_of_two_is_known_in_both_spellings(uom: str) -> None:
    frame = rows_of(document(a_company(), uom=uom), unit="USD/shares")
    assert frame["unit"].tolist() == ["USD/shares"]


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (document(a_company(), tag="Gross"), "us-gaap.Gross.CY2024Q3.USD for another one"),
        (document(a_company(), ccp="CY2024Q2"), "us-gaap.Net.CY2024Q2.USD for another one"),
        (document(a_company(), taxonomy="ifrs-full"), "ifrs-full.Net"),
        (document(a_company(), uom="EUR"), "us-gaap.Net.CY2024Q3.EUR for another one"),
        (document(a_company(), pts=6000), "1 companies where it says 6000"),
        (document(a_company(), data={"0": a_company()}), "no list of companies"),
        (document(5), "no list of companies"),
        (document(a_company(cik="42")), "a cik that is none"),
        (document(a_company(cik=10**10)), "a cik that is none"),
        (document(a_company(val="5")), "a value that is no number"),
        (document(a_company(val=True)), "a value that is no number"),
        (document(a_company(val=None)), "a value that is no number"),
        (document(a_company(end="2024-13-01")), "without its fields"),
        (document(a_company(end="30.09.24")), "a day that is none"),
        (document(a_company(end=20240930)), "a day that is none"),
        (document(a_company(accn="")), "a filing without its number"),
        (document({"cik": 42}), "without its fields"),
        (b"<html>", "no JSON"),
        (b"[]", "a list instead of an object"),
    ],
)
def test_another_question_s_answer_and_another_shape_are_refused(body: Any, rule: str) -> None:
    with pytest.raises(SourceContractChanged, match=rule):
        rows_of(body)


def test_a_frame_of_nobody_is_unknown() -> None:
    with pytest.raises(UnknownItem, match="no company"):
        rows_of(document())


def test_a_landed_frame_parses_by_its_kind() -> None:
    item = "us-gaap.Net.USD.CY2024Q3"
    payload = payload_of("sec", "sec_frame", item, document(a_company()), **ASKED)
    frame = parse(payload, PARSERS)["sec_frames"]
    assert frame[["frame_id", "source"]].to_numpy().tolist() == [[item, "sec"]]


# -- what is asked ------------------------------------------------------------------------------
def test_the_newest_quarters_are_asked_and_years_of_what_adds_up_over_them() -> None:
    frames = frames_of(CATALOG, as_of=AS_OF)
    assert [f.id for f in frames[:7]] == [
        "us-gaap.Shares.shares.CY2024Q4I",
        "us-gaap.Net.USD.CY2024Q4",
        "us-gaap.Profit.USD.CY2024Q4",
        "us-gaap.PerShare.USD-per-shares.CY2024Q4",
        "us-gaap.Net.USD.CY2024",
        "us-gaap.Profit.USD.CY2024",
        "us-gaap.PerShare.USD-per-shares.CY2024",
    ]
    periods = Counter(f.period for f in frames)
    assert periods == {
        f"CY2024Q{q}{i}": 1 if i else 3 for q in (1, 2, 3, 4) for i in ("I", "")
    } | {"CY2024": 3}  # fmt: skip
    assert frames[3].path == (
        "/api/xbrl/frames/us-gaap/PerShare/USD-per-shares/CY2024Q4.json"
    )  # fmt: skip


def test_the_catalogue_asks_for_564_frames_in_a_first_load() -> None:
    frames = frames_of(load_catalog(), as_of=AS_OF)
    assert len(frames) == len({f.id for f in frames}) == 564
    kinds = Counter("year" if f.is_year else f.period[-1] == "I" for f in frames)
    assert kinds == {False: 240, True: 264, "year": 60}
    assert {f.taxonomy for f in frames} == {"us-gaap", "dei"}


@given(st.dates(date(2012, 1, 1), date(2035, 12, 31)), st.integers(1, 6), st.integers(0, 60))
def test_no_period_is_asked_before_its_season_and_none_is_left_out(
    as_of: date, years: int, opens: int
) -> None:
    rules = FrameRules(years=years, opens_after_days=opens)
    frames = frames_of(CATALOG.model_copy(update={"frames": rules}), as_of=as_of)
    ends = sorted({f.ended_on for f in frames}, reverse=True)
    assert len(ends) == 4 * years
    assert ends[0] + timedelta(days=opens) <= as_of
    assert (as_of - timedelta(days=opens) - ends[0]).days < 92
    steps = {(a - b).days for a, b in pairwise(ends)}
    assert steps <= {90, 91, 92}
    assert sum(f.is_year for f in frames) == 3 * years
    assert all((f.ended_on.month, f.ended_on.day) == (12, 31) for f in frames if f.is_year)


QUARTER = Frame("us-gaap", "Net", "USD", "CY2024Q4", date(2024, 12, 31), True)
YEAR = Frame("us-gaap", "Net", "USD", "CY2024", date(2024, 12, 31), True)
OLD = Frame("us-gaap", "Net", "USD", "CY2024Q2", date(2024, 6, 30), True)


@pytest.mark.parametrize(
    ("frame", "status", "asked_on", "due"),
    [
        (QUARTER, None, None, True),
        (QUARTER, "fetched", date(2025, 4, 4), False),
        (QUARTER, "fetched", date(2025, 3, 29), False),
        (QUARTER, "fetched", date(2025, 3, 28), True),
        (QUARTER, "unknown", date(2025, 3, 28), True),
        (QUARTER, "unavailable", date(2025, 4, 4), True),
        (QUARTER, "broken", date(2025, 4, 4), True),
        # 2024-11-07 is the last day of the season of the second quarter
        (OLD, "fetched", date(2024, 11, 7), True),
        (OLD, "fetched", date(2024, 11, 8), False),
        (OLD, "unchanged", date(2024, 11, 8), False),
        (OLD, "unknown", date(2024, 11, 8), False),
        (OLD, "unavailable", date(2024, 11, 8), True),
        (YEAR, "fetched", date(2025, 3, 28), True),
    ],
)
def test_a_frame_is_asked_weekly_in_its_season_and_once_after_it(
    frame: Frame, status: Any, asked_on: date | None, due: bool
) -> None:
    states = [ItemState(frame.id, last_status=status, asked_on=asked_on)] if status else []
    assert is_due(frame, context(*states), RULES) is due


def test_a_year_stays_open_until_the_last_fiscal_years_in_it_are_filed() -> None:
    asked = ItemState(YEAR.id, last_status="fetched", asked_on=date(2025, 6, 1))
    same = ItemState(QUARTER.id, last_status="fetched", asked_on=date(2025, 6, 1))
    later = fetch_context(datetime(2025, 9, 1, 22, tzinfo=UTC), [asked, same])
    assert is_due(YEAR, later, RULES)
    assert not is_due(QUARTER, later, RULES)


def test_a_season_that_closes_before_it_opens_is_refused(tmp_path) -> None:
    from pipelines.catalog import models

    for path in models.CATALOG_DIR.glob("*.yaml"):
        (tmp_path / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "frames.yaml").write_text("opens_after_days: 200\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"frames\.yaml: frames: .*a season opens"):
        models.load_catalog_from(tmp_path)


# -- asking -------------------------------------------------------------------------------------
def context(*state: ItemState, contact: str | None = "A b@example.org", **more) -> FetchContext:
    now = datetime(2025, 4, 4, 22, tzinfo=UTC)
    return fetch_context(now, state, sec_contact=contact, **more)


def answer_for(*unknown: str):
    """Answer every frame with two companies, or 404 where its address has one of `unknown`."""

    def answer(asked):
        _, _, _, taxonomy, tag, unit, period = asked.path.removesuffix(".json").split("/")[-7:]
        if any(part in asked.path for part in unknown):
            return XML_404
        days = {} if period.endswith("I") else {"start": "2024-07-01"}
        companies = [a_company(42, **days), a_company(99, **days)]
        body = document(*companies, taxonomy=taxonomy, tag=tag, ccp=period, uom=unit)
        return 200, {"content-type": "application/json"}, json.dumps(body).encode()

    return answer


def fetch(adapter: AnsweringAdapter, tonight: FetchContext, listed=LISTED):
    return fetch_sec_frames(client_for(adapter, "sec"), CATALOG, tonight, listed)


def test_a_first_load_asks_every_frame_once_and_what_is_unknown_is_said() -> None:
    adapter = AnsweringAdapter(answer_for("/Profit/"))
    got = fetch(adapter, context())
    assert len(adapter.asked) == len({a.path for a in adapter.asked}) == 19
    assert Counter(o.status for o in got.outcomes) == {"fetched": 14, "unknown": 5}
    assert {o.item.split(".")[1] for o in got.outcomes if o.status == "unknown"} == {"Profit"}
    assert len(got.frames["sec_frames"]) == 28


def test_only_companies_of_the_list_are_kept() -> None:
    got = keep_listed(fetch(AnsweringAdapter(answer_for()), context()), LISTED)
    assert set(got.frames["sec_frames"]["cik"]) == {"0000000042"}
    assert len(got.frames["sec_frames"]) == 19
    assert len(got.outcomes) == 19


def test_where_no_frame_is_known_at_all_a_few_are_asked_each_night() -> None:
    adapter = AnsweringAdapter(lambda _: XML_404)
    first = fetch(adapter, context())
    names = [
        "us-gaap.Shares.shares.CY2024Q3I",
        "us-gaap.Net.USD.CY2024Q3",
        "us-gaap.PerShare.USD-per-shares.CY2024Q3",
    ]
    assert [(o.item, o.status) for o in first.outcomes] == [(n, "unknown") for n in names]
    assert "sec_frames" not in first.frames
    told = [ItemState(n, last_status="unknown", asked_on=AS_OF) for n in names]
    fetch(adapter, context(*told))
    assert len(adapter.asked) == 6, "settled only where the warehouse holds any frame"


def test_later_nights_ask_what_is_due_with_the_validators_of_what_is_stored() -> None:
    frames = frames_of(CATALOG, as_of=AS_OF)
    states = [
        ItemState(f.id, newest_on=f.ended_on, etag='"tag"', last_status="fetched",
                  asked_on=date(2025, 3, 28) if f.ended_on.month == 12 else date(2025, 3, 1))
        for f in frames
    ]  # fmt: skip
    adapter = AnsweringAdapter(lambda _: (304, {}, b""))
    got = fetch(adapter, context(*states))
    assert sorted(o.item for o in got.outcomes) == sorted(
        f.id for f in frames if f.ended_on == date(2024, 12, 31)
    )
    assert {o.status for o in got.outcomes} == {"unchanged"}
    assert {a.headers["if-none-match"] for a in adapter.asked} == {'"tag"'}
    again = AnsweringAdapter(answer_for())
    assert len(fetch(again, context(*states, full_refresh=True)).outcomes) == 19
    assert "if-none-match" not in again.asked[0].headers


@pytest.mark.parametrize(
    ("contact", "listed", "why"),
    [(None, LISTED, "SEC_CONTACT is not set"), ("A b@example.org", set(), "the list of tickers")],
)
def test_without_a_contact_or_the_list_nothing_is_sent(contact, listed, why: str) -> None:
    adapter = AnsweringAdapter(lambda _: XML_404)
    got = fetch(adapter, context(contact=contact), listed)
    assert adapter.asked == []
    [outcome] = got.outcomes
    assert (outcome.item, outcome.status) == ("frames", "unavailable")
    assert why in outcome.detail
