from datetime import date

import pandas as pd
import pytest

from pipelines.catalog.models import FredSeries, ReleaseRule
from pipelines.sources.agencies import PARSERS, fetch_agency_observations
from pipelines.sources.errors import SourceContractChanged
from pipelines.sources.payloads import ItemState
from pipelines.storage.contracts import RAW_TABLES
from tests.fakes.http import FakeAdapter, Reply, catalog_of, client_for, fetch_context, payload_of

TODAY = date(2025, 4, 4)
COLUMNS = list(RAW_TABLES["agency_observations"].source_columns)
DFR = "FM.D.U2.EUR.4F.KR.DFR.LEV"


def series(id_: str, alternate: str | None, name: str | None, **changes) -> FredSeries:
    fields = {
        "id": id_,
        "title": id_,
        "unit": "percent",
        "frequency": "daily",
        "release": ReleaseRule(kind="days_after"),
        "plausible_min": 0,
        "plausible_max": 9,
        "largest_step": 1,
        "step_kind": "abs",
        "stale_after_days": 9,
        "rights": "public_domain",
        "revision_days": 14,
        "alternate": alternate,
        "alternate_series": name,
        "why": "a test",
    }
    return FredSeries(**(fields | changes))


TWO = series("DGS2", "treasury", "daily_treasury_yield_curve/2 Yr")
TEN = series("DGS10", "treasury", "daily_treasury_yield_curve/10 Yr")
REAL = series("DFII10", "treasury", "daily_treasury_real_yield_curve/10 YR")
BROAD = series("DTWEXBGS", "fed-board", "H10/JRXWTFB_N.B", revision_days=36500)
ECB = series("ECBDFR", "ecb", DFR)

BOARD_FILE = (
    '"Series Description","Nominal Broad Dollar Index","Another"\r\n'
    '"Unit:","Index:_2006_Jan_100","Index"\r\n"Multiplier:","1","1"\r\n'
    '"Currency:","NA","NA"\r\n"Unique Identifier: ","H10/H10/JRXWTFB_N.B","H10/H10/X"\r\n'
    '"Time Period","JRXWTFB_N.B","X"\r\n'
    "2025-04-02,123.4567,1.5\r\n2025-04-03,ND,1.6"
)
ECB_FILE = (
    "KEY,FREQ,TIME_PERIOD,OBS_VALUE,TITLE\r\n"
    f'{DFR},D,2025-04-02,2.5,"Deposit facility, level"\r\n{DFR},D,2025-04-03,2.5,"x"\r\n'
)


def curve(asked):
    year = asked.path.split("/")[-2]
    if asked.query["type"] == "daily_treasury_real_yield_curve":
        return Reply(f'Date,"5 YR","10 YR"\n02/03/{year},1.10,1.50\n')
    # the newest day first, as the Treasury lists them
    return Reply(
        f'Date,"1 Mo","1.5 Month","2 Yr","10 Yr","30 Yr"\n'
        f"2/4/{year},4.3,,4.20,4.50,4.7\n02/03/{year},4.3,N/A,4.25,,4.7\n"
    )


def agencies(asked):
    if "treasury" in asked.host:
        return curve(asked)
    return Reply(BOARD_FILE if "federalreserve" in asked.host else ECB_FILE)


def fetch(*wanted, states=(), answer=agencies, as_of=TODAY, **more):
    adapter = FakeAdapter(answer)
    extract = fetch_agency_observations(
        client_for(adapter, "treasury", "fed-board", "ecb"),
        catalog_of(*wanted),
        fetch_context(as_of, *states, **more),
    )
    return extract, adapter


def outcomes(extract):
    return {o.item: (o.provider, o.status) for o in extract.outcomes}


def rows(frame):
    return [
        (i, str(d.date()), None if pd.isna(v) else v)
        for i, d, v in frame[["series_id", "observed_on", "value"]].itertuples(index=False)
    ]


