"""The report of real nights: in the version, of the version, and named by the run."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.report.make import HTML_NAME, PDF_NAME, find_report
from pipelines.storage.errors import NothingPublished
from pipelines.storage.versions import current_version, list_versions, version_path
from tests.fakes.nights import NightResult

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("nights")]


def page_of(night: NightResult, version: str) -> str:
    return version_path(night.settings, version).with_name(HTML_NAME).read_text(encoding="utf-8")


def test_a_version_holds_its_file_and_its_report_and_nothing_else(later_night: NightResult) -> None:
    for version in list_versions(later_night.settings):
        folder = version_path(later_night.settings, version).parent
        assert sorted(p.name for p in folder.iterdir()) == [HTML_NAME, PDF_NAME, "warehouse.duckdb"]
        assert all(p.stat().st_mode & 0o222 == 0 for p in folder.iterdir())
    assert "published/report" in later_night.materialized


def test_the_first_report_has_nothing_to_compare_with_and_the_next_ones_do(
    later_night: NightResult,
) -> None:
    first, same, newest = list_versions(later_night.settings)
    assert "There is no earlier version to compare with." in page_of(later_night, first)
    assert f"{first} (as of 2025-10-08) -&gt; {same} (as of 2025-10-08)" in page_of(
        later_night, same
    )
    page = page_of(later_night, newest)
    assert f"{same} (as of 2025-10-08) -&gt; {newest} (as of 2025-10-10)" in page
    [(score,)] = later_night.published(
        "select score_z from marts.signal_scorecard where signal_id = 'composite' "
        "order by traded_on desc limit 1"
    )
    assert f"{score:+.2f}".replace("-", "−") in page.split("Signals and what they were worth")[1]


def test_the_command_prints_where_a_report_lies(
    later_night: NightResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALLCAPS_WAREHOUSE", str(later_night.settings.warehouse))
    version = current_version(later_night.settings)
    assert version is not None
    told = CliRunner().invoke(app, ["report", "--pdf"]).stdout.replace("\n", "")
    assert told == str(version_path(later_night.settings, version).with_name(PDF_NAME))
    assert Path(told).read_bytes().startswith(b"%PDF-")


def test_a_version_older_than_reports_says_so(same_night: NightResult, tmp_path: Path) -> None:
    settings = same_night.settings.with_options(warehouse=str(tmp_path))
    folder = tmp_path / "published/versions/20250101T000000-old"
    folder.mkdir(parents=True)
    with pytest.raises(NothingPublished, match=r"no report\.html: it is older than reports"):
        find_report(settings, "20250101")
