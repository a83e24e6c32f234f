import io
import zipfile
from datetime import UTC, datetime

import pandas as pd
import pytest

from pipelines.sources import french
from pipelines.sources.errors import SourceContractChanged, SourceUnavailable
from pipelines.sources.french import fetch_french_portfolios, parse_zip
from pipelines.sources.payloads import ItemState
from pipelines.storage.contracts import RAW_TABLES
from tests.fakes.prices import AnsweringAdapter, client_for, fetch_context, payload_of

NOW = datetime(2025, 4, 4, 22, tzinfo=UTC)

PORTFOLIOS = """This file was created by SOME_PROGRAM using the 202502 CRSP database.
It contains value-weighted returns.

Missing data are indicated by -99.99 or -999.


  Average Value Weighted Returns -- Monthly
,SMALL LoBM,BIG HiBM
202501,   1.5000, -99.99
202502,  -0.2500,   2.0000

  Average Value Weighted Returns -- Annual
,SMALL LoBM,BIG HiBM
  2023,  12.0000,  -999
  2024,   7.5000,   8.0000

  Average Firm Size
,SMALL LoBM,BIG HiBM
202501,   310.25,  90000.5
202502,   300.00,  91000.0

  For portfolios formed in June of year t
  Value Weight Average of BE/ME Calculated for June of t to June of t+1 as:
  Sum[ME(Mth) * BE(Fiscal Year t-1) / ME(Dec t-1)] / Sum[ME(Mth)]
,SMALL LoBM,BIG HiBM
202501,   0.1500,   1.2500
202502,   0.1600,   1.2600

  For portfolios formed in June of year t
  Value Weight Average of BE_FYt-1/ME_June t Calculated for June of t to June of t+1 as:
  Sum[ME(Mth) * BE(Fiscal Year t-1) / ME(Jun t)] / Sum[ME(Mth)]
,SMALL LoBM,BIG HiBM
202501,   0.1400,   1.1500
202502,   0.1300,   1.1400

  For portfolios formed in June of year t
  Value Weight Average of investment (rate of growth of assets) Calculated as:
,SMALL LoBM,BIG HiBM
202501,   0.10,   0.20
202502,   0.10,   0.20

Copyright 2025 Somebody
"""

FACTORS = """This file was created using the 202502 CRSP database.
The rate is a rate.

,Mkt-RF,RF
202501,   2.80,   0.37
202502,  -2.43,   0.33

 Annual Factors: January-December
,Mkt-RF,RF
  2024,  20.00,   5.20

Copyright 2025 Somebody
"""


def zipped(text, *names, newline="\r\n"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names or ("6_Portfolios_2x3.CSV",):
            archive.writestr(name, text.replace("\n", newline).encode("latin-1"))
    return buffer.getvalue()


def parsed(body, file_id="6_Portfolios_2x3") -> pd.DataFrame:
    payload = payload_of("french", "french_zip", file_id, body, file_id=file_id)
    return parse_zip(payload)["french_portfolios"]


def test_stacked_tables_become_rows_with_stable_names():
    frame = parsed(zipped(PORTFOLIOS))
    assert tuple(frame.columns) == RAW_TABLES["french_portfolios"].source_columns
    assert frame["table_id"].unique().tolist() == [
        "average_value_weighted_returns_monthly",
        "average_value_weighted_returns_annual",
        "average_market_cap",
        "value_weight_average_of_be_me",
        "value_weight_average_of_be_fyt_1_me_june_t",
        "value_weight_average_of_investment",
    ]
    assert frame["edition"].unique().tolist() == ["202502"]
    book = frame[frame["table_id"] == "value_weight_average_of_be_me"]
    assert book["portfolio"].tolist() == ["SMALL LoBM", "BIG HiBM"] * 2
    assert book["value"].tolist() == [0.15, 1.25, 0.16, 1.26]
    assert book["period_on"].tolist() == [
        pd.Timestamp(2025, 1, 1),
        pd.Timestamp(2025, 1, 1),
        pd.Timestamp(2025, 2, 1),
        pd.Timestamp(2025, 2, 1),
    ]


def test_both_ways_of_saying_missing_are_null():
    frame = parsed(zipped(PORTFOLIOS))
    missing = frame[frame["value"].isna()]
    assert missing["portfolio"].tolist() == ["BIG HiBM", "BIG HiBM"]
    assert missing["period_on"].tolist() == [pd.Timestamp(2025, 1, 1), pd.Timestamp(2023, 1, 1)]
    assert missing["frequency"].tolist() == ["monthly", "annual"]


def test_line_ends_and_the_case_of_the_extension_do_not_matter():
    expected = parsed(zipped(PORTFOLIOS))
    for body in (
        zipped(PORTFOLIOS, newline="\n"),
        zipped(PORTFOLIOS, "6_Portfolios_2x3.csv"),
        zipped(PORTFOLIOS, "6_Portfolios_2x3.TXT"),
    ):
        pd.testing.assert_frame_equal(parsed(body), expected)


def test_the_factor_file_begins_with_a_table_without_a_heading():
    frame = parsed(zipped(FACTORS, "F-F_Research_Data_Factors.CSV"), "F-F_Research_Data_Factors")
    assert frame["table_id"].unique().tolist() == ["factors_monthly", "factors_annual"]
    monthly = frame[frame["table_id"] == "factors_monthly"]
    assert monthly["value"].tolist() == [2.80, 0.37, -2.43, 0.33]


def test_a_heading_that_stands_twice_gets_a_number():
    twice = PORTFOLIOS.replace("Average Firm Size", "Average Value Weighted Returns -- Monthly")
    ids = parsed(zipped(twice))["table_id"].unique().tolist()
    assert ids[0] == "average_value_weighted_returns_monthly"
    assert ids[2] == "average_value_weighted_returns_monthly_2"


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("202502,   0.1300,   1.1400", "202502,   0.1300", "1 values for the 2 columns"),
        ("202502,   0.1300,   1.1400", "202502,   0.13,  1.14,  9", "3 values for the 2 columns"),
        ("   1.5000, -99.99", "   1.5000, n/a", "a value that is no number"),
        ("  2023,  12.0000", "202301,  12.0000", "months and years in one table"),
        ("202502,   300.00", "202501,   300.00", "a period stands twice"),
        ("202502,   300.00", "202513,   300.00", "a label that is no period"),
        ("using the 202502 CRSP", "using a CRSP", "no CRSP vintage"),
        ("  Average Value Weighted Returns -- Monthly\n", "\n", "a table without a heading"),
        (",SMALL LoBM,BIG HiBM\n202501,   1.5", "202501,   1.5", "a row outside a table"),
        (",SMALL LoBM,BIG HiBM\n  2023", ",BIG HiBM,BIG HiBM\n  2023", "a name of their own"),
        ("202501,   0.10,   0.20\n202502,   0.10,   0.20\n", "", "a table without rows"),
        ("Copyright 2025 Somebody", "Average Of Something New", "a heading without a table"),
    ],
)
def test_a_changed_shape_is_told_by_its_rule(old, new, rule):
    assert old in PORTFOLIOS
    with pytest.raises(SourceContractChanged, match=rule):
        parsed(zipped(PORTFOLIOS.replace(old, new, 1)))


