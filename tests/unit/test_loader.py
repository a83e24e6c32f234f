from datetime import date

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.storage.errors import LoadRefused
from pipelines.storage.history import read_history, read_item_states, read_universe_lines
from pipelines.storage.warehouse import open_build
from tests.fakes.storage import (
    bars,
    day,
    frame_of,
    french,
    holdings,
    load,
    observations,
    payload,
    settings_in,
    shares,
    splits,
    stored,
    vintages,
)

VALUES = (
    "select observed_on, value, known_on, known_on_basis from raw.fred_observations order by all"
)
BARS = (
    "select traded_on, close::double, basis_on, known_on, known_on_basis, source "
    "from raw.instrument_bars order by basis_on, traded_on"
)


@pytest.fixture
def build(tmp_path):
    with open_build(settings_in(tmp_path)) as connection:
        yield connection


def inserted(result) -> int:
    return sum(result.inserted.values())


# -- vintages ----------------------------------------------------------------------------------
def test_loading_twice_is_loading_once(build) -> None:
    frame = observations({"2024-01-01": 1.0, "2024-02-01": None})
    assert inserted(load(build, "fred_observations", frame, "2024-04-01")) == 2
    before = stored(build, "select * from raw.fred_observations")
    assert inserted(load(build, "fred_observations", frame, "2024-04-01")) == 0
    assert inserted(load(build, "fred_observations", frame, "2024-04-02")) == 0
    assert stored(build, "select * from raw.fred_observations") == before


def test_a_revision_is_a_new_vintage(build) -> None:
    load(build, "fred_observations", observations({"2024-01-01": 1.0}), "2024-03-01")
    result = load(build, "fred_observations", observations({"2024-01-01": 1.1}), "2024-04-01")
    assert result.revised == {"fred_observations": 1}
    assert stored(build, VALUES) == [
        ("2024-01-01", 1.0, "2024-02-15", "estimated"),
        ("2024-01-01", 1.1, "2024-04-01", "observed"),
    ]


def test_a_value_that_returns_to_an_older_one_is_a_new_vintage_too(build) -> None:
    for as_of, value in [("2024-03-01", 1.0), ("2024-04-01", 1.1), ("2024-05-01", 1.0)]:
        load(build, "fred_observations", observations({"2024-01-01": value}), as_of)
    rows = stored(build, "select value, known_on from raw.fred_observations order by known_on")
    assert rows == [(1.0, "2024-02-15"), (1.1, "2024-04-01"), (1.0, "2024-05-01")]


def test_a_missing_value_that_arrives_is_a_revision(build) -> None:
    load(build, "fred_observations", observations({"2024-01-01": None}), "2024-03-01")
    load(build, "fred_observations", observations({"2024-01-01": 4.0}), "2024-03-02")
    assert [row[1:3] for row in stored(build, VALUES)] == [
        (4.0, "2024-03-02"),
        (None, "2024-02-15"),
    ]


def test_two_changes_on_one_day_are_dated_apart(build) -> None:
    load(build, "fred_observations", observations({"2024-01-01": 1.0}), "2024-03-01")
    load(build, "fred_observations", observations({"2024-01-01": 2.0}), "2024-04-01")
    again = observations({"2024-01-01": 3.0})
    assert inserted(load(build, "fred_observations", again, "2024-04-01")) == 1
    assert inserted(load(build, "fred_observations", again, "2024-04-02")) == 0
    assert [row[1:3] for row in stored(build, VALUES)] == [
        (1.0, "2024-02-15"),
        (2.0, "2024-04-01"),
        (3.0, "2024-04-02"),
    ]


def test_a_night_that_found_nothing_new_still_counts_as_having_looked(build) -> None:
    load(build, "fred_observations", observations({"2024-01-01": 1.0}), "2024-03-01")
    load(build, "fred_observations", {}, "2024-03-20", unchanged=["A"])
    # By rule of 2024-03-17, but on the 20th it was not there: a shutdown moved it.
    late = observations({"2024-02-01": 2.0})
    load(build, "fred_observations", late, "2024-03-25")
    assert stored(build, VALUES)[-1] == ("2024-02-01", 2.0, "2024-03-25", "observed")


