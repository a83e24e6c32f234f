"""The same figures from the agencies themselves, keyless: Treasury curves, Board H.10, ECB rate.

Which FRED series an agency stands in for is in the catalogue: `alternate` names the provider,
`alternate_series` the series there, as `<curve>/<tenor>` (Treasury), `<release>/<series>` (Board)
or `<flow>.<key>` (ECB). Whether its rows are used beside FRED's is the marts' business.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

import pandas as pd

from pipelines.catalog.models import Catalog, FredSeries
from pipelines.sources.collect import Frames, Parser, collect, merge, spread_outcomes
from pipelines.sources.errors import SourceContractChanged
from pipelines.sources.fred_formats import read_dates, read_values
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import Extract, FetchContext, Payload

FEED = "agency_observations"
TREASURY, BOARD, ECB = "treasury", "fed-board", "ecb"

TREASURY_PATH = "/resource-center/data-chart-center/interest-rates/daily-treasury-rates.csv"
FIRST_YEAR_OF_CURVE = {"daily_treasury_yield_curve": 1990, "daily_treasury_real_yield_curve": 2003}
REAL_CURVE = "daily_treasury_real_yield_curve"
BOARD_PATH = "/datadownload/Output.aspx"
BOARD_PACKAGES = {"H10": "122e3bcb627e8e53f1bf72a1a09cfb81"}
"""The Board's own name of the package with the daily dollar indices."""
ECB_PATH = "/service/data"

_MISSING = frozenset({"", "ND", "NA", "N/A", "NC"})


@dataclass(frozen=True, slots=True)
class Dataset:
    """What one request of a provider covers: a curve, a release, a key."""

    provider: str
    name: str
    series: tuple[FredSeries, ...]
    columns: tuple[str, ...]
    """The agency's names of `series`, in their order."""

    @property
    def context(self) -> dict[str, str]:
        """What the parser needs: which column is which series."""
        return {
            "dataset": self.name,
            "series": ",".join(s.id for s in self.series),
            "columns": "|".join(self.columns),
        }


def fetch_agency_observations(
    client: HttpClient, catalog: Catalog, context: FetchContext
) -> Extract:
    """Fetch every catalogued alternate: whole history first, then the tail with its revisions.

    Treasury files are per year: later nights ask for the year of the newest value (less the
    revision window) up to this year. Outcomes are per series.
    """
    extracts = []
    for provider, ask in ((TREASURY, _ask_treasury), (BOARD, _ask_board), (ECB, _ask_ecb)):
        datasets = find_datasets(catalog, provider)
        if not datasets:
            continue
        extract = collect(
            FEED,
            client,
            provider,
            datasets,
            fetch_one=partial(ask, client, context=context),
            parsers=PARSERS,
            context=context,
            name=lambda dataset: dataset.name,
        )
        members = {d.name: [s.id for s in d.series] for d in datasets}
        extracts.append(spread_outcomes(extract, members))
    return merge(FEED, extracts)


def find_datasets(catalog: Catalog, provider: str) -> list[Dataset]:
    """Group the catalogue's alternates of one provider by the request that serves them."""
    grouped: dict[str, list[tuple[FredSeries, str]]] = {}
    for series in catalog.fred_series:
        if series.alternate == provider and series.alternate_series:
            name, _, column = series.alternate_series.partition("/")
            grouped.setdefault(name, []).append((series, column or name))
    return [
        Dataset(provider, name, tuple(s for s, _ in pairs), tuple(c for _, c in pairs))
        for name, pairs in grouped.items()
    ]


def _tail_from(dataset: Dataset, context: FetchContext) -> date | None:
    """Return the first day to ask for; None is the whole history."""
    if context.full_refresh:
        return None
    starts = []
    for series in dataset.series:
        known = context.state.get(series.id)
        if known is None or known.newest_on is None:
            return None
        starts.append(known.newest_on - timedelta(days=series.revision_days))
    return min(starts)


