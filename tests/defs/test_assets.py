"""What a data engineer reads in the UI: texts, groups, columns, links, checks, steps."""

from __future__ import annotations

import base64
import io
import re
from datetime import date
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from pipelines.catalog.models import load_catalog
from pipelines.defs.dbt.definitions import MANIFEST
from pipelines.defs.dbt.translator import TAGS, TRANSLATOR, check_description, relation_of
from pipelines.defs.funds.backfill import BACKFILL_KEY
from pipelines.defs.gates import _age_metadata, _describe
from pipelines.night import BRANCHES
from pipelines.plots import PLOTS, _draw_intervals, draw_markdown
from pipelines.publication import expected_tests
from pipelines.quality.findings import Finding
from pipelines.storage.asset_facts import FeedAge, Relation
from pipelines.storage.contracts import FEEDS, RAW_TABLES

SCHEMAS = {"landing", "raw", "staging", "intermediate", "marts", "meta", "published"}
GROUPS = {*BRANCHES, "breadth", "valuation", "rates", "events", "signals", "claims", "published"}
MARTS = {
    "macro_regime",
    "macro_revisions",
    "release_calendar",
    "valuation_gaps",
    "market_breadth",
    "fund_flows",
    "flow_signals",
    "record_highs",
    "sector_weights",
    "fundamentals_coverage",
    "sector_rate_sensitivity",
    "event_studies",
    "event_study_summary",
    "signal_scorecard",
    "signal_evidence",
    "signal_revisions",
    "claim_audit",
    "portfolio_fundamentals",
    "leverage",
}


def test_keys_are_schema_and_table(specs: dict[str, dg.AssetSpec]) -> None:
    assert {len(spec.key.path) for spec in specs.values()} == {2}
    assert {spec.key.path[0] for spec in specs.values()} == SCHEMAS
    assert {k for k in specs if k.startswith("landing/")} == {f"landing/{f}" for f in FEEDS} | {
        BACKFILL_KEY.to_user_string()
    }
    assert {k for k in specs if k.startswith("raw/")} == {f"raw/{t}" for t in RAW_TABLES}
    assert {k for k in specs if k.startswith("marts/")} >= {f"marts/{m}" for m in MARTS}


def test_every_asset_says_what_it_is_and_whose(specs: dict[str, dg.AssetSpec]) -> None:
    for key, spec in specs.items():
        assert len(spec.description or "") > 40, key
        assert spec.owners == ["team:data-engineering"], key
        assert spec.kinds, key
        assert spec.group_name in GROUPS, key
        assert spec.tags["layer"] == spec.key.path[0], key


def test_every_model_says_its_grain_and_where_it_is_defined(
    specs: dict[str, dg.AssetSpec],
) -> None:
    models = [s for k, s in specs.items() if k.split("/")[0] in ("intermediate", "marts", "meta")]
    for spec in models:
        assert "\n\n**Grain:** " in str(spec.description), spec.key
        written = re.search(r"/(\w+)\.(?:sql|py)`", str(spec.description))
        assert written is not None, spec.key
        assert written[1] == spec.key.path[1]


def test_a_table_is_named_as_in_the_file(specs: dict[str, dg.AssetSpec]) -> None:
    for key, spec in specs.items():
        schema, table = spec.key.path
        if schema not in ("landing", "published"):
            assert spec.metadata["dagster/table_name"] == f"warehouse.{schema}.{table}", key


def test_links_lead_to_files_that_exist(specs: dict[str, dg.AssetSpec]) -> None:
    for key, spec in specs.items():
        said = spec.metadata["dagster/code_references"]
        assert isinstance(said, dg.CodeReferencesMetadataValue), key
        for reference in said.code_references:
            assert isinstance(reference, dg.LocalFileCodeReference), key
            assert Path(reference.file_path).is_file(), (key, reference.file_path)
    mart = specs["marts/market_breadth"].metadata["dagster/code_references"]
    assert isinstance(mart, dg.CodeReferencesMetadataValue)
    assert [r.label for r in mart.code_references] == ["market_breadth.sql", "market_breadth.yml"]


@pytest.mark.parametrize("mart", sorted(MARTS))
def test_a_mart_shows_each_column_with_type_and_meaning(
    mart: str, specs: dict[str, dg.AssetSpec]
) -> None:
    schema = specs[f"marts/{mart}"].metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    assert len(schema.columns) >= 5
    for column in schema.columns:
        assert column.type not in ("", "?", "string"), column.name
        assert len(column.description or "") > 10, column.name


def test_a_column_shows_unit_formula_and_source(specs: dict[str, dg.AssetSpec]) -> None:
    schema = specs["marts/market_breadth"].metadata["dagster/column_schema"]
    assert isinstance(schema, dg.TableSchema)
    [column] = [c for c in schema.columns if c.name == "is_reliable"]
    assert "coverage_pct >= 90 and membership_age_days <= 100" in str(column.description)
    assert "true or false" in str(column.description)


