"""The generated panel: 2,500 members over 7,500 sessions, as the breadth models find it.

What makes real panels awkward is in it: listings and delistings (a place in the market is held by
one company after the other), members without a bar for days, quotes that do not move, prices in
cents (so that ties happen), files of two indices each quarter. Everything follows from the seed.
The numbers mean nothing; they are for timing alone.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
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
        symbol varchar, traded_on date, session_no integer, close decimal(18, 6), volume bigint,
        source varchar""",
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
    random = np.random.default_rng(seed)
    days = newest_sessions(sessions)
    companies = _list_companies(random, len(days), members)
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as connection:
        for schema in ("intermediate", "reference"):
            connection.execute(f"create schema {schema}")
        for table, columns in TABLES.items():
            connection.execute(f"create table {table} ({columns})")
        _write_bars(connection, random, days, companies)
        _write_membership(connection, random, days, companies)
        frame = pd.DataFrame({"traded_on": days, "session_no": np.arange(1, sessions + 1)})
        frame["previous_on"] = frame["traded_on"].shift(1)
        frame["next_on"] = frame["traded_on"].shift(-1)
        frame["is_month_end"], frame["closes_at"] = False, pd.NaT
        _insert(connection, "reference.sessions", frame)
        found = connection.execute(
            "select count(*) from intermediate.int_constituent_prices_adjusted"
        ).fetchone()
    return int(found[0]) if found else 0


def _insert(connection: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame) -> None:
    connection.register("frame", frame)
    connection.execute(f"insert into {table} select * from frame")
    connection.unregister("frame")


def _list_companies(random: np.random.Generator, sessions: int, members: int) -> pd.DataFrame:
    """Return place, symbol, first session and the one after the last, in order of symbol."""
    held: list[tuple[int, int, int]] = []
    for place in range(members):
        begin = 0
        while begin < sessions:
            end = min(sessions, begin + 21 + int(random.exponential(MEAN_LIFE)))
            held.append((place, begin, end))
            begin = end
    letters = np.array(list("ABCDEFGHIJKLMNOPQRSTUVWXYZ"))
    codes = random.choice(26**4, len(held), replace=False)
    symbols = ["".join(letters[[c // 17576, c // 676 % 26, c // 26 % 26, c % 26]]) for c in codes]
    companies = pd.DataFrame(held, columns=["place", "begin", "end"])
    companies.insert(1, "symbol", symbols)
    return companies.sort_values("symbol", ignore_index=True)


def _write_bars(
    connection: duckdb.DuckDBPyConnection,
    random: np.random.Generator,
    days: NDArray[np.datetime64],
    companies: pd.DataFrame,
) -> None:
    frames: list[pd.DataFrame] = []
    held = 0
    listed = list(zip(companies["symbol"], companies["begin"], companies["end"], strict=True))
    for symbol, begin, end in listed:
        frames.append(_bars(random, days, symbol, begin, end))
        held += len(frames[-1])
        if held > 1_000_000 or symbol == listed[-1][0]:
            _insert(connection, "intermediate.int_constituent_prices_adjusted", pd.concat(frames))
            frames, held = [], 0


def _bars(
    random: np.random.Generator, days: NDArray[np.datetime64], symbol: str, begin: int, end: int
) -> pd.DataFrame:
    count = end - begin
    moves = random.normal(0.0003, 0.022, count)
    moves[random.random(count) < 0.01] = 0.0  # a quote that does not move
    close = np.round(20.0 * np.exp(np.cumsum(moves)), 2).clip(0.01, 90_000)
    present = random.random(count) >= 0.005
    if count > 400 and random.random() < 0.1:  # a pause of some weeks
        first = int(random.integers(100, count - 100))
        present[first : first + int(random.integers(5, 60))] = False
    return pd.DataFrame(
        {
            "symbol": symbol,
            "traded_on": days[begin:end],
            "session_no": np.arange(begin + 1, end + 1),
            "close": close,
            "volume": random.lognormal(12, 1, count).astype("int64"),
            "source": "panel",
        }
    )[present]


def _write_membership(
    connection: duckdb.DuckDBPyConnection,
    random: np.random.Generator,
    days: NDArray[np.datetime64],
    companies: pd.DataFrame,
) -> None:
    """Write one file a quarter for each of two indices: those listed on its day."""
    firsts = list(range(21, len(days), 63))
    large_from = int((companies["place"].max() + 1) * (1 - SHARE_OF_LARGE))
    listed = companies.assign(
        sector=random.choice(SECTORS, len(companies)),
        weight=random.lognormal(0, 1, len(companies)),
        universe_id=np.where(companies["place"] < large_from, "russell_2000", "sp_500"),
    )
    files, lines = [], []
    for number, first in enumerate(firsts):
        is_newest = number + 1 == len(firsts)
        until = "9999-12-31" if is_newest else str(days[firsts[number + 1] - 1])
        as_of = days[first - 1]
        now = listed[(listed["begin"] <= first) & (listed["end"] > first)]
        for universe, part in now.groupby("universe_id"):
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
                        "membership_as_of_on": as_of,
                        "usable_from": days[first],
                        "usable_to": until,
                    }
                )
            )
    dated = pd.DataFrame(files, columns=list("abcdefg"))
    _insert(connection, "intermediate.int_universe_files_dated", dated)
    _insert(connection, "intermediate.int_universe_membership", pd.concat(lines))
