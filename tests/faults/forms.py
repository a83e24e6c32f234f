"""How each source's document is taken apart and put together again, so that one fault fits all.

A form reads a body into a plain table, oldest row first, and writes a changed table back in the
source's own wire format. Nothing here knows which fault is being made.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import xlrd
from openpyxl import load_workbook

from pipelines.sample.workbooks import biff, xlsx, zip_bytes

Cell = Any


@dataclass
class Table:
    """A document's table. `head` and `foot` are whatever stands around it, as the form needs it."""

    columns: list[str]
    rows: list[list[Cell]]
    head: Any = None
    foot: Any = None
    file_day: date | None = None
    """The date of the whole file, where rows carry none."""


@dataclass(frozen=True)
class Form:
    """Reads and writes one source's document. `day` and `value` name its columns."""

    day: str
    value: str
    scaled: tuple[str, ...] = ()
    """Columns that a change of unit or a split moves together; `value` alone if empty."""
    newest_first: bool = False
    pattern: str = "%Y-%m-%d"
    period_days: int = 1

    def read(self, body: bytes) -> Table:
        raise NotImplementedError

    def write(self, table: Table) -> bytes:
        raise NotImplementedError

    def parse_day(self, cell: Cell) -> date:
        return datetime.strptime(str(cell), self.pattern).date()  # noqa: DTZ007

    def spell_day(self, day: date) -> Cell:
        return day.strftime(self.pattern)

    def _turn(self, rows: list[list[Cell]]) -> list[list[Cell]]:
        return rows[::-1] if self.newest_first else rows


def _csv_text(rows: list[list[Cell]], end: str = "\n") -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator=end).writerows(rows)
    return out.getvalue()


@dataclass(frozen=True)
class CsvForm(Form):
    """Plain CSV; `header_at` begins the line with the columns' names."""

    header_at: str = ""
    ends_with_newline: bool = True

    def read(self, body: bytes) -> Table:
        rows = [row for row in csv.reader(io.StringIO(body.decode())) if row]
        top = next(n for n, row in enumerate(rows) if row[0].startswith(self.header_at))
        return Table(rows[top], self._turn(rows[top + 1 :]), head=rows[:top])

    def write(self, table: Table) -> bytes:
        text = _csv_text([*table.head, table.columns, *self._turn(table.rows)])
        return (text if self.ends_with_newline else text.rstrip("\n")).encode()


@dataclass(frozen=True)
class ApiForm(Form):
    """FRED's observations as JSON: a row is an object, a column a field of it."""

    def read(self, body: bytes) -> Table:
        document = json.loads(body)
        rows = document["observations"]
        columns = list(rows[0])
        return Table(columns, [[row[c] for c in columns] for row in rows], head=document)

    def write(self, table: Table) -> bytes:
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        return json.dumps(table.head | {"observations": rows, "count": len(rows)}).encode()


