"""The benchmark's contestants agree on a small panel: three ways to count breadth, one result."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.console import Console

from bench import breadth, parts
from bench.measure import run_once

SMALL = {"members": 60, "sessions": 700}


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return parts.panel_of(tmp_path_factory.mktemp("panel"), Console(quiet=True), **SMALL)


@pytest.mark.parametrize("other", ["by_polars_flat", "by_polars_groups", "by_numba"])
def test_another_computation_finds_the_same_breadth(panel: Path, other: str) -> None:
    ours = run_once("bench.breadth:by_models", str(panel), str(parts.statements_of(panel)))
    theirs = run_once(f"bench.breadth:{other}", str(panel))
    assert ours.found[1] > 20_000  # members priced on sessions
    assert breadth.differences(ours.found, theirs.found) == []


def test_the_newest_session_alone_is_that_of_the_whole(panel: Path) -> None:
    whole = run_once("bench.breadth:newest_of_models", str(panel), str(parts.statements_of(panel)))
    newest = parts.statements_of(panel, newest=True)
    alone = run_once("bench.breadth:newest_of_models", str(panel), str(newest))
    assert whole.found == alone.found
    assert len(whole.found) > 10


def test_a_difference_in_one_count_is_told() -> None:
    assert breadth.differences([5.0, 7.0, 0.1, 0.2], [5.0, 8.0, 0.1, 0.2 + 1e-12]) == [
        "figure 1: 7.0 and 8.0"
    ]
