"""The long-history branch: Kenneth French's portfolios and Robert Shiller's S&P history."""

import dagster as dg

from pipelines.defs.gates import feed_definitions

defs = dg.Definitions.merge(
    feed_definitions(
        "french_portfolios",
        description=(
            "Kenneth French's size and book-to-market portfolios and factors. The library rewrites "
            "its whole history every month: each CRSP vintage is kept as an edition. Used by the "
            "book lens of valuation_gaps."
        ),
        kinds={"csv"},
        files=("sources/french.py",),
    ),
    feed_definitions(
        "shiller_history",
        description=(
            "Robert Shiller's monthly S&P history with the cyclically adjusted P/E; each published "
            "workbook is an edition. Context of valuation_gaps."
        ),
        kinds={"excel"},
        files=("sources/shiller.py",),
    ),
)
