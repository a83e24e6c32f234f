"""Who may import whom, and what nothing in the repository may hold."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "pipelines"
MODULES = sorted(p for p in PACKAGE.rglob("*.py"))


def _imports(path: Path) -> set[str]:
    """All modules named in import statements, wherever in the file they stand."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _top_level_imports(path: Path) -> set[str]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def _room(path: Path) -> str:
    """`sources`, `storage`, …; a module at the top of the package is a room of its own."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def _uses(path: Path, library: str) -> bool:
    return any(name == library or name.startswith(f"{library}.") for name in _imports(path))


LIBRARY_ROOMS = {
    "dagster": {"definitions", "resources", "launch", "defs"},
    "dagster_dbt": {"defs"},
    "duckdb": {"storage"},
    "great_expectations": {"quality"},
    "dbt": {"defs"},
}


@pytest.mark.parametrize("library", LIBRARY_ROOMS)
def test_a_library_is_imported_only_in_its_room(library: str) -> None:
    rooms = LIBRARY_ROOMS[library]
    trespassers = [str(p) for p in MODULES if _uses(p, library) and _room(p) not in rooms]
    assert trespassers == []
    assert any(_uses(p, library) for p in MODULES), f"nobody imports {library}: the rule is idle"


def test_requests_is_imported_only_by_the_client_and_the_simulated_transport() -> None:
    allowed = {"sources/http.py"}
    users = {str(p.relative_to(PACKAGE)) for p in MODULES if _uses(p, "requests")}
    assert {u for u in users if not u.startswith("sample/")} == allowed


def test_great_expectations_is_never_imported_at_module_level() -> None:
    eager = [
        str(p)
        for p in MODULES
        if any(n.split(".")[0] == "great_expectations" for n in _top_level_imports(p))
    ]
    assert eager == []


LAYERS = {
    "errors": 0, "version": 2, "settings": 1, "exit_codes": 0, "sentences": 0,
    "catalog": 2, "plots": 2, "overview": 2, "statistics": 2, "sources": 3,
    "sample": 4, "storage": 4, "quality": 4,
    "night": 5, "fetchers": 6, "loading": 6, "past_nights": 6, "lineage": 7, "steps": 7,
    "report": 8, "holdings_backfill": 8, "publication": 9, "summary": 9, "alerts": 8,
    "alert_delivery": 9, "safekeeping": 9, "console": 10, "resources": 10, "defs": 11,
    "definitions": 12, "rebuild": 12, "launch": 13, "ui": 14, "cli": 15,
}  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_module_imports_only_what_lies_below_it(path: Path) -> None:
    room = _room(path)
    if room == "__init__":
        return
    assert room in LAYERS, f"{room} is no room of the house: give it a layer here"
    for name in _imports(path):
        parts = name.split(".")
        if parts[0] != "pipelines" or len(parts) < 2 or parts[1] == "__version__":
            continue
        target = parts[1]
        if name.startswith("pipelines.storage.contracts"):
            continue  # the raw shapes are data that fetching and judging share with storing
        assert target == room or LAYERS[target] < LAYERS[room], f"{room} imports {name}"


def test_only_settings_reads_the_process_environment() -> None:
    readers = [
        str(p.relative_to(PACKAGE))
        for p in MODULES
        if re.search(r"os\.(environ|getenv)", p.read_text(encoding="utf-8"))
    ]
    assert readers == ["settings.py"]


def test_sources_are_declared_in_staging_only_and_read_there_only() -> None:
    models = ROOT / "dbt_project" / "models"
    readers = [
        str(p.relative_to(models))
        for p in models.rglob("*.sql")
        if re.search(r"\{\{\s*source\(", p.read_text(encoding="utf-8"))
    ]
    assert readers, "no model reads a source: the rule is idle"
    assert [r for r in readers if not r.startswith("staging/")] == []


def test_the_dashboard_reaches_data_through_storage_alone() -> None:
    pages = sorted((ROOT / "dashboard").rglob("*.py"))
    assert len(pages) > 10
    closed = ("dagster", "duckdb", "requests", "great_expectations", "dbt", "pipelines.defs")
    assert [f"{p.name}: {name}" for p in pages for name in closed if _uses(p, name)] == []


def test_definitions_hold_no_logic() -> None:
    assert len((PACKAGE / "definitions.py").read_text(encoding="utf-8").splitlines()) < 40


def test_no_tracked_file_names_a_registry_or_a_local_path() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: there is no list of tracked files to read")
    homes = "|".join(f"/{name}/" for name in ("root", "home"))
    bad = re.compile(rf"(--(extra-)?index-url|pypi\.org|pythonhosted|registry\.npmjs|{homes})")
    this = Path(__file__).relative_to(ROOT).as_posix()
    found = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if name == this or path.suffix in {".png", ".parquet", ".gz", ".zip"} or not path.is_file():
            continue
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), start=1):
            if bad.search(line) and "--no-emit-index-url" not in line:
                found.append(f"{name}:{number}")
    assert found == []


@pytest.mark.xdist_group("guard")
def test_tests_of_a_group_share_a_worker(request: pytest.FixtureRequest) -> None:
    """Workers know a group by the end of a test's id; without it each of them runs all nights."""
    in_a_worker = "PYTEST_XDIST_WORKER" in os.environ
    assert request.node.nodeid.endswith("@guard") == in_a_worker


def test_no_two_test_files_have_one_name() -> None:
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(set(names)) == sorted(names)