def test_vintages_come_in_once_and_only_where_the_value_changes(build) -> None:
    rows = [
        ("2024-01-01", "2024-02-13", 5.0),
        ("2024-01-01", "2024-03-12", 5.0),
        ("2024-01-01", "2024-04-10", 5.2),
    ]
    assert inserted(load(build, "fred_observations", vintages(rows), "2024-05-01")) == 2
    assert inserted(load(build, "fred_observations", vintages(rows), "2024-05-01")) == 0
    assert [row[1:] for row in stored(build, VALUES)] == [
        (5.0, "2024-02-13", "vintage"),
        (5.2, "2024-04-10", "vintage"),
    ]


def test_vintages_in_any_order_of_arrival_give_the_same_history(tmp_path) -> None:
    rows = [("2024-01-01", "2024-02-13", 5.0), ("2024-01-01", "2024-04-10", 5.2)]
    found = []
    for name, order in (("ahead", rows), ("back", rows[::-1])):
        with open_build(settings_in(tmp_path / name)) as build:
            first = [("2010-01-01", "2010-02-10", 1.0)]
            for row in [first, *([r] for r in order)]:
                load(build, "fred_observations", vintages(row), "2024-05-01")
            found.append(stored(build, VALUES))
    assert found[0] == found[1]


def test_a_key_gained_later_corrects_what_was_known_then_and_not_what_is_known_now(build) -> None:
    """Without a key the revised 5.2 was dated by rule; the vintages say it was 5.0 first."""
    load(build, "fred_observations", observations({"2024-01-01": 5.2}), "2024-05-01")
    rows = [("2024-01-01", "2024-02-20", 5.0), ("2024-01-01", "2024-04-10", 5.2)]
    load(build, "fred_observations", vintages(rows), "2024-05-02")
    assert [row[1:] for row in stored(build, VALUES)] == [
        (5.0, "2024-02-16", "estimated"),  # the rule's own day is taken by the row before
        (5.2, "2024-02-15", "estimated"),
        (5.2, "2024-04-10", "vintage"),
    ]


def test_history_that_shrinks_deletes_nothing(build) -> None:
    years = {f"{year}-01-01": float(year) for year in range(2000, 2024)}
    load(build, "fred_observations", observations(years), "2024-03-01")
    recent = {on: v for on, v in years.items() if on >= "2021"}
    assert inserted(load(build, "fred_observations", observations(recent), "2024-03-02")) == 0
    assert stored(build, "select count(*) from raw.fred_observations") == [(24,)]


def test_two_sources_of_one_figure_are_two_series_of_rows(build) -> None:
    for source, value in [("treasury", 4.0), ("fed-board", 4.1)]:
        row = {"series_id": "DGS10", "source_series": "10 Yr", "observed_on": "2024-01-02"}
        frame = frame_of("agency_observations", [row | {"value": value}], source=source)
        load(build, "agency_observations", frame, "2024-03-01")
    rows = stored(build, "select source, value from raw.agency_observations order by 1")
    assert rows == [("fed-board", 4.1), ("treasury", 4.0)]


# -- refusals ----------------------------------------------------------------------------------
def test_a_refused_batch_changes_nothing_in_any_table(build) -> None:
    frames = holdings("2024-03-01", "e1", ["AAA", "BBB"])
    doubled = pd.concat([frames["fund_holdings"]] * 2, ignore_index=True)
    with pytest.raises(LoadRefused, match=r"raw\.fund_holdings: key .* not unique .*2 rows"):
        load(build, "fund_holdings", frames | {"fund_holdings": doubled}, "2024-03-04")
    assert stored(build, "select count(*) from raw.fund_files") == [(0,)]
    assert stored(build, "select count(*) from meta.item_loads") == [(0,)]
    assert inserted(load(build, "fund_holdings", frames, "2024-03-04")) == 3


def test_refusals_name_table_rule_and_examples(build) -> None:
    good = observations({"2024-01-01": 1.0, "2024-02-01": 2.0})
    with pytest.raises(LoadRefused, match=r"key \(series_id, observed_on, realtime_start\)"):
        load(build, "fred_observations", pd.concat([good, good]), "2024-03-01")
    with pytest.raises(LoadRefused, match=r"series_id is missing in 2 rows"):
        load(build, "fred_observations", good.assign(series_id=None), "2024-03-01")
    with pytest.raises(LoadRefused, match=r"not in it \['colour'\]"):
        load(build, "fred_observations", good.assign(colour="red"), "2024-03-01")
    with pytest.raises(LoadRefused, match="'NONE' is not in the catalogue"):
        load(build, "fred_observations", observations({"2024-01-01": 1.0}, "NONE"), "2024-03-01")
    with pytest.raises(LoadRefused, match="mix providers"):
        both = pd.concat([bars({"2024-01-02": 1.0}), bars({"2024-01-03": 1.0}, source="tiingo")])
        load(build, "instrument_bars", both, "2024-03-01")
    with pytest.raises(LoadRefused, match="types"):
        load(build, "instrument_bars", bars({"2024-01-02": 1e15}), "2024-03-01")
    assert stored(build, "select count(*) from raw.fred_observations") == [(0,)]


