"""The code location: every definition, joined. No logic."""

import dagster as dg

from pipelines.defs import alerts, nightly
from pipelines.defs.dbt import definitions as dbt
from pipelines.defs.fundamentals import definitions as fundamentals
from pipelines.defs.funds import definitions as funds
from pipelines.defs.long_history import definitions as long_history
from pipelines.defs.macro import definitions as macro
from pipelines.defs.past import definitions as past
from pipelines.defs.prices import definitions as prices
from pipelines.defs.publish import definitions as publish
from pipelines.resources import NightResource

MODULES = (macro, prices, funds, long_history, fundamentals, dbt, publish, past, nightly, alerts)

defs = dg.Definitions.merge(
    *(module.defs for module in MODULES),
    dg.Definitions(resources={"night": NightResource()}, executor=dg.in_process_executor),
)