@dataclass(frozen=True)
class ChartForm(Form):
    """Yahoo's chart: parallel lists of timestamps, quotes and adjusted closes."""

    def read(self, body: bytes) -> Table:
        document = json.loads(body)
        result = document["chart"]["result"][0]
        quote = result["indicators"]["quote"][0]
        adjusted = result["indicators"]["adjclose"][0]["adjclose"]
        columns = ["timestamp", *quote, "adjclose"]
        rows = zip(result["timestamp"], *quote.values(), adjusted, strict=True)
        return Table(columns, [list(row) for row in rows], head=document)

    def write(self, table: Table) -> bytes:
        lists: dict[str, list[Cell]] = {
            c: [row[n] for row in table.rows] for n, c in enumerate(table.columns)
        }
        result = table.head["chart"]["result"][0]
        result["timestamp"] = lists.pop("timestamp")
        if "adjclose" in lists:
            result["indicators"]["adjclose"] = [{"adjclose": lists.pop("adjclose")}]
        result["indicators"]["quote"] = [lists]
        return json.dumps(table.head).encode()

    def parse_day(self, cell: Cell) -> date:
        return datetime.fromtimestamp(int(cell), UTC).date()

    def spell_day(self, day: date) -> Cell:
        return int(datetime(day.year, day.month, day.day, 15, tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class HoldingsForm(Form):
    """iShares' holdings CSV: the date stands above the table, the closing line below it."""

    def read(self, body: bytes) -> Table:
        head, _, rest = body.decode("utf-8-sig").partition("Ticker,Name,")
        lines, _, foot = rest.partition("\n\u00a0\n")
        rows = list(csv.reader(io.StringIO("Ticker,Name," + lines)))
        dated = re.search(r'Fund Holdings as of,"([^"]+)"', head)
        assert dated is not None
        day = datetime.strptime(dated.group(1), self.pattern).date()  # noqa: DTZ007
        return Table(rows[0], rows[1:], head=head, foot=foot, file_day=day)

    def write(self, table: Table) -> bytes:
        assert table.file_day is not None
        spelt = f'Fund Holdings as of,"{self.spell_day(table.file_day)}"'
        head = re.sub(r'Fund Holdings as of,"[^"]+"', spelt, table.head)
        lines = _csv_text([table.columns, *table.rows])
        return f"\ufeff{head}{lines}\u00a0\n{table.foot}".encode()


@dataclass(frozen=True)
class WorkbookForm(Form):
    """iShares' SpreadsheetML: the sheet `Historical` is the table, the rest stays as it is."""

    def read(self, body: bytes) -> Table:
        text = body.decode()
        start = text.index("<ss:Row>", text.index('ss:Name="Historical"'))
        end = text.index("</ss:Table>", start)
        rows = [
            re.findall(r"<ss:Data[^>]*>([^<]*)</ss:Data>", row)
            for row in text[start:end].split("</ss:Row>")[:-1]
        ]
        return Table(rows[0], self._turn(rows[1:]), head=text[:start], foot=text[end:])

    def write(self, table: Table) -> bytes:
        parts = [table.head]
        for row in [table.columns, *self._turn(table.rows)]:
            cells = (
                f'<ss:Cell><ss:Data ss:Type="String">{cell}</ss:Data></ss:Cell>' for cell in row
            )
            parts.append(f"<ss:Row>{''.join(cells)}</ss:Row>\n")
        return "".join([*parts, table.foot]).encode()


@dataclass(frozen=True)
class XlsxForm(Form):
    """State Street's history workbook: two labelled lines and a blank one above the table."""

    def read(self, body: bytes) -> Table:
        sheet = load_workbook(io.BytesIO(body), read_only=True).worksheets[0]
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
        top = next(n for n, row in enumerate(rows) if row and row[0] == self.day)
        end = next((n for n in range(top, len(rows)) if not rows[n] or not rows[n][0]), len(rows))
        return Table(
            [str(c) for c in rows[top] if c],
            self._turn([row[:4] for row in rows[top + 1 : end]]),
            head=rows[:top],
            foot=rows[end:],
        )

    def write(self, table: Table) -> bytes:
        return xlsx("nav", [*table.head, table.columns, *self._turn(table.rows), *table.foot])


@dataclass(frozen=True)
class ListForm(Form):
    """A JSON list of objects, or an object that numbers them; a row is an object."""

    def read(self, body: bytes) -> Table:
        document = json.loads(body)
        rows = list(document.values()) if isinstance(document, dict) else document
        columns = list(rows[0])
        return Table(columns, [[row[c] for c in columns] for row in rows], head=type(document))

    def write(self, table: Table) -> bytes:
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        if table.head is dict:
            return json.dumps({str(n): row for n, row in enumerate(rows)}).encode()
        return json.dumps(rows).encode()

    def parse_day(self, cell: Cell) -> date:
        return date.fromisoformat(str(cell)[:10])

    def spell_day(self, day: date) -> Cell:
        return f"{day}T00:00:00.000Z"


@dataclass(frozen=True)
class FactsForm(Form):
    """The filed figures of one tag in a company's facts."""

    tag: str = "NetIncomeLoss"

    def read(self, body: bytes) -> Table:
        document = json.loads(body)
        rows = document["facts"]["us-gaap"][self.tag]["units"]["USD"]
        columns = list(dict.fromkeys(name for row in rows for name in row))
        return Table(columns, [[row.get(c) for c in columns] for row in rows], head=document)

    def write(self, table: Table) -> bytes:
        rows = [
            {n: c for n, c in zip(table.columns, row, strict=True) if c is not None}
            for row in table.rows
        ]
        table.head["facts"]["us-gaap"][self.tag]["units"]["USD"] = rows
        return json.dumps(table.head).encode()


@dataclass(frozen=True)
class FrameForm(Form):
    """One figure of all companies; what the document says of itself stays as it is."""

    def read(self, body: bytes) -> Table:
        document = json.loads(body)
        columns = list(document["data"][0])
        rows = [[row[c] for c in columns] for row in document["data"]]
        return Table(columns, rows, head=document)

    def write(self, table: Table) -> bytes:
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        return json.dumps(table.head | {"data": rows, "pts": len(rows)}).encode()


@dataclass(frozen=True)
class HoldingsXlsxForm(Form):
    """State Street's holdings workbook: three labelled lines above the table, a note below."""

    def read(self, body: bytes) -> Table:
        sheet = load_workbook(io.BytesIO(body), read_only=True).worksheets[0]
        rows = [list(row) for row in sheet.iter_rows(values_only=True)]
        top = next(n for n, row in enumerate(rows) if row and row[0] == "Name")
        end = next((n for n in range(top, len(rows)) if not rows[n] or not rows[n][0]), len(rows))
        day = datetime.strptime(str(rows[2][1]).removeprefix("As of "), self.pattern).date()  # noqa: DTZ007
        return Table(
            [str(c) for c in rows[top] if c],
            [row[: len(rows[top])] for row in rows[top + 1 : end]],
            head=rows[:top],
            foot=rows[end:],
            file_day=day,
        )

    def write(self, table: Table) -> bytes:
        assert table.file_day is not None
        head = [row[:2] for row in table.head]
        head[2] = ["Holdings:", f"As of {self.spell_day(table.file_day)}"]
        return xlsx("holdings", [*head, table.columns, *table.rows, *table.foot])


@dataclass(frozen=True)
class FrenchForm(Form):
    """The first table of a zipped file of Kenneth French's library."""

    def read(self, body: bytes) -> Table:
        with zipfile.ZipFile(io.BytesIO(body)) as packed:
            name = packed.namelist()[0]
            text = packed.read(name).decode("latin-1")
        start = text.index("\r\n,") + 2
        end = text.index("\r\n\r\n", start)
        rows = [line.split(",") for line in text[start:end].split("\r\n")]
        return Table(
            ["period", *rows[0][1:]],
            [[cell.strip() for cell in row] for row in rows[1:]],
            head=(name, text[:start]),
            foot=text[end:],
        )

    def write(self, table: Table) -> bytes:
        name, above = table.head
        lines = ["," + ",".join(table.columns[1:]), *(",".join(map(str, r)) for r in table.rows)]
        text = above + "\r\n".join(lines) + table.foot
        return zip_bytes({name: text.encode("latin-1")})


@dataclass(frozen=True)
class ShillerForm(Form):
    """The sheet `Data` of Shiller's workbook; months are numbers like 1871.01."""

    def read(self, body: bytes) -> Table:
        sheet = xlrd.open_workbook(file_contents=body).sheet_by_name("Data")
        rows = [sheet.row_values(number) for number in range(sheet.nrows)]
        top = next(n for n, row in enumerate(rows) if row[0] == "Date")
        end = next((n for n in range(top + 1, len(rows)) if not rows[n][0]), len(rows))
        return Table(rows[top], rows[top + 1 : end], head=rows[:top], foot=rows[end:])

    def write(self, table: Table) -> bytes:
        return biff({"Data": [*table.head, table.columns, *table.rows, *table.foot]})

    def parse_day(self, cell: Cell) -> date:
        year = int(cell)
        return date(year, round((cell - year) * 100), 1)

    def spell_day(self, day: date) -> Cell:
        return round(day.year + day.month / 100, 2)


def later(form: Form, day: date, periods: int) -> date:
    """Return the day so many periods on; months keep the first of the month."""
    if form.period_days < 28:
        return day + timedelta(days=periods * form.period_days)
    total = day.year * 12 + day.month - 1 + periods
    return date(total // 12, total % 12 + 1, 1)
