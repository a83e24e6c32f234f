"""The simulated issuers, libraries and agencies: forms, sums to the cent, 304, determinism."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zipfile
from datetime import date
from itertools import pairwise

import openpyxl
import pytest
import requests
import xlrd

from pipelines.sample import SampleAdapter
from pipelines.sample.economy import SIMULATED_TO
from pipelines.settings import PUBLIC_HOSTS
from tests.fakes.sample_world import AGENT, fred, get

DOCUMENT = "/varnish-api/blk-one01-product-data/product-data/api/v1/get-fund-document"
FRENCH = "/pages/faculty/ken.french/ftp/6_Portfolios_2x3_CSV.zip"
WORKBOOKS = "/library-content/products/fund-data/etfs/us"


def holdings(product: str, day: str = "", now: date | None = None) -> tuple[str, list[list[str]]]:
    params = {"portfolioId": product, "component": "holdings"} | ({"asOfDate": day} if day else {})
    text = get("blackrock", DOCUMENT, now, **params).content.decode("utf-8")
    head, _, rest = text.partition("\nTicker,")
    table = rest.split("\n\u00a0\n")[0]
    return head, list(csv.reader(io.StringIO(table)))[1:]


def number(text: str) -> float:
    return float(text.replace(",", ""))


def head_value(head: str, label: str) -> str:
    found = re.search(rf'^{label},"(.*)"$', head, re.MULTILINE)
    assert found is not None
    return found.group(1)


@pytest.mark.parametrize(("product", "fund"), [("239710", "IWM"), ("239726", "IVV")])
@pytest.mark.parametrize("day", ["20151130", "20200331", "20251009"])
def test_the_market_values_add_up_to_shares_times_nav(product: str, fund: str, day: str) -> None:
    head, rows = holdings(product, day)
    shares = number(head_value(head, "Shares Outstanding"))
    total = round(sum(number(r[4]) for r in rows), 2)
    book = get(
        "blackrock", DOCUMENT, portfolioId=product, component="fundDownload", asOfDate=day
    ).content.decode("utf-8")
    newest = re.search(
        r'Name="Historical">.*?</ss:Row>.*?(\w{3} \d\d, \d{4})<.*?"Number">([\d.]+)<.*?'
        r'"Number">(\d+)<', book, re.DOTALL,
    )  # fmt: skip
    assert newest is not None
    assert newest.group(1) == head_value(head, "Fund Holdings as of")
    assert float(newest.group(3)) == shares
    assert total == pytest.approx(shares * float(newest.group(2)), abs=0.02)
    assert round(sum(number(r[5]) for r in rows), 2) == 100.0
    equities = [r for r in rows if r[3] == "Equity"]
    assert len(equities) >= 255
    assert {"Money Market", "Cash", "Futures"} <= {r[3] for r in rows}
    if day == "20251009":
        assert [r for r in equities if r[0] == "-"]


def test_a_file_carries_the_price_as_traded_and_the_date_of_its_session() -> None:
    before, _ = holdings("239710", "20250703")
    holiday, _ = holdings("239710", "20250704")
    assert head_value(holiday, "Fund Holdings as of") == "Jul 03, 2025"
    assert before == holiday
    newest, _ = holdings("239710")
    assert head_value(newest, "Fund Holdings as of") == "Oct 09, 2025"


def test_class_shares_and_a_rename_are_spelled_as_the_issuer_does() -> None:
    def tickers(day: str) -> set[str]:
        return {r[0] for r in holdings("239726", day)[1]}

    assert {"BRKB", "FB"} <= tickers("20220608")
    assert {"BRKB", "META"} <= tickers("20220609")
    assert "MOGA" in {r[0] for r in holdings("239710", "20220609")[1]}


def test_a_reconstitution_in_june_changes_the_members() -> None:
    before = {r[0] for r in holdings("239710", "20250627")[1]}
    after = {r[0] for r in holdings("239710", "20250630")[1]}
    assert len(after - before) >= 6
    assert {r[0] for r in holdings("239710", "20250701")[1]} == after


def test_a_wrong_product_answers_with_another_fund_and_an_old_date_with_a_page() -> None:
    head, _ = holdings("111111")
    assert "iShares Core S&P 500 ETF" in head
    early = get("blackrock", DOCUMENT, portfolioId="239710", component="holdings",
                asOfDate="19990101")  # fmt: skip
    assert (early.status_code, "html" in early.headers["content-type"]) == (200, True)
    none, rows = holdings("239710", "20100104")
    assert head_value(none, "Fund Holdings as of") == "-"
    assert rows == []


def test_the_workbook_has_the_issuers_warts() -> None:
    iwm = get("ishares", "/us/products/239710/ishares-russell-2000-etf/1521942788811.ajax",
              fileType="xls", dataType="fund").content  # fmt: skip
    assert iwm.startswith("\ufeff\ufeff<?xml".encode())
    assert b"terms & conditions" in iwm
    history = iwm.decode()[iwm.decode().index('Name="Historical"') :]
    assert "Mar 10, 2013" in history  # a Sunday
    assert "Jul 04, 2011" in history
    counts = [int(c) for c in re.findall(r'"Number">(\d+)<', history)]
    repeated = sum(a == b for a, b in pairwise(counts))
    assert repeated > 0.3 * len(counts)
    iwn = get("blackrock", DOCUMENT, portfolioId="239712", component="fundDownload").text
    assert ">150000<" in iwn


def test_state_streets_workbooks_open_and_carry_total_net_assets() -> None:
    reply = get("ssga", f"{WORKBOOKS}/navhist-us-en-xlk.xlsx")
    sheet = openpyxl.load_workbook(io.BytesIO(reply.content), read_only=True).worksheets[0]
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[3] == ("Date", "NAV", "Shares Outstanding", "Total Net Assets")
    day, nav, shares, total = rows[4]
    assert day == "09-Oct-2025"
    assert total == pytest.approx(float(str(nav)) * float(str(shares)), abs=0.01)
    held = get("ssga", f"{WORKBOOKS}/holdings-daily-us-en-spy.xlsx").content
    first = list(openpyxl.load_workbook(io.BytesIO(held)).worksheets[0].values)
    assert first[2][1] == "As of 09-Oct-2025"
    assert "BRK.B" in {row[1] for row in first}
    assert get("ssga", f"{WORKBOOKS}/navhist-us-en-iwm.xlsx").status_code == 404


def test_the_library_answers_304_to_its_own_validator() -> None:
    first = get("french", FRENCH)
    again = get("french", FRENCH, None, {"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    since = {"If-Modified-Since": first.headers["last-modified"]}
    assert get("french", FRENCH, None, since).status_code == 304
    newer = get("french", FRENCH, SIMULATED_TO, {"If-None-Match": first.headers["etag"]})
    assert newer.status_code == 200


def test_the_portfolios_reach_to_the_month_that_is_out() -> None:
    with zipfile.ZipFile(io.BytesIO(get("french", FRENCH).content)) as archive:
        text = archive.read("6_Portfolios_2x3.csv").decode("latin-1")
    assert "using the 202508 CRSP database" in text
    assert text.count("\r\n") == text.count("\n")
    months = re.findall(r"^(\d{6}),", text, re.MULTILINE)
    assert (min(months), max(months)) == ("196307", "202508")
    assert months.count("202508") == 7
    for heading in ("Number of Firms in Portfolios", "Average Market Cap", "ME(Jun t)"):
        assert heading in text


def test_missing_cells_are_printed_as_the_library_prints_them() -> None:
    path = FRENCH.replace("6_Portfolios_2x3", "Portfolios_Formed_on_ME")
    with zipfile.ZipFile(io.BytesIO(get("french", path).content)) as archive:
        text = archive.read("Portfolios_Formed_on_ME.csv").decode("latin-1")
    firms = text[text.index("Number of Firms") :].split("\r\n")[2].split(",")
    returns = text[text.index("-- Monthly") :].split("\r\n")[2].split(",")
    assert (firms[1].strip(), returns[1].strip()) == ("-999", "-99.99")


def test_small_caps_stand_below_their_own_book_history_at_the_end() -> None:
    with zipfile.ZipFile(io.BytesIO(get("french", FRENCH).content)) as archive:
        text = archive.read("6_Portfolios_2x3.csv").decode("latin-1")

    def table(heading: str) -> dict[str, list[float]]:
        body = text[text.index(heading) :].split("\r\n\r\n")[0]
        return {m: [float(c) for c in rest.split(",")]
                for m, rest in re.findall(r"^(\d{6}),(.*)\r?$", body, re.MULTILINE)}  # fmt: skip

    book = table("BE_FYt-1/ME_June t Calculated")
    assert (
        1 / book["202507"][2] < 1 < 1 / book["202507"][3]
    )  # small value below book, big growth not
    assert 1 / book["202507"][1] < 0.85 / book["201607"][1]


def test_the_long_workbook_dates_october_as_a_tenth() -> None:
    book = xlrd.open_workbook(file_contents=get("shiller", "/x/ie_data.xls").content)
    sheet = book.sheet_by_name("Data")
    labels = [row[0].value for row in sheet.get_rows() if isinstance(row[0].value, float)]
    assert labels[:2] == [1871.01, 1871.02]
    assert labels[9] == 1871.1
    assert labels[-1] == 2025.09
    columns = [str(c.value) for c in sheet.row(7)]
    cape = columns.index("CAPE")
    assert sheet.cell_value(8, cape) == "NA"
    assert 15 < sheet.cell_value(8 + len(labels) - 1, cape) < 60
    assert sheet.cell_value(8 + len(labels) - 1, columns.index("E")) == ""
    page = get("shiller-page", "/").text
    assert re.search(r"/blobby/go/[0-9a-f-]+/downloads/[0-9a-f-]+/ie_data\.xls", page)


def test_the_agencies_figures_equal_freds() -> None:
    curve = get(
        "treasury",
        "/resource-center/data-chart-center/interest-rates/daily-treasury-rates.csv/2025/all",
        type="daily_treasury_yield_curve",
    ).text.splitlines()
    columns = next(csv.reader(curve[:1]))
    row = dict(zip(columns, curve[2].split(","), strict=True))
    assert curve[1].startswith("10/10/2025,")
    assert row["Date"] == "10/09/2025"

    def latest(series_id: str) -> dict[str, str]:
        found = fred("series/observations", series_id=series_id, sort_order="desc", limit="6")
        return {o["date"]: o["value"] for o in found.json()["observations"]}

    assert row["3 Mo"] == latest("DGS3MO")["2025-10-09"]
    assert row["2 Yr"] == latest("DGS2")["2025-10-09"]
    assert row["10 Yr"] == latest("DGS10")["2025-10-09"]
    board = get("fed-board", "/datadownload/Output.aspx", rel="H10", filetype="csv").text
    lines = board.split("\r\n")
    assert lines[5].startswith('"Time Period"')
    assert lines[-1].split(",")[:2] == ["2025-10-03", latest("DTWEXBGS")["2025-10-03"]]
    assert "2025-09-01,ND,ND" in lines
    ecb = get("ecb", "/service/data/FM/D.U2.EUR.4F.KR.DFR.LEV", format="csvdata",
              detail="dataonly").text.split("\r\n")  # fmt: skip
    assert ecb[0].startswith("KEY,FREQ,")
    assert ecb[-2].split(",")[-2:] == ["2025-10-10", "2"]
    assert get("ecb", "/service/data/FM/NO.SUCH", format="csvdata").status_code == 404


REQUESTS = (
    ("fred-graph", "/graph/fredgraph.csv?id=PCEPILFE,DGS10,NFCI"),
    ("yahoo", "/v8/finance/chart/^RUT?period1=0&period2=9999999999&events=div,splits"),
    ("yahoo", "/v8/finance/chart/MOG-A?period1=0&period2=9999999999&events=div,splits"),
    ("blackrock", f"{DOCUMENT}?portfolioId=239710&component=holdings"),
    ("ssga", f"{WORKBOOKS}/navhist-us-en-spy.xlsx"),
    ("french", FRENCH),
    ("shiller", "/x/ie_data.xls"),
)


def fingerprint(adapter: SampleAdapter) -> str:
    digest = hashlib.sha256()
    with requests.Session() as session:
        session.trust_env = False
        session.mount("https://", adapter)
        session.headers["User-Agent"] = AGENT
        for provider, path in REQUESTS:
            reply = session.get(PUBLIC_HOSTS[provider] + path)
            assert reply.status_code == 200
            digest.update(reply.content)
    return digest.hexdigest()


def test_two_worlds_of_one_seed_are_equal_byte_for_byte() -> None:
    first = fingerprint(SampleAdapter())
    assert first == fingerprint(SampleAdapter())
    assert first != fingerprint(SampleAdapter(seed=7))


def test_a_clock_past_the_simulation_is_refused() -> None:
    with pytest.raises(ValueError, match="simulation ends on 2025-12-31"):
        SampleAdapter(now=date(2026, 1, 1))


def test_the_past_does_not_change_when_the_clock_moves() -> None:
    day = "20250829"
    early = holdings("239710", day, date(2025, 9, 2))
    assert early == holdings("239710", day)
    nav = get("ssga", f"{WORKBOOKS}/navhist-us-en-kre.xlsx", date(2025, 9, 2)).content
    rows = list(openpyxl.load_workbook(io.BytesIO(nav)).worksheets[0].values)
    assert rows[4][0] == "29-Aug-2025"
