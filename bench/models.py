"""The project's own SQL, compiled by dbt for any DuckDB file."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from graphlib import TopologicalSorter
from pathlib import Path

from pipelines.defs.dbt import runner

STATEMENT = {"table": "create or replace table", "view": "create or replace view"}


def compile_models(names: Iterable[str], database: Path) -> list[str]:
    """Return the statements that build the named models in `database`, in order of dependence.

    They name schema and table alone, so they also run where the file is attached by another name.
    """
    return _statements(_compile(names, database, date.max), database)


def compile_everything(database: Path, as_of: date) -> tuple[list[str], list[str]]:
    """Return the statements of all models that are SQL, in order, and the queries of all tests."""
    nodes = _compile((), database, as_of)
    tests = [n.sql for n in nodes if n.resource_type == "test"]
    return _statements(nodes, database), tests


def _compile(names: Iterable[str], database: Path, as_of: date) -> list[runner.NodeResult]:
    day = as_of.isoformat()
    variables = {"as_of": day, "loaded_by": day}
    return runner.compile_nodes([*names], build_path=database, variables=variables)


def _statements(compiled: Iterable[runner.NodeResult], database: Path) -> list[str]:
    """Return what builds the compiled models; dbt's Python models are left out."""
    manifest = runner.prepare_manifest()
    sql = {n.unique_id: n.sql for n in compiled if n.resource_type == "model"}
    parents = {uid: set(manifest["parent_map"][uid]) & sql.keys() for uid in sql}
    found: list[str] = []
    for uid in TopologicalSorter(parents).static_order():
        node = manifest["nodes"][uid]
        kind = node["config"]["materialized"]
        if node["language"] == "sql" and kind in STATEMENT:
            body = sql[uid].replace(f'"{database.stem}".', "")
            found.append(f"{STATEMENT[kind]} {node['schema']}.{node['name']} as\n{body}")
    return found
