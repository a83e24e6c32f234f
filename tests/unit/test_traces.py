"""Every published column can be traced, and says so in one rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pipelines.lineage.reasons import LOOKS_AHEAD
from pipelines.lineage.traces import (
    TRACES,
    FromMarts,
    Label,
    RawRows,
    find_rule,
    months_back,
    sessions_back,
)
from pipelines.settings import DBT_PROJECT_DIR
from pipelines.storage.contracts import RAW_TABLES

MODELS = {
    model["name"]: [column["name"] for column in model["columns"]]
    for path in sorted(Path(DBT_PROJECT_DIR / "models/marts").rglob("*.yml"))
    for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
}


def test_every_mart_has_rules_and_no_other_name_has() -> None:
    assert set(TRACES) == set(MODELS)
    assert {name.removeprefix("marts.") for name in LOOKS_AHEAD} <= set(MODELS)


@pytest.mark.parametrize("mart", sorted(MODELS))
def test_every_column_is_traced_to_raw_to_other_columns_or_says_what_it_is(mart: str) -> None:
    for column in MODELS[mart]:
        rule = find_rule(mart, column)
        if isinstance(rule, RawRows):
            assert rule.table in RAW_TABLES
            assert {"payload_sha256", "known_on", "run_id"} <= set(re.findall(r"\w+", rule.sql))
        elif isinstance(rule, FromMarts):
            named = [c for c in rule.columns if not c.startswith(("$", "meta."))]
            assert {c.partition(".")[0] for c in named} <= set(MODELS)
        else:
            assert isinstance(rule, Label)


@pytest.mark.parametrize("mart", sorted(MODELS))
def test_every_rule_is_some_columns(mart: str) -> None:
    used = {id(find_rule(mart, column)) for column in MODELS[mart]}
    assert {id(rule) for _, rule in TRACES[mart]} == used


def test_lags_are_read_off_formula_and_name() -> None:
    assert months_back("100 * (P_t / P_(t-12) - 1)") == [0, 12]
    assert months_back("value as of the session") == [0]
    assert sessions_back("yield_10y_change_63d_pts") == [0, 63]
    assert sessions_back("high_yield_spread_z_756d") == [0]
