"""The project's own SQL, compiled by dbt for any DuckDB file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pipelines.defs.dbt import runner

STATEMENT = {"table": "create or replace table", "view": "create or replace view"}


def compile_models(names: Sequence[str], database: Path, *, as_of: str = "9999-12-31") -> list[str]:
    """Return the statements that build the named models in `database`, in order of dependence.

    They name schema and table alone, so they also run where the file is attached by another name.
    """
    variables = json.dumps({"as_of": as_of, "loaded_by": as_of})
    result = runner._invoke(
        ["compile", "--select", *names, "--vars", variables, "--no-write-json"], database
    )
    ran = (r.node for r in result.result.results)
    nodes = {node.name: node for node in ran if str(node.resource_type) == "model"}
    found: list[str] = []
    for name in _in_order(nodes):
        node = nodes[name]
        sql = node.compiled_code.replace(f'"{database.stem}".', "")
        start = STATEMENT[node.config.materialized]
        found.append(f"{start} {node.schema}.{node.alias} as\n{sql}")
    return found


def _in_order(nodes: dict[str, object]) -> list[str]:
    ids = {node.unique_id: name for name, node in nodes.items()}  # type: ignore[attr-defined]
    done: list[str] = []

    def visit(name: str) -> None:
        if name in done:
            return
        for parent in nodes[name].depends_on.nodes:  # type: ignore[attr-defined]
            if parent in ids:
                visit(ids[parent])
        done.append(name)

    for name in nodes:
        visit(name)
    return done
