"""A past day rebuilt on today's warehouse is what was published on that day, row for row."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from pipelines.report.make import HTML_NAME
from pipelines.storage.contracts import RAW_TABLES
from pipelines.storage.versions import current_version, list_rebuilds, list_versions, version_path
from tests.fakes.nights import NightResult, run_sample_night

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("nights")]
FIRST, LAST = date(2025, 10, 8), date(2025, 10, 10)


def differing_rows(one: Path, other: Path) -> dict[str, int]:
    """Rows of each mart that only one of two published files has, all columns counted."""
    found = {}
    with duckdb.connect(str(one), read_only=True) as connection:
        connection.execute(f"attach '{other}' as other (read_only)")
        tables = connection.execute(
            "select table_name from duckdb_tables() "
            "where database_name = 'other' and schema_name = 'marts' order by 1"
        ).fetchall()
        for (name,) in tables:
            [(rows,)] = connection.execute(
                f"select count(*) from ((from marts.{name} except all from other.marts.{name}) "
                f"union all (from other.marts.{name} except all from marts.{name}))"
            ).fetchall()
            found[name] = rows
    return found


def insert_what_came_later(build_path: Path) -> int:
    """Add to each raw table altered copies of a tenth of its rows, known or loaded a day later.

    Half of them were public on the first night's day and loaded after it, half became known after.
    Every number is another one. Returns how many there are.
    """
    added = 0
    with duckdb.connect(str(build_path)) as connection:
        for table in RAW_TABLES.values():
            altered = ", ".join(
                f"({c.name} * 1.5 + 1)::{c.type} as {c.name}"
                for c in table.columns
                if c.type in ("DOUBLE", "DECIMAL(18,6)", "BIGINT")
            )
            later = "date '2025-10-09'"
            dated = f"case when row_no % 20 = 0 then {later} else known_on end as known_on"
            listed = ", ".join(c.name for c in table.all_columns)
            parts = ", ".join(filter(None, [altered, dated, f"{later} as loaded_as_of"]))
            [(rows,)] = connection.execute(
                f"insert into raw.{table.name} by name select {listed} from "
                f"(select * replace ({parts}) from (select *, row_number() over () as row_no "
                f"from raw.{table.name}) where row_no % 10 = 0)"
            ).fetchall()
            added += rows
    return added


@pytest.fixture(scope="module")
def rebuilt(later_night: NightResult, tmp_path_factory: pytest.TempPathFactory) -> NightResult:
    """The first night's day, rebuilt after the last night and after much else had come."""
    warehouse = tmp_path_factory.mktemp("past") / "night"
    shutil.copytree(later_night.settings.warehouse, warehouse, symlinks=True)
    assert insert_what_came_later(warehouse / "build/warehouse.duckdb") > 100_000
    return run_sample_night(warehouse, as_of=FIRST)


def test_every_mart_is_as_it_was_published_whatever_came_later(rebuilt: NightResult) -> None:
    assert rebuilt.exit_code == 0, rebuilt.conclusion.error
    settings = rebuilt.settings
    _first, again, last = list_versions(settings)
    [past] = list_rebuilds(settings)
    assert rebuilt.conclusion.rebuilt == version_path(settings, past)
    published, rebuilt_file = version_path(settings, again), version_path(settings, past)
    differing = differing_rows(published, rebuilt_file)
    assert len(differing) >= 16
    assert {name: rows for name, rows in differing.items() if rows} == {}
    # its report compares it with what was published that day
    page = rebuilt_file.with_name(HTML_NAME).read_text(encoding="utf-8")
    assert f"{again} (as of 2025-10-08) -&gt; {past} (as of 2025-10-08, rebuilt): all" in page
    # the comparison can tell two nights apart
    assert differing_rows(version_path(settings, last), rebuilt_file)["market_breadth"] > 0


def test_readers_still_see_the_newest_night(rebuilt: NightResult) -> None:
    assert current_version(rebuilt.settings) == list_versions(rebuilt.settings)[-1]
    newest = rebuilt.published("select max(traded_on) from marts.market_breadth")
    assert newest == [(LAST,)]
    assert rebuilt.conclusion.current is not None
    assert rebuilt.conclusion.rebuilt != rebuilt.conclusion.current.resolve()


def test_the_version_says_that_it_is_a_rebuild(rebuilt: NightResult) -> None:
    [past] = list_rebuilds(rebuilt.settings)
    assert past.startswith("rebuild-2025-10-08-")
    path = version_path(rebuilt.settings, past)
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute(
            "select as_of, is_rebuild, is_simulated from meta.publications where version = ?",
            [past],
        ).fetchall() == [(FIRST, True, True)]
        runs = "select max(as_of), count(*) filter (where status = 'rebuilt_past') from meta.runs"
        assert connection.execute(runs).fetchall() == [(FIRST, 1)]
    run_id = rebuilt.conclusion.report.run_id
    assert rebuilt.build(f"select status from meta.runs where run_id = '{run_id}'") == [
        ("rebuilt_past",)
    ]


def test_a_rebuild_asks_no_source_and_loads_nothing(
    later_night: NightResult, rebuilt: NightResult
) -> None:
    run_id = rebuilt.conclusion.report.run_id
    assert rebuilt.build(f"select count(*) from meta.batches where run_id = '{run_id}'") == [(0,)]
    assert not (rebuilt.settings.landing_dir / "runs" / run_id).exists()
    assert not list(rebuilt.settings.build_path.parent.glob(".past-*"))
    gates = {name: passed for name, passed in rebuilt.checks.items() if "landing" in name}
    assert gates
    assert all(gates.values())
    kinds = f"select distinct kind from meta.checks where run_id = '{run_id}'"
    assert rebuilt.build(kinds) == [("dbt_test",)], "no gate is said to have judged"


def test_a_partition_of_the_ui_gives_the_same_rows(rebuilt: NightResult) -> None:
    from pipelines.definitions import defs
    from pipelines.launch import prepare_dagster_home
    from pipelines.settings import child_environment, process_environment

    settings = rebuilt.settings
    [past] = list_rebuilds(settings)
    home = prepare_dagster_home(settings)
    environment = child_environment(settings) | {"DAGSTER_HOME": str(home)}
    with process_environment(environment), dg.DagsterInstance.from_config(str(home)) as instance:
        result = defs.resolve_job_def("past_days").execute_in_process(
            instance=instance, partition_key=FIRST.isoformat()
        )
    assert result.success
    [again] = [name for name in list_rebuilds(settings) if name != past]
    differing = differing_rows(version_path(settings, past), version_path(settings, again))
    assert set(differing.values()) == {0}
