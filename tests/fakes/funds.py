"""Hand-written files of fund issuers, with invented funds and values."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import date
from types import SimpleNamespace
from typing import Any

from openpyxl import Workbook

from pipelines.catalog.models import Fund

COLUMNS = (
    "Ticker,Name,Sector,Asset Class,Market Value,Weight (%),Notional Value,Quantity,Price,"
    "Location,Exchange,Currency,FX Rate,Market Currency,Accrual Date"
)
LINES = (
    '"AAB","ALPHA BRIDGE INC CLASS B","Industrials","Equity","1,200.50","60.03","1,200.50",'
    '"100.00","12.01","United States","NYSE","USD","1.00","USD","-"',
    '"-","BETA ESCROW","Health Care","Equity","0.00","0.00","0.00","7.00","--","United States",'
    '"-","USD","1.00","USD","-"',
    '"CSH","CASH FUND","Cash and/or Derivatives","Money Market","799.50","39.97","799.50",'
    '"799.50","1.00","United States","-","USD","1.00","USD","-"',
)


def fund(fund_id: str = "SMX", issuer: str = "ishares", **changes: Any) -> Fund:
    """A catalogued fund that does not exist."""
    given = {
        "id": fund_id, "title": "Small Example ETF", "name_in_file": "Small & Example ETF",
        "issuer": issuer, "product_id": "111", "slug": fund_id.lower(), "group": "small_cap",
        "holdings": True, "history_from": date(2000, 5, 22), "why": "for tests",
    }  # fmt: skip
    return Fund(**(given | changes))


def catalog_of_funds(*funds: Fund) -> Any:
    """A catalogue as far as the fund connectors look at one."""
    return SimpleNamespace(funds=funds)


def holdings_csv(
    as_of: str = "Feb 04, 2025",
    *,
    name: str = "Small & Example ETF",
    shares: str = '"200.00"',
    columns: str = COLUMNS,
    lines: Sequence[str] = LINES,
    end: str = '\u00a0\n"Disclaimer with a\nsecond line, and a comma."\n',
    notice: str = "",
) -> bytes:
    """A holdings CSV in the layout of iShares."""
    head = (
        f'\ufeff{name}\nFund Holdings as of,"{as_of}"\nInception Date,"May 22, 2000"\n'
        f'Shares Outstanding,{shares}\nStock,"-"\nBond,"-"\nCash,"-"\nOther,"-"\n\u00a0\n'
    )
    return (head + columns + "\n" + "".join(f"{x}\n" for x in lines) + end + notice).encode()


def empty_form(name: str = "Small & Example ETF") -> bytes:
    """What iShares answers for a day before its first file."""
    return holdings_csv("-", name=name, shares='"-"', lines=())


def _cell(value: object) -> str:
    kind = "Number" if isinstance(value, int | float) else "String"
    return f'<ss:Cell ss:StyleID="Left">\n<ss:Data ss:Type="{kind}">{value}</ss:Data>\n</ss:Cell>\n'


def _sheet(name: str, rows: Sequence[Sequence[object]]) -> str:
    body = "".join(f"<ss:Row>\n{''.join(map(_cell, row))}</ss:Row>\n" for row in rows)
    return f'<ss:Worksheet ss:Name="{name}">\n<ss:Table>\n{body}</ss:Table>\n</ss:Worksheet>\n'


HISTORY = (
    ("As Of", "NAV per Share", "Ex-Dividends", "Shares Outstanding"),
    ("Feb 04, 2025", 12.5, "--", 2000000),
    ("Feb 02, 2025", 12.25, "--", "--"),
    ("Jan 31, 2025", "--", 0.25, 1950000),
)


def fund_workbook(
    history: Sequence[Sequence[object]] = HISTORY, *, name: str = "Small & Example ETF"
) -> bytes:
    """A fund workbook as iShares sends it: two byte order marks and raw ampersands."""
    return (
        '\ufeff\ufeff<?xml version="1.0"?>\n'
        '<ss:Workbook xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">\n'
        + _sheet("Disclaimers", [("Risks & more <b>markup",)])
        + _sheet("Holdings", [("04-Feb-2025",), (name,), ("Inception Date", "May 22, 2000")])
        + _sheet("Historical", history)
        + _sheet("Performance", [("Yield & return",)])
        + "</ss:Workbook>"
    ).encode()


def xlsx(rows: Sequence[Sequence[object]]) -> bytes:
    """A workbook of one sheet."""
    book = Workbook()
    for row in rows:
        book.active.append(list(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


NAVHIST = (
    ("Fund Name:", "State Street® Small & Example® ETF"),
    ("Ticker Symbol:", "SSX"),
    (),
    ("Date", "NAV", "Shares Outstanding", "Total Net Assets"),
    ("24-Sep-2026", 50.25, 1000000, 50250000),
    ("23-Sep-2026", "50.00", "1,000,000", "50,000,000.00"),
    ("22-Sep-2026", 49.5, "-", None),
    (),
    ("Past performance is no guarantee.",),
)
SSGA_HOLDINGS = (
    ("Fund Name:", "State Street® Small & Example® ETF"),
    ("Ticker Symbol:", "SSX"),
    ("Holdings:", "As of 10-Apr-2026"),
    (),
    ("Name", "Ticker", "Identifier", "SEDOL", "Weight", "Sector", "Shares Held", "Local Currency"),
    ("ALPHA BRIDGE CL B", "AA.B", "000000001", "B000001", 60.5, "-", 100.0, "USD"),
    ("DUMMY", "DUMMY", "-", "-", "-", "DUMMY", "-", "-"),
    ("US DOLLAR", "-", "999USDZ92", "-", "39.5", "-", "2,014.92", "USD"),
    (),
    ("Before investing, consider the risks.",),
)
