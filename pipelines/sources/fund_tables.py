"""The frames that every fund issuer's files end in: files, holdings, share counts.

Issuers' own formats are in `ishares_files` and `ssga`; here are only the shared table shapes, the
reading of numbers and dates as issuers print them, and the fingerprint of a file's lines.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd

from pipelines.sources.errors import SourceContractChanged
from pipelines.storage.contracts import FUND_FILES, FUND_HOLDINGS, FUND_SHARES

MISSING = frozenset({"", "-", "--", "\u2013", "N/A", "n/a", "nan"})
"""How issuers write that there is no value."""


@dataclass(frozen=True, slots=True)
class HoldingLine:
    """One line of a holdings file. Values in USD and percent; None where the file has none."""

    ticker: str | None
    name: str
    sector: str | None
    asset_class: str
    market_value_usd: float | None
    weight_pct: float | None
    quantity: float | None
    price_usd: float | None
    location: str | None
    exchange: str | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class ShareCount:
    """One day of a fund's history. None where the file says that there is no value."""

    traded_on: date
    nav_usd: float | None
    shares_outstanding: float | None
    total_net_assets_usd: float | None = None


def read_text(cell: Any) -> str | None:
    """Return a cell's text, or None where the issuer writes that there is none."""
    text = "" if cell is None else str(cell).strip()
    return None if text in MISSING else text


def read_number(cell: Any, *, source: str, item: str, column: str) -> float | None:
    """Return a cell as a number: thousands separators and accountants' brackets are understood.

    Raises:
        SourceContractChanged: the cell holds something that is neither a number nor missing.
    """
    text = read_text(cell)
    if text is None:
        return None
    plain = text.replace(",", "").replace("$", "")
    if plain.startswith("(") and plain.endswith(")"):
        plain = f"-{plain[1:-1]}"
    try:
        number = float(plain)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise SourceContractChanged(source, item, f"column {column}: {text[:40]!r} is no number")
    return number


def read_date(cell: Any, *formats: str) -> date | None:
    """Return a cell as a date in one of `formats`, or None where it is none of them."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    text = read_text(cell)
    for pattern in formats if text else ():
        try:
            return datetime.strptime(str(text), pattern).date()  # noqa: DTZ007 - a day, no time
        except ValueError:
            continue
    return None


def holdings_frames(
    *,
    fund_id: str,
    as_of_on: date,
    fund_name: str,
    shares_outstanding: float | None,
    lines: Sequence[HoldingLine],
) -> dict[str, pd.DataFrame]:
    """Return `fund_files` (one row) and `fund_holdings` (one row a line) of one file.

    The edition is the fingerprint of the parsed lines: a changed disclaimer is no new edition.
    """
    digest = hashlib.sha256()
    for line in lines:
        digest.update(("\x1f".join(str(value) for value in astuple(line)) + "\n").encode())
    edition = digest.hexdigest()[:16]
    day = pd.Timestamp(as_of_on).as_unit("us")
    holdings = pd.DataFrame(
        [astuple(line) for line in lines],
        columns=list(FUND_HOLDINGS.source_columns[4:]),
    ).assign(fund_id=fund_id, as_of_on=day, edition=edition, line_no=range(1, len(lines) + 1))
    files = pd.DataFrame(
        {
            "fund_id": [fund_id],
            "as_of_on": [day],
            "edition": [edition],
            "fund_name": [fund_name],
            "shares_outstanding": [shares_outstanding],
            "equity_lines": [sum(line.asset_class == "Equity" for line in lines)],
            "line_count": [len(lines)],
        }
    )
    texts = ("ticker", "name", "sector", "asset_class", "location", "exchange", "currency")
    numbers = ("market_value_usd", "weight_pct", "quantity", "price_usd")
    return {
        "fund_files": _typed(
            files, FUND_FILES.source_columns, texts=("fund_id", "edition", "fund_name"),
            numbers=("shares_outstanding",), dates=("as_of_on",),
        ),
        "fund_holdings": _typed(
            holdings, FUND_HOLDINGS.source_columns, texts=("fund_id", "edition", *texts),
            numbers=numbers, dates=("as_of_on",),
        ),
    }  # fmt: skip


def shares_frame(fund_id: str, counts: Sequence[ShareCount]) -> dict[str, pd.DataFrame]:
    """Return `fund_shares`: one row per day of the fund's history, oldest first."""
    rows = sorted(counts, key=lambda count: count.traded_on)
    frame = pd.DataFrame(
        {
            "fund_id": [fund_id] * len(rows),
            "traded_on": [row.traded_on for row in rows],
            "nav_usd": [row.nav_usd for row in rows],
            "shares_outstanding": [row.shares_outstanding for row in rows],
            "total_net_assets_usd": [row.total_net_assets_usd for row in rows],
        }
    )
    return {
        "fund_shares": _typed(
            frame, FUND_SHARES.source_columns, texts=("fund_id",),
            numbers=("nav_usd", "shares_outstanding", "total_net_assets_usd"),
            dates=("traded_on",),
        )
    }  # fmt: skip


def _typed(
    frame: pd.DataFrame,
    columns: Sequence[str],
    *,
    texts: Sequence[str],
    numbers: Sequence[str],
    dates: Sequence[str],
) -> pd.DataFrame:
    types: dict[str, Any] = {name: "str" for name in texts}
    types |= {name: "float64" for name in numbers}
    types |= {name: "datetime64[us]" for name in dates}
    return frame.astype(types)[list(columns)]
