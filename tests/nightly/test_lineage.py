"""One number of a real night traced back to its payloads, and two nights compared."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from pipelines.errors import ConfigurationError
from pipelines.lineage.diff import diff_versions, newest_two
from pipelines.lineage.explain import explain
from pipelines.lineage.traces import TRACES, FromMarts, RawRows, find_rule
from tests.fakes.nights import NightResult

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("nights")]
CORE_PCE = ("marts.macro_regime", ["2025-09-30"], "core_pce_yoy_pct")


def test_the_number_can_be_recomputed_from_the_rows_that_are_shown(
    later_night: NightResult,
) -> None:
    told = explain(later_night.settings, *CORE_PCE)
    assert told.formula == "100 * (P_t / P_(t-12) - 1), both as known on the session"
    newest, year_before = told.rows.itertuples()
    assert newest.series_id == "PCEPILFE"
    months = pd.Timestamp(newest.observed_on) - pd.DateOffset(months=12)
    assert pd.Timestamp(year_before.observed_on) == months
    assert told.value == pytest.approx(100 * (newest.value / year_before.value - 1), abs=1e-12)
    assert max(newest.known_on, year_before.known_on) <= pd.Timestamp("2025-09-30")
    used = told.revisions[told.revisions["is_used"]]
    assert len(used) == 2


def test_payloads_checks_and_publications_stand_behind_it(later_night: NightResult) -> None:
    told = explain(later_night.settings, *CORE_PCE)
    assert {p.state for p in told.payloads} == {"intact"}
    assert {p.sha256 for p in told.payloads} == set(told.rows["payload_sha256"])
    assert all("fred" in p.url and "api_key=" not in p.url for p in told.payloads)
    assert set(told.gates["status"]) <= {"passed", "warned"}
    assert len(told.gates) > 5
    assert "dbt:unique_macro_regime_traded_on" in set(told.checks["check_id"])
    assert [c.is_same for c in told.carriers] == [True] * 3
    assert ("marts.macro_regime", "intermediate.int_macro_inputs_pivoted") in told.way


def _one_row(night: NightResult, mart: str) -> dict[str, Any]:
    """A newest row of the mart in which most cells have a value, and its key."""
    said = night.published(
        "select c.column_name, d.is_key from duckdb_columns() as c "
        "inner join meta.data_dictionary as d using (schema_name, table_name, column_name) "
        f"where c.schema_name = 'marts' and c.table_name = '{mart}' "
        "and c.database_name = current_database() order by c.column_index"
    )
    names = [name for name, _ in said]
    keys = [name for name, is_key in said if is_key]
    filled = " + ".join(f'("{c}" is not null)::int' for c in names)
    order = ", ".join(f'"{k}" desc' for k in keys)
    [row] = night.published(f"from marts.{mart} order by {filled} desc, {order} limit 1")
    whole = dict(zip(names, row, strict=True))
    return {k: whole[k] for k in keys}


@pytest.mark.parametrize("mart", sorted(TRACES))
def test_every_rule_of_a_mart_finds_what_it_promises(later_night: NightResult, mart: str) -> None:
    key = {k: str(v) for k, v in _one_row(later_night, mart).items()}
    columns = later_night.published(
        "select column_name from meta.data_dictionary "
        f"where schema_name = 'marts' and table_name = '{mart}'"
    )
    first = {id(find_rule(mart, c)): c for (c,) in reversed(columns)}
    for column in first.values():
        told = explain(later_night.settings, mart, [], column, where=key)
        rule = find_rule(mart, column)
        if isinstance(rule, RawRows):
            assert len(told.rows) > 0, column
            assert {p.state for p in told.payloads} == {"intact"}, column
        elif isinstance(rule, FromMarts):
            assert told.derived_from, column


def test_a_payload_that_was_touched_is_told(later_night: NightResult, tmp_path: Path) -> None:
    told = explain(later_night.settings, *CORE_PCE)
    digest = told.payloads[0].sha256
    [path] = later_night.settings.landing_dir.glob(f"payloads/*/{digest}*")
    kept = tmp_path / "kept"
    shutil.copy2(path, kept)
    mode = path.stat().st_mode
    try:
        path.chmod(0o644)
        path.write_bytes(gzip.compress(b"another"))
        states = {p.sha256: p.state for p in explain(later_night.settings, *CORE_PCE).payloads}
    finally:
        path.write_bytes(kept.read_bytes())
        path.chmod(mode)
    assert "its content does not match its name" in states[digest]


@pytest.mark.parametrize(
    ("table", "key", "column", "message"),
    [
        ("marts.macro_regim", ["2025-09-30"], "x", "did you mean marts.macro_regime"),
        ("marts.macro_regime", ["2025-09-30"], "core_pce", "did you mean core_pce_"),
        ("marts.macro_regime", ["2025-10-04"], "nfci", "traded_on 2025-10-03 and 2025-10-06"),
        ("marts.market_breadth", ["2025-10-08", "sp_500"], "members", "say also sector: "),
        ("marts.macro_regime", ["2025-09-31"], "nfci", "2025-09-31"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(
    later_night: NightResult, table: str, key: list[str], column: str, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        explain(later_night.settings, table, key, column)


def test_two_nights_differ_by_new_data_alone(later_night: NightResult) -> None:
    diff = diff_versions(later_night.settings, *newest_two(later_night.settings))
    assert (str(diff.older.as_of), str(diff.newer.as_of)) == ("2025-10-08", "2025-10-10")
    reasons = {t.difference.table.removeprefix("marts."): t for t in diff.tables}
    breadth = reasons["market_breadth"]
    assert breadth.reason == "new data"
    assert breadth.difference.added == breadth.difference.added_later > 0
    assert (breadth.difference.changed, breadth.difference.removed) == (0, 0)
    assert reasons["signal_revisions"].difference.added == 7
    assert "unexplained" not in {t.reason for t in diff.tables}
    assert "code" not in {t.reason for t in diff.tables}


def test_a_night_run_again_is_equal(later_night: NightResult) -> None:
    versions = sorted(p.name for p in later_night.settings.published_dir.glob("versions/2*"))
    diff = diff_versions(later_night.settings, versions[0], versions[1])
    assert diff.is_equal
    assert diff.loaded == {}
