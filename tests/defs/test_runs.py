"""Runs as a person launches them from the UI, against a warehouse with one macro night in it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import duckdb
import pytest
import yaml
from rich.console import Console

from pipelines.defs.dbt.definitions import MANIFEST
from pipelines.exit_codes import Exit
from pipelines.launch import CODE_LOCATION, CODE_LOCATION_TAG, WORKSPACE, backfill_holdings
from pipelines.night import DBT_TAGS_OF_BRANCH
from pipelines.settings import Settings, child_environment, process_environment, read_settings
from tests.fakes.nights import NightResult, run_sample_night

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("defs")]

MART = dg.AssetKey(["marts", "macro_regime"])
RAW = dg.AssetKey(["raw", "fred_observations"])
PUBLISHED = dg.AssetKey(["published", "warehouse"])


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> NightResult:
    return run_sample_night(tmp_path_factory.mktemp("defs"), only="macro")


@contextmanager
def _instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    home = settings.dagster_home
    environment = child_environment(settings) | {"DAGSTER_HOME": str(home)}
    with process_environment(environment), dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


@dataclass(frozen=True)
class Launched:
    """How one run ended: error messages by step, check results, and its row in `meta.runs`."""

    success: bool
    materialized: list[str]
    checks: dict[str, bool]
    errors: dict[str, str]
    status: str


def _launch(settings: Settings, selection: dg.AssetSelection) -> Launched:
    """Execute a selection as the UI's button does: no job of ours, no configuration."""
    from pipelines.definitions import defs

    job = dg.define_asset_job("picked", selection=selection)
    picked = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("picked")
    config = {"warehouse": str(settings.warehouse), "world": "sample"}
    with _instance(settings) as instance:
        result = picked.execute_in_process(
            instance=instance,
            run_config={"resources": {"night": {"config": config}}},
            raise_on_error=False,
        )
    errors = {}
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            errors[str(event.step_key)] = f"{error and error.message} {error and error.cause}"
            failed = event.step_failure_data.user_failure_data
            errors[str(event.step_key)] += f" {failed.description if failed else ''}"
    with duckdb.connect(str(settings.build_path), read_only=True) as connection:
        [(status,)] = connection.execute(
            "select status from meta.runs where run_id = ?", [result.run_id]
        ).fetchall()
    return Launched(
        success=result.success,
        materialized=[
            e.asset_key.to_user_string()
            for e in result.all_events
            if e.is_step_materialization and e.asset_key
        ],
        checks={
            e.asset_check_evaluation_data.check_name: e.asset_check_evaluation_data.passed
            for e in result.all_events
            if e.event_type_value == "ASSET_CHECK_EVALUATION"
        },
        errors=errors,
        status=str(status),
    )


def _said(settings: Settings, key: dg.AssetKey) -> dict[str, Any]:
    with _instance(settings) as instance:
        event = instance.get_latest_materialization_event(key)
    assert event is not None and event.asset_materialization is not None
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_dbt_dagster_and_meta_tell_the_same(night: NightResult) -> None:
    """What a run's events say is what the publication read, check by check."""
    assert night.exit_code == 0
    of_dagster = {}
    for name, passed in night.checks.items():
        asset, check = name.split(".", 1)
        layer, table = asset.split("/")
        of_dagster[f"gate:{table}.{check}" if layer == "landing" else f"dbt:{check}"] = passed
    rows = night.build(
        f"select check_id, status <> 'failed', status from meta.checks "
        f"where kind in ('gate', 'dbt_test') and run_id = '{night.conclusion.report.run_id}'"
    )
    of_meta = {check: passed for check, passed, _ in rows}
    assert set(of_dagster) == set(of_meta)
    assert all(of_meta.values())
    warned = {check for check, _, status in rows if status == "warned"}
    assert {check for check, passed in of_dagster.items() if not passed} == warned
    built = {k for k in night.materialized if k.startswith(("intermediate/", "marts/"))}
    of_branch = {
        f"{node['schema']}/{node['name']}"
        for node in MANIFEST["nodes"].values()
        if node["resource_type"] == "model" and set(node["tags"]) & {*DBT_TAGS_OF_BRANCH["macro"]}
    }
    assert built == {k for k in of_branch if k.startswith(("intermediate/", "marts/"))}
    stored = night.build(
        "select table_schema || '/' || table_name from information_schema.tables "
        "where table_schema in ('intermediate', 'marts')"
    )
    # What they stand on of branches that never ran is there too, empty, and was not told of.
    assert {name for (name,) in stored} >= built


