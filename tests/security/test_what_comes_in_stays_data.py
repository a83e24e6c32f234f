"""What a source sends is data: no file name, no SQL, no code, and never larger than it looks."""

from __future__ import annotations

import ast
import inspect
import io
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import cli
from pipelines.sample.workbooks import zip_bytes
from pipelines.storage.landing import Landing
from tests.fakes.storage import extract_of, observations, payload
from tests.fuzz.outcomes import outcome
from tests.fuzz.seeds import seeds

PACKAGE = Path(cli.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# Reviewed: each is a name, a type or an expression made of the contracts' columns, or a number of
# ours. Values are bound as parameters.
INTERPOLATED = {
    "storage/asset_facts.py": {"most", "place", "r.dated or 'null'", "r.name", "r.schema", "sql"},
    "storage/history.py": {
        "FRAME_DAYS", "OVERLAP_SESSIONS", "_newest_basis(table)", "item", "main.dated",
        "main.name", "picked", "reach", "rows", "table.dated", "table.entity", "table.name",
    },
    "storage/loader.py": {
        "', '.join(key)", "', '.join(named)", "', '.join(picked)", "casts", "column.name",
        "condition", "joined", "key", "placed", "same", "table.dated", "table.entity",
        "table.name",
    },
    "storage/meta.py": {"', '.join(columns)", "match", "picked", "table"},
    "storage/publish.py": {"catalog", "name", "picked"},
    "storage/past_copy.py": {"later", "table"},
    "storage/rebuilding.py": {"name", "relation"},
    "storage/reference.py": {"picked"},
    "storage/revisions.py": {
        "', '.join((f'i.{c}' for c in (*part, *table.compared)))", "', '.join(key)",
        "', '.join(part)", "changed", "columns", "f'partition by {ranked}' if ranked else ''",
        "filing_facts", "frequency", "is_vintage", "item_of(table, 'i')", "picked", "same",
        "same_fresh", "siblings", "table.dated", "table.entity", "table.name", "vintage_facts",
    },
    "storage/standing.py": {"schema", "table", "told"},
    "storage/tracing.py": {"column", "table", "told"},
    "storage/version_diff.py": {
        "', ' if counted else ''", "any_of", "column", "counted", "dated[0]", "differs[column]",
        "joined", "later", "most", "on", "picked", "share", "side", "size", "table",
    },
}  # fmt: skip


def _waived(path: Path) -> set[str]:
    """What is put into the SQL texts that carry a waiver of ruff's S608."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    return {
        ast.unparse(value.value)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.JoinedStr)
        and any("S608" in line for line in lines[node.lineno - 1 : node.end_lineno])
        for value in node.values
        if isinstance(value, ast.FormattedValue)
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_only_reviewed_names_are_put_into_sql(path: Path) -> None:
    assert _waived(path) <= INTERPOLATED.get(path.relative_to(PACKAGE).as_posix(), set())


def _called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Call):
            yield ast.unparse(node.func)


def test_nothing_that_runs_what_it_reads_is_used() -> None:
    banned = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle"}
    banned |= {"eval", "exec", "yaml.load", "pd.read_pickle", "np.load", "os.system"}
    used = {
        f"{path.name}: {name}"
        for path in MODULES
        for name in _called(ast.parse(path.read_text(encoding="utf-8")))
        if name in banned
    }
    assert used == set()


@pytest.mark.parametrize("hostile", ["../../../escaped", "/etc/escaped", "a/b\\c", "nul\x00", "."])
def test_what_a_source_names_never_becomes_a_file_name(tmp_path: Path, hostile: str) -> None:
    folder = tmp_path / "inner" / "landing"
    landing = Landing(folder)
    kept = payload(hostile.encode(), item=hostile, headers={"etag": hostile}, url=hostile)
    landing.keep("run", "fred_observations")(kept)
    frame = observations({"2024-01-01": 1.0}, hostile)
    extract = extract_of("fred_observations", kept, frames={"fred_observations": frame})
    landing.write_batch("run", extract, as_of=kept.fetched_at.date(), world="sample")
    files = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()]
    assert all(name.startswith("inner/landing/") for name in files)
    assert not any("escaped" in name or "nul" in name or "\\" in name for name in files)


def test_the_ui_binds_to_loopback_unless_somebody_says_otherwise() -> None:
    assert inspect.signature(cli.ui).parameters["host"].default == "127.0.0.1"


def test_entities_are_never_expanded() -> None:
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))
    bomb = f'<!DOCTYPE b [<!ENTITY l0 "ha">{laughs}]>'
    book = seeds()["ishares_workbook"]
    historical = b'<ss:Worksheet ss:Name="Historical">'
    body = book.body.replace(historical, historical + bomb.encode())
    assert outcome(book, body).startswith("SourceContractChanged")
    for kind in ("ssga_navhist", "ssga_holdings"):
        seed = seeds()[kind]
        with zipfile.ZipFile(io.BytesIO(seed.body)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        name = "xl/worksheets/sheet1.xml"
        assert outcome(seed, zip_bytes(members)).startswith("rows")
        armed = members[name].replace(b"<worksheet", bomb.encode() + b"<worksheet")
        broken = zip_bytes(members | {name: armed.replace(b"<t>", b"<t>&l8;", 1)})
        assert outcome(seed, broken).startswith("SourceContractChanged")


@pytest.mark.parametrize("kind", ["ssga_navhist", "ssga_holdings", "french_zip"])
def test_an_archive_that_unpacks_to_hundreds_of_megabytes_is_not_unpacked(kind: str) -> None:
    bomb = zip_bytes({f"{seeds()[kind].item}.csv": bytes(150 * 1024 * 1024)})
    assert len(bomb) < 1_000_000
    tracemalloc.start()
    try:
        assert outcome(seeds()[kind], bomb).startswith("SourceContractChanged: unpacks to")
        assert tracemalloc.get_traced_memory()[1] < 10 * 1024 * 1024
    finally:
        tracemalloc.stop()
