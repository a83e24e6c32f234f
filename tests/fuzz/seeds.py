"""One small valid payload of every kind, cut out of the sample world's own answers."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, date, datetime
from functools import cache
from typing import Any

import orjson
import xlrd
from openpyxl import load_workbook

from pipelines.catalog.models import load_catalog
from pipelines.sample.workbooks import biff, xlsx, zip_bytes
from pipelines.sources.agencies import BOARD, BOARD_PACKAGES, ECB, TREASURY, find_datasets
from pipelines.sources.payloads import Payload
from tests.fakes.sample_world import fred, get

AS_OF = "2025-10-10"
ROWS = 5
"""Enough to be first, middle and last; the parsers' loops know no other place."""

DOCUMENT = "/varnish-api/blk-one01-product-data/product-data/api/v1/get-fund-document"
SSGA = "/library-content/products/fund-data/etfs/us"
BARS = {
    "symbol": "IWM",
    "provider_symbol": "IWM",
    "bars": "instrument_bars",
    "events": "instrument_events",
    "running_session": "",
}


@cache
def seeds() -> dict[str, Payload]:
    """Payload kind to a valid payload of some hundred bytes to a few thousand."""
    every = (*_fred(), *_agencies(), *_bars(), *_funds(), *_long_history(), *_filings())
    return {payload.kind: payload for payload in every}


def payload_of(provider: str, kind: str, item: str, body: bytes, **context: str) -> Payload:
    """Return a payload as landing would hand it to its parser."""
    return Payload(
        provider=provider,
        kind=kind,
        item=item,
        url="https://example.test/",
        status=200,
        headers={},
        body=body,
        fetched_at=datetime(2025, 10, 10, 22, tzinfo=UTC),
        context=context,
    )


def _cut_json(body: bytes, name: str) -> bytes:
    document = orjson.loads(body)
    return orjson.dumps(document | {name: document[name][:ROWS]})


def _head(body: bytes, lines: int) -> bytes:
    return b"".join(body.splitlines(keepends=True)[:lines])


def _fred() -> list[Payload]:
    tail = {"observation_start": "2025-09-25"}
    observations = fred("series/observations", series_id="DGS10", **tail).content
    vintages = fred("series/vintagedates", series_id="UNRATE").content
    updates = fred("series/updates", start_time="202510010000", end_time=AS_OF).content
    releases = fred(
        "releases/dates", realtime_start="2025-01-01", realtime_end=AS_OF,
        include_release_dates_with_no_data="true",
    ).content  # fmt: skip
    graph = get("fred-graph", "/graph/fredgraph.csv", id="DGS10,DGS2", cosd="2025-09-30").content
    cut = _cut_json(releases, "release_dates")
    ids = {str(row["release_id"]) for row in orjson.loads(cut)["release_dates"]}
    wanted = ",".join(sorted(ids))
    return [
        payload_of("fred-api", "fred_observations", "DGS10",
                   _cut_json(observations, "observations"), vintages="True", as_of=AS_OF),
        payload_of("fred-api", "fred_releases", "releases/dates", cut,
                   releases=wanted, until=AS_OF),
        payload_of("fred-api", "fred_updates", "series/updates", _cut_json(updates, "seriess")),
        payload_of("fred-api", "fred_vintage_dates", "UNRATE",
                   _cut_json(vintages, "vintage_dates")),
        payload_of("fred-graph", "fred_graph_csv", "DGS10,DGS2", graph,
                   ids="DGS10,DGS2", as_of=AS_OF),
    ]  # fmt: skip