def test_a_mart_shows_rows_age_and_picture(night: NightResult) -> None:
    said = _said(night.settings, MART)
    [(rows, newest)] = night.build("select count(*), max(traded_on) from marts.macro_regime")
    assert said["dagster/row_count"] == rows
    assert said["newest_on"] == f"{newest} (traded_on)"
    assert said["plot"].startswith("![Core PCE inflation")


def test_a_view_shows_its_rows_too(night: NightResult) -> None:
    said = _said(night.settings, dg.AssetKey(["staging", "stg_fred__observations"]))
    [(rows,)] = night.build("select count(*) from staging.stg_fred__observations")
    assert said["dagster/row_count"] == rows > 0


def test_a_raw_table_shows_how_old_its_items_are(night: NightResult) -> None:
    said = _said(night.settings, RAW)
    [(newest, stale)] = night.build(
        "select max(newest_on), count(*) filter (where is_stale) from meta.source_status "
        "where feed = 'fred_observations'"
    )
    assert said["newest_on"] == f"{newest}"
    assert said["stale_items"] == stale
    [(rows,)] = night.build("select count(*) from raw.fred_observations")
    assert said["dagster/row_count"] == rows


def test_a_publication_alone_is_refused_and_names_what_did_not_run(night: NightResult) -> None:
    alone = _launch(night.settings, dg.AssetSelection.assets(PUBLISHED))
    assert not alone.success
    assert alone.status == "refused"
    [(step, error)] = alone.errors.items()
    assert step == "published__warehouse"
    assert "PublishRefused" in error
    assert "dbt:a_thrust_is_above_its_threshold did not run" in error


def test_a_raw_table_alone_says_what_to_launch_instead(night: NightResult) -> None:
    alone = _launch(night.settings, dg.AssetSelection.assets(RAW))
    assert not alone.success
    assert alone.status == "failed"
    assert "select landing/fred_observations with it" in alone.errors["load_fred_observations"]


def test_a_mart_alone_is_built_and_tested(night: NightResult) -> None:
    alone = _launch(night.settings, dg.AssetSelection.assets(MART))
    assert alone.success
    assert alone.status == "finished"
    assert alone.materialized == ["marts/macro_regime"]
    assert alone.checks["moves_are_not_in_the_future"] is True


def test_a_check_alone_builds_nothing(night: NightResult) -> None:
    check = dg.AssetCheckKey(MART, "moves_are_not_in_the_future")
    alone = _launch(night.settings, dg.AssetSelection.checks(check))
    assert alone.success
    assert alone.materialized == []
    assert alone.checks == {"moves_are_not_in_the_future": True}


def test_a_failed_check_shows_the_rows_that_fail_it(night: NightResult) -> None:
    """The mart is spoilt behind dbt's back, and its check executed from the UI."""
    with duckdb.connect(str(night.settings.build_path)) as connection:
        connection.execute(
            "update marts.macro_regime set last_move_on = traded_on + 1 "
            "where traded_on = (select max(traded_on) from marts.macro_regime)"
        )
    check = dg.AssetCheckKey(MART, "moves_are_not_in_the_future")
    try:
        spoilt = _launch(night.settings, dg.AssetSelection.checks(check))
    finally:
        mended = _launch(night.settings, dg.AssetSelection.assets(MART))
    assert not spoilt.success
    assert spoilt.status == "refused"
    assert spoilt.checks == {"moves_are_not_in_the_future": False}
    assert mended.checks["moves_are_not_in_the_future"] is True
    with _instance(night.settings) as instance:
        records = instance.event_log_storage.get_asset_check_execution_history(check, limit=2)
    evaluation = records[-1].event.dagster_event.asset_check_evaluation_data  # type: ignore[union-attr]
    assert evaluation.metadata["failing_rows"].value == 1
    assert "last_move_on" in str(evaluation.metadata["examples"].value)
    assert "last_move_on" in str(evaluation.description)
    assert "select" in str(evaluation.metadata["query"].value)


