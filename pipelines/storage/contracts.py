"""The raw tables: columns, types, keys. The one place where they are written down.

A connector fills the `Column`s whose `filled_by` is `source`; the loader adds the rest. Raw tables
are append-only: a revision is a new row with a later `known_on`, never an update. What a number
means is not here: that is the marts' business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FilledBy = Literal["source", "loader"]
Revision = Literal["vintage", "restatement", "edition", "event"]
"""How a table grows when the source changes its mind, see `storage.loader`.

* `vintage`: a changed value for the same entity and date is a new row with its own `known_on`.
* `restatement`: a restated past close appends the symbol's whole history under a new `basis_on`.
* `edition`: each edition of a file is kept whole (`edition` is part of the key).
* `event`: dated facts; a changed fact is a new row with its own `known_on`.
"""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: DuckDB type, meaning (units included), nullability and who fills it."""

    name: str
    type: str
    meaning: str
    nullable: bool = False
    filled_by: FilledBy = "source"


@dataclass(frozen=True, slots=True)
class RawTable:
    """One raw table. `entity` is the column that names the item, `dated` the one that dates it.

    `key` is unique over the whole table, audit columns excluded. `compared` are the columns whose
    change makes a new row.
    """

    name: str
    feed: str
    branch: str
    description: str
    revision: Revision
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    entity: str
    dated: str
    compared: tuple[str, ...]

    @property
    def all_columns(self) -> tuple[Column, ...]:
        """Columns of the source, then the audit columns that every raw table carries."""
        return self.columns + AUDIT_COLUMNS

    @property
    def source_columns(self) -> tuple[str, ...]:
        """Names of the columns that a connector's frame must have, in order."""
        return tuple(c.name for c in self.columns if c.filled_by == "source")


AUDIT_COLUMNS = (
    Column("source", "VARCHAR", "Provider id that served the row, as in the catalogue."),
    Column("run_id", "VARCHAR", "Dagster run that loaded the row.", filled_by="loader"),
    Column("batch_id", "VARCHAR", "Batch in meta.batches.", filled_by="loader"),
    Column("payload_sha256", "VARCHAR", "Content address of the landed payload."),
    Column("fetched_at", "TIMESTAMP", "When the payload was fetched (UTC)."),
    Column("loaded_as_of", "DATE", "As-of date of the loading run.", filled_by="loader"),
)
"""`source`, `payload_sha256` and `fetched_at` come with the connector's frame."""

_KNOWN = (
    Column("known_on", "DATE", "First date on which the row could be read.", filled_by="loader"),
    Column(
        "known_on_basis",
        "VARCHAR",
        "vintage (the source gives it), observed (first seen in a load), estimated (by rule).",
        filled_by="loader",
    ),
)

FRED_OBSERVATIONS = RawTable(
    name="fred_observations",
    feed="fred_observations",
    branch="macro",
    description="FRED values, one row per series, observation date and vintage.",
    revision="vintage",
    columns=(
        Column("series_id", "VARCHAR", "FRED series id."),
        Column("observed_on", "DATE", "Date the value is about, as FRED dates it."),
        Column("value", "DOUBLE", "Value in the series' own unit; null where FRED says '.'.", True),
        Column(
            "realtime_start",
            "DATE",
            "First day of the vintage as FRED gives it; null where it gives none.",
            True,
        ),
        *_KNOWN,
    ),
    key=("series_id", "observed_on", "known_on"),
    entity="series_id",
    dated="observed_on",
    compared=("value",),
)

FRED_RELEASE_DATES = RawTable(
    name="fred_release_dates",
    feed="fred_releases",
    branch="macro",
    description="Dates on which a FRED release came or is scheduled to come.",
    revision="event",
    columns=(
        Column("release_id", "INTEGER", "FRED release id."),
        Column("release_name", "VARCHAR", "FRED's name of the release."),
        Column("release_on", "DATE", "Date of the release (New York)."),
        *_KNOWN,
    ),
    key=("release_id", "release_on", "known_on"),
    entity="release_id",
    dated="release_on",
    compared=("release_name",),
)

