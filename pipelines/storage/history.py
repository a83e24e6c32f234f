"""What is stored, as its users ask: states for the connectors, summaries for the gate.

Read-only, plain records and pandas frames. What goes in is `storage.loader`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import duckdb
import pandas as pd

from pipelines.sources.payloads import ItemState
from pipelines.storage.contracts import FEEDS, RawTable
from pipelines.storage.revisions import ONE_ITEM_FEEDS

OVERLAP_SESSIONS = 15
"""Stored closes per symbol that the gate compares with what comes; a tail reaches back less."""

FRAME_DAYS = 550
"""Stored frames that the gate compares with what comes: those that may still be in their season."""

_VALUE: Mapping[str, str] = {
    "fred_observations": "value",
    "agency_observations": "value",
    "instrument_bars": "close",
    "constituent_bars": "close",
    "fund_files": "equity_lines",
    "fund_shares": "shares_outstanding",
}
"""The column whose newest value stands for an item."""


def read_item_states(connection: duckdb.DuckDBPyConnection, feed: str) -> dict[str, ItemState]:
    """Return what the warehouse holds of each item of a feed.

    An item that must be read as a whole again (a restatement that a tail could not prove) comes
    without dates and validators, so that its connector asks for everything.
    """
    main = FEEDS[feed][0]
    only = ONE_ITEM_FEEDS.get(feed)
    item = f"'{only}'" if only else f"cast({main.entity} as varchar)"
    rows = connection.execute(
        f"""
        with stored as (
            select
                {item} as item, min({main.dated}) as oldest_on, max({main.dated}) as newest_on,
                arg_max(source, {main.dated}) as source
            from raw.{main.name} group by 1
        )
        , looked as (
            select item, max(as_of) as loaded_as_of from meta.item_loads
            where feed = $feed group by 1
        )
        , answers as (
            select
                a.item, a.etag, a.last_modified, a.sha256, a.status,
                r.as_of as asked_on
            from meta.source_status as a
            left join meta.runs as r on r.run_id = a.run_id
            where a.feed = $feed
        )
        select
            coalesce(s.item, l.item, v.item) as item, s.newest_on, s.oldest_on, l.loaded_as_of,
            v.etag, v.last_modified, v.sha256, s.source, v.status, v.asked_on,
            r.item is not null as is_reread
        from stored as s
        full join looked as l on l.item = s.item
        full join answers as v on v.item = coalesce(s.item, l.item)
        left join (select distinct item from meta.reread_requests where feed = $feed) as r
            on r.item = coalesce(s.item, l.item, v.item)
        order by 1
        """,  # noqa: S608 - names from the contract
        {"feed": feed},
    ).fetchall()
    states: dict[str, ItemState] = {}
    for name, newest, oldest, loaded, etag, modified, digest, source, status, asked, reread in rows:
        asked_before = ItemState(item=name, last_status=status, asked_on=asked)
        states[name] = (
            asked_before
            if reread
            else replace(
                asked_before,
                newest_on=newest,
                oldest_on=oldest,
                loaded_as_of=loaded,
                etag=etag,
                last_modified=modified,
                sha256=digest,
                source=source,
            )
        )
    return states


def read_history(connection: duckdb.DuckDBPyConnection, feed: str) -> dict[str, pd.DataFrame]:
    """Return what the gate compares a batch with.

    Per raw table of the feed a frame with one row per stored entity: entity, rows, oldest_on,
    newest_on, newest_value. For bars these describe the newest basis, and `<table>__overlap`
    (symbol, traded_on, close) holds its last 15 closes. `fund_files__nav` (fund_id, traded_on,
    nav_usd) holds the NAVs known of the funds' share histories, `fund_shares__overlap` (fund_id,
    traded_on, shares_outstanding, nav_usd) each fund's last 15 counts, `sec_companies__keys`
    (ticker, cik) the newest list, `sec_frames__sizes` (frame_id, companies) how many companies each
    frame has, `sec_frames__values` (frame_id, cik, value) the newest values of recent frames.
    `french_portfolios__values` and `shiller_history__values` hold all values of the newest edition,
    `sec_facts__values` what recent filings said first.
    """
    found: dict[str, pd.DataFrame] = {}
    for table in FEEDS[feed]:
        found[table.name] = _summary(connection, table)
        if table.revision == "restatement":
            found[f"{table.name}__overlap"] = _overlap(connection, table)
    if feed == "fund_holdings":
        found["fund_files__nav"] = _days(
            connection.execute(
                """
                select fund_id, traded_on, arg_max(nav_usd, known_on) as nav_usd
                from raw.fund_shares where nav_usd is not null group by 1, 2 order by 1, 2
                """
            ).df(),
            "traded_on",
        )
    if feed == "sec_companies":
        found["sec_companies__keys"] = pd.DataFrame(
            read_company_keys(connection).items(), columns=["ticker", "cik"], dtype="str"
        )
    if feed == "sec_frames":
        found["sec_frames__sizes"] = connection.execute(
            "select frame_id, count(distinct cik) as companies "
            "from raw.sec_frames group by 1 order by 1"
        ).df()
        found["sec_frames__values"] = connection.execute(
            f"""
            select frame_id, cik, arg_max(value, known_on) as value from raw.sec_frames
            where period_end_on > (select max(period_end_on) from raw.sec_frames) - {FRAME_DAYS}
            group by 1, 2 order by 1, 2
            """  # noqa: S608 - a number of this module
        ).df()
    if feed == "french_portfolios":
        found["french_portfolios__values"] = _days(
            connection.execute(
                """
                select file_id, table_id, portfolio, period_on, arg_max(value, known_on) as value
                from raw.french_portfolios group by 1, 2, 3, 4 order by 1, 2, 3, 4
                """
            ).df(),
            "period_on",
        )
    if feed == "shiller_history":
        found["shiller_history__values"] = _days(
            connection.execute(
                """
                select measure, observed_on, arg_max(value, known_on) as value
                from raw.shiller_history group by 1, 2 order by 1, 2
                """
            ).df(),
            "observed_on",
        )
    if feed == "sec_facts":
        found["sec_facts__values"] = _days(
            connection.execute(
                f"""
                select cik, tag, unit, period_start_on, period_end_on, accession,
                    min(value) as value
                from raw.sec_facts
                where period_end_on > (select max(period_end_on) from raw.sec_facts) - {FRAME_DAYS}
                group by all order by all
                """  # noqa: S608 - a number of this module
            ).df(),
            "period_start_on",
            "period_end_on",
        )
    if feed == "fund_shares":
        found["fund_shares__overlap"] = _days(
            connection.execute(
                f"""
                select
                    fund_id, traded_on,
                    cast(arg_max(shares_outstanding, known_on) as double) as shares_outstanding,
                    cast(arg_max(nav_usd, known_on) as double) as nav_usd
                from raw.fund_shares group by 1, 2
                qualify row_number() over (
                    partition by fund_id order by traded_on desc
                ) <= {OVERLAP_SESSIONS}
                order by 1, 2
                """  # noqa: S608 - a number of this module
            ).df(),
            "traded_on",
        )
    return found


def read_universe_lines(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Return the lines of all holdings files: fund_id, as_of_on, ticker, asset_class.

    One row per fund, file date, ticker and asset class; lines without a ticker are left out. Which
    of them become price symbols is for `sources.tickers` to say.
    """
    frame = connection.execute(
        """
        select distinct fund_id, as_of_on, ticker, asset_class
        from raw.fund_holdings where ticker is not null order by all
        """
    ).df()
    return _days(frame, "as_of_on")


