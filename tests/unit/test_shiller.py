import gzip
import math
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from pipelines.sources.errors import SourceContractChanged, SourceUnavailable
from pipelines.sources.payloads import ItemState
from pipelines.sources.shiller import (
    KNOWN_PATH,
    fetch_shiller_history,
    parse_rows,
    parse_workbook,
)
from pipelines.storage.contracts import RAW_TABLES
from tests.fakes.prices import AnsweringAdapter, client_for, fetch_context, payload_of

NOW = datetime(2025, 4, 4, 22, tzinfo=UTC)
HEADINGS = [
    ["Stock Market Data", "", "", "", "", "", "", "Cyclically", ""],
    ["", "S&P", "", "", "Consumer", "Fraction", "Interest", "CAPE or so", "CAPE"],
    ["Date", "P ", "D", "E", "CPI", "Date  ", "Rate  GS10", "CAPE", "TR CAPE"],
]
MONTHS = [
    [1900.09, 5.0, 0.25, 0.5, 8.0, 1900.7, 3.0, "NA", "NA"],
    [1900.1, 5.5, 0.25, 0.5, 8.25, 1900.8, 3.0, 18.5, 20.0],
    [1900.11, 6.0, "", " ", 8.5, 1900.9, 3.25, "#N/A", ""],
]
NOTES = ["", "November price is a close", "", "", "CPI estimated", "", "", "", ""]


def parsed(rows) -> pd.DataFrame:
    return parse_rows("ie_data", rows)


def test_decimal_dates_are_months_of_which_point_one_is_october():
    frame = parsed([*HEADINGS, *MONTHS, NOTES])
    prices = frame[frame["measure"] == "price"].set_index("observed_on")["value"]
    assert prices.to_dict() == {
        pd.Timestamp(1900, 9, 1): 5.0,
        pd.Timestamp(1900, 10, 1): 5.5,
        pd.Timestamp(1900, 11, 1): 6.0,
    }


def test_every_measure_comes_from_its_own_column():
    frame = parsed([*HEADINGS, *MONTHS])
    october = frame[frame["observed_on"] == "1900-10-01"].set_index("measure")["value"]
    assert october.to_dict() == {
        "price": 5.5,
        "dividend": 0.25,
        "earnings": 0.5,
        "cpi": 8.25,
        "long_rate_pct": 3.0,
        "cape_ratio": 18.5,
    }


def test_what_is_not_available_is_null_not_left_out():
    frame = parsed([*HEADINGS, *MONTHS, NOTES])
    cape = frame[frame["measure"] == "cape_ratio"]["value"].tolist()
    assert math.isnan(cape[0])
    assert cape[1] == 18.5
    assert math.isnan(cape[2])
    last = frame[frame["observed_on"] == "1900-11-01"].set_index("measure")["value"]
    assert last[["dividend", "earnings"]].isna().all()


@pytest.mark.parametrize(
    ("rows", "rule"),
    [
        ([*HEADINGS[:2], *MONTHS], "no heading row"),
        ([["Date", "P", "D", "E", "CPI", "CAPE"], *MONTHS], "no column Rate GS10"),
        (HEADINGS, "no months"),
        ([*HEADINGS, MONTHS[0], MONTHS[2]], "1900-11 does not follow"),
        ([*HEADINGS, MONTHS[0], NOTES, MONTHS[1]], "1900-10 does not follow"),
        ([*HEADINGS, [1900.13, *MONTHS[0][1:]]], "1900.13 is no month"),
        ([*HEADINGS, [1900.09, "five", *MONTHS[0][2:]]], "'five' where a number belongs"),
    ],
)
def test_a_changed_shape_is_told_by_its_rule(rows, rule):
    with pytest.raises(SourceContractChanged, match=rule):
        parsed(rows)


def test_bytes_that_are_no_workbook_are_a_source_that_does_not_answer(capsys):
    for body in (b"", b"garbage", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)):
        with pytest.raises(SourceUnavailable, match="no readable workbook"):
            parse_workbook(payload_of("shiller", "shiller_workbook", "ie_data", body))
    assert capsys.readouterr().out == ""


def asked_for_workbook(page_status, page):
    """Return the path of the workbook that was asked for, and the outcome."""

    def answer(asked):
        if asked.host == "shillerdata.com":
            return page_status, {"content-type": "text/html"}, page
        return 304, {}, b""

    adapter = AnsweringAdapter(answer)
    state = [ItemState("ie_data", last_modified="Thu, 03 Apr 2025 12:00:00 GMT")]
    client = client_for(adapter, "shiller", "shiller-page")
    found = fetch_shiller_history(client, None, fetch_context(NOW, state))
    workbook = adapter.asked[-1]
    assert workbook.host == "img1.wsimg.com"
    assert workbook.headers["if-modified-since"] == "Thu, 03 Apr 2025 12:00:00 GMT"
    assert found.frames == {}
    return workbook.path, [(o.provider, o.item, o.status) for o in found.outcomes]


@pytest.mark.parametrize(
    "page",
    [
        b'<html><a href="//img1.wsimg.com/blobby/go/a1-b2/downloads/c3-d4/ie_data.xls?v=7">',
        rb'<html>{"href":"\/\/img1.wsimg.com\/blobby\/go\/a1-b2\/downloads\/c3-d4\/ie_data.xls"}',
        b'<html>{"href":"https:\\u002F\\u002Fimg1.wsimg.com\\u002Fblobby\\u002Fgo\\u002Fa1-b2'
        b'\\u002Fdownloads\\u002Fc3-d4\\u002Fie_data.xls"}',
    ],
)
def test_the_newest_workbook_is_the_one_that_the_page_links_to(page):
    path, outcomes = asked_for_workbook(200, page)
    assert path == "/blobby/go/a1-b2/downloads/c3-d4/ie_data.xls"
    assert outcomes == [("shiller", "ie_data", "unchanged")]


@pytest.mark.parametrize(
    ("status", "page"), [(404, b"<html>gone</html>"), (200, b"<html>new design</html>")]
)
def test_without_a_link_the_known_address_is_asked(status, page):
    path, outcomes = asked_for_workbook(status, page)
    assert path == KNOWN_PATH
    assert outcomes == [("shiller", "ie_data", "unchanged")]


@pytest.mark.replay
def test_the_recorded_workbook_opens():
    recorded = Path(__file__).parents[2].parent / "shared/replay/data/shiller/ie_data.xls.gz"
    if not recorded.exists():
        pytest.skip("no ../shared/replay beside the repository")
    payload = payload_of(
        "shiller", "shiller_workbook", "ie_data", gzip.decompress(recorded.read_bytes())
    )
    frame = parse_workbook(payload)["shiller_history"]
    assert tuple(frame.columns) == RAW_TABLES["shiller_history"].source_columns
    assert frame["observed_on"].min() == pd.Timestamp(1871, 1, 1)
    assert frame["edition"].unique().tolist() == [payload.sha256[:16]]
    months = frame.groupby("measure")["observed_on"].nunique()
    assert months.nunique() == 1
    assert len(months) == 6
    # the ten-year mean of earnings does not exist before 1881
    cape = frame[frame["measure"] == "cape_ratio"].dropna()
    assert cape["observed_on"].min() == pd.Timestamp(1881, 1, 1)