def _ask_treasury(client: HttpClient, dataset: Dataset, context: FetchContext) -> list[Payload]:
    first = FIRST_YEAR_OF_CURVE.get(dataset.name, 1990)
    tail = _tail_from(dataset, context)
    start = first if tail is None else max(first, tail.year)
    payloads = []
    for year in range(start, context.as_of.year + 1):
        payloads.append(
            client.get(
                TREASURY,
                f"{TREASURY_PATH}/{year}/all",
                kind="treasury_curve",
                item=f"{dataset.name} {year}",
                expects="text",
                params={
                    "type": dataset.name,
                    "field_tdr_date_value": str(year),
                    "page": "",
                    "_format": "csv",
                },
                context=dataset.context | {"as_of": context.as_of.isoformat()},
            )
        )
    return payloads


def _ask_board(client: HttpClient, dataset: Dataset, context: FetchContext) -> list[Payload]:
    tail = _tail_from(dataset, context)
    params = {
        "rel": dataset.name,
        "series": BOARD_PACKAGES[dataset.name],
        "lastobs": "",
        "from": f"{max(tail, date(1960, 1, 1)):%m/%d/%Y}" if tail else "",
        "to": f"{context.as_of:%m/%d/%Y}",
        "filetype": "csv",
        "label": "include",
        "layout": "seriescolumn",
        "type": "package",
    }
    payload = client.get(
        BOARD,
        BOARD_PATH,
        kind="board_csv",
        item=dataset.name,
        expects="text",
        params=params,
        context=dataset.context | {"as_of": context.as_of.isoformat()},
    )
    return [payload]


def _ask_ecb(client: HttpClient, dataset: Dataset, context: FetchContext) -> list[Payload]:
    flow, _, key = dataset.name.partition(".")
    params = {"format": "csvdata", "detail": "dataonly", "endPeriod": context.as_of.isoformat()}
    tail = _tail_from(dataset, context)
    if tail is not None:
        params["startPeriod"] = tail.isoformat()
    payload = client.get(
        ECB,
        f"{ECB_PATH}/{flow}/{key}",
        kind="ecb_csv",
        item=dataset.name,
        expects="text",
        params=params,
        context=dataset.context | {"as_of": context.as_of.isoformat()},
    )
    return [payload]


# -- parsers --------------------------------------------------------------------------------------
def _read_lines(payload: Payload) -> list[list[str]]:
    try:
        text = payload.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceContractChanged(
            payload.provider, payload.item, "the body is no text"
        ) from error
    try:
        lines = [line for line in csv.reader(io.StringIO(text)) if any(c.strip() for c in line)]
    except csv.Error as error:
        raise SourceContractChanged(
            payload.provider, payload.item, f"the body is no CSV: {error}"
        ) from error
    return lines[:-1] if _is_cut(payload, text, lines) else lines


def _is_cut(payload: Payload, text: str, lines: Sequence[Sequence[str]]) -> bool:
    """Say whether the last line may end in the middle of its number; it comes again another night.

    The ECB ends every line. Treasury and Board end no last line, but print a column with the same
    number of decimals throughout: fewer than on the line above are a number cut short.
    """
    if text.endswith("\n") or len(lines) < 2:
        return False
    last, above = (line[-1].strip().partition(".") for line in (lines[-1], lines[-2]))
    return payload.provider == ECB or (above[0][-1:].isdigit() and len(last[2]) < len(above[2]))


def _build(
    payload: Payload, days: pd.Series[pd.Timestamp], columns: Mapping[str, Sequence[str]]
) -> Frames:
    """Make the raw rows of the wanted columns, in date order, up to the run's as-of date."""
    names = payload.context["columns"].split("|")
    parts = []
    for series_id, name in zip(payload.context["series"].split(","), names, strict=True):
        text = pd.Series(list(columns[name]), dtype="str")
        parts.append(
            pd.DataFrame(
                {
                    "series_id": pd.Series([series_id] * len(days), dtype="str"),
                    "source_series": pd.Series([name] * len(days), dtype="str"),
                    "observed_on": days,
                    "value": read_values(text, payload.provider, payload.item, missing=_MISSING),
                }
            ).sort_values("observed_on")
        )
    frame = pd.concat(parts, ignore_index=True)
    frame = frame[frame["observed_on"] <= pd.Timestamp(payload.context["as_of"])]
    return {"agency_observations": frame.reset_index(drop=True)}