def test_every_agency_fills_the_series_that_the_catalogue_gives_it() -> None:
    extract, _ = fetch(TWO, TEN, REAL, BROAD, ECB, series("VIXCLS", None, None))
    assert outcomes(extract) == {
        "DGS2": ("treasury", "fetched"),
        "DGS10": ("treasury", "fetched"),
        "DFII10": ("treasury", "fetched"),
        "DTWEXBGS": ("fed-board", "fetched"),
        "ECBDFR": ("ecb", "fetched"),
    }
    frame = extract.frames["agency_observations"]
    assert list(frame.columns)[: len(COLUMNS)] == COLUMNS
    named = frame[["series_id", "source_series", "source"]].drop_duplicates().values.tolist()
    assert ["DGS10", "10 Yr", "treasury"] in named
    assert ["DTWEXBGS", "JRXWTFB_N.B", "fed-board"] in named
    assert ["ECBDFR", DFR, "ecb"] in named


def test_the_first_load_asks_for_every_year_of_each_curve() -> None:
    extract, adapter = fetch(TWO, TEN, REAL)
    years = [(a.query["type"], int(a.path.split("/")[-2])) for a in adapter.asked]
    assert years == [("daily_treasury_yield_curve", y) for y in range(1990, 2026)] + [
        ("daily_treasury_real_yield_curve", y) for y in range(2003, 2026)
    ]
    assert extract.requests == {"treasury": 59}
    assert len(extract.outcomes) == 3


@pytest.mark.parametrize(
    ("newest", "as_of", "years"),
    [
        (date(2025, 4, 2), date(2025, 4, 3), [2025]),
        (date(2025, 1, 6), date(2025, 1, 7), [2024, 2025]),
        (date(2023, 3, 1), date(2025, 4, 4), [2023, 2024, 2025]),
    ],
)
def test_later_nights_ask_for_the_years_that_can_have_changed(newest, as_of, years) -> None:
    states = [ItemState(i, newest_on=newest) for i in ("DGS2", "DGS10")]
    _, adapter = fetch(TWO, TEN, states=states, as_of=as_of)
    assert [int(a.path.split("/")[-2]) for a in adapter.asked] == years


def test_one_series_never_loaded_brings_the_whole_curve() -> None:
    _, adapter = fetch(TWO, TEN, states=[ItemState("DGS2", newest_on=date(2025, 4, 2))])
    assert len(adapter.asked) == 36


def test_the_tail_of_the_ecb_begins_before_the_newest_value() -> None:
    _, adapter = fetch(ECB, states=[ItemState("ECBDFR", newest_on=date(2025, 4, 2))])
    assert adapter.asked[0].path == "/service/data/FM/D.U2.EUR.4F.KR.DFR.LEV"
    assert adapter.asked[0].query["startPeriod"] == "2025-03-19"
    assert adapter.asked[0].query["format"] == "csvdata"


def test_the_board_is_asked_in_its_own_date_form_for_the_whole_index() -> None:
    _, adapter = fetch(BROAD, states=[ItemState("DTWEXBGS", newest_on=date(2025, 3, 28))])
    query = adapter.asked[0].query
    assert (query["rel"], query["filetype"]) == ("H10", "csv")
    assert (query["from"], query["to"]) == ("01/01/1960", "04/04/2025")


def test_an_agency_that_does_not_answer_costs_only_its_own_series() -> None:
    def answer(asked):
        return Reply("gone", 404) if "ecb" in asked.host else agencies(asked)

    extract, _ = fetch(TWO, ECB, answer=answer)
    assert outcomes(extract) == {"DGS2": ("treasury", "fetched"), "ECBDFR": ("ecb", "unknown")}


def test_a_curve_without_a_wanted_tenor_is_broken_for_all_series_of_it() -> None:
    def answer(asked):
        return Reply('Date,"1 Mo","2 Year","10 Yr"\n02/03/2025,4,4,4\n')

    extract, _ = fetch(TWO, TEN, answer=answer)
    assert outcomes(extract) == {"DGS2": ("treasury", "broken"), "DGS10": ("treasury", "broken")}