def test_the_batch_is_marked_loaded_in_the_same_transaction(build) -> None:
    build.execute(
        "insert into meta.batches (batch_id, run_id, feed, as_of, status) values "
        "('run-2024-03-01:fred_observations', 'r', 'fred_observations', '2024-03-01', 'landed')"
    )
    frame = observations({"2024-01-01": 1.0})
    load(build, "fred_observations", frame, "2024-03-01")
    load(build, "fred_observations", frame, "2024-03-01")
    assert stored(build, "select status, inserted_rows from meta.batches") == [("loaded", 1)]


# -- bars --------------------------------------------------------------------------------------
WEEK = {"2024-03-04": 10.0, "2024-03-05": 11.0, "2024-03-06": 12.0}


def test_new_bars_are_appended_under_the_basis_there_is(build) -> None:
    load(build, "instrument_bars", bars(WEEK), "2024-03-06")
    tail = bars({"2024-03-06": 12.0, "2024-03-07": 13.0})
    assert inserted(load(build, "instrument_bars", tail, "2024-03-07")) == 1
    assert stored(build, BARS)[-1] == (
        "2024-03-07", 13.0, "1900-01-01", "2024-03-07", "estimated", "yahoo",
    )  # fmt: skip
    assert inserted(load(build, "instrument_bars", tail, "2024-03-07")) == 0


def test_a_split_restates_the_whole_history_in_one_transaction(build) -> None:
    load(build, "instrument_bars", bars(WEEK), "2024-03-06")
    halved = {on: close / 2 for on, close in WEEK.items()} | {"2024-03-07": 6.5}
    frames = {"instrument_bars": bars(halved), "instrument_events": splits({"2024-03-07": 2.0})}
    result = load(build, "instrument_bars", frames, "2024-03-07")
    assert result.restated == ("IWM",)
    assert result.inserted == {"instrument_bars": 4, "instrument_events": 1}
    assert stored(build, BARS)[:3] == [
        (on, close, "1900-01-01", on, "estimated", "yahoo") for on, close in WEEK.items()
    ]
    assert stored(build, BARS)[3:] == [
        (on, close, "2024-03-07", "2024-03-07", "observed", "yahoo") for on, close in halved.items()
    ]
    assert inserted(load(build, "instrument_bars", frames, "2024-03-07")) == 0
    tail = bars({"2024-03-07": 6.5, "2024-03-08": 6.6})
    assert inserted(load(build, "instrument_bars", tail, "2024-03-08")) == 1
    assert stored(build, BARS)[-1][2] == "2024-03-07"


def test_a_tail_on_another_basis_loads_nothing_and_asks_for_the_whole_history(build) -> None:
    load(build, "instrument_bars", bars(WEEK), "2024-03-06")
    frames = {
        "instrument_bars": pd.concat(
            [
                bars({"2024-03-06": 6.0, "2024-03-07": 6.5}),
                bars({"2024-03-07": 50.0}, symbol="SPY"),
            ],
            ignore_index=True,
        ),
        "instrument_events": splits({"2024-03-07": 2.0}),
    }
    result = load(build, "instrument_bars", frames, "2024-03-07")
    assert result.needs_full_history == ("IWM",)
    assert "1 of 1 stored closes differ" in result.held_back["IWM"]
    assert result.inserted == {"instrument_bars": 1, "instrument_events": 0}
    states = read_item_states(build, "instrument_bars")
    assert states["IWM"].newest_on is None
    assert states["SPY"].newest_on == date(2024, 3, 7)
    whole = {on: close / 2 for on, close in WEEK.items()} | {"2024-03-07": 6.5}
    assert load(build, "instrument_bars", bars(whole), "2024-03-08").restated == ("IWM",)
    assert read_item_states(build, "instrument_bars")["IWM"].newest_on == date(2024, 3, 7)