def _columns(payload: Payload, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Frames:
    """Pick date and wanted columns by their heading, in whatever order and case they come."""
    place = {cell.strip().casefold(): number for number, cell in enumerate(header)}
    wanted = payload.context["columns"].split("|")
    absent = [name for name in wanted if name.casefold() not in place]
    if absent:
        raise SourceContractChanged(
            payload.provider, payload.item, f"no column {absent} among {list(header)[:20]}"
        )
    if any(len(row) != len(header) for row in rows):
        raise SourceContractChanged(
            payload.provider, payload.item, "a line with too few or too many cells"
        )
    text = pd.Series([row[0].strip() for row in rows], dtype="str")
    if payload.kind == "treasury_curve":  # m/d/Y, without zeros in some years
        parts = text.str.extract(r"^(\d{1,2})/(\d{1,2})/(\d{4})$")
        good = parts.notna().all(axis="columns")
        iso = parts[2] + "-" + parts[0].str.zfill(2) + "-" + parts[1].str.zfill(2)
        text = iso.where(good, text)
    days = read_dates(text, payload.provider, payload.item)
    return _build(payload, days, {n: [row[place[n.casefold()]] for row in rows] for n in wanted})


def parse_treasury_curve(payload: Payload) -> Frames:
    """Parse one year of a Treasury curve: newest first, tenors added over the years.

    Raises:
        SourceContractChanged: no `Date` heading, another curve's tenors, a wanted tenor missing, a
            cell that is no number.
    """
    lines = _read_lines(payload)
    if not lines or lines[0][0].strip().casefold() != "date":
        raise SourceContractChanged(TREASURY, payload.item, "the first line is no 'Date,…' heading")
    # Both curves have a column for ten years; only the nominal one has any for months.
    is_nominal = any("mo" in cell.casefold() for cell in lines[0][1:])
    if is_nominal == (payload.context["dataset"] == REAL_CURVE):
        raise SourceContractChanged(TREASURY, payload.item, "the tenors are those of another curve")
    return _columns(payload, lines[0], lines[1:])


def parse_board_csv(payload: Payload) -> Frames:
    """Parse a Board package: some header rows, of which `Time Period` holds the series' names.

    Raises:
        SourceContractChanged: no `Time Period` row, a wanted series missing, a cell that is no
            number.
    """
    lines = _read_lines(payload)
    for number, line in enumerate(lines):
        if line[0].strip().casefold() == "time period":
            return _columns(payload, line, lines[number + 1 :])
    raise SourceContractChanged(BOARD, payload.item, "no 'Time Period' row")


def parse_ecb_csv(payload: Payload) -> Frames:
    """Parse an ECB `csvdata` reply of one key.

    Raises:
        SourceContractChanged: `KEY`, `TIME_PERIOD` or `OBS_VALUE` missing, or another key's rows.
    """
    header, *rows = _read_lines(payload) or [[]]
    place = {cell.strip(): number for number, cell in enumerate(header)}
    absent = {"KEY", "TIME_PERIOD", "OBS_VALUE"} - place.keys()
    if absent:
        raise SourceContractChanged(ECB, payload.item, f"no column {sorted(absent)}")
    if any(len(row) != len(header) for row in rows):
        raise SourceContractChanged(ECB, payload.item, "a line with too few or too many cells")
    wanted = payload.context["dataset"]
    if any(row[place["KEY"]] != wanted for row in rows):
        raise SourceContractChanged(ECB, payload.item, "rows of another key")
    text = pd.Series([row[place["TIME_PERIOD"]] for row in rows], dtype="str")
    values = [row[place["OBS_VALUE"]] for row in rows]
    return _build(payload, read_dates(text, ECB, payload.item), {wanted: values})


PARSERS: dict[str, Parser] = {
    "treasury_curve": parse_treasury_curve,
    "board_csv": parse_board_csv,
    "ecb_csv": parse_ecb_csv,
}
