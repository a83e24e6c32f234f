"""Checks that hold for every feed: answered items, types, keys, dates, length of history.

What a plausible value is depends on the feed and is in the feed modules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipelines.catalog.models import Catalog, GateCheck
from pipelines.quality import expectations as gx
from pipelines.quality.bench import Bad, Bench, Ruling, limit, name_some, rule_on_rows
from pipelines.storage.contracts import AUDIT_COLUMNS, FEEDS, RAW_TABLES, RawTable

_ANSWERED = ("fetched", "unchanged")
_STAMPED = tuple(c.name for c in AUDIT_COLUMNS if c.filled_by == "source")
_NAME = r"^[\w^][\w.^=-]*$"
"""Ids, symbols and file names have no blanks; `Too Many Requests` was once stored as a symbol."""
_WHOLE_FILES = frozenset({"french_portfolios", "shiller_history"})
"""Feeds whose every payload is the whole history."""


def catalogued_items(feed: str, catalog: Catalog) -> tuple[str, ...]:
    """Return the items that the catalogue asks of a feed; empty where others decide them."""
    if feed == "fred_observations":
        return tuple(s.id for s in catalog.fred_series)
    if feed == "agency_observations":
        return tuple(s.id for s in catalog.fred_series if s.alternate is not None)
    if feed == "instrument_bars":
        return tuple(i.symbol for i in catalog.instruments)
    if feed == "fund_holdings":
        return tuple(f.id for f in catalog.funds if f.holdings)
    if feed == "fund_shares":
        return tuple(f.id for f in catalog.funds if f.shares)
    return ()


def _words(item: str) -> set[str]:
    """Return the names in an outcome's item: `IWM 2025-02-04` and `DGS2,DGS10` name several."""
    return {item, *re.split(r"[\s,/:@|]+", item)}


def every_item_is_answered(bench: Bench, gate: GateCheck) -> Ruling:
    """Every catalogued item was asked for and answered; missing data degrades, never refuses."""
    answers: dict[str, str] = {}
    for outcome in bench.extract.outcomes:
        if answers.get(outcome.item) not in _ANSWERED:  # a fallback's answer counts
            answers[outcome.item] = outcome.status
    named = {word for item in answers for word in _words(item)}
    for table in FEEDS[bench.extract.feed]:
        named.update(bench.frame(table.name)[table.entity].dropna().astype(str).unique())
    for item in catalogued_items(bench.extract.feed, bench.catalog):
        if item not in named:
            answers[item] = "not asked"
    if not answers:
        return Ruling("nothing was asked of any source", noted=True)
    status = pd.Series(answers, name="status").rename_axis("item").reset_index()
    verdict = gx.expect_in_set(
        status["status"],
        [*_ANSWERED, "broken"],  # a broken payload is an answer, and another check's business
        mostly=1.0 - limit(gate, "max_missing_share"),
    )
    missing = status.loc[verdict.rows]
    told = tuple(f"{row.item} ({row.status})" for row in missing.itertuples())
    if missing.empty:
        return Ruling(f"all {len(status)} items are answered")
    return Ruling(
        f"{len(missing)} of {len(status)} items are missing: {name_some(told)}",
        noted=not verdict.success,
        failing=len(missing),
        examples=told[:50],
    )


def no_payload_broke_its_contract(bench: Bench, gate: GateCheck) -> Ruling:
    """No payload had another shape than its source promises."""
    outcomes = bench.extract.outcomes
    status = pd.Series([o.status for o in outcomes], dtype="str")
    verdict = gx.expect_in_set(
        status,
        [*_ANSWERED, "unknown", "unavailable"],
        mostly=1.0 - limit(gate, "max_broken_share"),
    )
    broken = [outcomes[i] for i in verdict.rows]
    if not broken:
        return Ruling(f"{len(outcomes)} answers kept their contract")
    told = tuple(f"{o.provider} {o.item}: {o.detail}" for o in broken)
    return Ruling(
        f"{len(broken)} of {len(outcomes)} payloads broke their contract: {told[0]}",
        refuses=not verdict.success,
        noted=True,
        failing=len(broken),
        examples=told[:50],
    )


def _family(values: pd.Series[Any]) -> str:
    """Return what a column holds: text, date, timestamp, number, whole, flag, nothing, mixture."""
    if pd.api.types.is_datetime64_any_dtype(values):
        if values.dt.tz is not None:
            return "zoned timestamp"
        return "date" if (values.dropna() == values.dropna().dt.normalize()).all() else "timestamp"
    if pd.api.types.is_bool_dtype(values):
        return "flag"
    if pd.api.types.is_numeric_dtype(values):
        present = values.dropna().to_numpy(dtype="float64")
        return "whole" if (present[np.isfinite(present)] % 1 == 0).all() else "number"
    if values.isna().all():
        return "nothing"
    return "text" if pd.api.types.is_string_dtype(values) else "mixture"