def test_a_difference_in_the_sixth_digit_is_a_difference_and_float_noise_is_none(build) -> None:
    load(build, "instrument_bars", bars({"2024-03-04": 12.34}), "2024-03-04")
    noise = bars({"2024-03-04": 12.34 + 1e-9, "2024-03-05": 1.0})
    assert inserted(load(build, "instrument_bars", noise, "2024-03-05")) == 1
    changed = bars({"2024-03-04": 12.340001, "2024-03-05": 1.0})
    assert load(build, "instrument_bars", changed, "2024-03-06").restated == ("IWM",)


def test_another_provider_restates_and_never_splices(build) -> None:
    load(build, "instrument_bars", bars(WEEK), "2024-03-06")
    tail = bars({"2024-03-06": 12.0, "2024-03-07": 13.0}, source="tiingo")
    result = load(build, "instrument_bars", tail, "2024-03-07")
    assert result.held_back["IWM"].startswith("served by tiingo, stored from yahoo")
    whole = bars(WEEK | {"2024-03-07": 13.0}, source="tiingo")
    assert load(build, "instrument_bars", whole, "2024-03-08").restated == ("IWM",)
    newest = stored(build, BARS)[-4:]
    assert {row[2] for row in newest} == {"2024-03-08"}
    assert {row[5] for row in newest} == {"tiingo"}


def test_a_symbol_has_one_basis_a_day(build) -> None:
    load(build, "instrument_bars", bars(WEEK), "2024-03-06")
    for factor, restated in ((0.5, ("IWM",)), (0.25, ())):
        moved = bars({on: close * factor for on, close in WEEK.items()})
        result = load(build, "instrument_bars", moved, "2024-03-07")
        assert result.restated == restated
    assert result.needs_full_history == ("IWM",)
    assert load(build, "instrument_bars", moved, "2024-03-08").restated == ("IWM",)


def test_an_older_batch_never_restates_a_newer_one(build) -> None:
    load(build, "instrument_bars", bars({on: c / 2 for on, c in WEEK.items()}), "2024-06-01")
    result = load(build, "instrument_bars", bars(WEEK), "2024-03-06")
    assert inserted(result) == 0
    assert result.needs_full_history == ()
    assert "older than what is stored" in result.held_back["IWM"]


def test_a_tail_without_overlap_proves_no_basis(build) -> None:
    load(build, "instrument_bars", bars(WEEK), "2024-03-06")
    result = load(build, "instrument_bars", bars({"2024-04-01": 9.0}), "2024-04-01")
    assert "no stored session to compare with" in result.held_back["IWM"]
    assert inserted(result) == 0


def test_a_bar_that_comes_late_is_known_from_the_night_that_saw_it(build) -> None:
    load(build, "instrument_bars", bars({"2024-03-04": 10.0, "2024-03-06": 12.0}), "2024-03-06")
    load(build, "instrument_bars", bars(WEEK), "2024-03-07")
    assert stored(build, BARS)[1][3:5] == ("2024-03-07", "observed")


# -- events, files, shares ---------------------------------------------------------------------
def test_a_changed_event_is_a_new_row(build) -> None:
    row = {"symbol": "IWM", "event_kind": "dividend", "event_on": "2024-03-05", "amount_usd": 0.5}
    for as_of, amount in (("2024-03-06", 0.5), ("2024-03-07", 0.5), ("2024-03-08", 0.25)):
        frames = {
            "instrument_bars": bars(WEEK),
            "instrument_events": frame_of(
                "instrument_events", [row | {"amount_usd": amount}], source="yahoo"
            ),
        }
        load(build, "instrument_bars", frames, as_of)
    rows = stored(build, "select amount_usd, known_on from raw.instrument_events order by known_on")
    assert rows == [(0.5, "2024-03-05"), (0.25, "2024-03-08")]


def test_release_dates_to_come_are_known_when_seen(build) -> None:
    rows = [
        {"release_id": 10, "release_name": "CPI", "release_on": on}
        for on in ("2024-03-12", "2024-04-10")
    ]
    frame = frame_of("fred_release_dates", rows, source="fred-api")
    load(build, "fred_releases", frame, "2024-03-20")
    found = stored(build, "select release_on, known_on from raw.fred_release_dates order by 1")
    assert found == [("2024-03-12", "2024-03-12"), ("2024-04-10", "2024-03-20")]


