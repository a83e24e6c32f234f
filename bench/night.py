"""A night of the sample world, what it is made of, and the queries that people ask afterwards."""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
from rich.console import Console

from bench.measure import Clock, Cost
from bench.models import compile_everything
from pipelines.settings import PROJECT_DIR, read_settings

IMPORTS = (
    "pipelines.cli",
    "pipelines.definitions",
    "great_expectations.expectations",
    "dbt.cli.main",
    "matplotlib.figure",
    "scipy.stats",
    "fpdf",
)


def prepare(warehouse: Path, console: Console) -> Path:
    """Run nights until the newest day is published and nothing of it is left to build."""
    if not (warehouse / "published/current").exists():
        for number in ("first", "second"):
            console.print(f"running the {number} night in {warehouse}")
            _smallcaps("run", warehouse=warehouse)
    return warehouse


def profile(warehouse: Path) -> Cost:
    """Run one more night; `found` is what to CPU seconds."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.profile_night", "--json", "--warehouse", str(warehouse)],
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    return Cost(**told)


def forget_all(warehouse: Path) -> None:
    """Make the next night build everything."""
    with duckdb.connect(str(_build(warehouse))) as connection:
        connection.execute("delete from meta.standing_builds")


def imports(clock: Clock) -> int:
    """Import what a night imports."""
    import importlib

    clock.start()
    for name in IMPORTS:
        importlib.import_module(name)
    return len(IMPORTS)


def sql_alone(clock: Clock, warehouse: str) -> int:
    """Run the statements of all models and tests, as dbt compiles them, without dbt.

    dbt's Python models are left out: their statements are not SQL.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "build.duckdb"
        shutil.copyfile(_build(Path(warehouse)), copy)
        with duckdb.connect(str(copy), read_only=True) as connection:
            as_of = connection.execute("select max(as_of) from meta.runs").fetchall()[0][0]
        models, tests = compile_everything(copy, as_of)
        with duckdb.connect(str(copy)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            clock.start()
            for statement in models:
                connection.execute(statement)
            for query in tests:
                connection.execute(f"select count(*) from ({query}\n)").fetchall()
            return len(models) + len(tests)


def time_queries(file: Path, *, rounds: int) -> dict[str, float]:
    """Return each sample query's first line to its median seconds from a cold connection."""
    page = (PROJECT_DIR / "docs/bi.md").read_text(encoding="utf-8")
    queries = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    chosen = [q for q in queries if "marts." in q and not q.lstrip().lower().startswith("attach")]
    found: dict[str, float] = {}
    for query in chosen:
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            with duckdb.connect(str(file), read_only=True) as connection:
                connection.execute(query).fetchall()
            times.append(time.perf_counter() - began)
        found[_first_line(query)] = statistics.median(times)
    return found


def _first_line(query: str) -> str:
    lines = [line.strip() for line in query.strip().splitlines()]
    return next((line for line in lines if line.startswith("--")), " ".join(lines)[:70])


def _build(warehouse: Path) -> Path:
    return read_settings({"SMALLCAPS_WAREHOUSE": str(warehouse)}).build_path


def _smallcaps(*arguments: str, warehouse: Path) -> None:
    environment = os.environ | {"SMALLCAPS_WAREHOUSE": str(warehouse)}
    subprocess.run(
        [Path(sys.executable).with_name("smallcaps"), *arguments],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
    )