# -- parsers ---------------------------------------------------------------------------------------
def parse(kind, body, *, provider="treasury", **context):
    given = {"as_of": "2025-04-04", "dataset": "c"} | context
    payload = payload_of(provider, kind, "FILE", body, **given)
    return PARSERS[kind](payload)["agency_observations"]


CURVE = {"series": "DGS2,DGS10", "columns": "2 Yr|10 Yr"}


def test_a_curve_is_read_by_its_headings_newest_first_and_blanks_are_missing() -> None:
    frame = parse(
        "treasury_curve",
        '\ufeffDate,"1 Mo","2 YR","10 Yr"\n2/4/2025,4.3,4.20,4.50\n02/03/2025,4.3,4.25,\n',
        **CURVE,
    )
    assert rows(frame) == [
        ("DGS2", "2025-02-03", 4.25),
        ("DGS2", "2025-02-04", 4.2),
        ("DGS10", "2025-02-03", None),
        ("DGS10", "2025-02-04", 4.5),
    ]
    assert [str(frame[c].dtype) for c in COLUMNS] == ["str", "str", "datetime64[us]", "float64"]


def test_values_after_the_run_are_left_out() -> None:
    body = "Date,1 Mo,2 Yr,10 Yr\n04/07/2025,5,4,4\n04/04/2025,5,3,3\n"
    assert rows(parse("treasury_curve", body, **CURVE)) == [
        ("DGS2", "2025-04-04", 3.0),
        ("DGS10", "2025-04-04", 3.0),
    ]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "Day,2 Yr,10 Yr\n02/03/2025,4,4\n",
        "Date,2 Yr\n02/03/2025,4\n",
        "Date,2 Yr,10 Yr\n2025.02.03,4,4\n",
        "Date,2 Yr,10 Yr\n13/32/2025,4,4\n",
        "Date,2 Yr,10 Yr\n02/03/2025,4,four\n",
        "Date,2 Yr,10 Yr\n02/03/2025,4\n",
        b"\xff\xfe\x00",
    ],
)
def test_a_curve_of_another_shape_is_a_changed_contract(body) -> None:
    with pytest.raises(SourceContractChanged, match="treasury: FILE"):
        parse("treasury_curve", body, **CURVE)


BOARD = {"provider": "fed-board", "series": "DTWEXBGS", "columns": "JRXWTFB_N.B"}


def test_the_boards_header_rows_are_passed_over_and_nd_is_missing() -> None:
    frame = parse("board_csv", BOARD_FILE, **BOARD)
    assert rows(frame) == [
        ("DTWEXBGS", "2025-04-02", 123.4567),
        ("DTWEXBGS", "2025-04-03", None),
    ]


@pytest.mark.parametrize("body", ["", "Time Period,OTHER\n2025-04-02,1\n", "a,b\n1,2\n"])
def test_a_board_file_of_another_shape_is_a_changed_contract(body: str) -> None:
    with pytest.raises(SourceContractChanged, match="fed-board: FILE"):
        parse("board_csv", body, **BOARD)


def test_an_ecb_file_is_read_by_its_headings() -> None:
    frame = parse("ecb_csv", ECB_FILE, provider="ecb", series="ECBDFR", columns=DFR, dataset=DFR)
    assert rows(frame) == [("ECBDFR", "2025-04-02", 2.5), ("ECBDFR", "2025-04-03", 2.5)]


@pytest.mark.parametrize(
    "body",
    ["", "KEY,TIME_PERIOD\nX,2025-04-02\n", "KEY,TIME_PERIOD,OBS_VALUE\nOTHER,2025-04-02,2.5\n"],
)
def test_an_ecb_file_of_another_shape_is_a_changed_contract(body: str) -> None:
    with pytest.raises(SourceContractChanged, match="ecb: FILE"):
        parse("ecb_csv", body, provider="ecb", series="ECBDFR", columns=DFR, dataset=DFR)
