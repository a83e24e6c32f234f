"""The funds branch: holdings files and share counts, as the issuers publish them."""

import dagster as dg

from pipelines.defs.funds.backfill import BACKFILL_KEY, backfill_defs
from pipelines.defs.gates import feed_definitions

defs = dg.Definitions.merge(
    feed_definitions(
        "fund_holdings",
        description=(
            "The newest holdings file of each fund with holdings; month-ends of the past years on "
            "the first load. The key is the date in the file: a holiday answers with the file "
            "before. Used by market_breadth (membership and weights) and sector_weights."
        ),
        kinds={"ishares", "ssga"},
        files=("sources/funds.py", "sources/ishares.py", "sources/ssga.py", "catalog/funds.yaml"),
        loaders=[BACKFILL_KEY],
    ),
    feed_definitions(
        "fund_shares",
        description=(
            "NAV and shares outstanding of each fund since inception, from the issuers' workbooks. "
            "Restated counts come as new rows. Used by fund_flows and flow_signals."
        ),
        kinds={"ishares", "ssga"},
        files=("sources/funds.py", "sources/ishares.py", "sources/ssga.py", "catalog/funds.yaml"),
    ),
    backfill_defs,
)
