"""The generated panel: 2,500 members over 7,500 sessions, as the breadth models find it.

What makes real panels awkward is in it: listings and delistings (a place in the market is held by
one company after the other), members without a bar for days, quotes that do not move, prices in
cents (so that ties happen), files of two indices each quarter. Everything follows from the seed.
The numbers mean nothing; they are for timing alone.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipelines.sources.calendar import sessions_between

LAST_SESSION = date(2025, 10, 10)
MEMBERS, SESSIONS = 2_500, 7_500
SHARE_OF_LARGE = 0.2
MEAN_LIFE = 2_520
SECTORS = (
    "Communication", "Consumer Discretionary", "Consumer Staples", "Energy", "Financials",
    "Health Care", "Industrials", "Information Technology", "Materials", "Real Estate",
    "Utilities",
)  # fmt: skip
TABLES = {
    "intermediate.int_constituent_prices_adjusted": """
        symbol varchar, traded_on date, close decimal(18, 6), adj_close double, volume bigint,
        observation_no integer, source varchar""",
    "intermediate.int_universe_files_dated": """
        universe_id varchar, fund_id varchar, as_of_on date, edition varchar, known_on date,
        usable_from date, usable_to date""",
    "intermediate.int_universe_membership": """
        universe_id varchar, price_symbol varchar, ticker varchar, sector varchar,
        weight_pct decimal(12, 8), quantity double, price_usd double, membership_as_of_on date,
        usable_from date, usable_to date""",
    "reference.sessions": """
        traded_on date, session_no integer, previous_on date, next_on date,
        is_month_end boolean, closes_at timestamp""",
}


def newest_sessions(count: int) -> NDArray[np.datetime64]:
    """Return the last `count` XNYS sessions up to `LAST_SESSION`."""
    found = sessions_between(date(1950, 1, 3), LAST_SESSION)
    return np.array(found[-count:], dtype="datetime64[D]")


def write_panel(
    path: Path, *, members: int = MEMBERS, sessions: int = SESSIONS, seed: int = 1
) -> int:
    """Write the panel as a DuckDB file in the models' own tables; return the number of bars.

    Bars lie in (symbol, traded_on) order, as `int_constituent_prices_adjusted` writes them.
    """
    import duckdb

    random = np.random.default_rng(seed)
    days = newest_sessions(sessions)
    with duckdb.connect(str(path)) as connection:
        for schema in ("intermediate", "reference", "marts"):
            connection.execute(f"create schema {schema}")
        for table, columns in TABLES.items():
            connection.execute(f"create table {table} ({columns})")
        companies = _write_bars(connection, random, days, members)
        _write_membership(connection, random, days, companies, members)
        frame = pd.DataFrame({"traded_on": days, "session_no": np.arange(1, sessions + 1)})
        frame["previous_on"] = frame["traded_on"].shift(1)
        frame["next_on"] = frame["traded_on"].shift(-1)
        frame["is_month_end"], frame["closes_at"] = False, pd.NaT
        connection.execute("insert into reference.sessions select * from frame")
        found = connection.execute(
            "select count(*) from intermediate.int_constituent_prices_adjusted"
        ).fetchone()
        connection.execute("checkpoint")
    return int(found[0]) if found else 0


def _write_bars(connection, random, days, members):  # type: ignore[no-untyped-def]
    """Append the bars company by company; return (place, symbol, first and last session)."""
    companies: list[tuple[int, str, int, int]] = []
    frames: list[pd.DataFrame] = []
    held = 0
    for place in range(members):
        begin = 0
        while begin < len(days):
            end = min(len(days), begin + 21 + int(random.exponential(MEAN_LIFE)))
            symbol = f"P{place:05d}{chr(65 + sum(c[0] == place for c in companies[-40:]))}"
            companies.append((place, symbol, begin, end))
            frames.append(_bars(random, days[begin:end], symbol))
            held += len(frames[-1])
            begin = end
        if held > 1_000_000 or place == members - 1:
            chunk = pd.concat(frames)
            connection.execute(
                "insert into intermediate.int_constituent_prices_adjusted select * from chunk"
            )
            frames, held = [], 0
    return companies


def _bars(random, days, symbol):  # type: ignore[no-untyped-def]
    count = len(days)
    moves = random.normal(0.0003, 0.022, count)
    moves[random.random(count) < 0.01] = 0.0  # a quote that does not move
    close = np.round(20.0 * np.exp(np.cumsum(moves)), 2).clip(0.01, 90_000)
    volume = random.lognormal(12, 1, count).astype("int64")
    present = random.random(count) >= 0.005
    if count > 400 and random.random() < 0.1:  # a pause of some weeks
        begin = int(random.integers(100, count - 100))
        present[begin : begin + int(random.integers(5, 60))] = False
    frame = pd.DataFrame(
        {"symbol": symbol, "traded_on": days, "close": close, "adj_close": close, "volume": volume}
    )[present]
    frame["observation_no"] = np.arange(1, len(frame) + 1)
    frame["source"] = "panel"
    return frame


def _write_membership(connection, random, days, companies, members):  # type: ignore[no-untyped-def]
    """Write one file a quarter for each of two indices: those listed on its day."""
    firsts = list(range(21, len(days), 63))
    large_from = int(members * (1 - SHARE_OF_LARGE))
    listed = pd.DataFrame(companies, columns=["place", "symbol", "begin", "end"])
    listed["sector"] = random.choice(SECTORS, len(listed))
    listed["weight"] = random.lognormal(0, 1, len(listed))
    listed["universe_id"] = np.where(listed["place"] < large_from, "russell_2000", "sp_500")
    files, lines = [], []
    for number, first in enumerate(firsts):
        until = days[firsts[number + 1] - 1] if number + 1 < len(firsts) else "9999-12-31"
        now = listed[(listed["begin"] <= first) & (listed["end"] > first)]
        for universe, part in now.groupby("universe_id"):
            as_of = days[first - 1]
            dates = {"as_of_on": as_of, "usable_from": days[first], "usable_to": until}
            files.append((universe, "panel", as_of, "1", as_of, days[first], until))
            lines.append(
                pd.DataFrame(
                    {
                        "universe_id": universe,
                        "price_symbol": part["symbol"],
                        "ticker": part["symbol"],
                        "sector": part["sector"],
                        "weight_pct": 100 * part["weight"] / part["weight"].sum(),
                        "quantity": 1.0,
                        "price_usd": 1.0,
                        "membership_as_of_on": dates["as_of_on"],
                        "usable_from": dates["usable_from"],
                        "usable_to": str(dates["usable_to"]),
                    }
                )
            )
    membership = pd.concat(lines)
    dated = pd.DataFrame(files, columns=list("abcdefg"))
    dated["g"] = dated["g"].astype(str)
    connection.execute("insert into intermediate.int_universe_files_dated select * from dated")
    connection.execute("insert into intermediate.int_universe_membership select * from membership")