AGENCY_OBSERVATIONS = RawTable(
    name="agency_observations",
    feed="agency_observations",
    branch="macro",
    description="The same figures from the agencies themselves (Treasury, Board, ECB), keyless.",
    revision="vintage",
    columns=(
        Column("series_id", "VARCHAR", "Catalogue id of the FRED series that carries the figure."),
        Column("source_series", "VARCHAR", "The agency's own name of the series."),
        Column("observed_on", "DATE", "Date the value is about."),
        Column(
            "value", "DOUBLE", "Value in the unit of the FRED series; null where missing.", True
        ),
        *_KNOWN,
    ),
    key=("source", "series_id", "observed_on", "known_on"),
    entity="series_id",
    dated="observed_on",
    compared=("value",),
)


def _bars(name: str, feed: str, description: str) -> RawTable:
    return RawTable(
        name=name,
        feed=feed,
        branch="prices",
        description=description,
        revision="restatement",
        columns=(
            Column("symbol", "VARCHAR", "Price symbol as the provider spells it."),
            Column("traded_on", "DATE", "Session, in the exchange's time zone."),
            Column("open", "DECIMAL(18,6)", "Open, split-adjusted to the basis.", True),
            Column("high", "DECIMAL(18,6)", "High, split-adjusted to the basis.", True),
            Column("low", "DECIMAL(18,6)", "Low, split-adjusted to the basis.", True),
            Column("close", "DECIMAL(18,6)", "Close, split-adjusted, not dividend-adjusted."),
            Column("volume", "BIGINT", "Shares traded (index: as the provider says).", True),
            Column(
                "total_return_ratio",
                "DOUBLE",
                "Dividend-adjusted close over that of the bar before, both of one payload; null "
                "on the first bar of a payload.",
                True,
            ),
            Column(
                "basis_on",
                "DATE",
                "First date of the restatement that the row belongs to; 1900-01-01 = first load.",
                filled_by="loader",
            ),
            *_KNOWN,
        ),
        key=("symbol", "source", "basis_on", "traded_on"),
        entity="symbol",
        dated="traded_on",
        compared=("close",),
    )


def _events(name: str, feed: str, description: str) -> RawTable:
    return RawTable(
        name=name,
        feed=feed,
        branch="prices",
        description=description,
        revision="event",
        columns=(
            Column("symbol", "VARCHAR", "Price symbol as the provider spells it."),
            Column("event_kind", "VARCHAR", "dividend, split or capital_gain."),
            Column("event_on", "DATE", "Ex-date (session)."),
            Column("amount_usd", "DOUBLE", "Cash per share, split-adjusted.", True),
            Column("numerator", "DOUBLE", "New shares of a split; null otherwise.", True),
            Column("denominator", "DOUBLE", "Old shares of a split; null otherwise.", True),
            *_KNOWN,
        ),
        key=("symbol", "source", "event_kind", "event_on", "known_on"),
        entity="symbol",
        dated="event_on",
        compared=("amount_usd", "numerator", "denominator"),
    )


INSTRUMENT_BARS = _bars(
    "instrument_bars", "instrument_bars", "Daily bars of the catalogued indices and ETFs."
)
INSTRUMENT_EVENTS = _events(
    "instrument_events", "instrument_bars", "Dividends and splits of the catalogued instruments."
)
CONSTITUENT_BARS = _bars(
    "constituent_bars", "constituent_bars", "Daily bars of the members of the funds' files."
)
CONSTITUENT_EVENTS = _events(
    "constituent_events", "constituent_bars", "Dividends and splits of the members."
)

FUND_FILES = RawTable(
    name="fund_files",
    feed="fund_holdings",
    branch="funds",
    description="One row per holdings file: a fund, its date and its content.",
    revision="edition",
    columns=(
        Column("fund_id", "VARCHAR", "Fund ticker of the catalogue."),
        Column("as_of_on", "DATE", "Date in the file, not the date asked for."),
        Column("edition", "VARCHAR", "First 16 hex digits of the hash of the file's parsed lines."),
        Column("fund_name", "VARCHAR", "Fund name as printed in the file."),
        Column("shares_outstanding", "DOUBLE", "Shares; null where the file says '-'.", True),
        Column("equity_lines", "INTEGER", "Lines of asset class Equity."),
        Column("line_count", "INTEGER", "All lines."),
        *_KNOWN,
    ),
    key=("fund_id", "as_of_on", "edition"),
    entity="fund_id",
    dated="as_of_on",
    compared=("edition",),
)

