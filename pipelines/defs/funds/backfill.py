"""Older holdings files, month by month, from the UI or by command.

A partition is a month; its file is asked for on the month's last session. Each answer is keyed by
the date in the file, gated and loaded like any other, so a month that is asked for twice loads
nothing twice.
"""

import warnings
from datetime import date
from typing import Any

import dagster as dg

from pipelines.defs.gates import EXTRACT_RETRY, OWNERS, POOL, raw_key
from pipelines.holdings_backfill import load_months
from pipelines.resources import NightResource
from pipelines.settings import Settings

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
    metadata={"loads_into": raw_key("fund_holdings").to_user_string()},
)
def fund_holdings_history(
    context: dg.AssetExecutionContext, night: NightResource
) -> dg.MaterializeResult[None]:
    """Month-end holdings files of a range of months: fetch, gate and load in one step.

    Grain of a partition: one month, all funds with holdings. Launch a backfill over a range of
    partitions, or `smallcaps backfill --from 2020-01-01 --to 2020-12-31`. The next nightly run
    prices the members that it finds and publishes.
    """
    months = [date.fromisoformat(key) for key in context.partition_keys]
    loaded = load_months(night.begin(context.run_id), months)
    if loaded.report.refused:
        raise dg.Failure(
            description="; ".join(loaded.report.reasons),
            metadata={"quarantined": len(loaded.report.quarantined)},
            allow_retries=False,
        )
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": sum(loaded.inserted.values()),
            "months": len(months),
            "not_fetched": dg.MetadataValue.md(loaded.summary.missing_markdown()),
        }
    )


backfill_job = dg.define_asset_job(
    "holdings_backfill",
    selection=dg.AssetSelection.keys(BACKFILL_KEY),
    description="Month-end holdings files of a range of months.",
    executor_def=dg.in_process_executor,
)
backfill_defs = dg.Definitions(assets=[fund_holdings_history], jobs=[backfill_job])


def backfill_range(settings: Settings, first: date, last: date, *, instance: Any) -> bool:
    """Materialise the partitions from the month of `first` to that of `last` in one run."""
    keys = MONTHS.get_partition_keys_in_range(
        dg.PartitionKeyRange(f"{first:%Y-%m}-01", f"{last:%Y-%m}-01")
    )
    result = dg.materialize(
        [fund_holdings_history],
        instance=instance,
        resources={
            "night": NightResource(
                world=settings.world,
                warehouse=str(settings.warehouse),
                as_of=settings.as_of.isoformat() if settings.as_of else "",
            )
        },
        tags={
            "dagster/asset_partition_range_start": keys[0],
            "dagster/asset_partition_range_end": keys[-1],
        },
        raise_on_error=False,
    )
    return bool(result.success)