def test_what_our_modules_log_is_shown_with_the_run(night: NightResult) -> None:
    with _instance(night.settings) as instance:
        records = instance.all_logs(night.conclusion.report.run_id)
    lines = [r.user_message for r in records if not r.is_dagster_event]
    assert any(line.startswith("landed fred_observations: ") for line in lines)


@pytest.fixture(scope="module")
def backfilled(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    warehouse = tmp_path_factory.mktemp("backfill")
    settings = read_settings({"SMALLCAPS_WAREHOUSE": str(warehouse)})
    ended = backfill_holdings(
        settings, date(2024, 1, 15), date(2024, 2, 15), console=Console(quiet=True)
    )
    assert ended is Exit.PUBLISHED
    return settings


def _backfilled(settings: Settings) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(settings.build_path), read_only=True) as connection:
        return connection.execute(
            "select fund_id, as_of_on, count(*) from raw.fund_files group by all order by all"
        ).fetchall()


def test_a_backfill_loads_the_month_ends_of_its_months(backfilled: Settings) -> None:
    assert _backfilled(backfilled) == [
        (fund, day, 1) for fund in ("IVV", "IWM") for day in (date(2024, 1, 31), date(2024, 2, 29))
    ]


def test_a_backfill_of_two_months_is_one_run_of_its_job(backfilled: Settings) -> None:
    with _instance(backfilled) as instance:
        [run] = [r for r in instance.get_runs() if r.job_name == "holdings_backfill"][-1:]
        partitions = instance.get_materialized_partitions(
            dg.AssetKey(["landing", "fund_holdings_history"])
        )
    assert run.status is dg.DagsterRunStatus.SUCCESS
    assert run.tags["dagster/asset_partition_range_start"] == "2024-01-01"
    assert run.tags["dagster/asset_partition_range_end"] == "2024-02-01"
    assert partitions == {"2024-01-01", "2024-02-01"}


def test_a_month_that_is_asked_for_twice_is_loaded_once(backfilled: Settings) -> None:
    before = _backfilled(backfilled)
    again = backfill_holdings(
        backfilled, date(2024, 2, 1), date(2024, 2, 1), console=Console(quiet=True)
    )
    assert again is Exit.PUBLISHED
    assert _backfilled(backfilled) == before
    with duckdb.connect(str(backfilled.build_path), read_only=True) as connection:
        statuses = connection.execute(
            # Another test of this warehouse runs a backfill that is meant to fail.
            "select distinct status from meta.runs where run_id in "
            "(select distinct run_id from meta.batches where status = 'loaded')"
        ).fetchall()
        inserted = connection.execute(
            "select inserted_rows > 0 from meta.batches order by fetched_at"
        ).fetchall()
    assert statuses == [("finished",)]
    assert inserted == [(True,), (False,)]


def test_a_month_that_has_not_come_is_refused(backfilled: Settings) -> None:
    printed = Console(record=True, width=200, file=io.StringIO())
    ended = backfill_holdings(backfilled, date(2025, 11, 1), date(2025, 11, 1), console=printed)
    assert ended is Exit.REFUSED
    assert "no session of these months has closed by 2025-10-10" in printed.export_text()


def test_runs_of_the_command_carry_the_code_location_of_the_ui(backfilled: Settings) -> None:
    """Without the tag the UI lists them under no job."""
    [location] = yaml.safe_load(WORKSPACE.read_text())["load_from"]
    assert f"__repository__@{location['python_module']['location_name']}" == CODE_LOCATION
    with _instance(backfilled) as instance:
        assert {r.tags[CODE_LOCATION_TAG] for r in instance.get_runs()} == {CODE_LOCATION}