def test_a_holdings_file_comes_once_and_a_second_edition_beside_it(build) -> None:
    first = holdings("2024-03-01", "e1", ["AAA", "BBB"])
    load(build, "fund_holdings", first, "2024-03-04")
    assert inserted(load(build, "fund_holdings", first, "2024-03-05")) == 0
    second = holdings("2024-03-01", "e2", ["AAA", "CCC", "DDD"])
    assert load(build, "fund_holdings", second, "2024-03-06").inserted == {
        "fund_files": 1,
        "fund_holdings": 3,
    }
    files = stored(build, "select edition, known_on, known_on_basis from raw.fund_files order by 1")
    assert files == [("e1", "2024-03-04", "estimated"), ("e2", "2024-03-06", "observed")]
    lines = read_universe_lines(build)
    assert sorted(lines["ticker"]) == ["AAA", "BBB", "CCC", "DDD"]


def test_the_same_lines_fetched_twice_are_one_edition(build) -> None:
    one = holdings("2024-03-01", "e1", ["AAA"], payload_sha256="1" * 64)
    two = holdings("2024-03-01", "e1", ["AAA"], payload_sha256="2" * 64)
    both = {name: pd.concat([one[name], two[name]], ignore_index=True) for name in one}
    assert inserted(load(build, "fund_holdings", both, "2024-03-04")) == 2


def test_a_file_found_in_a_backfill_is_dated_by_its_own_date(build) -> None:
    load(build, "fund_holdings", holdings("2024-03-01", "e1", ["AAA"]), "2024-03-04")
    load(build, "fund_holdings", holdings("2019-06-28", "e0", ["AAA"]), "2024-03-05")
    rows = stored(build, "select as_of_on, known_on from raw.fund_holdings order by 1")
    assert rows == [("2019-06-28", "2019-07-01"), ("2024-03-01", "2024-03-04")]


def test_a_whole_history_file_keeps_each_edition(build) -> None:
    old = payload(b"old", item="6_Portfolios_2x3", headers={})
    new = payload(
        b"new", item="6_Portfolios_2x3", headers={"last-modified": "Tue, 02 Apr 2024 10:00:00 GMT"}
    )
    frames = french("202401", {"2024-01-01": 300}, sha256=old.sha256)
    load(build, "french_portfolios", frames, "2024-03-20", payloads=[old])
    frames = french("202402", {"2024-01-01": 301, "2024-02-01": 302}, sha256=new.sha256)
    load(build, "french_portfolios", frames, "2024-04-05", payloads=[new])
    assert inserted(load(build, "french_portfolios", frames, "2024-04-06", payloads=[new])) == 0
    sql = "select edition, value, known_on, known_on_basis from raw.french_portfolios order by all"
    assert stored(build, sql) == [
        ("202401", 300.0, "2024-03-05", "estimated"),
        ("202402", 301.0, "2024-04-02", "vintage"),
        ("202402", 302.0, "2024-04-02", "vintage"),
    ]


def test_share_counts_are_dated_to_the_next_session_and_corrected_later(build) -> None:
    load(build, "fund_shares", shares({"2024-03-01": 100.0, "2024-03-04": 110.0}), "2024-03-04")
    again = shares({"2024-03-01": 100.0, "2024-03-04": 111.0, "2024-03-05": 112.0})
    load(build, "fund_shares", again, "2024-03-06")
    sql = "select traded_on, shares_outstanding, known_on, known_on_basis from raw.fund_shares"
    assert stored(build, sql + " order by all") == [
        ("2024-03-01", 100.0, "2024-03-04", "estimated"),
        ("2024-03-04", 110.0, "2024-03-05", "estimated"),
        ("2024-03-04", 111.0, "2024-03-06", "observed"),
        ("2024-03-05", 112.0, "2024-03-06", "estimated"),
    ]


# -- what the next night reads -----------------------------------------------------------------
def test_states_carry_dates_and_the_validators_of_the_newest_loaded_payload(build) -> None:
    kept = payload(b"x", item="A", headers={"etag": '"7"', "last-modified": "yesterday"})
    frame = observations({"2024-01-01": 1.0, "2024-02-01": 2.0}, payload_sha256=kept.sha256)
    load(build, "fred_observations", frame, "2024-03-20", payloads=[kept])
    state = read_item_states(build, "fred_observations")["A"]
    assert (state.oldest_on, state.newest_on) == (date(2024, 1, 1), date(2024, 2, 1))
    assert (state.etag, state.last_modified, state.sha256) == ('"7"', "yesterday", kept.sha256)
    assert state.loaded_as_of == date(2024, 3, 20)


