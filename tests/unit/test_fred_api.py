import json
from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from pipelines.catalog.models import FredSeries, ReleaseRule
from pipelines.errors import ConfigurationError
from pipelines.sources.errors import SourceContractChanged
from pipelines.sources.fred_api import (
    PARSERS,
    fetch_fred_api_observations,
    fetch_fred_releases,
    fetch_vintage_dates,
)
from pipelines.sources.fred_graph import fetch_fred_observations
from pipelines.sources.payloads import ItemState
from pipelines.storage.contracts import RAW_TABLES
from pipelines.storage.warehouse import open_build
from tests.fakes.http import (
    KEY,
    FakeAdapter,
    Reply,
    catalog_of,
    client_for,
    fetch_context,
    payload_of,
)
from tests.fakes.storage import load, settings_in, stored

TODAY = date(2025, 4, 4)
COLUMNS = RAW_TABLES["fred_observations"].source_columns


def series(id_: str, **changes) -> FredSeries:
    fields = {
        "id": id_,
        "title": id_,
        "unit": "percent",
        "frequency": "daily",
        "release": ReleaseRule(kind="days_after", release_id=18),
        "plausible_min": 0,
        "plausible_max": 9,
        "largest_step": 1,
        "step_kind": "abs",
        "stale_after_days": 9,
        "rights": "public_domain",
        "why": "a test",
    }
    return FredSeries(**(fields | changes))


def bad_request(text: str) -> Reply:
    return Reply({"error_code": 400, "error_message": f"Bad Request.  {text}"}, 400)


class Fred:
    """A small FRED: each series a list of (date, value, realtime_start)."""

    def __init__(self, observations=None, updated=(), per_page=None, **special) -> None:
        self.observations = observations or {}
        self.updated = updated
        self.per_page = per_page
        self.special = special

    def __call__(self, asked):
        if asked.path.endswith("/series/updates"):
            rows = [{"id": name} for name in self.updated]
            return self.page(asked, "seriess", rows)
        series_id = asked.query["series_id"]
        if series_id in self.special:
            found = self.special[series_id]
            return found(asked) if callable(found) else found
        if series_id not in self.observations:
            return bad_request("The series does not exist.")
        rows = [
            {"realtime_start": start, "realtime_end": "9999-12-31", "date": day, "value": value}
            for day, value, start in self.observations[series_id]
            if day >= asked.query.get("observation_start", "1776-07-04")
        ]
        return self.page(asked, "observations", rows)

    def page(self, asked, name, rows):
        offset, limit = int(asked.query["offset"]), self.per_page or int(asked.query["limit"])
        part = rows[offset : offset + limit]
        return Reply({"realtime_start": "2025-04-04", "count": len(rows), name: part})


TWO_DAYS = [("2025-04-02", "4.20", "2025-04-04"), ("2025-04-03", ".", "2025-04-04")]


def fetch(fred, *wanted, states=(), as_of=TODAY, **more):
    adapter = FakeAdapter(fred)
    context = fetch_context(as_of, *states, **more)
    client = client_for(adapter, "fred-api")
    extract = fetch_fred_api_observations(client, catalog_of(*wanted), context, KEY)
    return extract, adapter


def outcomes(extract) -> dict[str, str]:
    return {o.item: o.status for o in extract.outcomes}


def test_values_come_without_a_vintage_unless_vintages_were_asked_for() -> None:
    extract, adapter = fetch(Fred({"DGS10": TWO_DAYS}), series("DGS10"))
    frame = extract.frames["fred_observations"]
    assert tuple(frame.columns)[: len(COLUMNS)] == COLUMNS
    assert frame["value"].tolist()[0] == 4.2
    assert frame["value"].isna().tolist() == [False, True]
    assert frame["realtime_start"].isna().all()
    assert frame["observed_on"].tolist() == [pd.Timestamp("2025-04-02"), pd.Timestamp("2025-04-03")]
    assert [str(frame[c].dtype) for c in COLUMNS] == [
        "str",
        "datetime64[us]",
        "float64",
        "datetime64[us]",
    ]
    assert "realtime_start" not in adapter.asked[0].query
    assert adapter.asked[0].query["observation_end"] == "2025-04-04"
    assert set(frame["source"]) == {"fred-api"}


