"""Run dbt inside this process and say what each node did, in plain records.

An in-process call costs about 0.8 s where a subprocess costs 7 s, but dbt-duckdb keeps the file
open for as long as the process lives; `release_warehouse` closes it, so that the next step, and
every other process, can open it again.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import SmallcapsError
from pipelines.settings import DBT_PROJECT_DIR, dbt_environment, process_environment

log = logging.getLogger(__name__)

TARGET_DIR = DBT_PROJECT_DIR / "target"
MANIFEST_PATH = TARGET_DIR / "prepared" / "manifest.json"
"""Not dbt's own `target/manifest.json`, which every build writes anew while others read."""


class DbtFailed(SmallcapsError):
    """Dbt could not parse the project or build its models. The message is dbt's own."""


@dataclass(frozen=True, slots=True)
class NodeResult:
    """How one dbt node ended: `status` is dbt's (success, pass, warn, fail, error, skipped).

    `sql` is what was run: for a test, the query whose rows are the failures.
    """

    unique_id: str
    resource_type: str
    name: str
    status: str
    severity: str
    message: str
    failures: int
    seconds: float
    sql: str


def build(
    selection: Sequence[str], *, build_path: Path, variables: Mapping[str, str]
) -> list[NodeResult]:
    """Build and test the selected nodes.

    Raises:
        DbtFailed: dbt stopped before it could run a single node.
    """
    arguments = ["build", "--select", *selection, "--vars", json.dumps(dict(variables))]
    # A test that also looks at another branch's model runs in the build that comes last. Unit
    # tests prove arithmetic, not data: they run in `make test`.
    arguments += ["--indirect-selection", "buildable", "--exclude-resource-type", "unit_test"]
    return _run(arguments, build_path)


def run(
    names: Sequence[str], *, build_path: Path, variables: Mapping[str, str]
) -> list[NodeResult]:
    """Build the named models without their tests.

    Raises:
        DbtFailed: dbt stopped before it could run a single node.
    """
    arguments = ["run", "--select", *names, "--vars", json.dumps(dict(variables))]
    return _run(arguments, build_path)


def test(
    names: Sequence[str], *, build_path: Path, variables: Mapping[str, str]
) -> list[NodeResult]:
    """Run the named tests on the tables as they stand; nothing is built.

    Raises:
        DbtFailed: dbt stopped before it could run a single test.
    """
    arguments = ["test", "--select", *names, "--vars", json.dumps(dict(variables))]
    return _run(arguments, build_path)


def compile_nodes(
    selection: Sequence[str], *, build_path: Path, variables: Mapping[str, str]
) -> list[NodeResult]:
    """Return the selected nodes with the SQL that they would run; nothing is run.

    Raises:
        DbtFailed: a node could not be compiled.
    """
    chosen = ["--select", *selection] if selection else []
    return _run(["compile", *chosen, "--vars", json.dumps(dict(variables))], build_path)


def prepare_manifest() -> dict[str, Any]:
    """Return the manifest, parsed anew only where a project file is younger than it.

    Several processes may do this at once: each parses in a folder of its own, and the file appears
    whole or not at all.
    """
    newest = max(
        p.stat().st_mtime
        for p in DBT_PROJECT_DIR.rglob("*")
        if p.suffix in {".sql", ".py", ".yml", ".csv", ".md"} and "target" not in p.parts
    )
    if not MANIFEST_PATH.exists() or MANIFEST_PATH.stat().st_mtime < newest:
        MANIFEST_PATH.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=TARGET_DIR) as folder:
            result = _invoke(["parse", "--target-path", folder], Path(":memory:"))
            if not result.success:
                raise DbtFailed(f"dbt parse: {result.exception}")
            (Path(folder) / "manifest.json").replace(MANIFEST_PATH)
    manifest: dict[str, Any] = json.loads(MANIFEST_PATH.read_text(encoding="utf-8"))
    return manifest


def write_docs(build_path: Path, path: Path) -> None:
    """Write dbt's own documentation of the project and of what was built, as one HTML file.

    Raises:
        DbtFailed: dbt could not read the project or the file.
    """
    with tempfile.TemporaryDirectory(dir=TARGET_DIR) as folder:
        result = _invoke(["docs", "generate", "--static", "--target-path", folder], build_path)
        if not result.success:
            raise DbtFailed(f"dbt docs: {result.exception}")
        path.parent.mkdir(parents=True, exist_ok=True)
        (Path(folder) / "static_index.html").replace(path)


def release_warehouse() -> None:
    """Close the connection that dbt-duckdb would keep until the process ends."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager

    environment = DuckDBConnectionManager._ENV
    if environment is not None:
        environment.close()
    DuckDBConnectionManager.close_all_connections()


def _run(arguments: Sequence[str], build_path: Path) -> list[NodeResult]:
    # Results are returned and recorded in `meta.checks`: dbt's own artefacts would be written
    # anew by every step of a night and read by nobody.
    result = _invoke([*arguments, "--no-write-json", "--log-level-file", "none"], build_path)
    if result.result is None:
        raise DbtFailed(f"dbt {arguments[0]}: {result.exception}")
    return [_read_result(r) for r in result.result.results]


def _invoke(arguments: Sequence[str], build_path: Path) -> Any:
    from dbt.cli.main import dbtRunner

    folder = str(DBT_PROJECT_DIR)
    with (
        process_environment(dbt_environment(build_path)),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        try:
            return dbtRunner().invoke(
                [*arguments, "--project-dir", folder, "--profiles-dir", folder, "--quiet"]
            )
        finally:
            release_warehouse()


def _read_result(result: Any) -> NodeResult:
    node = result.node
    return NodeResult(
        unique_id=node.unique_id,
        resource_type=str(node.resource_type),
        name=node.name,
        status=str(result.status),
        severity=str(getattr(node.config, "severity", "ERROR") or "ERROR").lower(),
        message=str(result.message or ""),
        failures=int(result.failures or 0),
        seconds=float(result.execution_time or 0.0),
        sql=str(getattr(node, "compiled_code", None) or ""),
    )
