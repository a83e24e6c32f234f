"""Which job runs what, with which configuration, and when."""

from __future__ import annotations

import importlib
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import cron_string_iterator

from pipelines.defs import nightly
from pipelines.defs.funds.backfill import BACKFILL_KEY, MONTHS, range_tags
from pipelines.defs.nightly import every_session
from pipelines.defs.past.definitions import PAST_KEY
from pipelines.night import BRANCHES, DBT_TAGS_OF_BRANCH, FEEDS_OF_BRANCH
from pipelines.resources import NightResource
from pipelines.settings import process_environment
from pipelines.storage.contracts import FEEDS

NEW_YORK = ZoneInfo("America/New_York")


def _selected(repository: dg.RepositoryDefinition, job: str) -> set[str]:
    layer = repository.get_job(job).asset_layer
    return {key.to_user_string() for key in layer.executable_asset_keys}


def test_the_nightly_job_runs_everything_but_backfills_and_past_days(
    repository: dg.RepositoryDefinition, specs: dict[str, dg.AssetSpec]
) -> None:
    kept = {BACKFILL_KEY.to_user_string(), PAST_KEY.to_user_string()}
    assert _selected(repository, "nightly") == set(specs) - kept


@pytest.mark.parametrize("branch", BRANCHES)
def test_a_branch_job_runs_its_feeds_what_stands_on_them_and_the_publication(
    branch: str, repository: dg.RepositoryDefinition, specs: dict[str, dg.AssetSpec]
) -> None:
    feeds = FEEDS_OF_BRANCH[branch]
    expected = {f"landing/{feed}" for feed in feeds}
    expected |= {f"raw/{table.name}" for feed in feeds for table in FEEDS[feed]}
    expected |= {
        key
        for key, spec in specs.items()
        if spec.key.path[0] in ("staging", "intermediate", "marts", "meta")
        and spec.group_name in DBT_TAGS_OF_BRANCH[branch]
    }
    expected |= {"published/warehouse", "published/report"}
    assert _selected(repository, f"nightly_{branch}") == expected


@pytest.mark.parametrize("branch", ["", *BRANCHES])
def test_the_launchpad_shows_every_field_with_its_default(
    branch: str, repository: dg.RepositoryDefinition
) -> None:
    job = repository.get_job(f"nightly_{branch}" if branch else "nightly")
    assert job.run_config == {
        "resources": {
            "night": {
                "config": {
                    "world": "",
                    "warehouse": "",
                    "as_of": "",
                    "with_late_loads": False,
                    "branches": [branch] if branch else [],
                    "full_refresh": False,
                    "from_landing": "",
                }
            }
        }
    }


def test_every_field_of_a_night_says_what_it_does() -> None:
    for name, field in NightResource.model_fields.items():
        assert len(field.description or "") > 30, name


def test_every_job_runs_in_one_process(repository: dg.RepositoryDefinition) -> None:
    """The build file has one writer; a process for each step would also cost 8 s a step."""
    for name in repository.job_names:
        assert repository.get_job(name).executor_def.name == "in_process", name


def _tick(text: str) -> dg.RunRequest | dg.SkipReason:
    at = datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)
    made = every_session(dg.build_schedule_context(scheduled_execution_time=at))
    assert isinstance(made, dg.RunRequest | dg.SkipReason)
    return made


def test_a_session_asks_for_one_run() -> None:
    request = _tick("2025-10-10T20:00")
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == "2025-10-10"
    assert request.tags["session"] == "2025-10-10"


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2025-07-04", "Friday 2025-07-04"),  # Independence Day
        ("2025-01-09", "Thursday 2025-01-09"),  # a day of mourning, closed at short notice
        ("2025-11-27", "Thursday 2025-11-27"),  # Thanksgiving
    ],
)
def test_a_holiday_is_skipped_with_its_reason(day: str, said: str) -> None:
    skipped = _tick(f"{day}T20:00")
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == f"{said} is no XNYS session: nothing closed"


def test_a_half_day_is_a_session() -> None:
    assert isinstance(_tick("2025-11-28T20:00"), dg.RunRequest)


@pytest.mark.parametrize(
    ("utc", "session"),
    [
        ("2025-03-08T01:00", "2025-03-07"),  # 20:00 in winter, the Friday before the clocks change
        ("2025-03-11T00:00", "2025-03-10"),  # 20:00 in summer, the Monday after
        ("2025-11-01T00:00", "2025-10-31"),
        ("2025-11-04T01:00", "2025-11-03"),
    ],
)
def test_the_session_is_new_yorks_day_on_both_sides_of_daylight_saving(
    utc: str, session: str
) -> None:
    at = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    request = every_session(dg.build_schedule_context(scheduled_execution_time=at))
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == session
    ticks = cron_string_iterator(
        at.timestamp(), str(every_session.cron_schedule), every_session.execution_timezone
    )
    assert next(ticks).astimezone(UTC) == at


@pytest.mark.parametrize(
    ("world", "status"),
    [
        ("live", dg.DefaultScheduleStatus.RUNNING),
        ("sample", dg.DefaultScheduleStatus.STOPPED),
    ],
)
def test_the_schedule_runs_by_itself_in_the_live_world_only(
    world: str, status: dg.DefaultScheduleStatus
) -> None:
    try:
        with process_environment({"SMALLCAPS_WORLD": world}):
            assert importlib.reload(nightly).every_session.default_status is status
    finally:
        importlib.reload(nightly)


def test_the_schedule_is_at_eight_in_the_evening_in_new_york() -> None:
    assert every_session.cron_schedule == "0 20 * * 1-5"
    assert every_session.execution_timezone == "America/New_York"
    assert every_session.job_name == "nightly"


def test_a_range_of_dates_is_a_range_of_months() -> None:
    assert range_tags(date(2024, 1, 17), date(2024, 3, 2)) == {
        "dagster/asset_partition_range_start": "2024-01-01",
        "dagster/asset_partition_range_end": "2024-03-01",
    }


def test_the_months_begin_with_the_first_file_and_include_the_running_one() -> None:
    keys = MONTHS.get_partition_keys(current_time=datetime(2024, 3, 15, tzinfo=UTC))
    assert keys[0] == "2006-10-01"
    assert keys[-1] == "2024-03-01"
