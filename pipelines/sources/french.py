"""Kenneth French's data library: zipped text files of stacked tables, rewritten every month.

Every table of a file becomes rows; which ones matter is the models' business. A file carries the
CRSP vintage that it was made from, and that is the edition of its rows.

Table ids are slugs of the printed heading: the heading's first line that is not "For portfolios
formed in June of year t", up to " Calculated" and without what stands in parentheses, lower case,
all else than letters and digits a single underscore. For `6_Portfolios_2x3`:

* `average_value_weighted_returns_monthly`, `average_equal_weighted_returns_monthly`,
  `average_value_weighted_returns_annual`, `average_equal_weighted_returns_annual` (percent)
* `number_of_firms_in_portfolios`, `average_market_cap` (millions of dollars; older files print
  "Average Firm Size")
* `value_weight_average_of_be_me` (book over market equity of December t-1, carried by the month's
  weights), `value_weight_average_of_be_fyt_1_me_june_t` (over market equity of June t)
* `value_weight_average_of_op`, `value_weight_average_of_investment`

`Portfolios_Formed_on_ME` prints `average_value_weight_returns_monthly`,
`average_equal_weighted_returns_monthly`, `value_weight_returns_annual_from_january_to_december`,
`equal_weight_returns_annual_from_january_to_december` and the two of firms and size. The factor
file's first table has no heading: `factors_monthly`, beside `factors_annual`. A heading that
stands twice in a file gets `_2`, `_3` … in order.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
import pandas as pd

from pipelines.catalog.models import Catalog
from pipelines.sources.collect import Parser, collect
from pipelines.sources.errors import SourceContractChanged, SourceUnavailable
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import Extract, FetchContext, Payload

PROVIDER = "french"
FEED = "french_portfolios"
KIND = "french_zip"
TABLE = "french_portfolios"

FILES = ("6_Portfolios_2x3", "Portfolios_Formed_on_ME", "F-F_Research_Data_Factors")
UNTITLED = {"F-F_Research_Data_Factors": "factors_monthly"}
"""Files whose first table has no heading, and the id that it gets."""

MAX_MEMBERS = 4
MAX_UNPACKED_BYTES = 32 * 1024 * 1024
"""The largest of the files unpacks to 1 MB; anything near the limit is no such file."""

_ALIASES = {
    "average_firm_size": "average_market_cap",
    "annual_factors_january_december": "factors_annual",
}
_VINTAGE = re.compile(r"using the (\d{4}(?:0[1-9]|1[0-2])) CRSP database")
_ROW = re.compile(r"\s*(\d{4}|\d{6})\s*,(.*)")
_MISSING = (-99.99, -999.0)


@dataclass(slots=True)
class _Table:
    table_id: str
    columns: list[str]
    periods: list[str] = field(default_factory=list)
    values: list[list[float]] = field(default_factory=list)


def fetch_french_portfolios(
    client: HttpClient,
    catalog: Catalog,  # noqa: ARG001 - the shape that all feeds share
    context: FetchContext,
) -> Extract:
    """Fetch the library's files, each only if it changed since the stored one (304 otherwise)."""

    def fetch_one(file_id: str) -> list[Payload]:
        state = None if context.full_refresh else context.state.get(file_id)
        return [
            client.get(
                PROVIDER,
                f"/pages/faculty/ken.french/ftp/{file_id}_CSV.zip",
                kind=KIND,
                item=file_id,
                expects="binary",
                context={"file_id": file_id},
                etag=state.etag if state else None,
                last_modified=state.last_modified if state else None,
            )
        ]

    return collect(
        FEED, client, PROVIDER, FILES, fetch_one=fetch_one, parsers=PARSERS, context=context
    )


def parse_zip(payload: Payload) -> Mapping[str, pd.DataFrame]:
    """Parse one zip into long form: a row per table, portfolio and period.

    Raises:
        SourceUnavailable: the body is no zip, or a broken one.
        SourceContractChanged: another file of the library, too many members or bytes, no CRSP
            vintage, no tables, a row with the wrong number of columns, a value that is no number.
    """
    file_id = payload.context["file_id"]
    text = _unpack(payload)
    vintage = _VINTAGE.search(text)
    if vintage is None:
        raise _broken(payload, "no CRSP vintage in the heading")
    frames = [
        _long_form(payload, table).assign(file_id=file_id, edition=vintage.group(1))
        for table in read_tables(payload, text.splitlines())
    ]
    order = ["file_id", "table_id", "frequency", "portfolio", "period_on", "value", "edition"]
    frame = pd.concat(frames, ignore_index=True)[order]
    texts = ["file_id", "table_id", "frequency", "portfolio", "edition"]
    return {TABLE: frame.astype(dict.fromkeys(texts, "str"))}


PARSERS: dict[str, Parser] = {KIND: parse_zip}


def _broken(payload: Payload, rule: str) -> SourceContractChanged:
    return SourceContractChanged(PROVIDER, payload.item, rule)


