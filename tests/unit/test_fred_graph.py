from dataclasses import replace
from datetime import date

import pandas as pd
import pytest

from pipelines.catalog.models import FredSeries, ReleaseRule
from pipelines.sources.errors import SourceContractChanged
from pipelines.sources.fred_graph import PARSERS, fetch_fred_observations
from pipelines.sources.payloads import ItemState
from pipelines.storage.contracts import RAW_TABLES
from tests.fakes.http import FakeAdapter, Reply, catalog_of, client_for, fetch_context, payload_of

TODAY = date(2025, 4, 4)
COLUMNS = list(RAW_TABLES["fred_observations"].source_columns)


def series(id_: str, frequency: str = "daily", **changes) -> FredSeries:
    fields = {
        "id": id_,
        "title": id_,
        "unit": "percent",
        "frequency": frequency,
        "release": ReleaseRule(kind="days_after", release_id=18),
        "plausible_min": 0,
        "plausible_max": 9,
        "largest_step": 1,
        "step_kind": "abs",
        "stale_after_days": 9,
        "rights": "public_domain",
        "revision_days": 14,
        "why": "a test",
    }
    return FredSeries(**(fields | changes))


def loaded(*ids: str, newest_on: date = date(2025, 4, 2)) -> list[ItemState]:
    return [
        ItemState(i, newest_on, oldest_on=date(1990, 1, 1), loaded_as_of=date(2025, 4, 3))
        for i in ids
    ]


class Graph:
    """`fredgraph.csv` over a mapping of series to (day, text) pairs."""

    def __init__(self, values, date_heading="observation_date") -> None:
        self.values = values
        self.heading = date_heading

    def __call__(self, asked):
        ids = asked.query["id"].split(",")
        if any(i not in self.values for i in ids):
            return Reply("<!DOCTYPE html><html>404</html>", 404, {"Content-Type": "text/html"})
        low = asked.query.get("cosd", "")
        tables = [{d: v for d, v in self.values[i] if d >= low} for i in ids]
        lines = [",".join([self.heading, *ids])]
        for day in sorted(set().union(*tables)):
            lines.append(",".join([day, *(table.get(day, "") for table in tables)]))
        return Reply("\n".join(lines) + "\n")


RATES = {
    "DGS2": [("2025-04-01", "3.9"), ("2025-04-02", "")],
    "DGS10": [("2025-04-01", "4.1"), ("2025-04-02", "4.2"), ("2025-04-03", "4.0")],
    "UNRATE": [("2025-03-01", "4.1")],
}


def fetch(graph, *wanted, states=(), **more):
    adapter = FakeAdapter(graph)
    extract = fetch_fred_observations(
        client_for(adapter, "fred-graph"),
        catalog_of(*wanted),
        fetch_context(TODAY, *states, **more),
    )
    return extract, adapter


def outcomes(extract) -> dict[str, str]:
    return {o.item: o.status for o in extract.outcomes}


def rows(extract) -> list[tuple[str, str, float]]:
    frame = extract.frames["fred_observations"].sort_values(["series_id", "observed_on"])
    return [
        (i, str(d.date()), None if pd.isna(v) else v)
        for i, d, v in frame[COLUMNS[:3]].itertuples(index=False)
    ]


@pytest.mark.parametrize("heading", ["observation_date", "DATE"])
def test_a_series_alone_keeps_its_missing_values(heading: str) -> None:
    extract, adapter = fetch(Graph(RATES, heading), series("DGS2"))
    assert rows(extract) == [("DGS2", "2025-04-01", 3.9), ("DGS2", "2025-04-02", None)]
    frame = extract.frames["fred_observations"]
    assert list(frame.columns)[: len(COLUMNS)] == COLUMNS
    assert frame["realtime_start"].isna().all()
    assert [str(frame[c].dtype) for c in COLUMNS[1::2]] == ["datetime64[us]", "datetime64[us]"]
    assert "cosd" not in adapter.asked[0].query
    assert adapter.asked[0].query["coed"] == "2025-04-04"


def test_a_dot_is_missing_as_it_was_before_2025() -> None:
    graph = Graph({"DGS2": [("2025-04-01", "."), ("2025-04-02", "3.9")]})
    extract, _ = fetch(graph, series("DGS2"))
    assert rows(extract) == [("DGS2", "2025-04-01", None), ("DGS2", "2025-04-02", 3.9)]


def test_first_loads_go_one_by_one_so_that_only_the_unknown_is_unknown() -> None:
    extract, adapter = fetch(Graph(RATES), series("DGS2"), series("GONE"), series("DGS10"))
    assert outcomes(extract) == {"DGS2": "fetched", "GONE": "unknown", "DGS10": "fetched"}
    assert [a.query["id"] for a in adapter.asked] == ["DGS2", "GONE", "DGS10"]


def test_later_nights_ask_for_the_tails_of_one_frequency_together() -> None:
    extract, adapter = fetch(
        Graph(RATES),
        series("DGS2"),
        series("UNRATE", "monthly"),
        series("DGS10"),
        states=loaded("DGS2", "DGS10", "UNRATE"),
    )
    assert [(a.query["id"], a.query["cosd"]) for a in adapter.asked] == [
        ("DGS2,DGS10", "2025-03-19"),
        ("UNRATE", "2025-03-19"),
    ]
    assert outcomes(extract) == dict.fromkeys(("DGS2", "DGS10", "UNRATE"), "fetched")
    assert extract.requests == {"fred-graph": 2}


