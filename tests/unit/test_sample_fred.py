"""The simulated FRED: forms, vintages, the story that the series tell together."""

from __future__ import annotations

import csv
import io
from datetime import date
from itertools import pairwise

import pytest

from pipelines.sample.releases import SERIES
from tests.fakes.sample_world import fred, get

WANTED = """
PCE PCEPI PCEPILFE CPIAUCSL CPILFESL FEDFUNDS DFF DFEDTARU DFEDTARL DGS3MO DGS2 DGS10 T10Y2Y T10Y3M
T10YIE T5YIFR DFII10 BAMLH0A0HYM2 BAA10Y NFCI DTWEXBGS DTWEXAFEGS DEXUSEU ECBDFR PAYEMS UNRATE ICSA
JTSJOL INDPRO GDPC1 RSAFS M2SL WALCL MORTGAGE30US MPRIME DRTSCILM DRTSCIS BUSLOANS TOTBKCR VIXCLS
USREC USEPUINDXD EPUTRADE FEDTARMD JCXFEMD PCECTPICTM TLMFGCONS NEWORDER
"""
ALL_TIME = {"realtime_start": "1776-07-04", "realtime_end": "9999-12-31"}


def values(series_id: str, now: date | None = None) -> dict[str, str]:
    found = fred("series/observations", now, series_id=series_id).json()
    return {o["date"]: o["value"] for o in found["observations"]}


def test_all_48_series_of_the_issue_are_served() -> None:
    wanted = WANTED.split()
    assert sorted(SERIES) == sorted(wanted)
    assert len(wanted) == 48
    for series_id in wanted:
        first = min(values(series_id))
        assert first <= "1992-01-01", series_id


def test_a_reply_has_the_form_of_freds() -> None:
    reply = fred("series/observations", series_id="DGS10", limit="2", offset="1").json()
    assert list(reply) == [
        "realtime_start", "realtime_end", "observation_start", "observation_end", "units",
        "output_type", "file_type", "order_by", "sort_order", "count", "offset", "limit",
        "observations",
    ]  # fmt: skip
    assert (reply["offset"], reply["limit"], len(reply["observations"])) == (1, 2, 2)
    assert reply["realtime_start"] == "2025-10-10"
    assert set(reply["observations"][0]) == {"realtime_start", "realtime_end", "date", "value"}


def test_a_holiday_is_a_point_and_the_spread_is_the_difference_to_the_basis_point() -> None:
    two, ten, spread = values("DGS2"), values("DGS10"), values("T10Y2Y")
    assert ten["2025-09-01"] == "."  # Labor Day
    assert ten["2024-11-11"] == "."  # Veterans Day, on which the exchange is open
    compared = [d for d in ten if ten[d] != "."]
    assert len(compared) > 9000
    for day in compared:
        gap = round(100 * float(ten[day])) - round(100 * float(two[day]))
        assert gap == round(100 * float(spread[day])), day


def test_a_revision_is_a_new_vintage_and_the_vintages_do_not_overlap() -> None:
    rows = fred("series/observations", series_id="PCEPILFE", **ALL_TIME).json()["observations"]
    may = [r for r in rows if r["date"] == "2023-05-01"]
    assert len(may) >= 3
    assert may[0]["realtime_start"] == "2023-06-30"
    assert may[-1]["realtime_end"] == "9999-12-31"
    for earlier, later in pairwise(may):
        assert earlier["realtime_end"] < later["realtime_start"]
        assert earlier["value"] != later["value"]


def test_the_earliest_vintage_may_be_decades_late() -> None:
    rows = fred("series/observations", series_id="PCEPILFE", **ALL_TIME).json()["observations"]
    assert {r["realtime_start"] for r in rows if r["date"] == "1985-01-01"} == {"2000-08-25"}


def test_more_than_2000_vintage_dates_are_refused_and_new_values_come_as_a_matrix() -> None:
    refused = fred("series/observations", series_id="T10Y2Y", **ALL_TIME)
    assert refused.status_code == 400
    assert "vintage dates" in refused.json()["error_message"]
    found = fred(
        "series/observations", series_id="PCEPI", output_type="3", realtime_start="2025-09-01",
        realtime_end="2025-10-10",
    ).json()["observations"]  # fmt: skip
    newest = next(o for o in found if o["date"] == "2025-08-01")
    assert set(newest) == {"date", "PCEPI_20250926"}