def test_a_refused_batch_leaves_no_validators(build) -> None:
    kept = payload(b"x", item="A")
    frame = observations({"2024-01-01": 1.0}, payload_sha256=kept.sha256)
    with pytest.raises(LoadRefused):
        load(build, "fred_observations", pd.concat([frame, frame]), "2024-03-20", payloads=[kept])
    assert read_item_states(build, "fred_observations") == {}


def test_the_gate_sees_the_newest_basis_and_its_last_closes(build) -> None:
    days = pd.bdate_range("2024-01-02", periods=30)
    closes = {d.date().isoformat(): 10.0 + i for i, d in enumerate(days)}
    load(build, "instrument_bars", bars(closes), "2024-02-20")
    halved = {on: close / 2 for on, close in closes.items()}
    load(build, "instrument_bars", bars(halved), "2024-02-21")
    history = read_history(build, "instrument_bars")
    [row] = history["instrument_bars"].to_dict("records")
    assert row["entity"] == "IWM"
    assert (row["rows"], row["newest_value"]) == (30, 19.5)
    assert (row["oldest_on"], row["newest_on"]) == (day("2024-01-02"), day("2024-02-12"))
    overlap = history["instrument_bars__overlap"]
    assert overlap["close"].tolist() == [(10.0 + i) / 2 for i in range(15, 30)]
    assert history["instrument_events"].empty


def test_the_gate_sees_navs_beside_the_holdings(build) -> None:
    load(build, "fund_shares", shares({"2024-03-01": 100.0}, nav=50.0), "2024-03-04")
    navs = read_history(build, "fund_holdings")["fund_files__nav"]
    assert navs.to_dict("records") == [
        {"fund_id": "IWM", "traded_on": day("2024-03-01"), "nav_usd": 50.0}
    ]


# -- properties --------------------------------------------------------------------------------
SLOW = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
MONTHS = [f"{year}-{month:02d}-01" for year in (2022, 2023) for month in range(1, 13)]
HISTORIES = st.dictionaries(
    st.sampled_from(MONTHS), st.one_of(st.none(), st.integers(0, 5).map(float)), min_size=1
)


def _empty(build) -> None:
    for table in ("raw.fred_observations", "raw.instrument_bars", "meta.item_loads"):
        build.execute(f"delete from {table}")


@SLOW
@given(nights=st.lists(HISTORIES, min_size=1, max_size=4))
def test_any_night_loaded_again_adds_nothing(build, nights) -> None:
    _empty(build)
    for n, values in enumerate(nights):
        as_of = f"2024-03-{n + 1:02d}"
        load(build, "fred_observations", observations(values), as_of)
        assert inserted(load(build, "fred_observations", observations(values), as_of)) == 0
        newest = build.execute(
            "select observed_on, arg_max_null(value, known_on) from raw.fred_observations "
            "where known_on <= cast(? as date) group by 1",
            [as_of],
        ).fetchall()
        known = {on.isoformat(): value for on, value in newest}
        assert {on: known[on] for on in values} == values


@SLOW
@given(
    histories=st.fixed_dictionaries({name: HISTORIES for name in ("A", "B", "C")}),
    order=st.permutations(["A", "B", "C"]),
)
def test_the_order_of_arrival_of_disjoint_batches_does_not_matter(build, histories, order) -> None:
    sql = (
        "select series_id, observed_on, value, known_on, known_on_basis from raw.fred_observations"
    )
    found = []
    for names in (["A", "B", "C"], order):
        _empty(build)
        for name in names:
            load(build, "fred_observations", observations(histories[name], name), "2024-03-01")
        found.append(stored(build, sql + " order by all"))
    assert found[0] == found[1]


@SLOW
@given(
    factors=st.lists(st.sampled_from([1.0, 0.5, 2.0]), min_size=1, max_size=4),
    keep=st.integers(1, 3),
)
def test_a_symbols_newest_basis_is_never_a_mixture(build, factors, keep) -> None:
    _empty(build)
    for n, factor in enumerate(factors):
        closes = {on: close * factor for on, close in list(WEEK.items())[-keep if n else 0 :]}
        frame = bars(closes)
        as_of = f"2024-03-{10 + n}"
        load(build, "instrument_bars", frame, as_of)
        assert inserted(load(build, "instrument_bars", frame, as_of)) == 0
    rows = build.execute(
        "select traded_on, close::double from raw.instrument_bars "
        "where basis_on = (select max(basis_on) from raw.instrument_bars)"
    ).fetchall()
    assert len(rows) == 3
    assert len({close / WEEK[on.isoformat()] for on, close in rows}) == 1
