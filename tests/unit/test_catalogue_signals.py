"""The reviewed catalogue of signals: complete, and true of the marts that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.catalog.models import CATALOG_DIR, load_catalog, load_catalog_from, read_entries
from pipelines.catalog.signals import PILLARS, SignalInput
from pipelines.errors import ConfigurationError

INPUTS = {i.id: i for i in load_catalog().signal_inputs}
MARTS = Path(__file__).parents[2] / "dbt_project/models/marts"
ENTRY: dict[str, Any] = {
    "id": "x", "pillar": "credit", "title": "X", "mart": "macro_regime", "column": "nfci",
    "scale": "z_score", "look_back_sessions": 756, "orientation": -1, "weight": 1.0,
    "series": ["NFCI"], "why": "So.",
}  # fmt: skip


def mart_column(mart: str, column: str) -> dict[str, Any]:
    """Return a column of a mart as its YAML describes it."""
    [path] = MARTS.glob(f"*/{mart}.yml")
    [model] = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    found: dict[str, Any] = {c["name"]: c for c in model["columns"]}[column]
    return found


@pytest.mark.parametrize("entry", INPUTS.values(), ids=lambda e: e.id)
def test_an_input_is_a_number_of_a_mart(entry: SignalInput) -> None:
    for column in filter(None, (entry.column, entry.minus)):
        said = mart_column(entry.mart, column)
        assert said["data_type"].lower() in {"double", "integer"}, column
        # A column that is a z-score already is not standardised again, and no other is taken bare.
        assert column.endswith("_z") == (entry.scale == "as_published"), column


@pytest.mark.parametrize(
    "entry", [e for e in INPUTS.values() if e.mart == "macro_regime"], ids=lambda e: e.id
)
def test_an_input_names_the_series_that_its_column_stands_on(entry: SignalInput) -> None:
    source = mart_column(entry.mart, entry.column)["config"]["meta"]["source"]
    named = {word.strip(",;") for word in source.split()}
    for series in entry.series:
        assert series in named or series.removesuffix("_MID") + "U" in named, (series, source)


def test_every_pillar_has_its_inputs() -> None:
    by_pillar = {p: [i for i in INPUTS.values() if i.pillar == p] for p in PILLARS}
    assert {p: len(found) for p, found in by_pillar.items()} == {
        "valuation": 3, "breadth": 3, "flows": 2, "rates_and_inflation": 4, "credit": 3,
        "dollar": 1,
    }  # fmt: skip
    # The two lenses of valuation weigh alike.
    lens = {i.id: i.weight for i in by_pillar["valuation"]}
    assert lens == {"price_ratio": 1.0, "small_fair_value_gap": 0.5, "book_gap": 0.5}


def test_orientations_are_the_reviewed_ones() -> None:
    headwinds = {i.id for i in INPUTS.values() if i.orientation == -1}
    assert headwinds == {
        "price_ratio", "small_fair_value_gap", "book_gap", "yield_10y_change", "real_policy_rate",
        "core_inflation_gap", "high_yield_spread", "baa_spread", "financial_conditions",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pillar": "momentum"}, "x: pillar"),
        ({"weight": 0}, "x: weight"),
        ({"weight": -0.5}, "x: weight"),
        ({"orientation": 0}, "x: orientation"),
        ({"look_back_sessions": 300}, "x: look_back_sessions"),
        ({"scale": "percentile"}, "x: scale"),
        ({"colour": "red"}, "x: colour"),
        ({"why": None}, "x: why"),
        ({"span_sessions": -1}, "x: span_sessions"),
        ({"scale": "as_published", "minus": "y"}, "minus goes with scale z_score"),
        ({"series": []}, "names the series"),
        ({"mart": "market_breadth", "series": [], "span_sessions": 63}, "none is named"),
    ],
    ids=lambda v: str(v),
)
def test_an_entry_that_contradicts_itself_is_refused(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = tmp_path / "signals.yaml"
    path.write_text(yaml.safe_dump([ENTRY | change]), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=said):
        read_entries(path, SignalInput, id_field="id")


def test_an_input_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "signals.yaml"
    path.write_text(yaml.safe_dump([ENTRY, ENTRY]), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="x: stands twice"):
        read_entries(path, SignalInput, id_field="id")


def test_a_pillar_without_inputs_or_a_strange_series_is_refused() -> None:
    catalog = load_catalog()
    fields = dict(catalog)
    others = tuple(i for i in INPUTS.values() if i.pillar != "dollar")
    with pytest.raises(ValueError, match="no input for the pillar dollar"):
        type(catalog).model_validate({**fields, "signal_inputs": others})
    strange = INPUTS["baa_spread"].model_copy(update={"series": ("NOPE",)})
    with pytest.raises(ValueError, match="baa_spread: no such series: NOPE"):
        type(catalog).model_validate(
            {**fields, "signal_inputs": (*others, strange, *INPUTS.values())}
        )


def test_a_signal_is_added_by_an_entry_alone(tmp_path: Path) -> None:
    """The first step of docs/add.md: the loader takes a further entry as it stands."""
    for path in CATALOG_DIR.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (CATALOG_DIR / "signals.yaml").read_text(encoding="utf-8")
    added = ENTRY | {"id": "sahm", "column": "sahm_pts", "series": ["UNRATE"]}
    (tmp_path / "signals.yaml").write_text(text + yaml.safe_dump([added]), encoding="utf-8")
    assert [i.id for i in load_catalog_from(tmp_path).signal_inputs] == [*INPUTS, "sahm"]