def test_errors_are_worded_as_freds_are() -> None:
    unknown = fred("series/observations", series_id="NOSUCH")
    assert unknown.status_code == 400
    assert unknown.json() == {
        "error_code": 400,
        "error_message": "Bad Request.  The series does not exist.",
    }
    bad_key = fred("series", series_id="PCE", api_key="SHORT")
    assert bad_key.status_code == 400
    assert "32 character alpha-numeric lower-case" in bad_key.json()["error_message"]


def test_nothing_is_known_after_the_clock() -> None:
    for series_id in ("PAYEMS", "GDPC1", "ICSA"):
        found = fred("series/observations", series_id=series_id, **ALL_TIME).json()
        assert max(o["date"] for o in found["observations"]) <= "2025-10-10"
        assert max(o["realtime_start"] for o in found["observations"]) <= "2025-10-10"
    assert max(values("PCEPILFE")) == "2025-08-01"
    assert max(values("PCEPILFE", date(2025, 9, 25))) == "2025-07-01"
    assert max(values("DGS10")) == "2025-10-09"


def test_projections_carry_dates_in_the_future() -> None:
    assert max(values("FEDTARMD")) == "2028-01-01"
    assert max(values("JCXFEMD")) == "2028-01-01"


def test_the_first_cut_after_a_pause_came_in_september_2025() -> None:
    upper = values("DFEDTARU")
    days = sorted(upper)
    moves = [
        (day, round(float(upper[day]) - float(upper[before]), 2))
        for before, day in pairwise(days)
        if upper[day] != upper[before]
    ]
    assert moves[-2:] == [("2024-12-19", -0.25), ("2025-09-18", -0.25)]
    assert {abs(step) for _, step in moves} == {0.25, 0.5}
    assert upper["2025-10-10"] == "4.25"


def test_recessions_lift_unemployment() -> None:
    recession, jobless = values("USREC"), values("UNRATE")
    assert float(jobless["2009-10-01"]) > 8 > 5 > float(jobless["2007-06-01"])
    assert recession["2008-10-01"] == "1"
    assert recession["2025-09-01"] == "0"


def test_the_updates_feed_names_what_changed_on_the_day() -> None:
    now = date(2025, 9, 26)
    ids = {
        s["id"]
        for s in fred(
            "series/updates", now, start_time="202509260000", end_time="202509262359"
        ).json()["seriess"]
    }
    assert {"PCE", "PCEPI", "PCEPILFE"} <= ids
    assert "PAYEMS" not in ids


def test_release_dates_hold_the_past_and_the_schedule() -> None:
    found = fred(
        "release/dates", release_id="54", include_release_dates_with_no_data="true",
        realtime_start="2025-08-01", realtime_end="9999-12-31",
    ).json()["release_dates"]  # fmt: skip
    days = [row["date"] for row in found]
    assert days[:2] == ["2025-08-29", "2025-09-26"]
    assert "2025-10-31" in days
    everything = fred(
        "releases/dates", include_release_dates_with_no_data="true", sort_order="asc",
        realtime_start="2025-10-01",
    ).json()["release_dates"]  # fmt: skip
    employment = [r["date"] for r in everything if r["release_id"] == 50]
    assert employment[:2] == ["2025-10-03", "2025-11-07"]


def test_the_keyless_csv_joins_ids_and_leaves_missing_values_empty() -> None:
    reply = get(
        "fred-graph", "/graph/fredgraph.csv", id="DGS10,PCEPILFE", cosd="2025-08-29",
        coed="2025-09-02",
    )  # fmt: skip
    rows = list(csv.reader(io.StringIO(reply.text)))
    assert rows[0] == ["observation_date", "DGS10", "PCEPILFE"]
    assert [r[0] for r in rows[1:]] == ["2025-08-29", "2025-09-01", "2025-09-02"]
    assert rows[2] == ["2025-09-01", "", ""]


@pytest.mark.parametrize(
    ("agent", "series_id", "status"),
    [("smallcaps/0.1", "NOSUCH", 404), ("Mozilla/5.0 (X11)", "DGS10", 403)],
)
def test_the_keyless_csv_refuses_with_a_page(agent: str, series_id: str, status: int) -> None:
    reply = get("fred-graph", "/graph/fredgraph.csv", None, {"User-Agent": agent}, id=series_id)
    assert reply.status_code == status
    assert "html" in reply.headers["content-type"]
