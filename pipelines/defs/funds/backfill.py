"""Older holdings files, month by month, from the UI or by command.

A partition is a month; its file is asked for on the month's last session. Each answer is keyed by
the date in the file, gated and loaded like any other, so a month that is asked for twice loads
nothing twice.
"""

import warnings
from datetime import date

import dagster as dg

from pipelines.defs.gates import (
    EXTRACT_RETRY,
    OWNERS,
    POOL,
    asset_tags,
    code_references,
    never_again_what_is_misconfigured,
)
from pipelines.holdings_backfill import load_months
from pipelines.resources import NightResource
from pipelines.settings import PACKAGE_DIR

BACKFILL_KEY = dg.AssetKey(["landing", "fund_holdings_history"])
# The policy is marked beta; it does what is needed here: one run for a whole range of months.
warnings.filterwarnings("ignore", category=dg.BetaWarning, message=".*backfill_policy.*")
MONTHS = dg.MonthlyPartitionsDefinition(start_date="2006-10-01", end_offset=1)


@dg.asset(
    key=BACKFILL_KEY,
    partitions_def=MONTHS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    group_name="funds",
    kinds={"ishares", "python"},
    owners=OWNERS,
    retry_policy=EXTRACT_RETRY,
    pool=POOL,
    tags=asset_tags("landing", "funds"),
    metadata=code_references(PACKAGE_DIR / "holdings_backfill.py"),
)
def fund_holdings_history(
    context: dg.AssetExecutionContext, night: NightResource
) -> dg.MaterializeResult[None]:
    """Month-end holdings files of a range of months: fetch, gate and load in one step.

    Grain of a partition: one month, all iShares funds with holdings (State Street keeps no old
    files). A month that shows as missing was not backfilled from here; the first night has loaded
    the month-ends of the past years already. Launch a backfill over a range of
    partitions, or `smallcaps backfill --from 2020-01-01 --to 2020-12-31`. The next nightly run
    prices the members that it finds and publishes.
    """
    months = [date.fromisoformat(key) for key in context.partition_keys]
    with never_again_what_is_misconfigured():
        loaded = load_months(night.begin(context.run.run_id), months)
    if loaded.report.refused:
        raise dg.Failure(
            description="; ".join(loaded.report.reasons),
            metadata={"quarantined": len(loaded.report.quarantined)},
            allow_retries=False,
        )
    return dg.MaterializeResult(
        metadata={
            "months": len(months),
            "requests": sum(loaded.summary.batch.requests.values()),
            "rows_in_files": sum(loaded.summary.batch.rows.values()),
            "inserted": sum(loaded.inserted.values()),
            "not_fetched": dg.MetadataValue.md(loaded.summary.missing_markdown()),
        }
    )


backfill_job = dg.define_asset_job(
    "holdings_backfill",
    selection=dg.AssetSelection.assets(BACKFILL_KEY),
    description="Month-end holdings files of a range of months.",
    executor_def=dg.in_process_executor,
)
backfill_defs = dg.Definitions(assets=[fund_holdings_history], jobs=[backfill_job])


def range_tags(first: date, last: date) -> dict[str, str]:
    """Return the run tags that ask for the months from that of `first` to that of `last`."""
    keys = MONTHS.get_partition_keys_in_range(
        dg.PartitionKeyRange(f"{first:%Y-%m}-01", f"{last:%Y-%m}-01")
    )
    return {
        "dagster/asset_partition_range_start": keys[0],
        "dagster/asset_partition_range_end": keys[-1],
    }