def test_a_revised_series_brings_its_whole_real_time_history_first() -> None:
    rows = [
        ("2025-01-01", "100.0", "2025-02-12"),
        ("2025-01-01", "100.3", "2025-03-12"),
        ("2025-01-01", "100.9", "2025-04-10"),
    ]
    extract, adapter = fetch(Fred({"CPI": rows}), series("CPI", vintages=True))
    frame = extract.frames["fred_observations"]
    assert adapter.asked[0].query["realtime_start"] == "1776-07-04"
    assert adapter.asked[0].query["realtime_end"] == "9999-12-31"
    # the vintage of 10 April is not public on 4 April
    assert list(zip(frame["value"], frame["realtime_start"].dt.date, strict=True)) == [
        (100.0, date(2025, 2, 12)),
        (100.3, date(2025, 3, 12)),
    ]


def test_the_next_night_asks_only_for_the_tail_and_the_new_vintages() -> None:
    states = (
        ItemState("DGS10", newest_on=date(2025, 4, 2), loaded_as_of=date(2025, 4, 3)),
        ItemState("CPI", newest_on=date(2025, 2, 1), loaded_as_of=date(2025, 4, 3)),
    )
    fred = Fred({"DGS10": TWO_DAYS, "CPI": []}, updated=["CPI", "DGS10", "OTHER"])
    _, adapter = fetch(
        fred, series("DGS10", revision_days=14), series("CPI", vintages=True), states=states
    )
    asked = {a.query["series_id"]: a.query for a in adapter.asked[1:]}
    assert asked["DGS10"]["observation_start"] == "2025-03-19"
    assert asked["CPI"]["realtime_start"] == "2025-04-04"
    assert "observation_start" not in asked["CPI"]


def test_a_second_run_on_the_same_day_asks_for_no_window_in_the_future() -> None:
    state = ItemState("CPI", newest_on=date(2025, 2, 1), loaded_as_of=TODAY)
    _, adapter = fetch(
        Fred({"CPI": []}, updated=["CPI"]), series("CPI", vintages=True), states=(state,)
    )
    assert adapter.asked[1].query["realtime_start"] == "2025-04-04"


def test_a_quiet_night_makes_one_request() -> None:
    wanted = [series(f"S{n}") for n in range(20)]
    states = [
        ItemState(s.id, newest_on=date(2025, 4, 2), loaded_as_of=date(2025, 4, 3)) for s in wanted
    ]
    extract, adapter = fetch(Fred(updated=["ELSE"]), *wanted, states=states)
    assert [a.path for a in adapter.asked] == ["/fred/series/updates"]
    assert adapter.asked[0].query["start_time"] == "202504030000"
    assert adapter.asked[0].query["end_time"] == "202504042359"
    assert set(outcomes(extract).values()) == {"unchanged"}
    assert len(extract.outcomes) == 20
    assert extract.requests == {"fred-api": 1}
    assert extract.frames == {}


def test_a_full_refresh_asks_for_everything_whatever_is_known() -> None:
    state = ItemState("DGS10", newest_on=date(2025, 4, 2), loaded_as_of=date(2025, 4, 3))
    _, adapter = fetch(
        Fred({"DGS10": TWO_DAYS}), series("DGS10"), states=(state,), full_refresh=True
    )
    assert [a.path for a in adapter.asked] == ["/fred/series/observations"]
    assert "observation_start" not in adapter.asked[0].query


def test_a_series_last_loaded_beyond_the_feeds_reach_is_asked_for() -> None:
    states = (
        ItemState("OLD", newest_on=date(2025, 2, 1), loaded_as_of=date(2025, 3, 1)),
        ItemState("NEW", newest_on=date(2025, 4, 2), loaded_as_of=date(2025, 4, 3)),
    )
    extract, adapter = fetch(
        Fred({"OLD": TWO_DAYS, "NEVER": TWO_DAYS}),
        series("OLD"),
        series("NEW"),
        series("NEVER"),
        states=states,
    )
    assert adapter.asked[0].query["start_time"] == "202504030000"
    assert outcomes(extract) == {"OLD": "fetched", "NEVER": "fetched", "NEW": "unchanged"}


def test_an_endless_updates_feed_is_not_paged_at_a_loss() -> None:
    states = [ItemState(i, newest_on=date(2025, 4, 2), loaded_as_of=date(2025, 4, 3)) for i in "AB"]
    flood = [f"X{n}" for n in range(3000)]
    extract, adapter = fetch(
        Fred({"A": TWO_DAYS, "B": TWO_DAYS}, updated=flood),
        series("A"),
        series("B"),
        states=states,
    )
    assert [a.path.rsplit("/", 1)[1] for a in adapter.asked] == [
        "updates",
        "observations",
        "observations",
    ]
    assert outcomes(extract) == {"A": "fetched", "B": "fetched"}


