"""The macro branch: FRED's values and calendar, and the agencies that stand in for FRED."""

import dagster as dg

from pipelines.defs.gates import feed_definitions

defs = dg.Definitions.merge(
    feed_definitions(
        "fred_observations",
        description=(
            "The catalogued FRED series as FRED gives them tonight. Grain of the batch: series and "
            "observation date (and vintage, where FRED tells it). Source: the FRED API with a key, "
            "the keyless CSV without. Revised values come as new vintages. "
            "Used by macro_regime and valuation_gaps."
        ),
        kinds={"fred"},
        files=("sources/fred_api.py", "sources/fred_graph.py", "catalog/fred_series.yaml"),
    ),
    feed_definitions(
        "fred_releases",
        description=(
            "Dates on which the catalogued FRED releases came or are scheduled. Needs a key; "
            "without one the catalogue's release rules are the calendar. Used by freshness."
        ),
        kinds={"fred"},
        files=("sources/fred_api.py",),
    ),
    feed_definitions(
        "agency_observations",
        description=(
            "The same rates and dollar indices from the Treasury, the Federal Reserve Board and "
            "the ECB themselves, keyless and in the public domain. They fill dates that FRED does "
            "not have, so that one host being down costs no mart its night."
        ),
        kinds={"treasury"},
        files=("sources/agencies.py",),
    ),
)
