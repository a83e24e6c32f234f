"""The prices branch: daily bars of indices, ETFs and of the members of the funds' files."""

import dagster as dg

from pipelines.defs.gates import feed_definitions, raw_key

defs = dg.Definitions.merge(
    feed_definitions(
        "instrument_bars",
        description=(
            "Daily bars, dividends and splits of the catalogued indices and ETFs. Closes are "
            "split-adjusted; a split restates the symbol's whole history. Source: Yahoo, with "
            "Tiingo behind it where there is a key. Used by valuation_gaps and record_highs."
        ),
        kinds={"yahoo"},
        files=("sources/prices.py", "catalog/instruments.yaml"),
    ),
    feed_definitions(
        "constituent_bars",
        description=(
            "Daily bars of every symbol that the holdings files of IWM and IVV ever named "
            "(former members too, so that past breadth can be counted). Used by market_breadth."
        ),
        kinds={"yahoo"},
        files=("sources/prices.py", "sources/tickers.py"),
        deps=[raw_key("fund_holdings"), raw_key("fund_files")],
    ),
)
