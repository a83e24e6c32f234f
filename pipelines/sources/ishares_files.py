"""What the files of iShares say: holdings CSV and fund workbook, from bytes to frames.

Both are pure functions of a payload. Which address serves them, and when to ask, is in `ishares`.
"""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from xml.etree.ElementTree import ParseError

import pandas as pd
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from pipelines.sources.errors import SourceContractChanged, SourceUnavailable, UnknownItem
from pipelines.sources.fund_tables import (
    HoldingLine,
    ShareCount,
    holdings_frames,
    read_date,
    read_number,
    read_text,
    shares_frame,
)
from pipelines.sources.payloads import Payload

AS_OF = "Fund Holdings as of"
SHARES = "Shares Outstanding"
_SPREADSHEET = "urn:schemas-microsoft-com:office:spreadsheet"
_DATA = re.compile(r"<ss:Data[^>]*>([^<]*)</ss:Data>")
_HEADER = re.compile(r'^"?Ticker"?,', re.MULTILINE)
_BARE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);)")
_REQUIRED = ("Ticker", "Name", "Asset Class", "Market Value", "Weight (%)", "Price")


@dataclass(frozen=True, slots=True)
class HoldingsHead:
    """The lines above the table. `as_of_on` is None in the form that stands for "no file"."""

    fund_name: str
    as_of_on: date | None
    shares_outstanding: float | None


def read_holdings_head(payload: Payload) -> HoldingsHead:
    """Return what a holdings CSV says about itself, without reading its table.

    Raises:
        SourceUnavailable: the body is an HTML page.
        SourceContractChanged: the lines above the table are not those of a holdings file.
    """
    head, _ = _split_at_header(_text(payload))
    rows = [row for row in _csv_rows(payload, head) if row]
    labels = {row[0].strip(): row[1].strip() for row in rows[1:] if len(row) > 1}
    if not rows or AS_OF not in labels:
        raise _broken(payload, f"no line {AS_OF!r} above the table")
    as_of_on = read_date(labels[AS_OF], "%b %d, %Y")
    if as_of_on is None and read_text(labels[AS_OF]) is not None:
        raise _broken(payload, f"{AS_OF}: {labels[AS_OF][:40]!r} is no date")
    return HoldingsHead(
        fund_name=",".join(rows[0]).strip(),
        as_of_on=as_of_on,
        shares_outstanding=read_number(
            labels.get(SHARES), source=payload.provider, item=payload.item, column=SHARES
        ),
    )


def parse_holdings(payload: Payload) -> Mapping[str, pd.DataFrame]:
    """Return `fund_files` and `fund_holdings` of one holdings CSV.

    The key is the date in the file. All lines are kept as the file has them, cash and futures too.

    Raises:
        UnknownItem: the file is the empty form: there is none for the day asked.
        SourceUnavailable: the body is an HTML page.
        SourceContractChanged: another fund's file, a later file than asked for, a column missing,
            a cell that is no number, or a table that ends before its closing line.
    """
    head = read_holdings_head(payload)
    expected = payload.context["name_in_file"]
    if head.fund_name != expected:
        raise _broken(payload, f"another fund's file, {head.fund_name[:60]!r}, not {expected!r}")
    if head.as_of_on is None:
        raise UnknownItem(payload.provider, payload.item, "no holdings file for that day")
    asked_on = payload.context.get("asked_on")
    if asked_on and head.as_of_on > date.fromisoformat(asked_on):
        raise _broken(payload, f"asked for {asked_on}, answered with {head.as_of_on}")
    return holdings_frames(
        fund_id=payload.item,
        as_of_on=head.as_of_on,
        fund_name=head.fund_name,
        shares_outstanding=head.shares_outstanding,
        lines=list(_holding_lines(payload)),
    )


def _holding_lines(payload: Payload) -> Iterator[HoldingLine]:
    _, body = _split_at_header(_text(payload))
    if not body:
        raise _broken(payload, "no header line that begins with Ticker")
    table = _csv_rows(payload, body)
    header = [name.strip() for name in next(table)]
    amount = "Quantity" if "Quantity" in header else "Shares"
    absent = [name for name in (*_REQUIRED, amount) if name not in header]
    if absent:
        raise _broken(payload, f"columns missing: {', '.join(absent)}")
    for cells in table:
        if len(cells) < 2:
            # The line with a non-breaking space that stands between table and disclaimers.
            return
        if len(cells) != len(header):
            raise _broken(payload, f"a line has {len(cells)} cells, the header {len(header)}")
        row = dict(zip(header, cells, strict=True))
        yield HoldingLine(
            ticker=read_text(row["Ticker"]),
            name=row["Name"].strip(),
            sector=read_text(row.get("Sector")),
            asset_class=row["Asset Class"].strip(),
            market_value_usd=_number(payload, row, "Market Value"),
            weight_pct=_number(payload, row, "Weight (%)"),
            quantity=_number(payload, row, amount),
            price_usd=_number(payload, row, "Price"),
            location=read_text(row.get("Location")),
            exchange=read_text(row.get("Exchange")),
            currency=read_text(row.get("Currency")),
        )
    raise _broken(payload, "the table ends without its closing line: the file is cut off")


