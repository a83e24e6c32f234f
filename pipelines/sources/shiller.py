"""Robert Shiller's monthly S&P history (`ie_data.xls`): prices, earnings, CPI, yields and CAPE.

The workbook is one edition of the whole history; editions are told apart by their hash. Its
`Data` sheet dates months as decimals, of which 1871.1 is October and 1871.01 January.
"""

from __future__ import annotations

import io
import logging
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import xlrd

from pipelines.catalog.models import Catalog
from pipelines.sources.collect import Parser, collect
from pipelines.sources.errors import SourceContractChanged, SourceError, SourceUnavailable
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import Extract, FetchContext, Payload

PROVIDER = "shiller"
PAGE = "shiller-page"
FEED = "shiller_history"
KIND = "shiller_workbook"
TABLE = "shiller_history"
ITEM = "ie_data"

KNOWN_PATH = (
    "/blobby/go/e5e77e0b-59d1-44d9-ab25-4763ac982e53/downloads/"
    "1449043e-a1ed-4e2e-8e9c-7b9a2a064493/ie_data.xls"
)
"""What the page linked to in October 2026, for when the page does not answer.

Each upload has an identifier of its own and an old one stays as it was: the address without an
identifier still serves the workbook of September 2024, Yale's that of September 2023.
"""

_LINK = re.compile(rb"//[a-z0-9.-]+(/blobby/go/[0-9a-f-]+/downloads/[0-9a-f-]+/ie_data\.xls)")

MEASURES: Mapping[str, str] = {
    "P": "price",
    "D": "dividend",
    "E": "earnings",
    "CPI": "cpi",
    "Rate GS10": "long_rate_pct",
    "CAPE": "cape_ratio",
}
"""Column headings of the sheet's lowest heading row to our names.

Price, dividend and earnings are index points (dividend and earnings over twelve months), not
adjusted for inflation; the long rate is in percent; CAPE is price over ten years' mean earnings,
both in real terms.
"""

MOST_ROWS, MOST_COLUMNS = 10_000, 200
"""Two hundred years of months would be 2,400 rows; the real sheet has 22 columns."""

_MISSING = frozenset({"", "NA", "N/A", "#N/A"})

log = logging.getLogger(__name__)


def fetch_shiller_history(
    client: HttpClient,
    catalog: Catalog,  # noqa: ARG001 - the shape that all feeds share
    context: FetchContext,
) -> Extract:
    """Fetch the workbook that the page links to, unless it is the stored one (304)."""

    def fetch_one(item: str) -> list[Payload]:
        state = None if context.full_refresh else context.state.get(item)
        return [
            client.get(
                PROVIDER,
                find_workbook(client, item),
                kind=KIND,
                item=item,
                expects="binary",
                etag=state.etag if state else None,
                last_modified=state.last_modified if state else None,
            )
        ]

    return collect(
        FEED, client, PROVIDER, (ITEM,), fetch_one=fetch_one, parsers=PARSERS, context=context
    )


def find_workbook(client: HttpClient, item: str) -> str:
    """Return the path of the newest workbook: what the page links to, or else the known one."""
    try:
        page = client.get(PAGE, "/", kind="shiller_page", item=item, expects="html")
    except SourceError as error:
        log.warning("%s; taking the workbook of the known address", error)
        return KNOWN_PATH
    # The link stands in the page's script data, where slashes may be written as escapes.
    body = page.body.replace(b"\\u002F", b"/").replace(b"\\/", b"/")
    found = _LINK.search(body)
    if found is None:
        log.warning("%s: no link to ie_data.xls; taking the known address", PAGE)
        return KNOWN_PATH
    return found.group(1).decode("ascii")


def parse_workbook(payload: Payload) -> Mapping[str, pd.DataFrame]:
    """Parse the workbook into long form: a row per month and measure, null where it says NA.

    Raises:
        SourceUnavailable: the body is no Excel workbook.
        SourceContractChanged: no `Data` sheet, a heading is missing, months that do not follow
            each other, text where a number belongs.
    """
    frame = parse_rows(payload.item, read_data_sheet(payload))
    return {TABLE: frame.assign(edition=pd.Series(payload.sha256[:16], frame.index, dtype="str"))}