def _unpack(payload: Payload) -> str:
    """Return the text of the one CSV member, whatever the case of its extension."""
    try:
        with zipfile.ZipFile(io.BytesIO(payload.body)) as archive:
            members = archive.infolist()
            if len(members) > MAX_MEMBERS:
                raise _broken(payload, f"{len(members)} members in the zip")
            found = [m for m in members if m.filename.lower().endswith((".csv", ".txt"))]
            if len(found) != 1:
                raise _broken(payload, f"{len(found)} CSV members in the zip instead of one")
            named = PurePosixPath(found[0].filename).stem.casefold()
            if named != payload.context["file_id"].casefold():
                raise _broken(payload, "the zip holds another file of the library")
            if found[0].file_size > MAX_UNPACKED_BYTES:
                raise _broken(payload, f"unpacks to {found[0].file_size} bytes")
            with archive.open(found[0]) as member:
                content = member.read(MAX_UNPACKED_BYTES + 1)
    except SourceContractChanged:
        raise
    except Exception as error:  # zipfile answers broken bytes with whatever it stumbles over
        raise SourceUnavailable(
            PROVIDER, payload.item, f"{payload.size} bytes that are no readable zip"
        ) from error
    if len(content) > MAX_UNPACKED_BYTES:
        raise _broken(payload, f"unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    return content.decode("latin-1")


def read_tables(payload: Payload, lines: list[str]) -> list[_Table]:
    """Split the lines of a file into its tables. Raises SourceContractChanged."""
    tables: list[_Table] = []
    seen: Counter[str] = Counter()
    heading: list[str] = []
    heading_ended = False
    table: _Table | None = None
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        row = _ROW.fullmatch(line)
        if row is not None:
            if table is None:
                raise _broken(payload, f"line {number}: a row outside a table")
            _add_row(payload, table, row.group(1), row.group(2), number)
        elif stripped.startswith(","):
            titled = bool(tables) or not heading_ended
            slug = _table_id(payload, heading if titled else [], number)
            seen[slug] += 1
            slug += f"_{seen[slug]}" if seen[slug] > 1 else ""
            table = _Table(slug, [name.strip() for name in stripped.split(",")[1:]])
            if len(set(table.columns)) != len(table.columns) or "" in table.columns:
                raise _broken(payload, f"line {number}: columns without a name of their own")
            tables.append(table)
            heading = []
        elif stripped:
            if heading_ended:
                heading = []
            heading_ended, table = False, None
            heading.append(stripped)
        else:
            heading_ended, table = True, None
    if not tables:
        raise _broken(payload, "no tables")
    empty = [t.table_id for t in tables if not t.periods]
    if empty:
        raise _broken(payload, f"{empty[0]}: a table without rows")
    if heading and not heading[0].lower().startswith("copyright"):
        raise _broken(payload, "a heading without a table at the end")
    return tables


def _table_id(payload: Payload, heading: list[str], number: int) -> str:
    lines = [line for line in heading if not line.lower().startswith("for portfolios formed")]
    if not lines:
        untitled = UNTITLED.get(payload.context["file_id"])
        if untitled is None:
            raise _broken(payload, f"line {number}: a table without a heading")
        return untitled
    text = re.sub(r"\([^)]*\)", " ", lines[0].split(" Calculated")[0])
    slug = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
    return _ALIASES.get(slug, slug)


def _add_row(payload: Payload, table: _Table, period: str, cells: str, number: int) -> None:
    texts = cells.split(",")
    if len(texts) != len(table.columns):
        raise _broken(
            payload,
            f"line {number}: {len(texts)} values for the {len(table.columns)} columns of "
            f"{table.table_id}",
        )
    if table.periods and len(table.periods[0]) != len(period):
        raise _broken(payload, f"line {number}: months and years in one table")
    try:
        table.values.append([float(text) for text in texts])
    except ValueError as error:
        raise _broken(payload, f"line {number}: a value that is no number") from error
    table.periods.append(period)


def _long_form(payload: Payload, table: _Table) -> pd.DataFrame:
    monthly = len(table.periods[0]) == 6
    try:
        periods = pd.to_datetime(
            pd.Series(table.periods), format="%Y%m" if monthly else "%Y"
        ).astype("datetime64[us]")
    except ValueError as error:
        raise _broken(payload, f"{table.table_id}: a label that is no period") from error
    if periods.duplicated().any():
        raise _broken(payload, f"{table.table_id}: a period stands twice")
    values = np.asarray(table.values, dtype=np.float64)
    if not np.isfinite(values).all():
        raise _broken(payload, f"{table.table_id}: a value that is no number")
    values[np.isin(values, _MISSING)] = np.nan
    wide, long = values.shape[1], len(periods)
    return pd.DataFrame(
        {
            "table_id": table.table_id,
            "frequency": "monthly" if monthly else "annual",
            "portfolio": np.tile(np.asarray(table.columns, dtype=object), long),
            "period_on": periods.repeat(wide).reset_index(drop=True),
            "value": values.reshape(-1),
        }
    )
