"""The sample queries of the documentation have an answer in the sample world."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.fakes.nights import NightResult

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("nights")]

READ = (Path(__file__).parents[2] / "docs/read.md").read_text(encoding="utf-8")


def test_every_sample_query_has_an_answer(later_night: NightResult) -> None:
    queries = re.findall(r"```sql\n(.+?)```", READ, re.DOTALL)
    assert len(queries) > 5
    assert [sql for sql in queries if not later_night.published(sql)] == []