FUND_HOLDINGS = RawTable(
    name="fund_holdings",
    feed="fund_holdings",
    branch="funds",
    description="The lines of the holdings files; a ticker is no key.",
    revision="edition",
    columns=(
        Column("fund_id", "VARCHAR", "Fund ticker of the catalogue."),
        Column("as_of_on", "DATE", "Date in the file."),
        Column("edition", "VARCHAR", "First 16 hex digits of the hash of the file's parsed lines."),
        Column("line_no", "INTEGER", "Place of the line in the file, from 1."),
        Column("ticker", "VARCHAR", "Issuer's ticker; null where the file says '-' or '--'.", True),
        Column("name", "VARCHAR", "Name of the holding."),
        Column("sector", "VARCHAR", "Sector as the file names it.", True),
        Column("asset_class", "VARCHAR", "Asset class as the file names it."),
        Column("market_value_usd", "DOUBLE", "Market value.", True),
        Column("weight_pct", "DOUBLE", "Weight in percent of the fund.", True),
        Column("quantity", "DOUBLE", "Shares or units held.", True),
        Column("price_usd", "DOUBLE", "Price per unit as the file gives it.", True),
        Column("location", "VARCHAR", "Country.", True),
        Column("exchange", "VARCHAR", "Exchange as the file names it.", True),
        Column("currency", "VARCHAR", "Currency of the line.", True),
        *_KNOWN,
    ),
    key=("fund_id", "as_of_on", "edition", "line_no"),
    entity="fund_id",
    dated="as_of_on",
    compared=("edition",),
)

FUND_SHARES = RawTable(
    name="fund_shares",
    feed="fund_shares",
    branch="funds",
    description="NAV and shares outstanding per fund and day, as the issuer's history says.",
    revision="vintage",
    columns=(
        Column("fund_id", "VARCHAR", "Fund ticker of the catalogue."),
        Column("traded_on", "DATE", "Day of the count."),
        Column("nav_usd", "DOUBLE", "Net asset value per share; null where '--'.", True),
        Column("shares_outstanding", "DOUBLE", "Shares; null where '--'.", True),
        Column("total_net_assets_usd", "DOUBLE", "Issuer's own total; null where not given.", True),
        *_KNOWN,
    ),
    key=("fund_id", "traded_on", "known_on"),
    entity="fund_id",
    dated="traded_on",
    compared=("nav_usd", "shares_outstanding"),
)

FRENCH_PORTFOLIOS = RawTable(
    name="french_portfolios",
    feed="french_portfolios",
    branch="long_history",
    description="Every table of the Kenneth French files, long form, one edition per CRSP vintage.",
    revision="edition",
    columns=(
        Column("file_id", "VARCHAR", "File name without _CSV.zip, e.g. 6_Portfolios_2x3."),
        Column("table_id", "VARCHAR", "Slug of the table's heading, see sources.french."),
        Column("frequency", "VARCHAR", "monthly or annual."),
        Column("portfolio", "VARCHAR", "Column heading, e.g. SMALL LoBM."),
        Column("period_on", "DATE", "First day of the labelled month (annual: of the year)."),
        Column("value", "DOUBLE", "Value as printed; null where -99.99 or -999.", True),
        Column("edition", "VARCHAR", "CRSP vintage of the file, YYYYMM."),
        *_KNOWN,
    ),
    key=("file_id", "table_id", "portfolio", "period_on", "edition"),
    entity="file_id",
    dated="period_on",
    compared=("edition",),
)

SHILLER_HISTORY = RawTable(
    name="shiller_history",
    feed="shiller_history",
    branch="long_history",
    description="Robert Shiller's monthly S&P history, long form, one edition per published file.",
    revision="edition",
    columns=(
        Column("observed_on", "DATE", "First day of the month."),
        Column("measure", "VARCHAR", "price, dividend, earnings, cpi, long_rate_pct, cape_ratio."),
        Column("value", "DOUBLE", "Value; null where the workbook says NA or nothing.", True),
        Column("edition", "VARCHAR", "First 16 hex digits of the workbook's hash."),
        *_KNOWN,
    ),
    key=("measure", "observed_on", "edition"),
    entity="measure",
    dated="observed_on",
    compared=("edition",),
)

