"""One published number, traced back: formula, input rows, payloads, checks, publications."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from typing import Any

import pandas as pd

from pipelines.catalog.models import load_catalog
from pipelines.errors import ConfigurationError
from pipelines.lineage.traces import (
    INDEX_SYMBOLS,
    PAIR_SYMBOLS,
    FromMarts,
    Label,
    RawRows,
    find_rule,
    months_back,
    sessions_back,
)
from pipelines.settings import Settings
from pipelines.storage import tracing
from pipelines.storage.contracts import RAW_TABLES
from pipelines.storage.errors import LandingCorrupt, StorageError
from pipelines.storage.landing import Landing
from pipelines.storage.snapshot import open_version
from pipelines.storage.versions import find_version, list_versions, version_path


@dataclass(frozen=True, slots=True)
class TracedPayload:
    """One landed reply. `state`: intact (its content has this hash), or what is wrong with it."""

    feed: str
    run_id: str
    url: str
    fetched_at: str
    sha256: str
    state: str


@dataclass(frozen=True, slots=True)
class Carrier:
    """A kept version that has the row, and what it says there."""

    version: str
    as_of: date
    value: Any
    is_same: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known of one cell. `rows` are the raw rows that it stands on, if any."""

    table: str
    column: str
    key: Mapping[str, Any]
    value: Any
    unit: str | None
    meaning: str | None
    formula: str | None
    source: str | None
    version: str
    as_of: date
    code_version: str | None
    is_simulated: bool
    way: Sequence[tuple[str, str]]
    what: str
    rows: pd.DataFrame
    derived_from: Sequence[str]
    revisions: pd.DataFrame
    """Every vintage of the observations among `rows`, the ones not used included; may be empty."""
    payloads: Sequence[TracedPayload] = ()
    gates: pd.DataFrame = field(default_factory=pd.DataFrame)
    checks: pd.DataFrame = field(default_factory=pd.DataFrame)
    carriers: Sequence[Carrier] = ()


def explain(
    settings: Settings,
    table: str,
    key: Sequence[str],
    column: str,
    *,
    version: str = "current",
    where: Mapping[str, str] | None = None,
) -> Explanation:
    """Trace one cell of a published table.

    `key` are values of the table's key columns in their order, dates first or where they stand;
    `where` names others.

    Raises:
        ConfigurationError: no such table, column or row, or the key fits several rows; the message
            names what there is.
        StorageError: the version, the build file or a payload cannot be read.
    """
    name = find_version(settings, version)
    with open_version(settings, name) as connection:
        tables = tracing.read_columns(connection)
        table = _known(table if "." in table else f"marts.{table}", list(tables), "table")
        columns = {c["column_name"]: c for c in tables[table]}
        column = _known(column, list(columns), f"column of {table}")
        wanted = _key(table, columns, key, where or {})
        row = _one_row(connection, table, columns, wanted)
        publications = tracing.read_publications(connection)
        way = tracing.read_parents(connection, table)
        publication = next(p for p in publications if p["version"] == name)
        checks = tracing.read_checks(connection, publication["run_id"])
        simulated = settings.world == "sample"
    about = columns[column]
    grain = {c: row[c] for c, said in columns.items() if said["is_key"]}
    mart = table.partition(".")[2]
    rule = (
        find_rule(mart, column) if table.startswith("marts.") else Label("written by this pipeline")
    )
    rows, derived, what, payloads = pd.DataFrame(), [], "", []
    gates, revisions = pd.DataFrame(), pd.DataFrame()
    if isinstance(rule, Label):
        what = rule.why
    elif isinstance(rule, FromMarts):
        what = "derived from other published columns"
        derived = _derived(settings, rule, row)
    else:
        what = rule.what
        values = _values(row, about, publication["as_of"], column)
        rows = tracing.read_raw(settings, rule.sql, values)
        revisions = _revisions(settings, rule, rows, publication["as_of"])
        feed = RAW_TABLES[rule.table].feed
        payloads = _payloads(settings, rows)
        gates = tracing.read_gates(settings, sorted({p.run_id for p in payloads}), feed)
    return Explanation(
        table=table,
        column=column,
        key=grain,
        value=row[column],
        unit=about["unit"],
        meaning=about["meaning"],
        formula=about["formula"],
        source=about["source"],
        version=name,
        as_of=publication["as_of"],
        code_version=publication["code_version"],
        is_simulated=simulated,
        way=way,
        what=what,
        rows=rows,
        derived_from=tuple(derived),
        revisions=revisions,
        payloads=tuple(payloads),
        gates=gates,
        checks=_checks_on_the_way(checks, way, table),
        carriers=tuple(_carriers(settings, table, grain, column, row[column], publications)),
    )