def test_every_check_of_the_gate_file_stands_on_its_landing_asset(
    check_specs: dict[dg.AssetCheckKey, dg.AssetCheckSpec],
) -> None:
    reviewed = {
        (c.feed, c.check): (c.severity == "block", c.reason) for c in load_catalog().gate_checks
    }
    standing = {
        (key.asset_key.path[1], key.name): (spec.blocking, spec.description)
        for key, spec in check_specs.items()
        if key.asset_key.path[0] == "landing"
    }
    assert standing == reviewed
    assert {feed for feed, _ in standing} == set(FEEDS)


def test_the_gate_is_the_only_check_before_the_models(
    check_specs: dict[dg.AssetCheckKey, dg.AssetCheckSpec],
) -> None:
    """Tests on dbt sources as checks would put the gate's blocking checks out of force."""
    assert TRANSLATOR.settings.enable_source_tests_as_checks is False
    assert not [key for key in check_specs if key.asset_key.path[0] in ("raw", "reference")]
    on_sources = [
        n["name"]
        for n in MANIFEST["nodes"].values()
        if n["resource_type"] == "test"
        and any(parent.startswith("source.") for parent in n["depends_on"]["nodes"])
        and not any(parent.startswith("model.") for parent in n["depends_on"]["nodes"])
    ]
    assert on_sources == []


def test_raw_waits_for_the_gate(repository: dg.RepositoryDefinition) -> None:
    """What Dagster executes: each load step comes after the gate of its feed, not beside it."""
    plan = repository.get_job("nightly").graph.dependency_structure
    for feed in FEEDS:
        upstream = {
            handle.node_name
            for inputs in plan.input_to_upstream_outputs_for_node(f"load_{feed}").values()
            for handle in inputs
        }
        assert f"gate_{feed}" in upstream, feed


def test_every_dbt_check_says_what_it_claims(
    check_specs: dict[dg.AssetCheckKey, dg.AssetCheckSpec],
) -> None:
    dbt = {k: s for k, s in check_specs.items() if k.asset_key.path[0] != "landing"}
    assert len(dbt) > 100
    for key, spec in dbt.items():
        assert spec.description, key
        assert not str(spec.description).startswith("dbt test"), key


def test_every_test_that_a_publication_expects_is_a_check(
    check_specs: dict[dg.AssetCheckKey, dg.AssetCheckSpec],
) -> None:
    names = {key.name for key in check_specs if key.asset_key.path[0] != "landing"}
    assert expected_tests(MANIFEST, TAGS) == names


@pytest.mark.parametrize(
    ("node", "said"),
    [
        (
            {"name": "x", "test_metadata": {"name": "not_null", "kwargs": {"column_name": "a"}}},
            "`a` is never empty.",
        ),
        (
            {
                "name": "x",
                "test_metadata": {
                    "name": "accepted_range",
                    "kwargs": {"column_name": "a", "min_value": 0},
                },
            },
            "`a` lies in [0, ∞].",
        ),
        (
            {
                "name": "x",
                "test_metadata": {"name": "unique_grain", "kwargs": {"columns": ["a", "b"]}},
            },
            "One row per a, b.",
        ),
        ({"name": "assert_no_gap_is_left", "raw_code": "select 1"}, "No gap is left."),
        ({"name": "assert_x", "raw_code": "-- Sums are\n-- whole.\nselect 1"}, "Sums are whole."),
        ({"name": "x", "description": "Said so."}, "Said so."),
    ],
)
def test_a_check_is_described_in_a_sentence(node: dict[str, object], said: str) -> None:
    assert check_description(node) == said


def test_there_is_one_dbt_step_for_each_tag(repository: dg.RepositoryDefinition) -> None:
    steps = {n for n in repository.get_job("nightly").graph.node_dict if n.startswith("dbt_")}
    assert steps == {f"dbt_{tag}" for tag in TAGS}
    models = [
        n
        for n in MANIFEST["nodes"].values()
        if n["resource_type"] == "model" and n["config"]["materialized"] != "ephemeral"
    ]
    assert all(len(set(n["tags"]) & set(TAGS)) == 1 for n in models)
    made = {
        key
        for definition in repository.assets_defs_by_key.values()
        if definition.is_executable and definition.op.name.startswith("dbt_")
        for key in definition.keys
    }
    assert made == {dg.AssetKey([n["schema"], n["name"]]) for n in models}


def test_only_landing_is_tried_again(repository: dg.RepositoryDefinition) -> None:
    """What failed after the fetch fails again; a fetch may not."""
    retried = {
        definition.op.name: definition.op.retry_policy
        for definition in repository.assets_defs_by_key.values()
        if definition.is_executable and definition.op.retry_policy is not None
    }
    assert set(retried) == {f"landing__{feed}" for feed in (*FEEDS, "fund_holdings_history")}
    assert {p.max_retries for p in retried.values() if p} == {2}