def test_blank_cells_of_an_outer_join_become_no_rows() -> None:
    extract, _ = fetch(
        Graph(RATES), series("DGS2"), series("DGS10"), states=loaded("DGS2", "DGS10")
    )
    assert rows(extract) == [
        ("DGS10", "2025-04-01", 4.1),
        ("DGS10", "2025-04-02", 4.2),
        ("DGS10", "2025-04-03", 4.0),
        ("DGS2", "2025-04-01", 3.9),
    ]


def test_one_unknown_id_in_a_joint_request_is_found_by_asking_one_by_one() -> None:
    extract, adapter = fetch(
        Graph(RATES),
        series("DGS2"),
        series("GONE"),
        series("DGS10"),
        states=loaded("DGS2", "GONE", "DGS10"),
    )
    assert [a.query["id"] for a in adapter.asked] == ["DGS2,GONE,DGS10", "DGS2", "GONE", "DGS10"]
    assert outcomes(extract) == {"DGS2": "fetched", "GONE": "unknown", "DGS10": "fetched"}
    assert len(extract.outcomes) == 3


def test_one_broken_series_in_a_joint_request_is_found_too() -> None:
    values = RATES | {"ODD": [("2025-04-01", "n.a.")]}
    extract, _ = fetch(Graph(values), series("DGS10"), series("ODD"), states=loaded("DGS10", "ODD"))
    assert outcomes(extract) == {"DGS10": "fetched", "ODD": "broken"}
    assert {r[0] for r in rows(extract)} == {"DGS10"}


def test_a_host_that_is_down_makes_every_series_of_the_request_unavailable() -> None:
    extract, adapter = fetch(
        lambda _: Reply("", 503), series("DGS2"), series("DGS10"), states=loaded("DGS2", "DGS10")
    )
    assert outcomes(extract) == {"DGS2": "unavailable", "DGS10": "unavailable"}
    assert {a.query["id"] for a in adapter.asked} == {"DGS2,DGS10"}


def test_a_revision_window_longer_than_the_history_asks_for_all_of_it() -> None:
    _, adapter = fetch(Graph(RATES), series("DGS2", revision_days=36500), states=loaded("DGS2"))
    assert "cosd" not in adapter.asked[0].query


def test_a_full_refresh_asks_for_whole_histories() -> None:
    _, adapter = fetch(Graph(RATES), series("DGS2"), states=loaded("DGS2"), full_refresh=True)
    assert "cosd" not in adapter.asked[0].query


def test_only_projections_may_bear_dates_after_the_run() -> None:
    future = [("2024-01-01", "4.6"), ("2027-01-01", "3.1")]
    extract, adapter = fetch(
        Graph({"FEDTARMD": future, "ODD": future}),
        series("FEDTARMD", "annual", observations_in_future=True),
        series("ODD", "annual"),
    )
    assert "coed" not in adapter.asked[0].query
    assert rows(extract) == [
        ("FEDTARMD", "2024-01-01", 4.6),
        ("FEDTARMD", "2027-01-01", 3.1),
        ("ODD", "2024-01-01", 4.6),
    ]


def parse(body, ids="DGS2"):
    payload = payload_of("fred-graph", "fred_graph_csv", ids, body, ids=ids, as_of="2025-04-04")
    return PARSERS["fred_graph_csv"](payload)["fred_observations"]


def test_a_last_line_without_its_end_is_left_out_because_it_may_be_cut() -> None:
    frame = parse("observation_date,DGS2\n2025-04-01,3.95\n2025-04-02,3.9")
    assert frame["value"].tolist() == [3.95]


def test_a_file_of_headings_only_is_an_empty_window() -> None:
    frame = parse("observation_date,DGS2\n")
    assert frame.empty
    assert str(frame["observed_on"].dtype) == "datetime64[us]"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00binary\x00",
        "observation_date,OTHER\n2025-04-01,3.9\n",
        "observation_date,DGS2,DGS10\n2025-04-01,3.9,4.1\n",
        "when,DGS2\n2025-04-01,3.9\n",
        "observation_date,DGS2\n01.04.2025,3.9\n",
        "observation_date,DGS2\n2025-04-01,3.9,4.1\n",
        "observation_date,DGS2\n2025-04-01\n",
        "observation_date,DGS2\n2025-04-01,three\n",
    ],
)
def test_another_shape_is_a_changed_contract(body) -> None:
    with pytest.raises(SourceContractChanged, match="fred-graph: DGS2"):
        parse(body)


def test_landed_payloads_parse_to_the_same_rows() -> None:
    kept: list = []
    extract, _ = fetch(Graph(RATES), series("DGS10"), kept=kept)
    (payload,) = kept
    again = PARSERS[payload.kind](replace(payload))["fred_observations"]
    pd.testing.assert_frame_equal(again, extract.frames["fred_observations"][COLUMNS])