def _known(name: str, names: Sequence[str], kind: str) -> str:
    if name in names:
        return name
    near = get_close_matches(name, names, n=4, cutoff=0.5)
    told = f"; did you mean {', '.join(near)}?" if near else f"; there are {', '.join(names)}"
    raise ConfigurationError(f"{name} is no {kind}{told}")


def _key(
    table: str,
    columns: Mapping[str, Mapping[str, Any]],
    key: Sequence[str],
    where: Mapping[str, str],
) -> dict[str, str]:
    """Fit values to key columns: a date to the first free date column, others to the others."""
    free = [c for c, said in columns.items() if said["is_key"]] or list(columns)
    wanted: dict[str, str] = {}
    for name, value in where.items():
        wanted[_known(name, list(columns), f"column of {table}")] = value
    for value in key:
        is_date = re.fullmatch(r"\d{4}-\d\d-\d\d", value) is not None
        open_ones = [
            c for c in free if c not in wanted and (columns[c]["data_type"] == "DATE") == is_date
        ]
        if not open_ones:
            kind = "date" if is_date else "other"
            raise ConfigurationError(f"{value}: {table} has no further {kind} key column")
        wanted[open_ones[0]] = value
    return wanted


def _one_row(
    connection: Any, table: str, columns: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, str]
) -> dict[str, Any]:
    rows = tracing.read_rows(connection, table, wanted)
    told = ", ".join(f"{c} = {v}" for c, v in wanted.items())
    if len(rows) == 1:
        return rows[0]
    if not rows:
        near = [
            f"{column} {' and '.join(tracing.read_nearest(connection, table, column, value))}"
            for column, value in wanted.items()
            if columns[column]["data_type"] == "DATE"
        ]
        raise ConfigurationError(
            f"{table} has no row with {told}{'; nearest: ' + '; '.join(near) if near else ''}"
        )
    missing = [c for c, said in columns.items() if said["is_key"] and c not in wanted]
    choices = "; ".join(f"{c}: {', '.join(sorted({str(r[c]) for r in rows})[:8])}" for c in missing)
    raise ConfigurationError(f"{table} has {len(rows)} rows with {told}: say also {choices}")


def _values(
    row: Mapping[str, Any], about: Mapping[str, Any], as_of: date, column: str
) -> dict[str, Any]:
    """Return what the queries may name: the row's own cells and what the dictionary says."""
    source, formula = str(about["source"] or ""), str(about["formula"] or "")
    series = {s.id for s in load_catalog().fred_series}
    named = [s for s in re.findall(r"[A-Z][A-Z0-9]{2,}", source) if s in series]
    symbols = list(re.findall(r"\^?\b[A-Z]{3,5}\b", source))
    if "pair_id" in row:
        symbols = list(PAIR_SYMBOLS[row["pair_id"]])
    elif "event_kind" in row:
        symbols = [*INDEX_SYMBOLS.values(), "IWM", "SPY"]
    elif "index_id" in row:
        symbols = [INDEX_SYMBOLS[row["index_id"]]]
    elif "fund_id" in row:
        symbols = [row["fund_id"], "SPY"]
    days = [row[c] for c in ("traded_on", "event_on", "ends_on", "window_from_on") if row.get(c)]
    return {
        **row,
        "as_of": as_of,
        "until_on": row.get("month_on") or row.get("quarter_on"),
        "series": named,
        "months": months_back(formula),
        "sessions": sessions_back(column),
        "symbols": symbols,
        "days": days,
    }


