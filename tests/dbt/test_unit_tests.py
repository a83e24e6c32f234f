"""Every unit test of the project, run once: the nightly job leaves them out."""

from __future__ import annotations

import re
from typing import Any

from pipelines.settings import DBT_PROJECT_DIR


def test_every_unit_test_of_the_project_passes(dbt_warehouse: Any) -> None:
    written = [
        name
        for path in (DBT_PROJECT_DIR / "models").rglob("*.yml")
        for name in re.findall(
            r"^  - name: (\w+)",
            path.read_text(encoding="utf-8").partition("\nunit_tests:\n")[2],
            flags=re.MULTILINE,
        )
    ]
    dbt_warehouse.build("*", command="run")
    outcomes = dbt_warehouse.build("test_type:unit", command="test")
    assert sorted(name.split(".")[-1] for name in outcomes) == sorted(written)
    assert set(outcomes.values()) == {"pass"}