def test_a_file_without_tables_is_a_changed_contract():
    with pytest.raises(SourceContractChanged, match="no tables"):
        parsed(zipped("Created using the 202502 CRSP database.\n\nMoved.\n"))


def test_what_is_no_zip_is_a_source_that_does_not_answer():
    for body in (b"", b"garbage", zipped(PORTFOLIOS)[:-200]):
        with pytest.raises(SourceUnavailable, match="no readable zip"):
            parsed(body)


def test_another_file_of_the_library_is_a_changed_contract():
    with pytest.raises(SourceContractChanged, match="another file of the library"):
        parsed(zipped(PORTFOLIOS), "F-F_Research_Data_Factors")


def test_bombs_are_not_unpacked():
    with pytest.raises(SourceContractChanged, match="5 members"):
        parsed(zipped("x", *(f"{n}.csv" for n in range(5))))
    with pytest.raises(SourceContractChanged, match="2 CSV members"):
        parsed(zipped("x", "a.csv", "b.csv"))
    with pytest.raises(SourceContractChanged, match="unpacks to"):
        parsed(zipped("0" * (french.MAX_UNPACKED_BYTES + 1)))


def test_only_what_changed_is_sent_again():
    texts = {"F-F_Research_Data_Factors": FACTORS}

    def answer(asked):
        name = asked.path.rsplit("/", 1)[-1].removesuffix("_CSV.zip")
        assert asked.path == f"/pages/faculty/ken.french/ftp/{name}_CSV.zip"
        if asked.headers.get("if-none-match") == '"v1"':
            assert asked.headers["if-modified-since"] == "Mon, 31 Mar 2025 20:30:30 GMT"
            return 304, {}, b""
        headers = {"content-type": "application/x-zip-compressed", "etag": '"v1"'}
        return 200, headers, zipped(texts.get(name, PORTFOLIOS), f"{name}.CSV")

    adapter = AnsweringAdapter(answer)
    first = fetch_french_portfolios(client_for(adapter, "french"), None, fetch_context(NOW))
    assert [o.status for o in first.outcomes] == ["fetched"] * 3
    assert first.frames["french_portfolios"]["file_id"].nunique() == 3
    assert first.payloads[0].headers["etag"] == '"v1"'

    state = [
        ItemState(name, etag='"v1"', last_modified="Mon, 31 Mar 2025 20:30:30 GMT")
        for name in french.FILES
    ]
    again = fetch_french_portfolios(client_for(adapter, "french"), None, fetch_context(NOW, state))
    assert [o.status for o in again.outcomes] == ["unchanged"] * 3
    assert again.frames == {}
    refreshed = fetch_french_portfolios(
        client_for(adapter, "french"), None, fetch_context(NOW, state, full_refresh=True)
    )
    assert [o.status for o in refreshed.outcomes] == ["fetched"] * 3
