"""The nightly job, the job of each branch, and the schedule on XNYS session days."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from pipelines.defs.funds.backfill import BACKFILL_KEY
from pipelines.defs.past.definitions import PAST_KEY
from pipelines.defs.publish.definitions import PUBLISHED_KEY, REPORT_KEY
from pipelines.night import BRANCHES, DBT_TAGS_OF_BRANCH
from pipelines.resources import NightResource
from pipelines.settings import read_settings
from pipelines.sources.calendar import is_session

NEW_YORK = ZoneInfo("America/New_York")
EVERYTHING = dg.AssetSelection.all() - dg.AssetSelection.assets(BACKFILL_KEY, PAST_KEY)


def _config(branches: list[str]) -> dict[str, Any]:
    """Return the whole configuration of a night with its defaults, so that the launchpad shows it.

    What each field does stands beside the editor; an empty one leaves it to the environment.
    """
    fields = {name: field.default for name, field in NightResource.model_fields.items()}
    return {"resources": {"night": {"config": fields | {"branches": branches}}}}


nightly = dg.define_asset_job(
    "nightly",
    selection=EVERYTHING,
    config=_config([]),
    description="Fetch, gate, load, build and publish everything, on every session at 20:00.",
    executor_def=dg.in_process_executor,
)


def _branch_job(branch: str) -> Any:
    raw = dg.AssetSelection.groups(branch)
    models = dg.AssetSelection.groups(*DBT_TAGS_OF_BRANCH[branch])
    publish = dg.AssetSelection.assets(PUBLISHED_KEY, REPORT_KEY)
    return dg.define_asset_job(
        f"nightly_{branch}",
        selection=(raw | models | publish) & EVERYTHING,
        config=_config([branch]),
        description=f"The {branch} branch alone, then a publication of the whole build.",
        executor_def=dg.in_process_executor,
    )


branch_jobs = [_branch_job(branch) for branch in BRANCHES]


@dg.schedule(
    job=nightly,
    cron_schedule="0 20 * * 1-5",
    execution_timezone="America/New_York",
    default_status=(
        dg.DefaultScheduleStatus.RUNNING
        if read_settings().world == "live"
        else dg.DefaultScheduleStatus.STOPPED
    ),
    description="20:00 New York on XNYS sessions: bars, H.15 and issuers' files are out by then.",
)
def every_session(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for one run per session; a holiday is skipped with its reason.

    A tick that is evaluated again after a crash of the daemon asks with the same key and so starts
    nothing twice. What the run is for is decided when it runs (`as_of`: the newest closed day).
    """
    tick = context.scheduled_execution_time or datetime.now(NEW_YORK)
    day = tick.astimezone(NEW_YORK).date()
    if not is_session(day):
        return dg.SkipReason(f"{day:%A} {day} is no XNYS session: nothing closed")
    return dg.RunRequest(run_key=day.isoformat(), tags={"session": day.isoformat()})


defs = dg.Definitions(jobs=[nightly, *branch_jobs], schedules=[every_session])
