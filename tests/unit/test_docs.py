"""The documentation is true: links, commands, variables, queries."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import duckdb
import pytest

from pipelines import settings
from pipelines.publication import mart_columns
from pipelines.storage import meta
from pipelines.storage.publish import FRED_NOTICE
from tests.fakes.commands import known_commands

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    p
    for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "warehouse/README.md"]
    if p.is_file()
)
IDS = [p.relative_to(ROOT).as_posix() for p in PAGES]
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def _text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _without_fences(text: str) -> str:
    return FENCE.sub("", text)


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    text = _without_fences(page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in _anchors(found)):
            broken.append(target)
    assert broken == []


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower()).strip().replace(" ", "-") for h in headings}


def _mentions(text: str) -> Iterator[list[str]]:
    """Every `smallcaps …` command line, in a code span or in a block, without its comment."""
    spans = re.findall(r"`([^`\n]+)`", _without_fences(text))
    bodies = [body for kind, body in FENCE.findall(text) if kind != "mermaid"]
    lines = [line for body in bodies for line in body.splitlines()]
    for code in (*spans, *lines):
        for found in re.finditer(r"(?:^|[\s(]|bin/)smallcaps +(.+?)(?:$|;|\)|>>| # )", code):
            try:
                words = shlex.split(found[1], comments=True)
            except ValueError:  # a query in double quotes that holds a closing bracket
                words = found[1].split()
            yield words


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_and_option_that_is_named_exists(page: Path) -> None:
    commands = known_commands()
    wrong = []
    for words in _mentions(page.read_text(encoding="utf-8")):
        options = {w.partition("=")[0] for w in words if w.startswith("--")}
        if words[0] not in commands or options - commands[words[0]]:
            wrong.append(" ".join(words))
    assert wrong == []


def test_the_operating_page_names_every_command() -> None:
    named = {words[0] for words in _mentions(_text("docs/operate.md"))}
    assert set(known_commands()) <= named


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", _text("Makefile"), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    spans = re.findall(r"`([^`\n]+)`", _without_fences(text))
    lines = [line for _, body in FENCE.findall(text) for line in body.splitlines()]
    code = [c.partition("#")[0] for c in (*spans, *lines)]
    named = {t for c in code for t in re.findall(r"\bmake ([a-z-]+)", c)}
    assert named <= targets


def test_go_live_names_every_variable_that_is_read_and_no_other() -> None:
    source = inspect.getsource(settings)
    read = set(re.findall(r'env\.get\("([A-Z_]+)"', source))
    read |= {settings.base_url_variable(provider) for provider in settings.PUBLIC_HOSTS}
    table = re.findall(r"^\| `([A-Z_]+)` \|", _text("docs/go-live.md"), re.MULTILINE)
    assert sorted(table) == sorted(read)


def test_go_live_gives_the_addresses_that_are_asked() -> None:
    rows = re.findall(r"^\| `([A-Z_]+_BASE_URL)` \| (\S+) \|", _text("docs/go-live.md"), re.M)
    assert dict(rows) == {
        settings.base_url_variable(provider): host
        for provider, host in settings.PUBLIC_HOSTS.items()
    }


@pytest.mark.parametrize("page", ["README.md", "docs/go-live.md"])
def test_the_notice_is_freds_own_words(page: str) -> None:
    assert FRED_NOTICE in _text(page)


# -- queries --------------------------------------------------------------------------------------
def _queries() -> list[str]:
    """The SQL blocks of the reading page, and what every page hands to `smallcaps query`."""
    blocks = [body for kind, body in FENCE.findall(_text("docs/read.md")) if kind == "sql"]
    given = []
    for page in PAGES:
        code = page.read_text(encoding="utf-8")
        given += re.findall(r'smallcaps query (?:--format \w+ )?"([^"]+)"', code)
        given += re.findall(r'\.sql\(\s*"([^"]+)"', code)
    return blocks + given


@cache
def _published_tables() -> dict[str, list[tuple[str, str]]]:
    from pipelines.defs.dbt.runner import prepare_manifest

    marts = mart_columns(prepare_manifest())
    return marts | {
        f"meta.{name}": [(column, c.type) for column, c in columns.items()]
        for name, columns in meta.META_TABLES.items()
        if name not in meta.UNPUBLISHED
    }


@pytest.fixture(scope="module")
def empty_file() -> Iterator[duckdb.DuckDBPyConnection]:
    """Every published table, empty, with the columns and types of its contract."""
    with duckdb.connect() as connection:
        for name, columns in _published_tables().items():
            connection.execute(f"create schema if not exists {name.partition('.')[0]}")
            body = ", ".join(f'"{column}" {kind}' for column, kind in columns)
            connection.execute(f"create table {name} ({body})")
        yield connection


@pytest.mark.parametrize("sql", _queries(), ids=lambda sql: " ".join(sql.split())[:60])
def test_every_sample_query_fits_the_published_tables(
    empty_file: duckdb.DuckDBPyConnection, sql: str
) -> None:
    if "'DGS5'" in sql:  # the walk through adding a series
        sql = sql.replace("DGS5", "DGS10")
    assert len(empty_file.execute(sql).description) > 0


def test_the_reading_page_lists_every_published_table_with_its_grain() -> None:
    rows = dict(
        re.findall(r"^\| `((?:marts|meta)\.\w+)` \| ([^|]+) \|", _text("docs/read.md"), re.M)
    )
    published = _published_tables()
    assert sorted(rows) == sorted(published)
    for name in (n for n in rows if n.startswith("marts.")):
        columns = [c for c, _ in published[name]]
        assert [g.strip() for g in rows[name].split(",") if g.strip() not in columns] == [], name


# -- what must be said ----------------------------------------------------------------------------
def test_simulated_figures_are_called_simulated_where_they_are_shown() -> None:
    readme = _text("README.md")
    for shown in re.finditer(r"!\[([^\]]*)\]\(", readme):
        assert "simulated" in shown[1].lower()
    assert "SIMULATED DATA" in readme


def test_the_picture_is_small_and_its_script_takes_simulated_data_only() -> None:
    picture = ROOT / "docs/images/overview.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size < 300_000
    assert 'publication["is_simulated"]' in _text("docs/make_images.py")


def test_the_changelog_begins_with_the_version_of_the_package() -> None:
    version = re.search(r'^version = "(.+)"$', _text("pyproject.toml"), re.MULTILINE)
    assert version is not None
    first = re.search(r"^## (\S+)", _text("CHANGELOG.md"), re.MULTILINE)
    assert first is not None and first[1] == version[1]
