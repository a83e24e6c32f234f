"""The contract's columns as pandas and Arrow types: what a batch must look like, to the bit.

Only shapes and types are here. Where batches are kept is `storage.landing`, what is new in them
`storage.loader`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.storage.contracts import Column, RawTable

_ARROW: dict[str, Any] = {
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
    "DOUBLE": pa.float64(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
    "TIMESTAMP": pa.timestamp("us"),
    # Prices travel as the connector's rounded doubles and become decimals in the loader's cast:
    # a double with seven significant digits has exactly one nearest DECIMAL(18,6).
    "DECIMAL(18,6)": pa.float64(),
}
_PANDAS: dict[str, str] = {
    "VARCHAR": "str",
    "DATE": "datetime64[us]",
    "DOUBLE": "float64",
    "INTEGER": "int32",
    "BIGINT": "int64",
    "TIMESTAMP": "datetime64[us]",
    "DECIMAL(18,6)": "float64",
}


class FrameUnfit(ValueError):
    """A frame does not have the columns or types of its raw table; the message says which."""


def delivered_columns(table: RawTable) -> tuple[Column, ...]:
    """Return the columns that a batch brings: those of the source, then its audit columns."""
    return tuple(c for c in table.all_columns if c.filled_by == "source")


def arrow_schema(columns: Sequence[Column]) -> Any:
    """Return the Arrow schema of `columns`."""
    return pa.schema([(c.name, _ARROW[c.type]) for c in columns])


def empty_frame(table: RawTable) -> pd.DataFrame:
    """Return a frame of no rows with the columns that a batch of `table` brings."""
    return pd.DataFrame(
        {c.name: pd.Series([], dtype=_PANDAS[c.type]) for c in delivered_columns(table)}
    )


def to_arrow(table: RawTable, frame: pd.DataFrame) -> Any:
    """Return `frame` as an Arrow table with the contract's types, columns in contract order.

    Raises:
        FrameUnfit: a column is missing, is one too many, or holds what its type cannot.
    """
    columns = delivered_columns(table)
    wanted = [c.name for c in columns]
    missing = [name for name in wanted if name not in frame.columns]
    surplus = [str(name) for name in frame.columns if name not in wanted]
    if missing or surplus:
        raise FrameUnfit(
            f"columns differ from the contract: missing {missing or 'none'}, "
            f"not in it {surplus or 'none'}"
        )
    arrays = []
    for column in columns:
        series = frame[column.name]
        if column.type == "DATE":
            _check_dates(column.name, series)
        if column.type in ("INTEGER", "BIGINT") and pd.api.types.is_float_dtype(series.dtype):
            if (series.dropna() % 1 != 0).any():
                raise FrameUnfit(f"{column.name}: fractions in a column of type {column.type}")
            series = series.astype("Int64")
        if column.type == "VARCHAR" and not _is_text(series):
            raise FrameUnfit(f"{column.name}: {series.dtype} where text belongs")
        try:
            arrays.append(pa.Array.from_pandas(series, type=_ARROW[column.type]))
        except (pa.ArrowInvalid, pa.ArrowTypeError, TypeError) as error:
            raise FrameUnfit(f"{column.name}: no {column.type}: {error}") from error
    arrays = [a.combine_chunks() if isinstance(a, pa.ChunkedArray) else a for a in arrays]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(columns))


def to_pandas(table: RawTable, arrow: Any) -> pd.DataFrame:
    """Return a landed Arrow table as the frame that was landed: days as normalised timestamps."""
    out: dict[str, pd.Series] = {}
    for column in delivered_columns(table):
        values = arrow.column(column.name)
        if column.type == "DATE":
            values = values.cast(pa.timestamp("us"))
        if column.type in ("INTEGER", "BIGINT") and column.nullable:
            nullable = pd.Int32Dtype() if column.type == "INTEGER" else pd.Int64Dtype()
            out[column.name] = values.to_pandas(
                types_mapper={pa.int32(): nullable, pa.int64(): nullable}.get
            )
        else:
            out[column.name] = values.to_pandas().astype(
                np.dtype(_PANDAS[column.type]) if column.type != "VARCHAR" else "str"
            )
    return pd.DataFrame(out)


def _check_dates(name: str, series: pd.Series) -> None:
    if not pd.api.types.is_datetime64_dtype(series.dtype):
        if len(series) == 0 or series.isna().all():
            return
        if not all(type(v).__name__ == "date" for v in series.dropna()):
            raise FrameUnfit(f"{name}: {series.dtype} where days (datetime64) belong")
        return
    days = series.dropna()
    if (days != days.dt.normalize()).any():
        raise FrameUnfit(f"{name}: a time of day in a column of days")


def _is_text(series: pd.Series) -> bool:
    if isinstance(series.dtype, pd.StringDtype) or series.isna().all():
        return True
    return series.dtype == object and all(isinstance(v, str) for v in series.dropna())
