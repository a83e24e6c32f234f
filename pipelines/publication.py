"""What a publication expects and carries: the named checks, the dictionary, the rights.

The checks are named by reviewed files: the gates by `catalog/gates.yaml`, the tests by the dbt
project. One that did not run in this run counts as failed; that decision is `storage.publish`'s.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from pipelines.catalog.models import Catalog
from pipelines.night import DBT_TAGS_OF_BRANCH, FEEDS_OF_BRANCH, Night
from pipelines.report.make import write_report
from pipelines.steps import gate_check_id
from pipelines.storage import meta
from pipelines.storage.errors import PublishRefused, RequiredDataMissing
from pipelines.storage.publish import Publication, publish
from pipelines.storage.warehouse import open_build
from pipelines.version import code_version

log = logging.getLogger("pipelines.steps")

PUBLISHED_SCHEMAS = ("marts", "meta")
Manifest = Mapping[str, Any]


def publish_night(night: Night, manifest: Manifest) -> Publication:
    """Publish the build if every named check ran and passed in this run.

    A rebuild of a past day goes into a version of its own; the link stays.

    Raises:
        PublishRefused: naming the checks that failed or did not run.
        RequiredDataMissing: a required dataset is older than its limit.
    """
    log.info("publishing")
    dictionary = data_dictionary(manifest, night.catalog)
    with open_build(night.settings) as connection:
        meta.record_refused_counts(connection, run_id=night.run_id, judged_at=datetime.now(UTC))
    status = "failed"
    try:
        publication = publish(
            night.settings,
            run_id=night.run_id,
            as_of=night.as_of,
            expected_checks=expected_checks(
                night.catalog, night.branches, manifest, gates=not night.is_rebuild
            ),
            code_version=code_version(),
            dictionary=dictionary,
            marts=mart_columns(manifest),
            restricted_columns=restricted_columns(dictionary),
            home=night.home,
            lineage=table_lineage(manifest),
            finish=lambda path, version: write_report(night.home or night.settings, path, version),
        )
        status = "rebuilt_past" if night.is_rebuild else "published"
    except RequiredDataMissing:
        status = "required_missing"
        raise
    except PublishRefused:
        status = "refused"
        raise
    finally:
        with open_build(night.settings) as connection:
            meta.finish_run(connection, night.run_id, status=status, finished_at=datetime.now(UTC))
    log.info("%s %s", status, publication.version, extra={"step_done": True})
    return publication


def expected_checks(
    catalog: Catalog, branches: Iterable[str], manifest: Manifest, *, gates: bool = True
) -> list[str]:
    """Return the ids of all checks that must have run for a publication of these branches.

    Without `gates` only the dbt tests: a rebuild of a past day has no batch that one could judge.
    """
    chosen = tuple(branches)
    feeds = {feed for branch in chosen for feed in FEEDS_OF_BRANCH[branch]}
    tags = {tag for branch in chosen for tag in DBT_TAGS_OF_BRANCH[branch]}
    judged = [gate_check_id(c.feed, c.check) for c in catalog.gate_checks if c.feed in feeds]
    tests = [f"dbt:{name}" for name in expected_tests(manifest, tags)]
    return sorted(judged if gates else []) + sorted(tests)


def expected_tests(manifest: Manifest, tags: Iterable[str]) -> set[str]:
    """Return the names of the dbt tests that building these tags runs, one build for each tag.

    A test runs in the build of a tag when one of its models carries the tag and the others carry
    it too or lie upstream of one that does (dbt's "buildable" selection).
    """
    nodes = manifest["nodes"]
    parents = manifest["parent_map"]
    found: set[str] = set()
    for tag in tags:
        selected = {
            uid for uid, n in nodes.items() if n["resource_type"] == "model" and tag in n["tags"]
        }
        reachable = set(selected)
        stack = list(selected)
        while stack:
            for parent in parents.get(stack.pop(), []):
                if parent not in reachable:
                    reachable.add(parent)
                    stack.append(parent)
        for node in nodes.values():
            if node["resource_type"] != "test":
                continue
            models = {p for p in node["depends_on"]["nodes"] if p.startswith("model.")}
            if models & selected and models <= reachable:
                found.add(node["name"])
    return found


def mart_columns(manifest: Manifest) -> dict[str, list[tuple[str, str]]]:
    """Return `schema.table` to (column, type) for every published model, from its contract."""
    return {
        f"{node['schema']}.{node['name']}": [
            (name, column["data_type"]) for name, column in node["columns"].items()
        ]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and node["schema"] in PUBLISHED_SCHEMAS
    }


def data_dictionary(manifest: Manifest, catalog: Catalog) -> pd.DataFrame:
    """Return one row per published column: meaning, unit, source, formula, as the models say it."""
    rows = []
    grains = table_grains(manifest)
    for uid, node in manifest["nodes"].items():
        if node["resource_type"] != "model" or node["schema"] not in PUBLISHED_SCHEMAS:
            continue
        for name, column in node["columns"].items():
            said = column.get("meta") or column.get("config", {}).get("meta") or {}
            rows.append(
                {
                    "schema_name": node["schema"],
                    "table_name": node["name"],
                    "column_name": name,
                    "type": column["data_type"],
                    "meaning": " ".join(column["description"].split()),
                    "unit": said.get("unit"),
                    "source": said.get("source"),
                    "formula": said.get("formula"),
                    "rights": strictest_rights(str(said.get("source")), catalog),
                    "is_key": name in grains.get(uid, ()),
                }
            )
    frame = pd.DataFrame(rows, columns=list(meta.dictionary().columns))
    return pd.concat([frame, meta.dictionary()], ignore_index=True)


def table_grains(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """Return each model's id to the columns that its grain test says are unique together."""
    grains: dict[str, tuple[str, ...]] = {}
    for node in manifest["nodes"].values():
        said = node.get("test_metadata") or {}
        model = node.get("attached_node")
        if model is None or said.get("name") not in ("unique", "unique_grain"):
            continue
        columns = said["kwargs"].get("columns") or [node["column_name"]]
        grains[model] = tuple(columns)
    return grains


def table_lineage(manifest: Manifest) -> list[tuple[str, str]]:
    """Return (table, table that it reads) for every model, sources included, schema first."""
    tables = {
        uid: f"{node['schema']}.{node['name']}"
        for part in ("nodes", "sources")
        for uid, node in manifest[part].items()
        if node["resource_type"] in ("model", "seed", "source")
    }
    return sorted(
        (tables[uid], tables[parent])
        for uid, parents in manifest["parent_map"].items()
        if uid in tables
        for parent in parents
        if parent in tables
    )


STRICTNESS = ("public_domain", "citation_required", "preapproval_required")


def strictest_rights(source: str, catalog: Catalog) -> str | None:
    """Return the strictest terms among the catalogued series that a column's source names."""
    named = set(re.findall(r"[A-Z][A-Z0-9]{2,}", source))
    rights = [s.rights for s in catalog.fred_series if s.id in named]
    return max(rights, key=STRICTNESS.index, default=None)


def restricted_columns(dictionary: pd.DataFrame) -> dict[str, list[str]]:
    """Return `schema.table` to the columns that come from series whose owner wants to be asked."""
    found: dict[str, list[str]] = {}
    for row in dictionary[dictionary["rights"] == "preapproval_required"].to_dict("records"):
        table = f"{row['schema_name']}.{row['table_name']}"
        found.setdefault(table, []).append(str(row["column_name"]))
    return found
