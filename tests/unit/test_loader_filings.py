"""Loading the SEC feeds: facts are known from their filing on, tickers from when first read."""

from __future__ import annotations

from datetime import date

import pytest

from pipelines.storage.history import (
    read_company_keys,
    read_history,
    read_item_states,
    read_listed_companies,
)
from pipelines.storage.warehouse import open_build
from tests.fakes.storage import frame_of, load, settings_in, stored

FACTS = (
    "select period_end_on, value, accession, known_on, known_on_basis from raw.sec_facts "
    "order by known_on, accession"
)


@pytest.fixture
def build(tmp_path):
    with open_build(settings_in(tmp_path)) as connection:
        yield connection


def facts(*rows: tuple[float, str, str]):
    """Rows are (value, filed_on, accession), all of one quarter."""
    constants = {
        "cik": "0000000042", "tag": "NetIncomeLoss", "unit": "USD", "form": "10-Q",
        "period_start_on": "2024-01-01", "period_end_on": "2024-03-31", "source": "sec",
    }  # fmt: skip
    keyed = [{"value": v, "filed_on": filed, "accession": a} for v, filed, a in rows]
    return frame_of("sec_facts", keyed, **constants)


def tickers(*rows: tuple[str, str, str]):
    keyed = [{"ticker": t, "cik": cik, "title": title} for t, cik, title in rows]
    return frame_of("sec_companies", keyed, listed_on="2024-06-03", source="sec-www")


def test_a_fact_is_known_from_the_day_of_its_filing_on(build) -> None:
    batch = facts((5.0, "2024-05-10", "a"), (7.0, "2024-11-08", "b"))
    load(build, "sec_facts", batch, "2025-01-02")
    assert stored(build, FACTS) == [
        ("2024-03-31", 5.0, "a", "2024-05-10", "vintage"),
        ("2024-03-31", 7.0, "b", "2024-11-08", "vintage"),
    ]


def test_the_whole_history_read_again_adds_only_what_was_filed_since(build) -> None:
    first = facts((5.0, "2024-05-10", "a"))
    assert sum(load(build, "sec_facts", first, "2024-06-03").inserted.values()) == 1
    assert sum(load(build, "sec_facts", first, "2024-06-10").inserted.values()) == 0
    both = facts((5.0, "2024-05-10", "a"), (7.0, "2024-11-08", "b"))
    assert sum(load(build, "sec_facts", both, "2025-01-02").inserted.values()) == 1
    assert [row[1] for row in stored(build, FACTS)] == [5.0, 7.0]


def test_what_was_filed_before_the_last_look_keeps_its_day(build) -> None:
    load(build, "sec_facts", facts((5.0, "2024-05-10", "a")), "2024-06-03")
    load(build, "sec_facts", facts((6.0, "2024-05-31", "late")), "2024-06-10")
    assert stored(build, FACTS)[1] == ("2024-03-31", 6.0, "late", "2024-05-31", "vintage")


def test_a_company_is_an_item_with_its_newest_filing(build) -> None:
    batch = facts((5.0, "2024-05-10", "a"), (7.0, "2024-11-08", "b"))
    load(build, "sec_facts", batch, "2025-01-02")
    state = read_item_states(build, "sec_facts")["0000000042"]
    assert (str(state.newest_on), str(state.loaded_as_of)) == ("2024-11-08", "2025-01-02")


def test_a_ticker_that_moves_belongs_to_the_company_that_the_list_last_named(build) -> None:
    load(build, "sec_companies", tickers(("AA", "0000000001", "One")), "2024-06-03")
    moved = tickers(("AA", "0000000002", "Two"), ("BB", "0000000001", "One"))
    load(build, "sec_companies", moved, "2024-06-10")
    load(build, "sec_companies", moved, "2024-06-11")
    rows = stored(
        build, "select ticker, cik, known_on, known_on_basis from raw.sec_companies order by all"
    )
    assert rows == [
        ("AA", "0000000001", "2024-06-03", "observed"),
        ("AA", "0000000002", "2024-06-10", "observed"),
        ("BB", "0000000001", "2024-06-10", "observed"),
    ]
    assert read_company_keys(build) == {"AA": "0000000002", "BB": "0000000001"}


def test_the_list_is_one_item_however_many_tickers_it_has(build) -> None:
    load(build, "sec_companies", tickers(("AA", "1", "One"), ("BB", "2", "Two")), "2024-06-03")
    assert list(read_item_states(build, "sec_companies")) == ["company_tickers"]