def read_workbook_fund_name(payload: Payload) -> str:
    """Return the fund's name as the workbook's Holdings sheet prints it in its first lines.

    Raises:
        SourceUnavailable: the body is an HTML page.
        SourceContractChanged: the workbook has no such sheet or no name in it.
    """
    sheet = _cut_sheet(payload, "Holdings", at_most=20_000)
    for found in _DATA.findall(sheet)[:4]:
        text: str = html.unescape(found).strip()
        if text and read_date(text, "%d-%b-%Y", "%b %d, %Y") is None:
            return text
    raise _broken(payload, "no fund name on top of the Holdings sheet")


def parse_workbook(payload: Payload) -> Mapping[str, pd.DataFrame]:
    """Return `fund_shares`: the Historical sheet of the fund workbook, from inception.

    The workbook is malformed XML (two byte order marks, raw ampersands) and large: only the one
    sheet is cut out, mended and parsed. Rows keep the issuer's dates, Sundays too.

    Raises:
        SourceUnavailable: the body is an HTML page.
        SourceContractChanged: another fund's workbook, no Historical sheet, a column or the sheet's
            end missing, or a cell that is neither a number nor missing.
    """
    name, expected = read_workbook_fund_name(payload), payload.context["name_in_file"]
    if name != expected:
        raise _broken(payload, f"another fund's workbook, {name[:60]!r}, not {expected!r}")
    rows = _sheet_rows(payload, _cut_sheet(payload, "Historical"))
    header = [cell.strip() for cell in next(rows, [])]
    wanted = ("As Of", "NAV per Share", SHARES)
    absent = [column for column in wanted if column not in header]
    if absent:
        raise _broken(payload, f"Historical sheet: columns missing: {', '.join(absent)}")
    counts = []
    for cells in rows:
        row = dict(zip(header, cells, strict=False))
        if not any(cells):
            continue
        label = row.get("As Of", "")
        day = read_date(label, "%b %d, %Y")
        if day is None:
            raise _broken(payload, f"Historical sheet: {label[:40]!r} is no date")
        counts.append(
            ShareCount(
                traded_on=day,
                nav_usd=_number(payload, row, "NAV per Share"),
                shares_outstanding=_number(payload, row, SHARES),
            )
        )
    if not counts:
        raise _broken(payload, "Historical sheet: no rows")
    return shares_frame(payload.item, counts)


def _csv_rows(payload: Payload, text: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(text))
    except csv.Error as error:
        raise _broken(payload, f"the table is no CSV: {error}") from error


def _split_at_header(text: str) -> tuple[str, str]:
    found = _HEADER.search(text)
    return (text, "") if found is None else (text[: found.start()], text[found.start() :])


def _cut_sheet(payload: Payload, name: str, *, at_most: int | None = None) -> str:
    text = _text(payload)
    start = text.find(f'<ss:Worksheet ss:Name="{name}">')
    if start < 0:
        raise _broken(payload, f"no sheet {name!r} in the workbook")
    if at_most is not None:
        return text[start : start + at_most]
    end = text.find("</ss:Worksheet>", start)
    if end < 0:
        raise _broken(payload, f"sheet {name!r} has no end: the workbook is cut off")
    return text[start : end + len("</ss:Worksheet>")]


def _sheet_rows(payload: Payload, sheet: str) -> Iterator[list[str]]:
    mended = _BARE_AMPERSAND.sub("&amp;", sheet)
    try:
        root = ElementTree.fromstring(f'<book xmlns:ss="{_SPREADSHEET}">{mended}</book>')
    except (ParseError, DefusedXmlException) as error:
        raise _broken(payload, f"Historical sheet: {type(error).__name__}: {error}") from error
    for row in root.iter(f"{{{_SPREADSHEET}}}Row"):
        cells: list[str] = []
        for cell in row.findall(f"{{{_SPREADSHEET}}}Cell"):
            place = cell.get(f"{{{_SPREADSHEET}}}Index")
            if place is not None:
                if not re.fullmatch(r"[0-9]{1,6}", place):
                    raise _broken(payload, f"Historical sheet: a cell in column {place[:20]!r}")
                # A cell may say its place: the ones before it are empty and left out.
                cells.extend([""] * min(int(place) - 1 - len(cells), 50))
            data = cell.find(f"{{{_SPREADSHEET}}}Data")
            cells.append("" if data is None or data.text is None else data.text.strip())
        yield cells


def _text(payload: Payload) -> str:
    text = payload.body.decode("utf-8", errors="replace").lstrip("\ufeff").replace("\r\n", "\n")
    if re.match(r"\s*<(!doctype html|html)", text[:200], re.IGNORECASE):
        raise SourceUnavailable(payload.provider, payload.item, "an HTML page instead of a file")
    return text


def _number(payload: Payload, row: Mapping[str, str], column: str) -> float | None:
    return read_number(row.get(column), source=payload.provider, item=payload.item, column=column)


def _broken(payload: Payload, rule: str) -> SourceContractChanged:
    return SourceContractChanged(payload.provider, payload.item, rule)
