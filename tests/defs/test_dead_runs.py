"""A run whose process was killed: it is ended by the next one, and its slot of the pool is free."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from pipelines.launch import clear_dead_runs, end_dead_runs, prepare_dagster_home
from pipelines.settings import Settings, child_environment, process_environment, read_settings
from pipelines.storage import night_lock

POOL = "warehouse"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings({"SMALLCAPS_WAREHOUSE": str(tmp_path)})


@dg.job
def _night() -> None:
    pass


def leave_behind(settings: Settings) -> tuple[str, str]:
    """Leave a run that holds a slot and counts as started, as a kill would, and one that ended."""
    home = prepare_dagster_home(settings)
    environment = child_environment(settings) | {"DAGSTER_HOME": str(home)}
    with process_environment(environment), dg.DagsterInstance.from_config(str(home)) as instance:
        ended = _night.execute_in_process(instance=instance).run_id
        run = instance.create_run_for_job(_night)
        instance.report_run_canceling(run)  # counts as alive, like a started one
        log = instance.event_log_storage
        log.initialize_concurrency_limit_to_default(POOL)
        assert log.claim_concurrency_slot(POOL, run.run_id, "step").is_claimed
        other = log.claim_concurrency_slot(POOL, "another", "step")
        assert not other.is_claimed, "one slot, and the dead run has it"
        log.free_concurrency_slots_for_run("another")
    return run.run_id, ended


def test_the_next_run_ends_a_dead_one_and_takes_its_slot(settings: Settings) -> None:
    dead, ended = leave_behind(settings)
    home = str(settings.dagster_home)
    with dg.DagsterInstance.from_config(home) as instance:
        assert end_dead_runs(instance) == [dead]
        assert instance.get_run_by_id(dead).status == dg.DagsterRunStatus.FAILURE
        assert instance.get_run_by_id(ended).status == dg.DagsterRunStatus.SUCCESS
        log = instance.event_log_storage
        assert log.claim_concurrency_slot(POOL, "tonight", "step").is_claimed
        assert end_dead_runs(instance) == []


def test_the_ui_ends_them_only_where_no_run_is_under_way(settings: Settings) -> None:
    dead, _ = leave_behind(settings)
    # another process would hold the lock; a second descriptor of the same file acts like one
    path = night_lock.lock_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = night_lock._acquire(path, 0)
    try:
        assert clear_dead_runs(settings) == []
    finally:
        night_lock.os.close(descriptor)
    assert clear_dead_runs(settings) == [dead]


def test_runs_wait_for_each_other_and_not_their_steps(settings: Settings) -> None:
    home = prepare_dagster_home(settings)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        pools = instance.get_concurrency_config().pool_config
        assert pools.pool_granularity.value == "run"
        assert pools.default_pool_limit == 1
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_runtime_seconds == 21600
