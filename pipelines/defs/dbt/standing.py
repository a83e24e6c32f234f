"""Whether the models of a tag have to be built tonight, or stand as an earlier run left them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import version
from typing import Any

from pipelines.night import Night
from pipelines.publication import expected_tests
from pipelines.settings import DBT_PROJECT_DIR, PACKAGE_DIR
from pipelines.storage import standing
from pipelines.storage.meta import CheckRecord
from pipelines.storage.standing import StandingBuild
from pipelines.storage.warehouse import Connection

Manifest = Mapping[str, Any]
CODE = (DBT_PROJECT_DIR, PACKAGE_DIR / "statistics")
"""What a build depends on besides data: the project, and what its Python models call."""
SUFFIXES = {".sql", ".yml", ".py", ".csv"}
ENGINES = ("duckdb", "dbt-core", "dbt-duckdb", "numpy", "pandas", "scipy", "statsmodels")


@dataclass(frozen=True, slots=True)
class Standing:
    """A build that stands, and its checks as this run records them."""

    build: StandingBuild
    checks: tuple[CheckRecord, ...]


def fingerprint_of(
    connection: Connection, night: Night, manifest: Manifest, tag: str
) -> str | None:
    """Return what the tag's tables are a function of, as a hash; None where that cannot be said.

    The builds that it stands on are named by run: a branch may have loaded new rows and failed
    before its own models were built, and what stands on those models is then older than the rows.
    Where one of them is not whole, nothing can be said.
    """
    sources, tags = _reads(manifest, tag)
    builds = standing.read_standing(connection)
    below = sorted(tags - {tag})
    if not builds.keys() >= set(below):
        return None
    told = {
        "code": code_fingerprint(),
        "variables": night.dbt_variables,
        "sources": standing.read_source_states(connection, sources),
        "below": {other: builds[other].run_id for other in below},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def find_standing(
    connection: Connection, night: Night, manifest: Manifest, tag: str, fingerprint: str | None
) -> Standing | None:
    """Return the build of `tag` that stands tonight, or None where it has to be built.

    It has to be where anything of its fingerprint changed, where a check of it is not on record,
    in a full refresh, and in a rebuild of a past day.
    """
    build = standing.read_standing(connection).get(tag)
    if build is None or build.fingerprint != fingerprint:
        return None
    if night.is_rebuild or night.settings.full_refresh:
        return None
    expected = {f"dbt:{name}" for name in expected_tests(manifest, [tag])}
    found = standing.read_checks_of_build(connection, build.run_id, expected)
    if {record.check_id for record in found} != expected:
        return None
    said = f"stands since run {build.run_id}: neither its tables nor the test changed"
    return Standing(
        build, tuple(replace(r, finding=f"{r.finding} ({said})".strip()) for r in found)
    )


def _reads(manifest: Manifest, tag: str) -> tuple[set[tuple[str, str]], set[str]]:
    """Return the source tables and the tags of the models that a tag's models stand on."""
    nodes, sources = manifest["nodes"], manifest["sources"]
    stack = [uid for uid, n in nodes.items() if n["resource_type"] == "model" and tag in n["tags"]]
    seen = set(stack)
    tables: set[tuple[str, str]] = set()
    tags: set[str] = set()
    while stack:
        uid = stack.pop()
        if uid in sources:
            tables.add((sources[uid]["schema"], sources[uid]["name"]))
            continue
        tags |= set(nodes[uid]["tags"])
        for parent in manifest["parent_map"].get(uid, []):
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return tables, tags


@cache
def code_fingerprint() -> str:
    """Return a hash of the project's files, of the Python that models call, and of the engines."""
    digest = hashlib.sha256()
    for folder in CODE:
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            if path.suffix in SUFFIXES and parts[0] not in ("target", "logs"):
                digest.update(f"{path.relative_to(folder)}\n".encode())
                digest.update(path.read_bytes())
    for name in ENGINES:
        digest.update(f"{name}=={version(name)}\n".encode())
    return digest.hexdigest()