def read_company_keys(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the CIK behind each ticker, as the SEC's list last said."""
    return dict(
        connection.execute(
            "select ticker, arg_max(cik, known_on) from raw.sec_companies group by 1 order by 1"
        ).fetchall()
    )


def read_listed_companies(connection: duckdb.DuckDBPyConnection, *, as_of: date) -> set[str]:
    """Return the CIKs that the SEC's list has ever named by `as_of`."""
    rows = connection.execute(
        "select distinct cik from raw.sec_companies where known_on <= ?", [as_of]
    ).fetchall()
    return {cik for (cik,) in rows}


def count_rows(connection: duckdb.DuckDBPyConnection, feed: str) -> dict[str, int]:
    """Return the number of stored rows of each raw table of a feed."""
    counts: dict[str, int] = {}
    for table in FEEDS[feed]:
        row: Any = connection.execute(
            f"select count(*) from raw.{table.name}"  # noqa: S608
        ).fetchone()
        counts[table.name] = int(row[0])
    return counts


def read_newest_days(connection: duckdb.DuckDBPyConnection, feed: str) -> dict[str, date]:
    """Return the newest stored date of each item of a feed, whatever is to be read again."""
    main = FEEDS[feed][0]
    only = ONE_ITEM_FEEDS.get(feed)
    item = f"'{only}'" if only else f"cast({main.entity} as varchar)"
    rows = connection.execute(
        f"select {item}, max({main.dated}) from raw.{main.name} group by 1 order by 1"  # noqa: S608
    ).fetchall()
    return {name: newest for name, newest in rows}


def _summary(connection: duckdb.DuckDBPyConnection, table: RawTable) -> pd.DataFrame:
    value = _VALUE.get(table.name)
    newest_first = "(dated, basis_on)" if table.revision == "restatement" else "(dated, known_on)"
    picked = (
        f"cast(arg_max({value}, {newest_first}) as double)" if value else "cast(null as double)"
    )
    rows = f"raw.{table.name}"
    if table.revision == "restatement":
        rows = f"({_newest_basis(table)})"
    frame = connection.execute(
        f"""
        select
            cast({table.entity} as varchar) as entity, count(distinct dated) as rows,
            min(dated) as oldest_on, max(dated) as newest_on, {picked} as newest_value
        from (select *, {table.dated} as dated from {rows}) group by 1 order by 1
        """  # noqa: S608
    ).df()
    return _days(frame.astype({"entity": "str"}), "oldest_on", "newest_on")


def _overlap(connection: duckdb.DuckDBPyConnection, table: RawTable) -> pd.DataFrame:
    # Twice as many calendar days as sessions, and a week, hold them all; a symbol with a gap of
    # weeks gets fewer.
    reach = OVERLAP_SESSIONS * 2 + 7
    frame = connection.execute(
        f"""
        with newest as ({_newest_basis(table)})
        , recent as (
            select n.symbol, n.traded_on, n.close from newest as n
            join (select symbol, max(traded_on) as last_on from newest group by 1) as l
                on l.symbol = n.symbol and n.traded_on >= l.last_on - {reach}
        )
        select symbol, traded_on, cast(close as double) as close from recent
        qualify row_number() over (
            partition by symbol order by traded_on desc
        ) <= {OVERLAP_SESSIONS}
        order by symbol, traded_on
        """  # noqa: S608
    ).df()
    return _days(frame.astype({"symbol": "str"}), "traded_on")


def _newest_basis(table: RawTable) -> str:
    """Return the query of each symbol's bars under its newest basis."""
    return f"""
        select b.* from raw.{table.name} as b
        join (
            select symbol, max(basis_on) as basis_on from raw.{table.name} group by symbol
        ) as m on m.symbol = b.symbol and m.basis_on = b.basis_on
    """  # noqa: S608


def _days(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    return frame.assign(**{c: pd.to_datetime(frame[c]).astype("datetime64[us]") for c in columns})
