"""A scratch build file with the project's own tables, and dbt in process over it.

The folder has no `__init__.py`: as a package it would be called `dbt` and hide the real one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import yaml
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from pipelines.sources.calendar import session_table
from pipelines.storage.contracts import RAW_TABLES
from pipelines.storage.meta_tables import table_ddl

PROJECT_DIR = Path(__file__).parents[2] / "dbt_project"
REFERENCE_SOURCES = PROJECT_DIR / "models/staging/reference/_reference_sources.yml"

AUDIT = {
    "source": "yahoo",
    "run_id": "run",
    "batch_id": "batch",
    "payload_sha256": "0" * 64,
    "fetched_at": pd.Timestamp("2025-01-01"),
    "loaded_as_of": date(2025, 1, 1),
    "known_on": date(1900, 1, 1),
    "known_on_basis": "estimated",
    "basis_on": date(1900, 1, 1),
}
"""What a row of a raw table has where a test says nothing."""


@cache
def _reference_tables() -> Mapping[str, tuple[tuple[str, str], ...]]:
    declared = yaml.safe_load(REFERENCE_SOURCES.read_text(encoding="utf-8"))
    return {
        table["name"]: tuple((c["name"], c["data_type"]) for c in table["columns"])
        for table in declared["sources"][0]["tables"]
    }


@dataclass(frozen=True)
class DbtWarehouse:
    """One scratch DuckDB file. `folder` also holds dbt's own output."""

    folder: Path

    @property
    def path(self) -> Path:
        """The file; its name is the catalog's, as in production."""
        return self.folder / "warehouse.duckdb"

    def create(self) -> None:
        """Make every raw and reference table, empty, in a new file."""
        self.path.unlink(missing_ok=True)
        with duckdb.connect(str(self.path)) as connection:
            for schema in ("raw", "reference", "meta"):
                connection.execute(f"create schema {schema}")
            for table in RAW_TABLES.values():
                columns = ", ".join(f"{c.name} {c.type}" for c in table.all_columns)
                connection.execute(f"create table raw.{table.name} ({columns})")
            for name, columns in _reference_tables().items():
                body = ", ".join(f'"{column}" {kind}' for column, kind in columns)
                connection.execute(f"create table reference.{name} ({body})")
            connection.execute(table_ddl("published_signals"))

    def insert(self, table: str, rows: pd.DataFrame | Iterable[Mapping[str, Any]]) -> None:
        """Add rows to `schema.table`; audit columns that are not given take those of AUDIT."""
        frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
        if table.startswith("raw."):
            wanted = {c.name for c in RAW_TABLES[table.removeprefix("raw.")].all_columns}
            missing = {k: v for k, v in AUDIT.items() if k in wanted and k not in frame.columns}
            frame = frame.assign(**missing)
        with duckdb.connect(str(self.path)) as connection:
            connection.register("incoming", frame)
            connection.execute(f"insert into {table} by name select * from incoming")

    def insert_sessions(self, start: date, end: date) -> list[date]:
        """Fill reference.sessions from the exchange calendar and return the sessions."""
        frame = session_table(start, end)
        self.insert("reference.sessions", frame)
        return [day.date() for day in frame["traded_on"]]

    def build(
        self,
        *select: str,
        as_of: date | None = None,
        loaded_by: date | None = None,
        command: str = "build",
        exclude_types: Sequence[str] = ("unit_test",),
    ) -> dict[str, str]:
        """Run dbt over the selected nodes; return each node's status by unique id.

        Raises AssertionError naming what failed, with dbt's own message.
        """
        arguments = [
            command,
            "--project-dir", str(PROJECT_DIR),
            "--profiles-dir", str(PROJECT_DIR),
            "--target-path", str(self.folder / "target"),
            "--log-path", str(self.folder / "logs"),
            "--quiet",
            "--select", *select,
        ]  # fmt: skip
        if command in {"build", "test"}:
            # a test that also reads a model of another branch is not run without it
            arguments += ["--indirect-selection", "buildable"]
        if command == "build" and exclude_types:
            arguments += ["--exclude-resource-type", *exclude_types]
        days = {"as_of": as_of, "loaded_by": loaded_by}
        if variables := {name: day.isoformat() for name, day in days.items() if day is not None}:
            arguments += ["--vars", json.dumps(variables)]
        result = self._invoke(arguments)
        if result.exception is not None:
            raise AssertionError(f"dbt {command}: {result.exception}")
        outcomes = {r.node.unique_id: r for r in result.result}
        bad = {
            unique_id: outcome.message
            for unique_id, outcome in outcomes.items()
            if str(outcome.status) not in {"success", "pass", "skipped"}
        }
        assert not bad, f"dbt {command}: {bad}"
        return {unique_id: str(outcome.status) for unique_id, outcome in outcomes.items()}

    def _invoke(self, arguments: list[str]) -> Any:
        before = os.environ.get("SMALLCAPS_DUCKDB_PATH")
        os.environ["SMALLCAPS_DUCKDB_PATH"] = str(self.path)
        try:
            return dbtRunner().invoke(arguments)
        finally:
            # The profile says keep_open: false; this also lets go after a run that broke off.
            DuckDBConnectionManager.close_all_connections()
            if before is None:
                del os.environ["SMALLCAPS_DUCKDB_PATH"]
            else:
                os.environ["SMALLCAPS_DUCKDB_PATH"] = before

    def execute(self, sql: str) -> None:
        """Run one statement that changes the file."""
        with duckdb.connect(str(self.path)) as connection:
            connection.execute(sql)

    def query(self, sql: str) -> pd.DataFrame:
        """Return a query's rows, read-only."""
        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.sql(sql).df()


@pytest.fixture(scope="session")
def _dbt_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # One folder, and so one file name, a session: dbt parses the project once and not per test.
    return tmp_path_factory.mktemp("dbt")


@pytest.fixture
def dbt_warehouse(_dbt_folder: Path) -> DbtWarehouse:
    """A new build file with every raw and reference table, empty."""
    warehouse = DbtWarehouse(_dbt_folder)
    warehouse.create()
    return warehouse
