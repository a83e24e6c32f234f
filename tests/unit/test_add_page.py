"""docs/add.md followed to the letter, on a copy of the tree: what it says to add is whole."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from pipelines.settings import PROJECT_DIR

PAGE = (PROJECT_DIR / "docs/add.md").read_text(encoding="utf-8")
STEP = re.compile(r"^ *<!-- (?P<what>.+?) -->\n(?P<fence> *```\w+\n.+?^ *```)$", re.M | re.S)
CHANGE = re.compile(r'(?P<path>\S+), (?:(?P<how>before|for) "(?P<anchor>.+)"|new|at the end)')
COPIED = ("pipelines", "dbt_project", "tests", "docs", "dashboard", "deploy", "bench", "warehouse")
LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", "target", "logs", "landing", "build", "published", "live", "storage", "history"
)


def sections() -> dict[str, str]:
    """The page's sections that are followed, by their headings."""
    parts = re.split(r"^## (.+)$", PAGE, flags=re.MULTILINE)
    return {
        title: body
        for title, body in zip(parts[1::2], parts[2::2], strict=True)
        if "<!-- followed -->" in body
    }


def body_of(fence: str) -> str:
    """What stands in an indented block."""
    return textwrap.dedent(fence).partition("\n")[2].rpartition("```")[0]


def apply(root: Path, what: str, body: str) -> None:
    change = CHANGE.fullmatch(what)
    assert change is not None, f"not understood: {what}"
    path = root / change["path"]
    if change["how"] is None:
        assert path.exists() == what.endswith("at the end"), what
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_text(text + body, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    assert text.count(change["anchor"]) == 1, f"{what}: found {text.count(change['anchor'])} times"
    new = body + change["anchor"] if change["how"] == "before" else body.rstrip("\n")
    path.write_text(text.replace(change["anchor"], new), encoding="utf-8")


def test_a_series_a_fund_a_check_and_a_mart_are_followed() -> None:
    assert list(sections()) == [
        "A FRED series",
        "A fund",
        "A check of the landing gate",
        "A mart",
    ]


@pytest.mark.parametrize("title", sections())
def test_what_the_page_says_to_add_is_whole(title: str, tmp_path: Path) -> None:
    for name in COPIED:
        shutil.copytree(PROJECT_DIR / name, tmp_path / name, ignore=LEFT_OUT, symlinks=True)
    for path in PROJECT_DIR.iterdir():
        if path.is_file():
            shutil.copyfile(path, tmp_path / path.name)
    commands = []
    for step in STEP.finditer(sections()[title]):
        if step["what"] == "followed":
            commands += body_of(step["fence"]).splitlines()
        else:
            apply(tmp_path, step["what"], body_of(step["fence"]))
    assert len(commands) == 1
    words = commands[0].split()
    assert words[:3] == [".venv/bin/python", "-m", "pytest"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *words[3:]],
        cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"\d+ passed", done.stdout)
