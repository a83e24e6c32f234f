"""How FRED's bodies read: the API's JSON and the graph's CSV, into the raw tables' columns.

Pure functions of a payload; asking for them is in `fred_api` and `fred_graph`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pandas as pd

from pipelines.sources.collect import Frames
from pipelines.sources.errors import SourceContractChanged
from pipelines.sources.payloads import Payload

API, GRAPH = "fred-api", "fred-graph"

_MISSING = frozenset({".", ""})
_GRAPH_DATE = ("observation_date", "DATE")  # DATE until early 2025


def read_object(payload: Payload) -> dict[str, Any]:
    """Return the JSON object of a body; SourceContractChanged if it is none."""
    try:
        body = orjson.loads(payload.body)
    except orjson.JSONDecodeError as error:
        raise SourceContractChanged(API, payload.item, "the body is no JSON") from error
    if not isinstance(body, dict):
        raise SourceContractChanged(API, payload.item, "the JSON is no object")
    return body


def list_of(body: Mapping[str, Any], name: str, item: str) -> list[Any]:
    """Return a list field of the envelope; SourceContractChanged if it is missing."""
    rows = body.get(name)
    if not isinstance(rows, list):
        raise SourceContractChanged(
            API, item, f"expected a list {name!r}, got the fields {sorted(body)[:12]}"
        )
    return rows


def parse_observations(payload: Payload) -> Frames:
    """Parse one page of `series/observations`.

    `realtime_start` is kept only where vintages were asked for: otherwise FRED fills it with a date
    of its own that is no vintage. Vintages later than the run's as-of date are left out.

    Raises:
        SourceContractChanged: no list of observations, or one with a date or value that is none.
    """
    has_vintages = payload.context["vintages"] == "True"
    rows = list_of(read_object(payload), "observations", payload.item)
    wanted = ["date", "value", "realtime_start"]
    if not all(isinstance(row, dict) and row.keys() >= set(wanted) for row in rows):
        raise SourceContractChanged(API, payload.item, f"an observation without {wanted}")
    read = pd.DataFrame(rows, columns=wanted, dtype="str")
    frame = pd.DataFrame(
        {
            "series_id": pd.Series([payload.item] * len(read), dtype="str"),
            "observed_on": read_dates(read["date"], API, payload.item),
            "value": read_values(read["value"], API, payload.item, missing=_MISSING),
        }
    )
    if has_vintages:
        frame["realtime_start"] = read_dates(read["realtime_start"], API, payload.item)
        frame = frame[frame["realtime_start"] <= pd.Timestamp(payload.context["as_of"])]
    else:
        frame["realtime_start"] = no_dates(frame.index)
    return {"fred_observations": frame.reset_index(drop=True)}


def read_dates(text: pd.Series[str], provider: str, item: str) -> pd.Series[pd.Timestamp]:
    """Read ISO dates; SourceContractChanged for anything else."""
    days = pd.to_datetime(text, format="%Y-%m-%d", errors="coerce").astype("datetime64[us]")
    if days.isna().any():
        raise SourceContractChanged(
            provider, item, f"a date that is none: {text[days.isna()].iloc[0]!r:.40}"
        )
    return days


def no_dates(index: pd.Index[Any]) -> pd.Series[pd.Timestamp]:
    """Return a date column in which every date is missing."""
    return pd.Series(pd.NaT, index=index, dtype="datetime64[us]")


def read_values(
    text: pd.Series[str], provider: str, item: str, *, missing: frozenset[str]
) -> pd.Series[float]:
    """Read numbers; NaN for the texts in `missing`, SourceContractChanged for any other text."""
    text = text.str.strip()
    is_missing = text.isin(missing)
    values = pd.to_numeric(text.mask(is_missing), errors="coerce").astype("float64")
    wrong = ~np.isfinite(values) & ~is_missing
    if wrong.any():
        raise SourceContractChanged(
            provider, item, f"a value that is no number: {text[wrong].iloc[0]!r:.40}"
        )
    return values


def parse_graph_csv(payload: Payload) -> Frames:
    """Parse `fredgraph.csv` of one or several series: current values, no vintages.

    One series: an empty cell (before 2025 `.`) is a missing value. Several: the file is an outer
    join, in which an empty cell can also mean that the series has no such date, so empty cells are
    left out. A last line without its line end may be cut in the middle of a number: it is left
    out too and comes again the next night.

    Raises:
        SourceContractChanged: other columns than asked for, or a date or value that is none.
    """
    ids = payload.context["ids"].split(",")
    try:
        text = payload.body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceContractChanged(GRAPH, payload.item, "the body is no text") from error
    if not text.endswith("\n"):
        text = text[: text.rfind("\n") + 1]
    header, *lines = text.splitlines() or [""]
    columns = [cell.strip().strip('"') for cell in header.split(",")]
    if columns[0] not in _GRAPH_DATE or columns[1:] != ids:
        raise SourceContractChanged(
            GRAPH, payload.item, f"expected the columns {ids}, got {columns[:12]}"
        )
    if any(line.count(",") != len(ids) for line in lines):
        raise SourceContractChanged(GRAPH, payload.item, "a line with too few or too many cells")
    try:
        wide = pd.read_csv(
            io.StringIO("\n".join([",".join(["day", *ids]), *lines])),
            dtype="str",
            keep_default_na=False,
        )
    except pd.errors.ParserError as error:
        raise SourceContractChanged(GRAPH, payload.item, f"the body is no CSV: {error}") from error
    observed_on = read_dates(wide["day"], GRAPH, payload.item)
    parts = []
    for series_id in ids:
        frame = pd.DataFrame(
            {
                "series_id": pd.Series([series_id] * len(wide), dtype="str"),
                "observed_on": observed_on,
                "value": read_values(wide[series_id], GRAPH, payload.item, missing=_MISSING),
                "realtime_start": no_dates(wide.index),
            }
        )
        parts.append(frame if len(ids) == 1 else frame[frame["value"].notna()])
    frame = pd.concat(parts, ignore_index=True)
    if payload.context.get("as_of"):
        frame = frame[frame["observed_on"] <= pd.Timestamp(payload.context["as_of"])]
    return {"fred_observations": frame.reset_index(drop=True)}


def parse_release_dates(payload: Payload) -> Frames:
    """Parse one page of `releases/dates`, the catalogue's releases only.

    Raises:
        SourceContractChanged: no list of release dates, or one without id, name or date.
    """
    rows = list_of(read_object(payload), "release_dates", payload.item)
    wanted = {int(text) for text in payload.context["releases"].split(",") if text}
    fields = ("release_id", "release_name", "date")
    if not all(isinstance(row, dict) and row.keys() >= set(fields) for row in rows):
        raise SourceContractChanged(API, payload.item, f"a release date without {fields}")
    if not all(type(row["release_id"]) is int for row in rows):
        raise SourceContractChanged(API, payload.item, "a release id that is no whole number")
    kept: Sequence[Mapping[str, Any]] = [row for row in rows if row["release_id"] in wanted]
    days = pd.Series([str(row["date"]) for row in kept], dtype="str")
    frame = pd.DataFrame(
        {
            "release_id": pd.Series([row["release_id"] for row in kept], dtype="Int64"),
            "release_name": pd.Series([str(row["release_name"]) for row in kept], dtype="str"),
            "release_on": read_dates(days, API, payload.item),
        }
    )
    return {"fred_release_dates": frame.drop_duplicates(ignore_index=True)}


def parse_nothing(_payload: Payload) -> Frames:
    """A reply that only steers the requests after it."""
    return {}
