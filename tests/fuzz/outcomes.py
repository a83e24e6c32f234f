"""What a parser may do with a body: fill its tables exactly as the contract says, or say no."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pandas as pd

from pipelines.sources.collect import Parser, parse
from pipelines.sources.errors import SourceError
from pipelines.sources.parsers import PARSERS
from pipelines.sources.payloads import Payload
from pipelines.storage.contracts import RAW_TABLES

STAMPED = {"source", "payload_sha256", "fetched_at"}


def outcome(payload: Payload, body: bytes, parsers: dict[str, Parser] | None = None) -> str:
    """Parse `body` in the place of the payload's own; return what came out, in a few words.

    Raises:
        AssertionError: rows that their raw table does not take.
        Exception: whatever the parser let through that is no SourceError.
    """
    try:
        frames = parse(replace(payload, body=body, sha256="", size=-1), parsers or dict(PARSERS))
    except SourceError as error:
        return f"{type(error).__name__}: {re.sub(r'[^a-z ]', '', error.rule)[:40]}"
    for table, frame in frames.items():
        check_frame(table, frame)
    return "rows: " + " ".join(f"{t}={min(len(f), 9)}" for t, f in sorted(frames.items()))


def check_frame(table: str, frame: pd.DataFrame) -> None:
    """Assert that a frame has its table's columns, types and no value that is no value."""
    contract = RAW_TABLES[table]
    assert set(frame.columns) == set(contract.source_columns) | STAMPED, sorted(frame.columns)
    for column in contract.columns:
        if column.filled_by != "source" or frame.empty:
            continue
        values = frame[column.name]
        if not column.nullable:
            assert values.notna().all(), f"{column.name}: empty"
        if column.type == "DATE":
            assert values.dtype == "datetime64[us]", f"{column.name}: {values.dtype}"
            assert (values.dropna() == values.dropna().dt.normalize()).all(), column.name
        elif column.type == "VARCHAR":
            assert values.dtype == "str", f"{column.name}: {values.dtype}"
        else:
            numbers = values.astype("float64").to_numpy()
            assert not np.isinf(numbers).any(), f"{column.name}: infinite"
