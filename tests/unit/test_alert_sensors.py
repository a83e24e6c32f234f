"""The sensors, with a run that really failed and a real server that takes the message."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from pipelines.defs.alerts import NOT_SET, tell_of_degraded_sources, tell_of_failed_run
from pipelines.settings import process_environment, read_settings
from pipelines.storage import meta
from pipelines.storage.publish import publish
from pipelines.storage.warehouse import open_build
from tests.unit.test_alerts import NOON, webhook


@dg.op
def land() -> None:
    raise ValueError("the source sent nothing")


@dg.job
def night() -> None:
    land()


def failed_run(instance: dg.DagsterInstance) -> dg.RunFailureSensorContext:
    result = night.execute_in_process(instance=instance, raise_on_error=False)
    return dg.build_run_status_sensor_context(
        sensor_name="tell_of_failed_run",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    ).for_run_failure()


def test_a_failed_run_is_told_once_with_its_error_and_its_link(tmp_path: Path) -> None:
    with webhook() as hook, dg.DagsterInstance.ephemeral() as instance:
        environment = {
            "SMALLCAPS_ALERT_WEBHOOK": hook.url,
            "SMALLCAPS_WAREHOUSE": str(tmp_path),
            "SMALLCAPS_UI_URL": "https://ui.example.org/",
        }
        with process_environment(environment):
            contexts = [failed_run(instance) for _ in range(3)]
            for context in contexts:
                tell_of_failed_run(context)
    (told,) = hook.documents
    run_id = contexts[0].dagster_run.run_id
    assert told["link"] == f"https://ui.example.org/runs/{run_id}"
    assert told["still_published"] == "nothing yet"
    assert [c["finding"] for c in told["causes"]] == ["land: ValueError: the source sent nothing"]


def test_the_sensors_say_so_where_nobody_is_to_be_told(tmp_path: Path) -> None:
    environment = {"SMALLCAPS_WAREHOUSE": str(tmp_path)}
    with dg.DagsterInstance.ephemeral() as instance, process_environment(environment):
        assert tell_of_failed_run(failed_run(instance)).skip_message == NOT_SET
        context = dg.build_sensor_context(instance=instance)
        assert tell_of_degraded_sources(context).skip_message == NOT_SET


def test_they_are_off_by_default_in_the_sample_world() -> None:
    for sensor in (tell_of_failed_run, tell_of_degraded_sources):
        assert sensor.default_status is dg.DefaultSensorStatus.STOPPED


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published version in which one series does not answer."""
    settings = read_settings({"SMALLCAPS_WAREHOUSE": str(tmp_path)})
    with open_build(settings) as connection:
        meta.start_run(
            connection, "run-1", world="sample", as_of=NOON.date(), code_version="x",
            branches=("macro",), started_at=NOON,
        )  # fmt: skip
        meta.record_checks(
            connection, "run-1", [meta.CheckRecord("c", "gate", "t", "block", "passed", "", 0)]
        )
        meta.update_source_status(
            connection,
            "run-1",
            [
                meta.SourceStatus(
                    feed="fred_observations", item="DGS2", provider="fred-api",
                    status="unavailable", detail="HTTP 503", last_attempt_at=NOON,
                    last_fetched_at=None, newest_on=None, is_stale=False, stale_since=None,
                    is_required=False,
                )
            ],
        )  # fmt: skip
    publish(
        settings, run_id="run-1", as_of=NOON.date(), expected_checks=["c"], code_version="x",
        dictionary=meta.dictionary(), marts={}, published_at=NOON,
    )  # fmt: skip
    return tmp_path


def test_silent_sources_are_told_once_for_each_version(published: Path) -> None:
    with webhook() as hook, dg.DagsterInstance.ephemeral() as instance:
        environment = {
            "SMALLCAPS_ALERT_WEBHOOK": hook.url,
            "SMALLCAPS_WAREHOUSE": str(published),
        }
        with process_environment(environment):
            context = dg.build_sensor_context(instance=instance)
            assert "webhook" in tell_of_degraded_sources(context).skip_message
            assert "looked at already" in tell_of_degraded_sources(context).skip_message
            anew = dg.build_sensor_context(instance=instance)
            assert "nothing new to tell" in tell_of_degraded_sources(anew).skip_message
    (told,) = hook.documents
    assert told["causes"] == [
        {
            "rule": "degraded:fred_observations:unavailable",
            "finding": "DGS2 (HTTP 503)",
            "rows": 1,
        }
    ]
    assert "as of 2025-10-10" in told["still_published"]
