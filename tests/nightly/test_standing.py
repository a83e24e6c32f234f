"""Models whose inputs did not change are not built again, and those whose inputs did are."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.defs.dbt.definitions import MANIFEST
from pipelines.defs.dbt.standing import find_standing, fingerprint_of
from pipelines.defs.dbt.translator import TAGS
from pipelines.night import Night, make_night
from pipelines.publication import expected_tests
from pipelines.storage.standing import forget_standing
from pipelines.storage.warehouse import open_build
from tests.fakes.nights import NightResult

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("nights")]


def test_the_same_night_again_leaves_the_models_as_they_stand(
    first_night: NightResult, same_night: NightResult
) -> None:
    run = same_night.conclusion.report.run_id
    told = same_night.published(
        "select check_id, status, finding, checked_at < (select started_at from meta.runs "
        f"where run_id = '{run}') from meta.checks where kind = 'dbt_test' and run_id = '{run}'"
    )
    standing = [row for row in told if "stands since run" in row[2]]
    assert len(standing) > 0.8 * len(told)
    first = first_night.conclusion.report.run_id
    assert all(first in finding and is_earlier for _, _, finding, is_earlier in standing)
    # only the branch that reads what the first night published had something new
    anew = {check_id for check_id, *_ in told} - {check_id for check_id, *_ in standing}
    assert anew <= {f"dbt:{name}" for name in expected_tests(MANIFEST, ["signals"])}


def _version_of(night: NightResult) -> Path:
    """The file that this run published; `current` may show a later night's by now."""
    run = night.conclusion.report.run_id.partition("-")[0]
    [folder] = (night.settings.published_dir / "versions").glob(f"*-{run}")
    return folder / "warehouse.duckdb"


def test_what_stands_is_what_would_be_built(
    first_night: NightResult, same_night: NightResult
) -> None:
    paths = [_version_of(first_night), _version_of(same_night)]
    with duckdb.connect() as connection:
        for name, path in zip(("a", "b"), paths, strict=True):
            connection.execute(f"attach '{path}' as {name} (read_only)")
        marts = connection.execute(
            "select table_name from duckdb_tables() where database_name = 'a' "
            "and schema_name = 'marts'"
        ).fetchall()
        assert len(marts) == 19
        for (mart,) in marts:
            for one, other in (("a", "b"), ("b", "a")):
                left = connection.execute(
                    f"select count(*) from (from {one}.marts.{mart} "
                    f"except all from {other}.marts.{mart})"
                ).fetchone()
                assert left == (0,), mart


@pytest.fixture
def night(later_night: NightResult, tmp_path: Path) -> Night:
    """The last night as the next run would begin it, in a copy of its warehouse."""
    warehouse = tmp_path / "night"
    shutil.copytree(later_night.settings.warehouse, warehouse, symlinks=True)
    settings = later_night.settings.with_options(warehouse=str(warehouse), as_of=date(2025, 10, 10))
    return make_night(settings, "the-next-run")


def standing_tags(night: Night) -> set[str]:
    with open_build(night.settings) as connection:
        prints = {tag: fingerprint_of(connection, night, MANIFEST, tag) for tag in TAGS}
        return {tag for tag in TAGS if find_standing(connection, night, MANIFEST, tag, prints[tag])}


def test_a_new_raw_row_ends_what_reads_it_and_nothing_else(night: Night) -> None:
    before = standing_tags(night)
    assert before >= set(TAGS) - {"signals"}
    with open_build(night.settings) as connection:
        connection.execute(
            "insert into raw.fred_observations "
            "select * replace (known_on + 1 as known_on) from raw.fred_observations limit 1"
        )
    after = standing_tags(night)
    assert "macro" in before - after
    assert {"prices", "breadth", "fundamentals"} <= after


def test_another_day_a_full_refresh_and_other_code_build_everything(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "prices" in standing_tags(night)
    assert standing_tags(replace(night, as_of=date(2025, 10, 13))) == set()
    refreshed = night.settings.with_options(full_refresh=True)
    assert standing_tags(replace(night, settings=refreshed)) == set()
    monkeypatch.setattr("pipelines.defs.dbt.standing.code_fingerprint", lambda: "another")
    assert standing_tags(night) == set()


def test_what_stands_on_a_branch_falls_with_it(night: Night) -> None:
    assert {"prices", "breadth", "fundamentals"} <= standing_tags(night)
    with open_build(night.settings) as connection:
        forget_standing(connection, ["prices"])
    after = standing_tags(night)
    assert "breadth" not in after
    assert "macro" in after


def test_a_check_that_is_not_on_record_is_run(night: Night) -> None:
    assert "prices" in standing_tags(night)
    with open_build(night.settings) as connection:
        connection.execute(
            "delete from meta.checks where check_id like 'dbt:lies_in_order_int_constituent%'"
        )
    assert "prices" not in standing_tags(night)