def test_everything_that_opens_the_build_file_shares_one_pool(
    repository: dg.RepositoryDefinition,
) -> None:
    definitions = {d for d in repository.assets_defs_by_key.values() if d.is_executable}
    definitions |= set(repository.asset_checks_defs_by_key.values())
    assert {d.op.pool for d in definitions if hasattr(d.op, "pool")} == {"warehouse"}


def test_the_date_of_a_model_is_its_first_date_column() -> None:
    node = {"schema": "marts", "name": "m", "columns": {"id": {}, "traded_on": {}, "known_on": {}}}
    assert relation_of(node) == Relation("marts", "m", "traded_on")
    assert relation_of({"schema": "marts", "name": "m", "columns": {"id": {}}}).dated is None


def test_a_failed_finding_names_its_examples() -> None:
    bad = Finding("c", "block", False, "3 rows", 3, ("X 1", "Y 2", "Z 3", "W 4"))
    assert _describe(bad) == "3 rows\n\n- X 1\n- Y 2\n- Z 3\n- … and 1 more"
    assert _describe(Finding("c", "warn", True, "all well")) == "all well"


def test_the_age_of_a_feed_names_what_is_behind() -> None:
    behind = pd.DataFrame(
        {
            "item": ["OLD", "GONE"],
            "provider": ["p", "p"],
            "newest_on": pd.to_datetime(["2025-01-02", None]),
            "is_stale": [True, True],
            "stale_since": pd.to_datetime(["2025-02-01", None]),
            "is_required": [True, False],
            "status": ["unchanged", "unknown"],
            "detail": [None, "no such series"],
        }
    )
    said = _age_metadata(FeedAge(7, date(2025, 3, 3), "OLD", date(2025, 1, 2), behind))
    assert said["newest_on"] == "2025-03-03"
    assert said["stale_items"] == 2
    assert said["oldest_item"] == "OLD: 2025-01-02"
    assert said["behind"].value.splitlines()[2:] == [
        "| OLD | 2025-01-02 | 2025-02-01 | yes | unchanged |",
        "| GONE | never | never had a row | no | unknown: no such series |",
    ]


def test_every_mart_has_a_picture() -> None:
    assert set(PLOTS) >= MARTS


def test_a_picture_is_a_png_in_markdown() -> None:
    frame = pd.DataFrame(
        {"traded_on": pd.to_datetime(["2025-01-02", "2025-01-03"]), "a": [1.0, 2.0]}
    )
    drawn = draw_markdown(PLOTS["flow_signals"], frame)
    head, _, body = drawn.partition("base64,")
    assert head == f"![{PLOTS['flow_signals'].title}](data:image/png;"
    assert base64.b64decode(body.rstrip(")"))[:8] == b"\x89PNG\r\n\x1a\n"
    assert draw_markdown(PLOTS["flow_signals"], frame.iloc[:0]) == "nothing to draw yet"


def test_whiskers_reach_from_low_to_high_and_a_value_without_ends_has_none() -> None:
    frame = pd.DataFrame(
        {
            "event": ["a", "b"],
            "after": [1.0, 2.0],
            "after_low": [0.0, 1.5],
            "after_high": [3.0, 2.5],
        }
        | {"all_sessions": [0.1, 0.1]}
    )
    axes = Figure().add_subplot()
    _draw_intervals(axes, frame)
    [whiskers] = axes.collections
    assert [[x for x, _ in segment] for segment in whiskers.get_segments()] == [[0, 3], [1.5, 2.5]]
    assert [list(line.get_xdata()) for line in axes.lines] == [[1.0, 2.0], [0.1, 0.1]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert draw_markdown(PLOTS["event_study_summary"], frame).startswith("![Small minus large caps")


def test_a_table_has_a_line_a_row_and_a_colour_a_word() -> None:
    words = ("supported", "contradicted", "different measure")
    heights = []
    for rows in (1, 3):
        frame = pd.DataFrame({"claim": ["a", "b", "c"], "verdict": words}).head(rows)
        drawn = draw_markdown(PLOTS["claim_audit"], frame).partition("base64,")[2].rstrip(")")
        picture = Image.open(io.BytesIO(base64.b64decode(drawn))).convert("RGB")
        heights.append(picture.height)
        seen = {colour for _, colour in picture.getcolors(maxcolors=10_000)}
        shown = [(0, 158, 115), (213, 94, 0), (0, 114, 178)]
        near = [
            min(sum(abs(a - b) for a, b in zip(c, s, strict=True)) for s in seen) for c in shown
        ]
        assert [distance <= 12 for distance in near] == [n < rows for n in range(3)]
    assert heights[1] - heights[0] == pytest.approx(0.2 * 90 * 2, abs=1)