FRAMES = (
    "select cik, value, accession, known_on, known_on_basis from raw.sec_frames "
    "order by cik, known_on"
)


def frame(*rows: tuple[str, float, str], quarter: str = "CY2024Q3", end: str = "2024-09-30"):
    """Rows are (cik, value, accession), all of one frame."""
    constants = {
        "frame_id": f"us-gaap.NetIncomeLoss.USD.{quarter}", "taxonomy": "us-gaap",
        "tag": "NetIncomeLoss", "unit": "USD", "frame": quarter, "source": "sec",
        "period_start_on": "2024-07-01", "period_end_on": end,
    }  # fmt: skip
    keyed = [{"cik": cik, "value": v, "accession": a} for cik, v, a in rows]
    return frame_of("sec_frames", keyed, **constants)


def test_a_frame_s_first_load_is_dated_late_by_rule_and_never_after_the_load(build) -> None:
    batch = frame(
        ("1", 5.0, "0000000001-24-000009"),  # the quarter's own 10-Q
        ("2", 6.0, "0000000002-25-000009"),  # a year later, for comparison: perhaps restated
        ("3", 7.0, "0000000003-26-000009"),
        ("4", 8.0, "no number"),
    )
    load(build, "sec_frames", batch, "2026-03-02")
    assert stored(build, FRAMES) == [
        ("1", 5.0, "0000000001-24-000009", "2025-01-28", "estimated"),
        ("2", 6.0, "0000000002-25-000009", "2026-01-29", "estimated"),
        ("3", 7.0, "0000000003-26-000009", "2026-03-02", "observed"),
        ("4", 8.0, "no number", "2026-03-02", "observed"),
    ]


def test_a_frame_read_in_its_season_is_known_from_the_load_on(build) -> None:
    load(build, "sec_frames", frame(("1", 5.0, "0000000001-24-000009")), "2024-11-01")
    assert stored(build, FRAMES) == [
        ("1", 5.0, "0000000001-24-000009", "2024-11-01", "observed"),
    ]


def test_what_comes_later_is_never_dated_before_its_load(build) -> None:
    first = frame(("1", 5.0, "0000000001-24-000009"))
    assert sum(load(build, "sec_frames", first, "2024-11-01").inserted.values()) == 1
    assert sum(load(build, "sec_frames", first, "2024-11-08").inserted.values()) == 0
    amended = frame(("1", 4.0, "0000000001-25-000002"), ("2", 6.0, "0000000002-24-000003"))
    loaded = load(build, "sec_frames", amended, "2025-06-02")
    assert (loaded.inserted, loaded.revised) == ({"sec_frames": 2}, {"sec_frames": 1})
    repeated = frame(("1", 4.0, "0000000001-25-000088"))
    assert load(build, "sec_frames", repeated, "2025-11-03").inserted == {"sec_frames": 1}
    assert stored(build, FRAMES) == [
        ("1", 5.0, "0000000001-24-000009", "2024-11-01", "observed"),
        ("1", 4.0, "0000000001-25-000002", "2025-06-02", "observed"),
        ("1", 4.0, "0000000001-25-000088", "2025-11-03", "observed"),
        ("2", 6.0, "0000000002-24-000003", "2025-06-02", "observed"),
    ]


def test_a_frame_is_an_item_and_its_size_is_known(build) -> None:
    batch = frame(("1", 5.0, "a"), ("2", 6.0, "b"))
    load(build, "sec_frames", batch, "2024-11-01")
    load(build, "sec_frames", frame(("1", 7.0, "c")), "2024-11-08")
    [(name, state)] = read_item_states(build, "sec_frames").items()
    assert (name, str(state.newest_on)) == ("us-gaap.NetIncomeLoss.USD.CY2024Q3", "2024-09-30")
    history = read_history(build, "sec_frames")
    sizes, values = history["sec_frames__sizes"], history["sec_frames__values"]
    assert values[["cik", "value"]].to_numpy().tolist() == [["1", 7.0], ["2", 6.0]]
    assert sizes.to_numpy().tolist() == [["us-gaap.NetIncomeLoss.USD.CY2024Q3", 2]]


def test_a_company_is_listed_from_when_the_list_first_named_it(build) -> None:
    load(build, "sec_companies", tickers(("AA", "0000000001", "One")), "2024-06-03")
    load(build, "sec_companies", tickers(("AA", "0000000002", "Two")), "2024-06-10")
    before = read_listed_companies(build, as_of=date(2024, 6, 9))
    assert before == {"0000000001"}
    assert read_listed_companies(build, as_of=date(2024, 6, 10)) == before | {"0000000002"}