def _agencies() -> list[Payload]:
    catalog = load_catalog()
    curve = next(d for d in find_datasets(catalog, TREASURY) if "real" not in d.name)
    board = find_datasets(catalog, BOARD)[0]
    ecb = find_datasets(catalog, ECB)[0]
    path = "/resource-center/data-chart-center/interest-rates/daily-treasury-rates.csv/2025/all"
    treasury = get("treasury", path, type=curve.name, _format="csv").content
    packed = get(
        "fed-board", "/datadownload/Output.aspx", rel=board.name, filetype="csv",
        series=BOARD_PACKAGES[board.name], to="10/10/2025", label="include",
        layout="seriescolumn", type="package", **{"from": "10/01/2025"},
    ).content  # fmt: skip
    flow, _, key = ecb.name.partition(".")
    rate = get(
        "ecb", f"/service/data/{flow}/{key}", format="csvdata", detail="dataonly",
        startPeriod="2025-10-01", endPeriod=AS_OF,
    ).content  # fmt: skip
    stamp = {"as_of": AS_OF}
    return [
        payload_of(TREASURY, "treasury_curve", f"{curve.name} 2025", _head(treasury, ROWS + 1),
                   **curve.context, **stamp),
        payload_of(BOARD, "board_csv", board.name, _head(packed, ROWS + 6),
                   **board.context, **stamp),
        payload_of(ECB, "ecb_csv", ecb.name, _head(rate, ROWS + 1), **ecb.context, **stamp),
    ]  # fmt: skip


def _bars() -> list[Payload]:
    since = int(datetime(2025, 9, 8, tzinfo=UTC).timestamp())
    until = int(datetime(2025, 10, 1, tzinfo=UTC).timestamp())
    chart = get(
        "yahoo", "/v8/finance/chart/IWM", period1=str(since), period2=str(until), interval="1d",
        events="div,splits,capitalGains",
    ).content  # fmt: skip
    document = orjson.loads(chart)
    split = {"date": since, "numerator": 2.0, "denominator": 1.0, "splitRatio": "2:1"}
    document["chart"]["result"][0].setdefault("events", {})["splits"] = {str(since): split}
    days: list[dict[str, Any]] = [
        {
            "date": f"2025-04-0{n}T00:00:00.000Z", "close": 120.0 / n, "high": 121.0, "low": 20.0,
            "open": 119.5, "volume": 100 * n, "adjClose": 119.0 / n, "adjVolume": 100,
            "divCash": 0.25 * (n == 2), "splitFactor": 2.0 if n == 3 else 1.0,
        }
        for n in range(1, ROWS)
    ]  # fmt: skip
    return [
        payload_of("yahoo", "yahoo_chart", "IWM", orjson.dumps(document), **BARS),
        payload_of("tiingo", "tiingo_daily", "IWM", orjson.dumps(days), **BARS),
    ]


def _funds() -> list[Payload]:
    funds = {fund.id: fund for fund in load_catalog().funds}
    russell, spy = funds["IWM"], funds["SPY"]
    named = {"name_in_file": russell.name_in_file}
    asked = {"portfolioId": str(russell.product_id), "asOfDate": "20251009"}
    holdings = get("blackrock", DOCUMENT, component="holdings", **asked).content
    lines = holdings.splitlines(keepends=True)
    start = next(n for n, line in enumerate(lines) if line.startswith(b"Ticker,"))
    closing = [n for n, line in enumerate(lines) if line.strip() == b"\xc2\xa0"]
    end = next(n for n in closing if n > start)
    short = b"".join([*lines[: start + ROWS], *lines[end - 2 : end + 2]])
    book = get("blackrock", DOCUMENT, component="fundDownload", **asked).content.decode()
    rows = re.compile(r"(?:<ss:Row>.*?</ss:Row>\n?)", re.DOTALL)
    sheets = re.split(r"(?=<ss:Worksheet )", book)
    cut = sheets[0]
    for sheet in sheets[1:]:
        found = rows.findall(sheet)
        first = sheet[: sheet.index("<ss:Row>")]
        cut += first + "".join(found[: ROWS + 1]) + "</ss:Table>\n</ss:Worksheet>\n"
    named_spy = {"name_in_file": spy.name_in_file}
    workbooks = {
        kind: _short_xlsx(get("ssga", f"{SSGA}/{document}-us-en-{spy.slug}.xlsx").content)
        for kind, document in (("ssga_navhist", "navhist"), ("ssga_holdings", "holdings-daily"))
    }
    return [
        payload_of("blackrock", "ishares_holdings", "IWM", short, asked_on="2025-10-09", **named),
        payload_of("blackrock", "ishares_workbook", "IWM",
                   (cut + "</ss:Workbook>\n").encode(), **named),
        *(payload_of("ssga", kind, "SPY", body, **named_spy) for kind, body in workbooks.items()),
    ]  # fmt: skip


