"""The State Street connector: workbooks, limits, and what counts as unchanged."""

from __future__ import annotations

import io
import zipfile
from datetime import date

import pandas as pd
import pytest

from pipelines.sources.collect import parse
from pipelines.sources.errors import SourceContractChanged, SourceUnavailable
from pipelines.sources.funds import fetch_fund_holdings, fetch_fund_shares
from pipelines.sources.payloads import ItemState
from pipelines.sources.ssga import PARSERS, fetch_ssga_holdings, fetch_ssga_shares
from tests.fakes.funds import (
    NAVHIST,
    SSGA_HOLDINGS,
    catalog_of_funds,
    fund,
    fund_workbook,
    holdings_csv,
    xlsx,
)
from tests.fakes.http import FakeAdapter, Reply, client_for, fetch_context, payload_of

FOLDER = "/library-content/products/fund-data/etfs/us"
AS_OF = date(2026, 9, 25)
FUND = fund("SSX", "ssga")
NAMED = {"name_in_file": "Small & Example ETF"}


def navhist(body: bytes):
    return parse(payload_of("ssga", "ssga_navhist", "SSX", body, **NAMED), PARSERS)["fund_shares"]


def holdings(body: bytes):
    return parse(payload_of("ssga", "ssga_holdings", "SSX", body, **NAMED), PARSERS)


def test_the_history_is_read_whether_cells_are_numbers_or_text() -> None:
    frame = navhist(xlsx(NAVHIST))
    assert frame["traded_on"].tolist() == list(pd.to_datetime(["2026-09-22", "2026-09-23",
                                                               "2026-09-24"]))  # fmt: skip
    assert frame["nav_usd"].tolist() == [49.5, 50.0, 50.25]
    assert frame["shares_outstanding"].fillna(-1).tolist() == [-1, 1e6, 1e6]
    assert frame["total_net_assets_usd"].fillna(-1).tolist() == [-1, 50e6, 50.25e6]


def test_columns_of_the_history_may_stand_in_another_order() -> None:
    turned = [row[::-1] if len(row) == 4 else row for row in NAVHIST]
    assert navhist(xlsx(turned))["nav_usd"].tolist() == [49.5, 50.0, 50.25]


def test_holdings_have_weights_but_no_values() -> None:
    frames = holdings(xlsx(SSGA_HOLDINGS))
    lines = frames["fund_holdings"]
    assert lines["name"].tolist() == ["ALPHA BRIDGE CL B", "US DOLLAR"]
    assert lines["ticker"].fillna("none").tolist() == ["AA.B", "none"]
    assert lines["asset_class"].tolist() == ["Equity", "Cash"]
    assert lines["weight_pct"].tolist() == [60.5, 39.5]
    assert lines["quantity"].tolist() == [100.0, 2014.92]
    assert lines["market_value_usd"].isna().all()
    file = frames["fund_files"].iloc[0]
    assert file["as_of_on"] == pd.Timestamp("2026-04-10")
    assert (file["equity_lines"], file["line_count"]) == (1, 2)
    assert file["fund_name"] == "State Street® Small & Example® ETF"


def renamed(rows, old: str, new: str) -> bytes:
    return xlsx([[new if cell == old else cell for cell in row] for row in rows])


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        (renamed(NAVHIST, "SSX", "OTH"), "another fund's file, ticker 'OTH'"),
        (renamed(NAVHIST, "State Street® Small & Example® ETF", "Big ETF"), "not 'Small"),
        (renamed(NAVHIST, "Shares Outstanding", "Units"), "no header line"),
        (renamed(NAVHIST, 50.25, "n.m."), "NAV: 'n.m.' is no number"),
        (renamed(NAVHIST, "24-Sep-2026", "soon"), "'soon' is no date"),
        (xlsx(NAVHIST[:4]), "no rows"),
        (xlsx(NAVHIST)[:2000], "no readable workbook"),
        (b"garbage", "no readable workbook"),
    ],
)
def test_a_broken_history_names_what_is_broken(body: bytes, rule: str) -> None:
    with pytest.raises(SourceContractChanged, match=rule):
        navhist(body)


def test_holdings_without_a_date_are_refused() -> None:
    with pytest.raises(SourceContractChanged, match="holds no date"):
        holdings(renamed(SSGA_HOLDINGS, "As of 10-Apr-2026", "-"))


def test_an_html_page_is_no_workbook() -> None:
    with pytest.raises(SourceUnavailable, match="HTML"):
        navhist(b"<html><body>Choose your role</body></html>")


def test_a_workbook_that_unpacks_without_end_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("xl/worksheets/sheet1.xml", b"0" * (1 << 23))
    with pytest.raises(SourceContractChanged, match="unpacks to 8 MB"):
        navhist(out.getvalue())


def shares(adapter: FakeAdapter, *states: ItemState):
    client = client_for(adapter, "ssga")
    return fetch_ssga_shares(client, catalog_of_funds(FUND), fetch_context(AS_OF, *states))


def test_a_304_is_unchanged_and_costs_one_request() -> None:
    path = f"{FOLDER}/navhist-us-en-ssx.xlsx"
    adapter = FakeAdapter({path: Reply(b"", 304)})
    extract = shares(adapter, ItemState("SSX", newest_on=AS_OF, etag='"v1"', sha256="x"))
    assert adapter.asked[0].headers["if-none-match"] == '"v1"'
    assert [o.status for o in extract.outcomes] == ["unchanged"]
    assert extract.frames == {}
    assert extract.requests == {"ssga": 1}


def test_the_same_bytes_are_unchanged() -> None:
    adapter = FakeAdapter({f"{FOLDER}/navhist-us-en-ssx.xlsx": Reply(xlsx(NAVHIST))})
    first = shares(adapter)
    assert [o.status for o in first.outcomes] == ["fetched"]
    again = shares(adapter, ItemState("SSX", newest_on=AS_OF, sha256=first.payloads[0].sha256))
    assert [o.status for o in again.outcomes] == ["unchanged"]


def test_a_fund_without_a_file_is_unknown() -> None:
    client = client_for(FakeAdapter({}), "ssga")
    extract = fetch_ssga_holdings(client, catalog_of_funds(FUND), fetch_context(AS_OF))
    assert [(o.item, o.status) for o in extract.outcomes] == [("SSX", "unknown")]


def test_both_issuers_make_one_feed() -> None:
    new = "/varnish-api/blk-one01-product-data/product-data/api/v1/get-fund-document"

    def answer(asked):
        if asked.path == new:
            is_csv = asked.query["component"] == "holdings"
            return Reply(holdings_csv() if is_csv else fund_workbook())
        kind = NAVHIST if "navhist" in asked.path else SSGA_HOLDINGS
        return Reply(xlsx(kind))

    client = client_for(FakeAdapter(answer), "blackrock", "ishares", "ssga")
    catalog = catalog_of_funds(fund(), FUND)
    context = fetch_context(AS_OF)
    counts = fetch_fund_shares(client, catalog, context)
    assert counts.frames["fund_shares"]["fund_id"].value_counts().to_dict() == {"SMX": 3, "SSX": 3}
    assert counts.requests == {"blackrock": 1, "ssga": 1}
    files = fetch_fund_holdings(client, catalog, context, holdings_backfill_months=0)
    assert files.frames["fund_files"]["fund_id"].tolist() == ["SMX", "SSX"]
    asked = fetch_fund_holdings(client, catalog, context, asked_dates={"SMX": [AS_OF]})
    assert [o.item for o in asked.outcomes] == ["SMX"]