def _wanted(type_: str) -> str:
    if type_ in ("VARCHAR", "DATE", "TIMESTAMP"):
        return {"VARCHAR": "text", "DATE": "date", "TIMESTAMP": "timestamp"}[type_]
    return "whole" if type_ in ("BIGINT", "INTEGER") else "number"


def _fits(found: str, wanted: str) -> str:
    """Return `wanted` where `found` can stand for it, else `found`."""
    narrower = {"number": ("whole",), "timestamp": ("date",)}.get(wanted, ())
    return wanted if found in (wanted, "nothing", *narrower) else found


def columns_have_their_types(bench: Bench, gate: GateCheck) -> Ruling:
    """Columns and types are the contract's; a structural fault refuses the batch.

    A row whose obligatory value is missing, or that holds an infinity, is quarantined alone.
    """
    found: list[tuple[str, str, str]] = []
    bad: list[Bad] = []
    for name, frame in bench.frames.items():
        contract = RAW_TABLES[name]
        columns = (*contract.source_columns, *_STAMPED)
        if not gx.expect_columns(frame, columns).success:
            differing = sorted(set(columns) ^ set(frame.columns))
            told = tuple(f"{name}.{c}" for c in differing)
            return Ruling(
                f"columns are not the contract's: {name_some(told)}", refuses=True, examples=told
            )
        for column in contract.all_columns:
            if column.name in columns:
                wanted = _wanted(column.type)
                family = _fits(_family(frame[column.name]), wanted)
                found.append((f"{name}.{column.name}", family, wanted))
        incomplete = _incomplete_rows(contract, frame)
        nameless = _nameless_rows(contract, frame).drop(incomplete.index, errors="ignore")
        bad.append(Bad(name, pd.concat([incomplete, nameless]).sort_index()))
    if not found:
        return Ruling("no rows in this batch")
    types = pd.DataFrame(found, columns=["column", "found", "wanted"])
    verdict = gx.expect_equal(types["found"], types["wanted"])
    if not verdict.success:
        wrong = types.loc[verdict.rows].itertuples()
        told = tuple(f"{row.column} is {row.found}, not {row.wanted}" for row in wrong)
        return Ruling(f"{name_some(told)}", refuses=True, failing=len(told), examples=told)
    return rule_on_rows(bench, gate, bad, good=f"{len(types)} columns have their types")


def _incomplete_rows(contract: RawTable, frame: pd.DataFrame) -> pd.Series[Any]:
    """Return a reason for each row without an obligatory value or with an infinite one."""
    obligatory = [
        c.name
        for c in contract.all_columns
        if c.filled_by == "source" and not c.nullable and c.name in frame
    ]
    missing = frame[obligatory].isna()
    numbers = frame.select_dtypes("number").columns
    infinite = pd.DataFrame(
        {c: np.isinf(frame[c].to_numpy(dtype="float64", na_value=np.nan)) for c in numbers},
        index=frame.index,
    )
    reasons = pd.Series(dtype="str")
    for faults, what in ((missing, "is missing"), (infinite, "is infinite")):
        count = sum((faults[c].astype("int8") for c in faults), pd.Series(0, index=frame.index))
        rows = gx.expect_between(count, 0, 0).rows.difference(reasons.index)
        told = [f"{', '.join(faults.columns[faults.loc[r]])} {what}" for r in rows]
        reasons = pd.concat([reasons, pd.Series(told, index=rows, dtype="str")])
    return reasons


def _nameless_rows(contract: RawTable, frame: pd.DataFrame) -> pd.Series[Any]:
    """Return a reason for each row whose item is no name: a sentence, a blank, a piece of HTML."""
    entity = frame[contract.entity].astype("str")
    names = pd.Series(entity.dropna().unique(), dtype="str")
    strange = names[gx.expect_matching(names, _NAME).rows]
    rows = entity[entity.isin(strange)]
    return pd.Series([f"{text[:40]!r} is no name" for text in rows], index=rows.index, dtype="str")


def _key_columns(contract: RawTable) -> list[str]:
    """Return what is unique within a batch: the key without what the loader adds."""
    own = [c for c in contract.key if c in contract.source_columns]
    if "realtime_start" in contract.source_columns:
        own.append("realtime_start")
    return [*own, *(["source"] if "source" in contract.key else [])]


