"""Who uses which mart, as dbt's exposures say it, is what the code reads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pipelines.settings import DBT_PROJECT_DIR, PROJECT_DIR

EXPOSURES = {
    e["name"]: e
    for e in yaml.safe_load((DBT_PROJECT_DIR / "models/exposures.yml").read_text(encoding="utf-8"))[
        "exposures"
    ]
}
MARTS = {p.stem for p in (DBT_PROJECT_DIR / "models/marts").rglob("*.sql")}
STORAGE = PROJECT_DIR / "pipelines/storage"
READERS: dict[str, list[Path]] = {
    "dashboard": [*(PROJECT_DIR / "dashboard").rglob("*.py"), STORAGE / "overview_rows.py"],
    "nightly_report": [STORAGE / "overview_rows.py", STORAGE / "report_rows.py"],
}


def said(name: str) -> set[str]:
    return {re.sub(r"ref\('(\w+)'\)", r"\1", ref) for ref in EXPOSURES[name]["depends_on"]}


def test_the_published_file_holds_every_mart() -> None:
    assert said("published_file") == MARTS


@pytest.mark.parametrize("name", READERS)
def test_an_exposure_names_the_marts_that_are_read(name: str) -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in READERS[name])
    assert said(name) == set(re.findall(r"\bmarts\.([a-z_]+)", text))