def _short_xlsx(body: bytes) -> bytes:
    book = load_workbook(io.BytesIO(body), read_only=True, data_only=True)
    rows = [tuple(row) for row in book.worksheets[0].iter_rows(values_only=True)][: ROWS + 6]
    title = book.sheetnames[0]
    book.close()
    return xlsx(title, [[c.isoformat() if isinstance(c, date) else c for c in r] for r in rows])


def _long_history() -> list[Payload]:
    name = "6_Portfolios_2x3"
    packed = get("french", f"/pages/faculty/ken.french/ftp/{name}_CSV.zip").content
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        member = archive.namelist()[0]
        text = archive.read(member).decode("latin-1")
    blocks = re.split(r"(\r?\n\s*\r?\n)", text)
    short = "".join("\n".join(b.splitlines()[: ROWS + 3]) if b.strip() else b for b in blocks[:9])
    workbook = get(
        "shiller",
        "/blobby/go/e5e77e0b-59d1-44d9-ab25-4763ac982e53/downloads/"
        "1449043e-a1ed-4e2e-8e9c-7b9a2a064493/ie_data.xls",
    ).content
    with xlrd.open_workbook(file_contents=workbook, on_demand=True) as book:
        sheet = book.sheet_by_name("Data")
        cells = [[c.value for c in sheet.row(n)] for n in range(min(sheet.nrows, 8 + ROWS))]
    return [
        payload_of("french", "french_zip", name, zip_bytes({member: short.encode("latin-1")}),
                   file_id=name),
        payload_of("shiller", "shiller_workbook", "ie_data", biff({"Data": cells})),
    ]  # fmt: skip


def _filings() -> list[Payload]:
    listed = orjson.loads(get("sec-www", "/files/company_tickers.json").content)
    few = dict(list(listed.items())[:ROWS])
    cik = "0000000042"
    facts: dict[str, Any] = {}
    for concept in load_catalog().concepts[:3]:
        tag = concept.tags[0]
        facts.setdefault(tag.taxonomy, {})[tag.tag] = {
            "units": {
                concept.unit: [
                    {
                        "start": "2025-01-01", "end": "2025-03-31", "val": 1000 + n, "fy": 2025,
                        "fp": "Q1", "form": "10-Q", "filed": f"2025-0{5 + n}-09",
                        "accn": f"0000000042-25-00000{n}", "frame": "CY2025Q1",
                    }
                    for n in range(2)
                ]
            }
        }  # fmt: skip
    document = {"cik": int(cik), "entityName": "Invented Inc", "facts": facts}
    return [
        payload_of("sec-www", "sec_company_tickers", "company_tickers", orjson.dumps(few),
                   as_of=AS_OF),
        payload_of("sec", "sec_companyfacts", cik, orjson.dumps(document), cik=cik),
        _frame(),
    ]  # fmt: skip


def _frame() -> Payload:
    asked = {"taxonomy": "us-gaap", "tag": "NetIncomeLoss", "unit": "USD", "period": "CY2025Q1"}
    path = "/api/xbrl/frames/us-gaap/NetIncomeLoss/USD/CY2025Q1.json"
    document = orjson.loads(get("sec", path).content)
    cut = orjson.dumps(document | {"data": document["data"][:ROWS], "pts": ROWS})
    return payload_of("sec", "sec_frame", "us-gaap.NetIncomeLoss.USD.CY2025Q1", cut, **asked)
