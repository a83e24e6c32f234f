"""How a dbt model and a dbt test look in Dagster: key, group, text, columns, links.

Only names and texts are made here, from the manifest. What runs is in `definitions`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings

from pipelines.defs.gates import OWNERS, asset_tags, code_references
from pipelines.settings import DBT_PROJECT_DIR
from pipelines.storage.asset_facts import Relation

TAGS = (
    "macro",
    "prices",
    "funds",
    "long_history",
    "breadth",
    "valuation",
    "fundamentals",
    "rates",
    "events",
    "signals",
    "claims",
)
"""Every model carries exactly one: what stands on one refused batch stops, the rest goes on."""

Node = Mapping[str, Any]


class Translator(DagsterDbtTranslator):  # type: ignore[misc]
    """Keys are schema.table, groups are the branches."""

    def get_asset_key(self, dbt_resource_props: Node) -> dg.AssetKey:
        """Return `schema/table`; a source says its own key in its meta."""
        if dbt_resource_props["resource_type"] == "source":
            key: dg.AssetKey = super().get_asset_key(dbt_resource_props)
            return key
        return dg.AssetKey([dbt_resource_props["schema"], dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Node) -> str | None:
        """Return the branch tag."""
        return next((t for t in dbt_resource_props.get("tags", []) if t in TAGS), None)

    def get_owners(self, dbt_resource_props: Node) -> list[str]:  # noqa: ARG002
        """Return the owners of every model."""
        return OWNERS

    def get_tags(self, dbt_resource_props: Node) -> Mapping[str, str]:
        """Return layer and branch, by which the catalog can be filtered."""
        branch = self.get_group_name(dbt_resource_props)
        return asset_tags(dbt_resource_props["schema"], branch or "")

    def get_description(self, dbt_resource_props: Node) -> str:
        """Return the model's text with its grain on a line of its own, then its SQL."""
        text = " ".join(str(dbt_resource_props.get("description", "")).split())
        said, _, grain = text.rpartition("Grain: ")
        shown = f"{said.strip()}\n\n**Grain:** {grain}" if said else text
        path = f"**Defined in** `dbt_project/{dbt_resource_props['original_file_path']}`"
        return str(
            super().get_description({**dbt_resource_props, "description": f"{shown}\n\n{path}"})
        )

    def get_metadata(self, dbt_resource_props: Node) -> Mapping[str, Any]:
        """Return the columns with unit and formula, the table's name, and links to the files."""
        said = dict(super().get_metadata(dbt_resource_props))
        if dbt_resource_props["resource_type"] != "model":
            return said
        columns = dbt_resource_props["columns"].items()
        paths = [
            dbt_resource_props["original_file_path"],
            str(dbt_resource_props.get("patch_path") or "").partition("://")[2],
        ]
        return said | {
            # The file's own name as catalogue; a parse without a warehouse knows none.
            "dagster/table_name": "warehouse."
            f"{dbt_resource_props['schema']}.{dbt_resource_props['name']}",
            "dagster/column_schema": dg.TableSchema([_column(n, c) for n, c in columns]),
            **code_references(*(DBT_PROJECT_DIR / path for path in paths if path)),
        }

    def get_asset_check_spec(
        self, asset_spec: dg.AssetSpec, manifest: Node, unique_id: str, project: Any
    ) -> dg.AssetCheckSpec | None:
        """Return the check with a sentence that says what it claims."""
        spec: dg.AssetCheckSpec | None = super().get_asset_check_spec(
            asset_spec, manifest, unique_id, project
        )
        if spec is None:
            return None
        inlined = {
            self.get_asset_key(n)
            for n in manifest["nodes"].values()
            if n["resource_type"] == "model" and n["config"]["materialized"] == "ephemeral"
        }
        return spec._replace(
            description=check_description(manifest["nodes"][unique_id]),
            additional_deps=[d for d in spec.additional_deps if d.asset_key not in inlined],
        )


TRANSLATOR = Translator(
    settings=DagsterDbtTranslatorSettings(
        enable_asset_checks=True,
        # On, this would quietly replace the gate's blocking checks on the same tables.
        enable_source_tests_as_checks=False,
    )
)


def attach_singular_tests(manifest: dict[str, Any]) -> dict[str, Any]:
    """Say of each test that reads several models which of them it is about; return the manifest.

    Without that Dagster shows no check for it. It is about the mart, and of two marts about the one
    that is built from the other.
    """
    nodes = manifest["nodes"]
    for test in nodes.values():
        models = [m for m in test["depends_on"]["nodes"] if m.startswith("model.")]
        if test["resource_type"] != "test" or test.get("attached_node") or len(models) < 2:
            continue
        test["attached_node"] = max(
            # An inlined model is no asset that a check could stand on.
            [m for m in models if nodes[m]["config"]["materialized"] != "ephemeral"],
            key=lambda m: (
                nodes[m]["schema"] == "marts",
                len(_ancestors(manifest, m) & set(models)),
                m,
            ),
        )
    return manifest


def _ancestors(manifest: Node, unique_id: str) -> set[str]:
    found: set[str] = set()
    waiting = [unique_id]
    while waiting:
        parents = set(manifest["parent_map"].get(waiting.pop(), [])) - found
        found |= parents
        waiting += parents
    return found


def relation_of(node: Node) -> Relation:
    """Return the table of a model; its first date column says how new it is."""
    dated = next((name for name in node["columns"] if name.endswith("_on")), None)
    return Relation(node["schema"], node["name"], dated)


def check_description(node: Node) -> str:
    """Return what a dbt test claims, in a sentence: its own words, else made of its arguments."""
    if node.get("description"):
        return str(node["description"])
    test = node.get("test_metadata")
    if test is None:
        comment = re.match(r"(?:\s*--[^\n]*\n)+", str(node.get("raw_code", "")))
        said = re.sub(r"\s*--\s*", " ", comment.group(0)).strip() if comment else ""
        sentence = node["name"].removeprefix("assert_").replace("_", " ")
        return said or f"{sentence[:1].upper()}{sentence[1:]}."
    given = test["kwargs"]
    column = f"`{given.get('column_name')}`"
    columns = ", ".join(map(str, given.get("columns", [])))
    low, high = given.get("min_value", "-∞"), given.get("max_value", "∞")
    made = {
        "not_null": f"{column} is never empty.",
        "unique": f"No value of {column} comes twice.",
        "not_negative": f"{column} is never below zero.",
        "accepted_range": f"{column} lies in [{low}, {high}].",
        "accepted_values": f"{column} is one of {', '.join(map(str, given.get('values', [])))}.",
        "lies_in_order": f"Rows lie in the order of {columns}.",
        "unique_grain": f"One row per {columns}.",
        "holds": f"In every row: `{given.get('condition')}`.",
    }
    return made.get(test["name"], f"dbt test {test['name']}.")


def _column(name: str, column: Node) -> dg.TableColumn:
    said = column.get("meta") or column.get("config", {}).get("meta") or {}
    meaning = " ".join(str(column.get("description", "")).split())
    known = [said[key] for key in ("unit", "formula", "source") if said.get(key)]
    return dg.TableColumn(
        name,
        type=column.get("data_type") or "?",
        description="\n\n".join([meaning, f"*{' · '.join(known)}*"] if known else [meaning]),
    )
