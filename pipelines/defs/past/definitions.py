"""Past days rebuilt from the UI: a partition is a day, a backfill a range of days."""

import dagster as dg

from pipelines.defs.dbt.definitions import MANIFEST, build_everything
from pipelines.defs.gates import (
    OWNERS,
    POOL,
    asset_tags,
    code_references,
    never_again_what_is_misconfigured,
)
from pipelines.defs.publish.report_facts import report_metadata
from pipelines.publication import publish_night
from pipelines.resources import NightResource
from pipelines.sample.economy import LAST_SESSION
from pipelines.settings import PACKAGE_DIR, read_settings

PAST_KEY = dg.AssetKey(["published", "past_days"])
DAYS = dg.DailyPartitionsDefinition(
    start_date="1990-01-02",
    # The sample world's clock stands still: the last day offered is the one before its last.
    end_date=f"{LAST_SESSION}" if read_settings().world == "sample" else None,
    timezone="America/New_York",
)


@dg.asset(
    key=PAST_KEY,
    partitions_def=DAYS,
    group_name="published",
    kinds={"duckdb"},
    owners=OWNERS,
    pool=POOL,
    tags=asset_tags("published", "all"),
    metadata=code_references(PACKAGE_DIR / "past_nights.py", PACKAGE_DIR / "storage/past_copy.py"),
)
def past_days(
    context: dg.AssetExecutionContext, night: NightResource
) -> dg.MaterializeResult[None]:
    """Every mart as it would have stood at the end of a past day, in a version of its own.

    Grain of a partition: one day before the newest night. No source is asked; of raw only what was
    known and loaded by then is used (before our first load: what was public by then). The version
    lies beside the nights' (`published/versions/rebuild-<day>-…`), marked as a rebuild, and
    `published/current` does not move. Launch a backfill over a range of partitions, or
    `smallcaps run --as-of 2025-09-30`. A day that shows as missing was not rebuilt from here.
    """
    day = context.partition_time_window.start.date()
    with never_again_what_is_misconfigured():
        past = night.begin(context.run.run_id, as_of=day)
    if not past.is_rebuild:
        raise dg.Failure(
            f"{day} is not before the newest night: launch the nightly job for it",
            allow_retries=False,
        )
    tests = build_everything(past)
    publication = publish_night(past, MANIFEST)
    return dg.MaterializeResult(
        metadata={
            "version": publication.version,
            "path": dg.MetadataValue.path(str(publication.path)),
            "as_of": f"{day}",
            "tests": tests,
            "dagster/row_count": sum(publication.row_counts.values()),
            **report_metadata(publication.path),
        }
    )


past_job = dg.define_asset_job(
    "past_days",
    selection=dg.AssetSelection.assets(PAST_KEY),
    description="A past day, or a backfill over a range of them, rebuilt from what is stored.",
    executor_def=dg.in_process_executor,
)
defs = dg.Definitions(assets=[past_days], jobs=[past_job])