def test_an_updates_feed_in_error_costs_no_series() -> None:
    def fred(asked):
        if asked.path.endswith("updates"):
            return Reply("<html>maintenance</html>")
        return Fred({"A": TWO_DAYS})(asked)

    state = ItemState("A", newest_on=date(2025, 4, 2), loaded_as_of=date(2025, 4, 3))
    extract, _ = fetch(fred, series("A"), states=(state,))
    assert outcomes(extract) == {"A": "fetched"}


def test_all_pages_of_a_long_answer_are_read() -> None:
    rows = [(f"2025-03-{day:02d}", str(day), "2025-04-04") for day in range(1, 8)]
    kept: list = []
    extract, adapter = fetch(Fred({"DFF": rows}, per_page=3), series("DFF"), kept=kept)
    assert [a.query["offset"] for a in adapter.asked] == ["0", "3", "6"]
    assert adapter.asked[0].query["limit"] == "100000"
    assert extract.frames["fred_observations"]["value"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert len(kept) == len(extract.payloads) == 3


def test_an_unknown_series_disturbs_no_other() -> None:
    extract, _ = fetch(Fred({"A": TWO_DAYS}), series("GONE"), series("A"))
    assert outcomes(extract) == {"GONE": "unknown", "A": "fetched"}
    assert len(extract.frames["fred_observations"]) == 2


def test_an_empty_window_is_no_error() -> None:
    extract, _ = fetch(Fred({"A": []}), series("A"))
    assert outcomes(extract) == {"A": "fetched"}
    assert extract.frames["fred_observations"].empty


def test_a_projection_is_asked_for_whole_and_into_the_future() -> None:
    state = ItemState("FEDTARMD", newest_on=date(2027, 1, 1), loaded_as_of=date(2025, 3, 1))
    extract, adapter = fetch(
        Fred({"FEDTARMD": [("2027-01-01", "3.1", "2025-03-19")]}),
        series("FEDTARMD", observations_in_future=True, vintages=True),
        states=(state,),
    )
    assert "observation_end" not in adapter.asked[0].query
    assert adapter.asked[0].query["realtime_start"] == "2025-03-02"
    assert extract.frames["fred_observations"]["observed_on"].tolist() == [
        pd.Timestamp("2027-01-01")
    ]


@pytest.mark.parametrize(
    "text",
    [
        "The value for variable api_key is not registered.",
        "Variable api_key is not set.",
    ],
)
def test_a_refused_key_stops_the_run_and_is_not_shown(text: str) -> None:
    with pytest.raises(ConfigurationError, match="FRED_API_KEY") as caught:
        fetch(Fred(A=bad_request(text)), series("A"))
    assert KEY.reveal() not in str(caught.value)


def test_a_429_inside_a_200_is_asked_again() -> None:
    replies = [Reply({"error_code": 429, "error_message": "Too Many Requests."})]

    def slow(asked):
        return replies.pop() if replies else Fred({"A": TWO_DAYS})(asked)

    extract, _ = fetch(Fred(A=slow), series("A"))
    assert outcomes(extract) == {"A": "fetched"}
    assert extract.requests == {"fred-api": 2}


def test_an_error_in_a_200_body_is_no_data() -> None:
    extract, _ = fetch(
        Fred(A=Reply({"error_code": 500, "error_message": "Internal."})), series("A")
    )
    assert outcomes(extract) == {"A": "broken"}


@pytest.mark.parametrize("body", ["{not json}", "[1]", {"count": 1}, {"observations": []}])
def test_a_body_without_its_promised_fields_is_broken(body) -> None:
    extract, _ = fetch(Fred(A=Reply(body)), series("A"))
    assert outcomes(extract) == {"A": "broken"}


def test_a_page_that_stays_empty_before_the_end_is_broken() -> None:
    extract, _ = fetch(Fred(A=Reply({"count": 5, "observations": []})), series("A"))
    assert outcomes(extract) == {"A": "broken"}
    assert "empty page at offset 0 of 5" in extract.outcomes[0].detail


@pytest.mark.parametrize(
    "row",
    [
        {"date": "2025-04-02", "realtime_start": "2025-04-04"},
        {"date": "02/04/2025", "value": "4.2", "realtime_start": "2025-04-04"},
        {"date": "2025-04-02", "value": "4,2", "realtime_start": "2025-04-04"},
        {"date": "2025-04-02", "value": "nan", "realtime_start": "2025-04-04"},
        {"date": "2025-04-02", "value": "inf", "realtime_start": "2025-04-04"},
        {"date": "2025-04-02", "value": None, "realtime_start": "2025-04-04"},
        {"date": None, "value": "4.2", "realtime_start": "2025-04-04"},
        "no object",
    ],
)
def test_an_observation_of_another_shape_is_a_changed_contract(row) -> None:
    payload = payload_of(
        "fred-api",
        "fred_observations",
        "A",
        {"count": 1, "observations": [row]},
        vintages="False",
        as_of="2025-04-04",
    )
    with pytest.raises(SourceContractChanged, match="fred-api: A"):
        PARSERS["fred_observations"](payload)


def test_more_vintages_than_fred_gives_are_asked_for_in_windows() -> None:
    days = [str(day.date()) for day in pd.date_range("2010-01-01", periods=4000)]

    def fred(asked):
        if asked.path.endswith("vintagedates"):
            return Reply({"count": len(days), "vintage_dates": days})
        start, end = asked.query["realtime_start"], asked.query["realtime_end"]
        inside = [n for n, day in enumerate(days) if start <= day <= end]
        if len(inside) > 2000:
            return bad_request(
                f"There are {len(inside)} vintage dates in the specified real-time period. "
                "This exceeds the maximum number of vintage dates allowed (2000)."
            )
        rows = [{"date": "2009-12-01", "value": str(n), "realtime_start": days[n]} for n in inside]
        return Reply({"count": len(rows), "observations": rows})

    extract, adapter = fetch(fred, series("NFCI", vintages=True))
    assert extract.frames["fred_observations"]["value"].tolist() == list(range(4000))
    windows = [(a.query["realtime_start"], a.query["realtime_end"]) for a in adapter.asked[2:]]
    assert windows == [
        ("1776-07-04", days[1899]),
        (days[1900], days[3799]),
        (days[3800], "9999-12-31"),
    ]


def test_seams_between_windows_invent_no_vintage(tmp_path) -> None:
    """FRED cuts an interval at the window's edge and tells the value again in the next window."""
    days = [str(day.date()) for day in pd.date_range("2010-01-01", periods=4000)]
    spans = [(days[0], days[1499], "1.0"), (days[1500], days[3899], "2.0"), (days[3900], "", "3.0")]

    def fred(asked):
        if asked.path.endswith("vintagedates"):
            return Reply({"count": len(days), "vintage_dates": days})
        start, end = asked.query["realtime_start"], asked.query["realtime_end"]
        if sum(start <= day <= end for day in days) > 2000:
            return bad_request("This exceeds the maximum number of vintage dates allowed (2000).")
        rows = [
            {"date": "2009-12-01", "value": value, "realtime_start": max(first, start)}
            for first, last, value in spans
            if first <= end and (not last or last >= start)
        ]
        return Reply({"count": len(rows), "observations": rows})

    extract, adapter = fetch(fred, series("A", vintages=True))
    assert len(adapter.asked) == 2 + 3  # the refused whole, the list of vintages, three windows
    frame = extract.frames["fred_observations"]
    assert frame["value"].tolist() == [1.0, 2.0, 2.0, 2.0, 3.0]
    with open_build(settings_in(tmp_path)) as build:
        load(build, "fred_observations", frame, "2025-04-04")
        assert stored(
            build, "select value, known_on, known_on_basis from raw.fred_observations order by 2"
        ) == [
            (1.0, "2010-01-01", "vintage"),
            (2.0, days[1500], "vintage"),
            (3.0, days[3900], "vintage"),
        ]


def test_vintage_dates_are_listed_in_order() -> None:
    adapter = FakeAdapter(
        {
            "/fred/series/vintagedates": Reply(
                {"count": 2, "vintage_dates": ["2025-02-01", "2025-01-01"]}
            )
        }
    )
    payloads, days = fetch_vintage_dates(client_for(adapter, "fred-api"), KEY, "GDPC1")
    assert days == [date(2025, 1, 1), date(2025, 2, 1)]
    assert len(payloads) == 1


def test_landed_payloads_hold_no_key_and_parse_to_the_same_rows() -> None:
    kept: list = []
    extract, adapter = fetch(Fred({"A": TWO_DAYS}), series("A"), kept=kept)
    assert adapter.asked[0].query["api_key"] == KEY.reveal()
    (payload,) = kept
    assert KEY.reveal() not in repr(payload)
    again = PARSERS[payload.kind](replace(payload, body=bytes(payload.body)))["fred_observations"]
    pd.testing.assert_frame_equal(again, extract.frames["fred_observations"][list(COLUMNS)])


# -- the CSV steps in ------------------------------------------------------------------------------
def test_the_keyless_csv_steps_in_for_an_api_that_is_down_but_not_for_a_first_history() -> None:
    def fred(asked):
        if asked.path == "/graph/fredgraph.csv":
            return Reply(f"observation_date,{asked.query['id']}\n2025-04-03,4.3\n")
        return Reply("down", 503)

    context = fetch_context(TODAY, fred_api_key=KEY)
    client = client_for(FakeAdapter(fred), "fred-api", "fred-graph")
    catalog = catalog_of(series("DGS10"), series("CPI", vintages=True))
    extract = fetch_fred_observations(client, catalog, context)
    assert {(o.item, o.provider, o.status) for o in extract.outcomes} == {
        ("DGS10", "fred-graph", "fetched"),
        ("CPI", "fred-api", "unavailable"),
    }
    frame = extract.frames["fred_observations"]
    assert frame[["series_id", "value", "source"]].values.tolist() == [["DGS10", 4.3, "fred-graph"]]


# -- releases --------------------------------------------------------------------------------------
def release_rows(*rows):
    return [{"release_id": id_, "release_name": name, "date": day} for id_, name, day in rows]


def test_the_calendar_holds_the_catalogues_releases_past_and_to_come() -> None:
    rows = release_rows(
        (18, "H.15 Selected Interest Rates", "2025-04-03"),
        (99, "Somebody Else's", "2025-04-03"),
        (10, "Consumer Price Index", "2025-04-10"),
        (10, "Consumer Price Index", "2025-04-10"),
    )
    adapter = FakeAdapter({"/fred/releases/dates": Reply({"count": 4, "release_dates": rows})})
    cpi = series("CPI", release=ReleaseRule(kind="days_after_month", days=15, release_id=10))
    extract = fetch_fred_releases(
        client_for(adapter, "fred-api"),
        catalog_of(series("DGS10"), cpi),
        fetch_context(TODAY, fred_api_key=KEY),
    )
    frame = extract.frames["fred_release_dates"]
    assert tuple(frame.columns)[:3] == RAW_TABLES["fred_release_dates"].source_columns
    assert frame[["release_id", "release_on"]].astype(str).values.tolist() == [
        ["18", "2025-04-03"],
        ["10", "2025-04-10"],
    ]
    query = adapter.asked[0].query
    assert query["include_release_dates_with_no_data"] == "true"
    assert query["realtime_start"] == "2025-01-01"


def test_without_a_key_the_calendar_says_why_it_is_empty() -> None:
    extract = fetch_fred_releases(
        client_for(FakeAdapter({}), "fred-api"), catalog_of(series("A")), fetch_context(TODAY)
    )
    (outcome,) = extract.outcomes
    assert outcome.status == "unchanged"
    assert "FRED_API_KEY" in outcome.detail
    assert extract.frames == {}


@pytest.mark.parametrize(("loaded", "requests"), [(date(2025, 4, 1), 0), (date(2025, 3, 28), 1)])
def test_the_calendar_is_asked_for_once_a_week(loaded: date, requests: int) -> None:
    adapter = FakeAdapter({"/fred/releases/dates": Reply({"count": 0, "release_dates": []})})
    fetch_fred_releases(
        client_for(adapter, "fred-api"),
        catalog_of(series("A")),
        fetch_context(TODAY, ItemState("18", loaded_as_of=loaded), fred_api_key=KEY),
    )
    assert len(adapter.asked) == requests


def test_a_calendar_of_another_shape_is_broken() -> None:
    payload = payload_of(
        "fred-api", "fred_releases", "releases/dates",
        json.dumps({"count": 1, "release_dates": [{"id": 10}]}), releases="10",
    )  # fmt: skip
    with pytest.raises(SourceContractChanged):
        PARSERS["fred_releases"](payload)
