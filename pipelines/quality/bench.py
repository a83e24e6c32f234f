"""The judge's bench: the batch under judgement, what is known beside it, and how a check rules.

A check is a function `(bench, gate) -> Ruling`. It looks at the rows still standing, never changes
them, and says which to quarantine and whether the batch as a whole is to be refused. The limits it
compares with come from the catalogue, not from here. `quality.gates` calls the checks in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pandas as pd

from pipelines.catalog.models import Catalog, GateCheck
from pipelines.errors import ConfigurationError
from pipelines.sources.payloads import Extract
from pipelines.storage.contracts import RAW_TABLES

SHOWN = 8
"""Names and rows that a message spells out; the rest is counted."""

HISTORY_COLUMNS = ("entity", "rows", "oldest_on", "newest_on", "newest_value")


_DTYPES = {"VARCHAR": "str", "DATE": "datetime64[us]", "TIMESTAMP": "datetime64[us]"}
"""Types of an empty frame's columns; everything else is a number."""


@dataclass(frozen=True, slots=True)
class Bad:
    """Rows of one table to keep out, each with its reason (index = the frame's index labels)."""

    table: str
    reasons: pd.Series[Any]


@dataclass(frozen=True, slots=True)
class Ruling:
    """One check's result before it is weighed.

    `refuses`: more than single rows is wrong. `noted`: something to say, nothing to keep out.
    `failing` counts what failed where no row did (items, files).
    """

    message: str
    bad: tuple[Bad, ...] = ()
    refuses: bool = False
    noted: bool = False
    failing: int = 0
    examples: tuple[str, ...] = ()


@dataclass(slots=True)
class Bench:
    """One batch and its surroundings.

    `history` maps a raw table to one row per stored entity (`HISTORY_COLUMNS`), and
    `<table>__overlap` to stored closes (symbol, traded_on, close). `sessions` are ascending.
    `frames` are the rows still standing.
    """

    extract: Extract
    catalog: Catalog
    history: Mapping[str, pd.DataFrame]
    as_of: date
    sessions: pd.DatetimeIndex
    full_refresh: bool = False
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)

    def frame(self, table: str) -> pd.DataFrame:
        """Return the standing rows of `table`; an empty frame if the batch has none."""
        found = self.frames.get(table)
        if found is None:
            return pd.DataFrame(
                {
                    c.name: pd.Series(dtype=_DTYPES.get(c.type, "float64"))
                    for c in RAW_TABLES[table].all_columns
                    if c.filled_by == "source"
                }
            )
        return found

    def stored(self, table: str) -> pd.DataFrame:
        """Return what the warehouse holds of `table`, indexed by the entity's text."""
        known = self.history.get(table)
        if known is None or known.empty:
            empty = pd.DataFrame(columns=[c for c in HISTORY_COLUMNS if c != "entity"])
            empty.index.name = "entity"
            return empty
        indexed = known.assign(entity=known["entity"].astype(str)).set_index("entity")
        for column in ("oldest_on", "newest_on"):
            indexed[column] = pd.to_datetime(indexed[column])
        return indexed

    @property
    def closed_sessions(self) -> pd.DatetimeIndex:
        """Sessions up to the as-of date."""
        return self.sessions[self.sessions <= pd.Timestamp(self.as_of)]

    def newest(self, table: str) -> dict[str, date]:
        """Return the newest date per entity, of what is stored and what stands together."""
        contract = RAW_TABLES[table]
        newest: dict[str, pd.Timestamp] = {
            str(k): v for k, v in self.stored(table)["newest_on"].dropna().items()
        }
        frame = self.frame(table)
        if not frame.empty:
            for key, value in frame.groupby(contract.entity)[contract.dated].max().items():
                name = str(key)
                newest[name] = max(newest.get(name, value), value)
        return {name: stamp.date() for name, stamp in newest.items()}


def _no_rows(table: str) -> pd.DataFrame:
    """Return an empty frame with the columns and types that a batch of `table` has."""
    types = {"VARCHAR": "str", "DATE": "datetime64[us]", "TIMESTAMP": "datetime64[us]"}
    return pd.DataFrame(
        {
            c.name: pd.Series(dtype=types.get(c.type, "float64"))
            for c in RAW_TABLES[table].all_columns
            if c.filled_by == "source"
        }
    )


Check = Callable[[Bench, GateCheck], Ruling]


def limit(gate: GateCheck, name: str) -> float:
    """Return one limit of a check.

    Raises:
        ConfigurationError: the catalogue does not give it.
    """
    if name not in gate.limits:
        raise ConfigurationError(f"gates.yaml: {gate.feed}.{gate.check}: limits.{name} is missing")
    return gate.limits[name]


def name_some(names: Iterable[object]) -> str:
    """Return the first few names and how many more there are."""
    every = [str(n) for n in names]
    rest = len(every) - SHOWN
    return ", ".join(every[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def describe_rows(table: str, frame: pd.DataFrame, reasons: pd.Series[Any]) -> tuple[str, ...]:
    """Return `item date: reason` for the first few rows that fail."""
    contract = RAW_TABLES[table]
    out = []
    first = frame.loc[reasons.index[:SHOWN], [contract.entity, contract.dated]]
    for (item, day), reason in zip(first.to_numpy(dtype="object"), reasons, strict=False):
        shown = day.date() if isinstance(day, pd.Timestamp) else day
        out.append(f"{item} {shown}: {reason}")
    return tuple(out)


def rule_on_rows(
    bench: Bench,
    gate: GateCheck,
    bad: Iterable[Bad],
    *,
    good: str,
    per_item: bool = False,
) -> Ruling:
    """Quarantine single rows; refuse the batch where they are too many to be single.

    Too many means more than `max_rows` and more than the share `max_share` of the table's rows
    (`per_item`: of any one item's rows).
    """
    bads = tuple(b for b in bad if not b.reasons.empty)
    if not bads:
        return Ruling(good)
    max_rows, max_share = limit(gate, "max_rows"), limit(gate, "max_share")
    examples: list[str] = []
    crowded: list[str] = []
    for b in bads:
        frame = bench.frame(b.table)
        examples.extend(describe_rows(b.table, frame, b.reasons))
        entity = RAW_TABLES[b.table].entity
        if per_item:
            failing = frame.loc[b.reasons.index].groupby(entity).size()
            total = frame.groupby(entity).size().reindex(failing.index)
            over = (failing > max_rows) & (failing > max_share * total)
            shown = zip(failing.index[over], failing[over], total[over], strict=True)
            crowded.extend(f"{item} ({n} of {all_} rows)" for item, n, all_ in shown)
        elif len(b.reasons) > max(max_rows, max_share * len(frame)):
            crowded.append(f"{b.table} ({len(b.reasons)} of {len(frame)} rows)")
    count = sum(len(b.reasons) for b in bads)
    first = examples[0]
    if crowded:
        return Ruling(
            f"{count} rows fail, too many in {name_some(crowded)}; first: {first}",
            bads,
            refuses=True,
            examples=tuple(examples[:SHOWN]),
        )
    return Ruling(
        f"{count} rows quarantined; first: {first}", bads, examples=tuple(examples[:SHOWN])
    )
