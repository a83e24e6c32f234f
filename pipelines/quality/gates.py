"""The landing gate: which checks judge which feed, and how their rulings are weighed.

`judge_batch` is pure: a batch and what is known beside it in, a report out. Severities and limits
come from `catalog/gates.yaml`; every check named there is one of `CHECKS` and the other way round.
Reading the warehouse, writing verdicts and stopping what comes after are other modules' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import pandas as pd

from pipelines.catalog.models import Catalog, GateCheck
from pipelines.errors import ConfigurationError
from pipelines.quality import (
    bar_moves,
    bars,
    cross_sections,
    fundamentals,
    holdings,
    long_history,
    macro,
    shares,
    structure,
)
from pipelines.quality.bench import Bench, Check, Ruling
from pipelines.quality.findings import QUARANTINE_COLUMNS, Finding, GateReport
from pipelines.sources.payloads import Extract
from pipelines.storage.contracts import RAW_TABLES


def _named(*checks: Check) -> dict[str, Check]:
    return {check.__name__: check for check in checks}


_SHAPE = (
    structure.no_payload_broke_its_contract,
    structure.every_item_is_answered,
    structure.columns_have_their_types,
    structure.keys_are_unique,
)
_MACRO = (
    *_SHAPE,
    structure.no_row_is_in_the_future,
    macro.series_are_catalogued,
    macro.observations_are_of_weekdays,
    macro.values_are_plausible,
    macro.steps_are_plausible,
    structure.history_has_not_shrunk,
    macro.series_are_fresh,
)
_BARS = (
    *_SHAPE,
    structure.no_row_is_in_the_future,
    bars.bars_are_of_sessions,
    bars.bars_are_of_closed_sessions,
    bars.prices_are_positive,
    bars.volumes_are_not_negative,
    bars.prices_are_within_their_bar,
    bars.events_are_plausible,
    bars.stored_closes_agree,
    bars.restatements_are_explained,
    bar_moves.moves_are_plausible,
    bar_moves.no_split_without_its_event,
    structure.history_has_not_shrunk,
    bars.symbols_have_the_last_session,
)

CHECKS: Mapping[str, Mapping[str, Check]] = {
    "fred_observations": _named(*_MACRO),
    "agency_observations": _named(*_MACRO),
    "fred_releases": _named(*_SHAPE, macro.release_dates_are_plausible),
    "instrument_bars": _named(*_BARS, bars.instruments_are_fresh),
    "constituent_bars": _named(*_BARS),
    "fund_holdings": _named(
        *_SHAPE,
        structure.no_row_is_in_the_future,
        holdings.files_are_of_their_fund,
        holdings.files_are_of_the_day_asked,
        holdings.files_are_of_weekdays,
        holdings.files_hold_their_lines,
        holdings.lines_stand_once,
        holdings.weights_sum_to_hundred,
        holdings.lines_have_their_values,
        holdings.net_assets_match_nav,
        holdings.holdings_are_fresh,
    ),
    "fund_shares": _named(
        *_SHAPE,
        structure.no_row_is_in_the_future,
        shares.counts_are_of_sessions,
        shares.counts_are_positive,
        shares.navs_are_plausible,
        shares.total_net_assets_add_up,
        shares.stored_counts_agree,
        shares.newest_counts_are_confirmed,
        structure.history_has_not_shrunk,
        shares.share_counts_are_fresh,
    ),
    "french_portfolios": _named(
        *_SHAPE,
        structure.no_row_is_in_the_future,
        long_history.returns_are_possible,
        long_history.firms_and_sizes_are_positive,
        long_history.files_hold_their_history,
        long_history.edition_is_not_older,
        long_history.stored_values_agree,
        structure.history_has_not_shrunk,
        long_history.newest_month_is_recent,
    ),
    "shiller_history": _named(
        *_SHAPE,
        structure.no_row_is_in_the_future,
        long_history.measures_are_plausible,
        long_history.every_measure_is_there,
        long_history.edition_is_not_older,
        long_history.stored_values_agree,
        structure.history_has_not_shrunk,
        long_history.newest_month_is_recent,
    ),
    "sec_companies": _named(
        *_SHAPE,
        structure.no_row_is_in_the_future,
        fundamentals.companies_have_their_keys,
        fundamentals.list_is_whole,
        fundamentals.tickers_keep_their_company,
    ),
    "sec_facts": _named(
        *_SHAPE,
        structure.no_row_is_in_the_future,
        fundamentals.facts_are_catalogued,
        fundamentals.filings_follow_their_period,
        fundamentals.facts_are_plausible,
        fundamentals.filings_keep_their_values,
        structure.history_has_not_shrunk,
        fundamentals.filings_are_fresh,
    ),
    "sec_frames": _named(
        structure.no_payload_broke_its_contract,
        cross_sections.frames_are_answered,
        structure.columns_have_their_types,
        structure.keys_are_unique,
        structure.no_row_is_in_the_future,
        fundamentals.facts_are_catalogued,
        cross_sections.periods_fit_their_frame,
        fundamentals.facts_are_plausible,
        cross_sections.stored_values_agree,
        cross_sections.cross_sections_have_not_shrunk,
        cross_sections.frames_are_fresh,
    ),
}
"""Feed to its checks, in the order in which they judge: each sees what the ones before left."""

_STRUCTURAL = "columns_have_their_types"
"""Where this fails, the checks after it have nothing to stand on."""


def judge_batch(
    extract: Extract,
    *,
    catalog: Catalog,
    history: Mapping[str, pd.DataFrame],
    as_of: date,
    sessions: Iterable[date] | pd.DatetimeIndex,
    full_refresh: bool = False,
    checks: Mapping[str, Check] | None = None,
) -> GateReport:
    """Judge one batch: which rows may be loaded, which are kept out, whether all are refused.

    Args:
        extract: what the feed brought home; its frames are not changed.
        catalog: limits per item and per check.
        history: raw table name to one row per stored entity: `entity`, `rows` (distinct dates),
            `oldest_on`, `newest_on`, `newest_value` (value, close, shares, or equity lines of the
            newest file; may be missing). Optional beside them: `<bars table>__overlap` (symbol,
            traded_on, close as stored), `fund_files__nav` (fund_id, traded_on, nav_usd),
            `sec_frames__sizes` (frame_id, companies), `sec_frames__values` (frame_id, cik, value),
            and a column `newest_edition` in the history
            of `french_portfolios`.
        as_of: the day that the run is for.
        sessions: the exchange's sessions, ascending, from the first that any row can have on.
        full_refresh: every item was read whole, whatever was stored.
        checks: the checks to judge by, by name in their order; the feed's own (`CHECKS`) if None.
            Only the tests that take one away ask for others.

    Raises:
        ConfigurationError: the gate catalogue lacks a check of this feed or one of its limits.
        ExpectationFailedToRun: Great Expectations could not judge; nothing is accepted.
    """
    gates = {g.check: g for g in catalog.gate_checks if g.feed == extract.feed}
    bench = Bench(
        extract=extract,
        catalog=catalog,
        history=history,
        as_of=as_of,
        sessions=_as_index(sessions),
        full_refresh=full_refresh,
        frames={t: f.reset_index(drop=True) for t, f in extract.frames.items() if len(f)},
    )
    findings: list[Finding] = []
    kept_out: list[pd.DataFrame] = []
    sound = True
    for name, check in (CHECKS[extract.feed] if checks is None else checks).items():
        if name not in gates:
            raise ConfigurationError(f"gates.yaml: {extract.feed}.{name}: the check is missing")
        if not sound:
            message = f"not judged: {_STRUCTURAL} failed"
            findings.append(Finding(name, "warn", False, message))
            continue
        ruling = check(bench, gates[name])
        sound = not (name == _STRUCTURAL and ruling.refuses)
        findings.append(_weigh(ruling, gates[name]))
        kept_out.extend(_take_out(bench, ruling, name))
    report = GateReport(
        feed=extract.feed,
        findings=tuple(findings),
        accepted={},
        quarantined=pd.concat([_no_rows(), *kept_out], ignore_index=True),
    )
    if report.refused:
        return report
    standing = {
        table: bench.frames[table].reset_index(drop=True) if table in bench.frames else frame
        for table, frame in extract.frames.items()
    }
    return GateReport(report.feed, report.findings, standing, report.quarantined)


def _as_index(sessions: Iterable[date] | pd.DatetimeIndex) -> pd.DatetimeIndex:
    if isinstance(sessions, pd.DatetimeIndex):
        return sessions
    return pd.DatetimeIndex(pd.to_datetime(list(sessions)))


def _weigh(ruling: Ruling, gate: GateCheck) -> Finding:
    """Return the finding: only what refuses weighs what the catalogue says, the rest warns."""
    rows = sum(len(b.reasons) for b in ruling.bad)
    return Finding(
        check=gate.check,
        severity=gate.severity if ruling.refuses else "warn",
        passed=not (ruling.refuses or ruling.noted or rows),
        message=ruling.message,
        failing_rows=rows or ruling.failing,
        examples=ruling.examples,
    )


def _take_out(bench: Bench, ruling: Ruling, rule: str) -> list[pd.DataFrame]:
    """Remove the ruling's rows from the bench and return them as quarantine records."""
    out = []
    for bad in ruling.bad:
        if bad.reasons.empty:
            continue
        frame = bench.frames[bad.table]
        out.append(_records(bad.table, frame.loc[bad.reasons.index], bad.reasons, rule))
        bench.frames[bad.table] = frame.drop(index=bad.reasons.index)
    return out


def _records(table: str, rows: pd.DataFrame, reasons: pd.Series[Any], rule: str) -> pd.DataFrame:
    contract = RAW_TABLES[table]
    text = rows.to_json(orient="records", lines=True, date_format="iso")
    return pd.DataFrame(
        {
            "table_name": table,
            "source": rows["source"].astype("str").to_numpy(),
            "item": rows[contract.entity].astype("str").to_numpy(),
            "row_date": pd.to_datetime(rows[contract.dated]).astype("datetime64[us]").to_numpy(),
            "rule": rule,
            "reason": reasons.astype("str").to_numpy(),
            "row_json": pd.Series(str(text).splitlines(), dtype="str").to_numpy(),
        }
    )


def _no_rows() -> pd.DataFrame:
    empty = pd.DataFrame({c: pd.Series(dtype="str") for c in QUARANTINE_COLUMNS})
    return empty.astype({"row_date": "datetime64[us]"})
