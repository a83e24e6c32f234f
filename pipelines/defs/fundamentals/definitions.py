"""The fundamentals branch: which company is behind a ticker, and what companies filed."""

import dagster as dg

from pipelines.defs.gates import feed_definitions, raw_key

defs = dg.Definitions.merge(
    feed_definitions(
        "sec_companies",
        description=(
            "The SEC's list of tickers with the CIK and the name of each company; asked "
            "conditionally every night. Decides whose filings are read."
        ),
        kinds={"json"},
        files=("sources/sec.py",),
    ),
    feed_definitions(
        "sec_facts",
        description=(
            "What the companies in the newest files of IWM and IVV filed (10-K, 10-Q and their "
            "amendments), each value with the filing that first gave it. Every company is asked "
            "once a week, spread over the days. Used by fundamentals_coverage."
        ),
        kinds={"json"},
        files=("sources/sec.py", "catalog/concepts.yaml", "sources/tickers.py"),
        deps=[raw_key("sec_companies"), raw_key("fund_holdings"), raw_key("fund_files")],
    ),
    feed_definitions(
        "sec_frames",
        description=(
            "One tag and one calendar period of all companies at once, as each filed it last: the "
            "cross-section, and a second telling of sec_facts (meta.frame_mismatches). Asked once "
            "a week while companies file for the period; rows of companies with a ticker are kept."
        ),
        kinds={"json"},
        files=("sources/sec_frames.py", "catalog/concepts.yaml", "catalog/frames.yaml"),
        deps=[raw_key("sec_companies")],
    ),
)