def number_keys(frame: pd.DataFrame, columns: list[str]) -> pd.Series[Any]:
    """Return one integer per distinct combination of `columns`; missing counts as a value."""
    codes = np.zeros(len(frame), dtype="int64")
    for column in columns:
        part, values = pd.factorize(frame[column], use_na_sentinel=False)
        codes = pd.factorize(codes * max(len(values), 1) + part)[0].astype("int64")
    return pd.Series(codes, index=frame.index)


def keys_are_unique(bench: Bench, gate: GateCheck) -> Ruling:
    """One row per key. An exact copy is dropped; rows that contradict each other are all kept out.

    Two sources may both give one figure: they meet in no key.
    """
    bad: list[Bad] = []
    for name, frame in bench.frames.items():
        contract = RAW_TABLES[name]
        rows = gx.expect_unique(number_keys(frame, _key_columns(contract))).rows
        if rows.empty:
            continue
        twins = frame.loc[rows]
        content = number_keys(twins, list(contract.source_columns))
        keys = number_keys(twins, _key_columns(contract))
        agree = content.groupby(keys).transform("nunique") == 1
        copies = keys[agree].duplicated()
        reasons = pd.concat(
            [
                pd.Series("an exact copy of another row", index=copies.index[copies]),
                pd.Series("rows of one key contradict each other", index=agree.index[~agree]),
            ]
        ).sort_index()
        bad.append(Bad(name, reasons))
    return rule_on_rows(bench, gate, bad, good="every key stands once")


def no_row_is_in_the_future(bench: Bench, gate: GateCheck) -> Ruling:
    """No row is dated after the as-of date, projections (`observations_in_future`) apart."""
    projected = {s.id for s in bench.catalog.fred_series if s.observations_in_future}
    bad: list[Bad] = []
    for name, frame in bench.frames.items():
        contract = RAW_TABLES[name]
        dated = frame[contract.dated]
        if contract.entity == "series_id" and projected:
            dated = dated.mask(frame["series_id"].isin(projected))
        if "realtime_start" in frame:
            dated = pd.concat([dated, frame["realtime_start"]], axis=1).max(axis=1)
        days = (dated - pd.Timestamp(bench.as_of)).dt.days.astype("float64")
        rows = gx.expect_between(days, high=0.0).rows
        bad.append(Bad(name, pd.Series(f"dated after {bench.as_of}", index=rows, dtype="str")))
    return rule_on_rows(bench, gate, bad, good=f"no row is dated after {bench.as_of}")


def history_has_not_shrunk(bench: Bench, gate: GateCheck) -> Ruling:
    """A source that gives its whole history gives no less of it than before.

    Never deletes anything: what the source dropped stays in raw. Judged for items whose whole
    history this batch claims: a full refresh, files that are always whole, and items that bring at
    least `full_read_share` of the rows stored.
    """
    whole = bench.full_refresh or bench.extract.feed in _WHOLE_FILES
    slack = pd.Timedelta(days=limit(gate, "slack_days"))
    shrunk: list[str] = []
    judged = 0
    for contract in FEEDS[bench.extract.feed]:
        stored, frame = bench.stored(contract.name), bench.frame(contract.name)
        if stored.empty or frame.empty:
            continue
        entity = frame[contract.entity].astype("str")
        came = frame.groupby(entity)[contract.dated].agg(["min", "nunique"])
        both = came.join(stored[["rows", "oldest_on"]], how="inner")
        if not whole:
            both = both[both["nunique"] >= limit(gate, "full_read_share") * both["rows"]]
        lost = (both["min"] - both["oldest_on"]).dt.days.astype("float64").clip(lower=0.0)
        judged += len(both)
        for item in gx.expect_between(lost.reset_index(drop=True), high=float(slack.days)).rows:
            row = both.iloc[item]
            shrunk.append(
                f"{both.index[item]} now begins {row['min'].date()}, "
                f"stored from {row['oldest_on'].date()}"
            )
    if shrunk:
        return Ruling(
            f"{name_some(shrunk)}; stored rows stay",
            noted=True,
            failing=len(shrunk),
            examples=tuple(shrunk[:50]),
        )
    return Ruling(f"{judged} whole histories are as long as before")


def fresh_items(records: Mapping[str, tuple[bool, str]]) -> Ruling:
    """Let Great Expectations judge staleness: item to (is stale, what to say of it)."""
    items = list(records)
    flags = pd.Series([not records[i][0] for i in items], dtype="bool")
    stale = tuple(records[items[i]][1] for i in gx.expect_true(flags).rows)
    if not stale:
        return Ruling(f"{len(items)} items are fresh")
    return Ruling(
        f"{len(stale)} of {len(items)} items are stale: {name_some(stale)}",
        noted=True,
        failing=len(stale),
        examples=stale[:50],
    )
