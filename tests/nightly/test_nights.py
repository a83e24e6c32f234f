"""Whole nights: what the first publishes, what the next adds, what a rebuild gives again."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from pipelines.storage.contracts import RAW_TABLES
from tests.fakes.nights import NightResult, run_sample_night

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("nights")]

MARTS = (
    "macro_regime",
    "macro_revisions",
    "release_calendar",
    "valuation_gaps",
    "market_breadth",
    "fund_flows",
    "flow_signals",
    "record_highs",
    "sector_weights",
    "fundamentals_coverage",
    "sector_rate_sensitivity",
    "event_studies",
    "event_study_summary",
    "signal_scorecard",
    "signal_evidence",
    "signal_revisions",
    "claim_audit",
    "portfolio_fundamentals",
    "leverage",
)
RAW_ROWS = " union all ".join(f"select '{t}', count(*) from raw.{t}" for t in RAW_TABLES)


def test_the_first_night_publishes_every_mart(first_night: NightResult) -> None:
    assert first_night.exit_code == 0, first_night.conclusion.error
    for mart in MARTS:
        [(rows,)] = first_night.published(f"select count(*) from marts.{mart}")
        # what a signal said on an earlier night is known from the second night on
        assert (rows > 0) == (mart != "signal_revisions"), mart
    newest = "select max(traded_on) from marts."
    for mart in ("macro_regime", "valuation_gaps", "market_breadth", "signal_scorecard"):
        assert first_night.published(newest + mart) == [(date(2025, 10, 8),)]


def test_the_published_file_says_that_it_is_simulated(first_night: NightResult) -> None:
    assert first_night.published("select world from meta.world") == [("sample",)]
    assert first_night.published("select bool_and(is_simulated) from meta.publications") == [
        (True,)
    ]


def test_every_published_column_is_in_the_dictionary(first_night: NightResult) -> None:
    missing = first_night.published(
        "select c.schema_name, c.table_name, c.column_name from duckdb_columns() as c "
        "left join meta.data_dictionary as d on d.schema_name = c.schema_name "
        "and d.table_name = c.table_name and d.column_name = c.column_name "
        "where c.schema_name in ('marts', 'meta') and c.database_name = current_database() "
        "and (d.meaning is null or d.meaning = '')"
    )
    assert missing == []


def test_only_marts_and_meta_are_published(first_night: NightResult) -> None:
    schemas = first_night.published("select distinct schema_name from duckdb_tables()")
    assert sorted(schemas) == [("marts",), ("meta",)]


def test_every_check_that_dbt_ran_is_in_meta_and_in_dagster(first_night: NightResult) -> None:
    recorded = {
        row[0].removeprefix("dbt:")
        for row in first_night.build("select check_id from meta.checks where kind = 'dbt_test'")
    }
    seen = {name.split(".", 1)[1] for name in first_night.checks}
    assert len(recorded) > 50
    # A singular test over several models has no asset of its own; all others are Dagster checks.
    singular = {name for name in recorded if name.startswith("assert_")}
    assert recorded - singular <= seen


def test_the_same_night_again_asks_little_and_loads_nothing(
    first_night: NightResult, same_night: NightResult
) -> None:
    assert same_night.exit_code == 0
    run_id = same_night.conclusion.report.run_id
    [(requests, inserted)] = same_night.build(
        f"select sum(requests), sum(inserted_rows) from meta.batches where run_id = '{run_id}'"
    )
    assert inserted == 0, "loading twice is loading once"
    assert requests < 80, "an unchanged night asks the updates feed, not every series and symbol"


def test_a_second_night_loads_only_what_is_new(
    first_night: NightResult, later_night: NightResult
) -> None:
    assert later_night.exit_code == 0
    before, after = dict(first_night.build(RAW_ROWS)), dict(later_night.build(RAW_ROWS))
    assert after["instrument_bars"] > before["instrument_bars"]
    assert after["constituent_bars"] > before["constituent_bars"]
    assert later_night.published("select max(traded_on) from marts.market_breadth") == [
        (date(2025, 10, 10),)
    ]
    versions = later_night.settings.published_dir / "versions"
    assert len([v for v in versions.iterdir() if v.name.startswith("2")]) == 3


def test_a_branch_alone_in_a_new_warehouse_publishes_the_others_empty(tmp_path: Path) -> None:
    night = run_sample_night(tmp_path, only="long_history")
    assert night.exit_code == 0, night.conclusion.error
    assert night.published("select count(*) from marts.valuation_gaps") == [(0,)]
    assert night.published("select count(*) from marts.market_breadth") == [(0,)]
    assert night.published("select count(*) from marts.leverage") == [(0,)]
    assert night.build("select count(*) > 90000 from raw.french_portfolios") == [(True,)]


def test_a_rebuild_from_landing_gives_the_same_raw_rows(
    first_night: NightResult, tmp_path: Path
) -> None:
    landing = tmp_path / "landing"
    landing.symlink_to(first_night.settings.landing_dir, target_is_directory=True)
    run_id = first_night.conclusion.report.run_id
    rebuilt = run_sample_night(tmp_path, from_landing=run_id)
    assert rebuilt.exit_code == 0
    for table in RAW_TABLES.values():
        columns = ", ".join(
            c.name for c in table.all_columns if c.name not in ("run_id", "batch_id")
        )
        with duckdb.connect(str(rebuilt.settings.build_path), read_only=True) as connection:
            connection.execute(
                f"attach '{first_night.settings.build_path}' as original (read_only)"
            )
            [(differing,)] = connection.execute(
                f"select count(*) from ((select {columns} from raw.{table.name} "
                f"except all select {columns} from original.raw.{table.name} "
                f"where run_id = '{run_id}') union all "
                f"(select {columns} from original.raw.{table.name} where run_id = '{run_id}' "
                f"except all select {columns} from raw.{table.name}))"
            ).fetchall()
        assert differing == 0, table.name


def test_a_warehouse_refuses_the_other_world(first_night: NightResult) -> None:
    from pipelines.errors import ConfigurationError
    from pipelines.settings import read_settings
    from pipelines.storage.warehouse import open_build

    live = read_settings(
        {"SMALLCAPS_WORLD": "live", "SMALLCAPS_WAREHOUSE": str(first_night.settings.warehouse)}
    )
    with pytest.raises(ConfigurationError, match="'sample'"), open_build(live):
        pass