PARSERS: dict[str, Parser] = {KIND: parse_workbook}


def read_data_sheet(payload: Payload) -> list[list[Any]]:
    """Return the cells of the `Data` sheet; error cells come as the text #N/A."""
    try:
        with xlrd.open_workbook(
            # Ragged: one cell far out would else fill the sheet up to it, cell by cell.
            file_contents=payload.body,
            on_demand=True,
            ragged_rows=True,
            logfile=io.StringIO(),
        ) as book:
            if "Data" not in book.sheet_names():
                raise _broken(payload.item, f"no sheet 'Data' but {book.sheet_names()}")
            sheet = book.sheet_by_name("Data")
            if sheet.nrows > MOST_ROWS or sheet.ncols > MOST_COLUMNS:
                raise _broken(payload.item, f"a sheet of {sheet.nrows} by {sheet.ncols} cells")
            return [
                [
                    "#N/A" if cell.ctype == xlrd.XL_CELL_ERROR else cell.value
                    for cell in sheet.row(number)
                ]
                for number in range(sheet.nrows)
            ]
    except SourceContractChanged:
        raise
    except Exception as error:  # xlrd answers broken bytes with whatever it stumbles over
        raise SourceUnavailable(
            PROVIDER, payload.item, f"{payload.size} bytes that are no readable workbook"
        ) from error


def parse_rows(item: str, rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Parse the cells of the sheet: headings above, one row a month, a row of notes at the end.

    Columns: `observed_on` (first of the month), `measure`, `value`. Raises SourceContractChanged.
    """
    top, places = _find_headings(item, rows)
    months: list[pd.Timestamp] = []
    records: list[tuple[pd.Timestamp, str, float]] = []
    ended = False
    for number, row in enumerate(rows[top + 1 :], start=top + 2):
        label = row[0] if row else ""
        if not isinstance(label, float) or label == 0:
            ended = ended or bool(months)
            continue
        month = _month(item, label, number)
        if ended or (months and month != months[-1] + pd.DateOffset(months=1)):
            raise _broken(item, f"row {number}: {month:%Y-%m} does not follow the row before")
        months.append(month)
        for measure, place in places.items():
            records.append(
                (month, measure, _number(item, row[place] if place < len(row) else "", number))
            )
    if not months:
        raise _broken(item, "no months below the headings")
    frame = pd.DataFrame(records, columns=["observed_on", "measure", "value"])
    return frame.astype({"observed_on": "datetime64[us]", "measure": "str", "value": "float64"})


def _broken(item: str, rule: str) -> SourceContractChanged:
    return SourceContractChanged(PROVIDER, item, rule)


def _find_headings(item: str, rows: Sequence[Sequence[Any]]) -> tuple[int, dict[str, int]]:
    """Return the number of the lowest heading row and the place of each measure in it."""
    for number, row in enumerate(rows):
        names = [" ".join(str(cell).split()) for cell in row]
        if names[:2] == ["Date", "P"]:
            absent = [heading for heading in MEASURES if heading not in names]
            if absent:
                raise _broken(item, f"no column {', '.join(absent)}")
            return number, {MEASURES[heading]: names.index(heading) for heading in MEASURES}
    raise _broken(item, "no heading row 'Date', 'P', …")


def _month(item: str, label: float, number: int) -> pd.Timestamp:
    if not math.isfinite(label):
        raise _broken(item, f"row {number}: {label} is no month")
    year = math.floor(label)
    month = round((label - year) * 100)
    if not (1800 <= year <= 2200 and 1 <= month <= 12):
        raise _broken(item, f"row {number}: {label} is no month")
    return pd.Timestamp(year, month, 1)


def _number(item: str, cell: Any, number: int) -> float:
    if isinstance(cell, (int, float)) and math.isfinite(cell):
        return float(cell)
    if str(cell).strip().upper() in _MISSING:
        return math.nan
    raise _broken(item, f"row {number}: {str(cell)[:40]!r} where a number belongs")
