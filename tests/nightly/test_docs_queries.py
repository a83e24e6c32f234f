"""The sample queries of the documentation have an answer in the sample world."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fakes.nights import NightResult

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("nights")]

DOCS = Path(__file__).parents[2] / "docs"
PAGES = {"bi.md": 14, "trace.md": 0, "operate.md": 0, "read.md": 0}
"""Pages and how many queries they have at least."""


@pytest.mark.parametrize("page", PAGES)
def test_every_sample_query_has_an_answer(later_night: NightResult, page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    queries = re.findall(r"```sql\n(.+?)```", text, re.DOTALL)
    assert len(queries) >= PAGES[page]
    assert [sql for sql in queries if not later_night.published(sql)] == []