def _derived(settings: Settings, rule: FromMarts, row: Mapping[str, Any]) -> list[str]:
    if rule.columns == ("$inputs",):
        return tracing.read_signal_inputs(settings, str(row["signal_id"]))
    if rule.columns == ("$measured_row",):
        told = [row.get("measured_row"), row.get("source")]
        return [str(t) for t in told if t] or ["nothing is held for this claim"]
    return [c if c.startswith("meta.") else f"marts.{c}" for c in rule.columns]


_EVERY_VINTAGE = """
select series_id, observed_on, value, known_on, known_on_basis, source, loaded_as_of
from raw.fred_observations
where series_id in (select unnest($series)) and observed_on in (select unnest($days))
    and loaded_as_of <= $as_of
order by series_id, observed_on desc, known_on
"""


def _revisions(settings: Settings, rule: RawRows, rows: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Return all vintages of the observations among the rows, marked with those that are used."""
    if rule.table != "fred_observations" or rows.empty:
        return pd.DataFrame()
    found = tracing.read_raw(
        settings,
        _EVERY_VINTAGE,
        {
            "series": sorted(set(rows["series_id"])),
            "days": [d.date() for d in pd.to_datetime(rows["observed_on"]).unique()],
            "as_of": as_of,
        },
    )
    used = set(zip(rows["series_id"], rows["observed_on"], rows["known_on"], strict=True))
    at = zip(found["series_id"], found["observed_on"], found["known_on"], strict=True)
    return found.assign(is_used=[place in used for place in at])


def _payloads(settings: Settings, rows: pd.DataFrame, *, most: int = 200) -> list[TracedPayload]:
    """Return the landed replies behind the rows; each body is read and held against its hash."""
    if rows.empty:
        return []
    landing = Landing(settings.landing_dir)
    places = rows[["run_id", "payload_sha256"]].drop_duplicates()
    found: list[TracedPayload] = []
    for run_id, group in places.groupby("run_id", sort=True):
        digests = set(group["payload_sha256"])
        for feed in landing.feeds_of(str(run_id)):
            for payload in landing.kept_payloads(str(run_id), feed):
                if payload.sha256 not in digests or len(found) >= most:
                    continue
                digests.discard(payload.sha256)
                try:
                    landing.body(payload, run_id=str(run_id))
                    state = "intact"
                except LandingCorrupt as error:
                    state = f"damaged: {error}"
                found.append(
                    TracedPayload(
                        feed,
                        str(run_id),
                        payload.url,
                        f"{payload.fetched_at:%Y-%m-%d %H:%M:%S} UTC",
                        payload.sha256,
                        state,
                    )
                )
        if len(found) < most:
            found += [
                TracedPayload("", str(run_id), "", "", digest, "not in landing")
                for digest in sorted(digests)
            ]
    return found


def _checks_on_the_way(
    checks: pd.DataFrame, way: Sequence[tuple[str, str]], table: str
) -> pd.DataFrame:
    """Return the dbt tests of the run that name a model between the table and raw."""
    models = {table.partition(".")[2]}
    models |= {name.partition(".")[2] for edge in way for name in edge}
    named = checks["kind"].eq("dbt_test") & checks["check_id"].map(
        lambda check: any(model in check for model in models)
    )
    return checks[named]


def _carriers(
    settings: Settings,
    table: str,
    key: Mapping[str, Any],
    column: str,
    value: Any,
    publications: Sequence[Mapping[str, Any]],
) -> list[Carrier]:
    days = {p["version"]: p["as_of"] for p in publications}
    found = []
    for version in list_versions(settings):
        path = version_path(settings, version)
        try:
            has, there = tracing.read_cell(path, table, key, column)
        except StorageError:
            continue
        if has and version in days:
            same = there == value or (pd.isna(there) and pd.isna(value))
            found.append(Carrier(version, days[version], there, bool(same)))
    return found
