"""The code location: every definition, joined. No logic."""

import dagster as dg

from pipelines.defs.dbt.definitions import defs as dbt_defs
from pipelines.defs.funds.definitions import defs as funds_defs
from pipelines.defs.long_history.definitions import defs as long_history_defs
from pipelines.defs.macro.definitions import defs as macro_defs
from pipelines.defs.nightly import defs as nightly_defs
from pipelines.defs.prices.definitions import defs as prices_defs
from pipelines.defs.publish.definitions import defs as publish_defs
from pipelines.resources import NightResource

defs = dg.Definitions.merge(
    macro_defs,
    prices_defs,
    funds_defs,
    long_history_defs,
    dbt_defs,
    publish_defs,
    nightly_defs,
    dg.Definitions(resources={"night": NightResource()}, executor=dg.in_process_executor),
)
