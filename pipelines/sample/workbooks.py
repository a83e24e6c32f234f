"""Minimal writers of the three workbook formats that the sources use. Bytes in, bytes out nowhere.

`spreadsheet_ml` (what iShares calls .xls, malformed as theirs is), `xlsx` (State Street), `biff`
(an Excel 97 stream, which `xlrd` reads without its container). The same rows give the same bytes.
"""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterable, Mapping, Sequence

Cell = str | float | int | None
Rows = Iterable[Sequence[Cell]]

_STAMP = (2000, 1, 1, 0, 0, 0)


def zip_bytes(members: Mapping[str, bytes], *, stamp: tuple[int, ...] = _STAMP) -> bytes:
    """Return a zip whose bytes do not depend on the time of day."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, (stamp[0], stamp[1], stamp[2], 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3
            archive.writestr(info, content)
    return out.getvalue()


# -- SpreadsheetML ------------------------------------------------------------------------------
def spreadsheet_ml(sheets: Mapping[str, Rows]) -> bytes:
    """Return a workbook as iShares serves it: two byte order marks, and ampersands left raw."""
    parts = [
        "\ufeff\ufeff",
        '<?xml version="1.0"?>\n'
        '<ss:Workbook xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">\n<ss:Styles>\n'
        '<ss:Style ss:ID="Default">\n<ss:Alignment ss:Horizontal="Left"/>\n</ss:Style>\n'
        '<ss:Style ss:ID="headerstyle">\n<ss:Font ss:Bold="1" />\n</ss:Style>\n'
        '<ss:Style ss:ID="Left">\n<ss:Alignment ss:Horizontal="Left"/>\n</ss:Style>\n'
        '<ss:Style ss:ID="Right">\n<ss:Alignment ss:Horizontal="Right"/>\n</ss:Style>\n'
        "</ss:Styles>\n",
    ]
    for name, rows in sheets.items():
        parts.append(f'<ss:Worksheet ss:Name="{name}">\n<ss:Table>\n')
        for row in rows:
            parts.append("<ss:Row>\n")
            parts += [_ml_cell(cell) for cell in row]
            parts.append("</ss:Row>\n")
        parts.append("</ss:Table>\n</ss:Worksheet>\n")
    parts.append("</ss:Workbook>\n")
    return "".join(parts).encode("utf-8")


def _ml_cell(cell: Cell) -> str:
    if isinstance(cell, str) or cell is None:
        return (
            '<ss:Cell ss:StyleID="Left">\n'
            f'<ss:Data ss:Type="String">{cell or ""}</ss:Data>\n</ss:Cell>\n'
        )
    return f'<ss:Cell ss:StyleID="Right">\n<ss:Data ss:Type="Number">{cell}</ss:Data>\n</ss:Cell>\n'


# -- XLSX ---------------------------------------------------------------------------------------
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def xlsx(sheet_name: str, rows: Rows) -> bytes:
    """Return an Office Open XML workbook of one sheet, texts inline."""
    body = [f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>']
    for number, row in enumerate(rows, start=1):
        body.append(f'<row r="{number}">')
        for place, cell in enumerate(row):
            if cell is None:
                continue
            at = f"{chr(65 + place)}{number}"
            if isinstance(cell, str):
                text = cell.replace("&", "&amp;").replace("<", "&lt;")
                body.append(f'<c r="{at}" t="inlineStr"><is><t>{text}</t></is></c>')
            else:
                body.append(f'<c r="{at}"><v>{cell}</v></c>')
        body.append("</row>")
    body.append("</sheetData></worksheet>")
    return zip_bytes(
        {
            "[Content_Types].xml": (
                f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types">'
                '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package'
                '.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
                f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPES}.sheet.main+xml"/>'
                '<Override PartName="/xl/worksheets/sheet1.xml" '
                f'ContentType="{_TYPES}.worksheet+xml"/></Types>'
            ).encode(),
            "_rels/.rels": (
                f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
                f'Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>'
            ).encode(),
            "xl/workbook.xml": (
                f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>'
                f'<sheet name="{sheet_name}" sheetId="1" r:id="rId1"/></sheets></workbook>'
            ).encode(),
            "xl/_rels/workbook.xml.rels": (
                f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
                f'Type="{_RELATIONS}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
            ).encode(),
            "xl/worksheets/sheet1.xml": "".join(body).encode(),
        }
    )


# -- BIFF8 --------------------------------------------------------------------------------------
def biff(sheets: Mapping[str, Rows]) -> bytes:
    """Return an Excel 97 (BIFF8) stream: numbers and texts, no formats, no container."""
    bodies = [_biff_sheet(rows) for rows in sheets.values()]
    names = [_biff_text(name, short=True) for name in sheets]
    start = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 0x07CC, 0, 6))
    start += _record(0x0042, struct.pack("<H", 1200))
    end = _record(0x000A, b"")
    offset = len(start) + sum(4 + 6 + len(name) for name in names) + len(end)
    directory = b""
    for name, body in zip(names, bodies, strict=True):
        directory += _record(0x0085, struct.pack("<IH", offset, 0) + name)
        offset += len(body)
    return start + directory + end + b"".join(bodies)


def _record(kind: int, content: bytes) -> bytes:
    return struct.pack("<HH", kind, len(content)) + content


def _biff_text(text: str, *, short: bool = False) -> bytes:
    return struct.pack("<BB" if short else "<HB", len(text), 1) + text.encode("utf-16-le")


def _biff_sheet(rows: Rows) -> bytes:
    parts = [_record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0x0DBB, 0x07CC, 0, 6))]
    for number, row in enumerate(rows):
        for place, cell in enumerate(row):
            where = struct.pack("<HHH", number, place, 0)
            if isinstance(cell, str):
                if cell:
                    parts.append(_record(0x0204, where + _biff_text(cell)))
            elif cell is not None:
                parts.append(_record(0x0203, where + struct.pack("<d", cell)))
    parts.append(_record(0x000A, b""))
    return b"".join(parts)