SEC_COMPANIES = RawTable(
    name="sec_companies",
    feed="sec_companies",
    branch="fundamentals",
    description="The SEC's list of tickers with the company behind each; a changed row is kept.",
    revision="vintage",
    columns=(
        Column("ticker", "VARCHAR", "Ticker as the SEC spells it, e.g. BRK-B."),
        Column("cik", "VARCHAR", "Central Index Key of the company, ten digits."),
        Column("title", "VARCHAR", "Company name as the SEC's list has it."),
        Column("listed_on", "DATE", "Day for which the list was read."),
        *_KNOWN,
    ),
    key=("ticker", "known_on"),
    entity="ticker",
    dated="listed_on",
    compared=("cik", "title"),
)

SEC_FACTS = RawTable(
    name="sec_facts",
    feed="sec_facts",
    branch="fundamentals",
    description="Figures of companies' filings, each with the filing that first gave the value.",
    revision="vintage",
    columns=(
        Column("cik", "VARCHAR", "Central Index Key of the company, ten digits."),
        Column("tag", "VARCHAR", "XBRL tag, as in catalog/concepts.yaml."),
        Column("unit", "VARCHAR", "USD, USD/shares or shares."),
        Column("period_start_on", "DATE", "First day of the period; of an instant, its day."),
        Column("period_end_on", "DATE", "Last day of the period."),
        Column("value", "DOUBLE", "Value as filed, in whole units."),
        Column("fiscal_year", "INTEGER", "Fiscal year of the filing (not of the period).", True),
        Column("fiscal_period", "VARCHAR", "Q1, Q2, Q3 or FY of the filing.", True),
        Column("form", "VARCHAR", "Form type, e.g. 10-Q, 10-K/A."),
        Column("filed_on", "DATE", "Day of the filing: from then on the value could be read."),
        Column("accession", "VARCHAR", "Accession number of the filing."),
        Column("frame", "VARCHAR", "Calendar frame that the SEC gives the period.", True),
        *_KNOWN,
    ),
    key=("cik", "tag", "unit", "period_start_on", "period_end_on", "accession", "known_on"),
    entity="cik",
    dated="filed_on",
    compared=("value",),
)

SEC_FRAMES = RawTable(
    name="sec_frames",
    feed="sec_frames",
    branch="fundamentals",
    description="Figures of all listed companies by calendar period, as each filed them last.",
    revision="vintage",
    columns=(
        Column("frame_id", "VARCHAR", "What was asked: taxonomy.tag.unit.frame."),
        Column("cik", "VARCHAR", "Central Index Key of the company, ten digits."),
        Column("taxonomy", "VARCHAR", "us-gaap or dei."),
        Column("tag", "VARCHAR", "XBRL tag, as in catalog/concepts.yaml."),
        Column("unit", "VARCHAR", "USD, USD/shares or shares."),
        Column("frame", "VARCHAR", "Calendar period: CY2024, CY2024Q3 or, on its day, CY2024Q3I."),
        Column("period_start_on", "DATE", "First day of the period; of an instant, its day."),
        Column("period_end_on", "DATE", "Last day of the company's own period."),
        Column("value", "DOUBLE", "Value as filed last, in whole units."),
        Column("accession", "VARCHAR", "Accession number of the filing that gave it."),
        *_KNOWN,
    ),
    key=("frame_id", "cik", "known_on"),
    entity="frame_id",
    dated="period_end_on",
    compared=("value", "accession"),
)

RAW_TABLES: Mapping[str, RawTable] = {
    t.name: t
    for t in (
        FRED_OBSERVATIONS,
        FRED_RELEASE_DATES,
        AGENCY_OBSERVATIONS,
        INSTRUMENT_BARS,
        INSTRUMENT_EVENTS,
        CONSTITUENT_BARS,
        CONSTITUENT_EVENTS,
        FUND_FILES,
        FUND_HOLDINGS,
        FUND_SHARES,
        FRENCH_PORTFOLIOS,
        SHILLER_HISTORY,
        SEC_COMPANIES,
        SEC_FACTS,
        SEC_FRAMES,
    )
}

FEEDS: Mapping[str, tuple[RawTable, ...]] = {
    feed: tuple(t for t in RAW_TABLES.values() if t.feed == feed)
    for feed in dict.fromkeys(t.feed for t in RAW_TABLES.values())
}
"""A feed is what one landing asset fetches; it fills one or two raw tables."""
