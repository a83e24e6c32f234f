"""What the simulated funds hold on a day, to the cent. Files and workbooks are in `issuers`.

Shares outstanding times NAV is the fund's wealth; nearly all of it is in members of the index, by
capitalisation, and what is left over is cash: so the market values add up to the NAV exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.sample.companies import Universe
from pipelines.sample.market import FUNDS, Market
from pipelines.sample.names import SECTORS

EQUITY_SHARE = 0.9975
FUND_UNIVERSE = {
    "IWM": ("russell_2000", 1, 0),
    "IJR": ("russell_2000", 1, 0),
    "IWN": ("russell_2000", 2, 0),
    "IWO": ("russell_2000", 2, 1),
    "IVV": ("sp_500", 1, 0),
    "SPY": ("sp_500", 1, 0),
}
"""Universe of a fund, and which of its companies it takes (every n-th, from the k-th)."""

OLD_SECTOR_UNTIL = np.datetime64("2018-09-28")
RENAMED_ON = np.datetime64("2022-06-09")
"""First file that calls FB by its new ticker."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: values in dollars, quantity in shares; ticker None is printed as a dash."""

    ticker: str | None
    name: str
    sector: str
    asset_class: str
    value: float
    weight: float
    notional: float
    quantity: float
    price: float
    exchange: str


@dataclass(frozen=True, slots=True)
class Portfolio:
    """One fund on one session, largest line first."""

    shares: float
    nav: float
    lines: tuple[Line, ...]


def traded_share_factor(market: Market, fund: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return today's shares for one share of each session: 2 before a two-for-one split."""
    out = np.ones(len(market.days))
    split = FUNDS[fund].split
    if split is not None:
        out[: market.place(split[0]) - 1] = split[1]
    return out


def hold(market: Market, universe: Universe, fund: str, at: int) -> Portfolio:
    """Return the portfolio of a fund at the close of session number `at` of the market."""
    row = at - universe.offset
    _, step, first = FUND_UNIVERSE[fund]
    shares, nav = float(market.fund_shares(fund)[at]), float(market.fund_nav(fund)[at])
    wealth = round(shares * nav, 2)
    caps = universe.cap(row)
    taken = np.zeros(len(caps), dtype=bool)
    taken[first::step] = True
    caps = np.where(taken, caps, 0.0)
    owned = EQUITY_SHARE * wealth / caps.sum()
    quantity = np.floor(universe.shares[row] * owned)
    value = np.round(quantity * np.nan_to_num(universe.raw[row]), 2)
    day = universe.days[row]
    places = [int(i) for i in np.argsort(-value, kind="stable") if caps[i] > 0]
    escrows = _escrows(universe, row) if step == 1 else []
    cash = round(wealth - sum(float(value[i]) for i in places) - sum(e.value for e in escrows), 2)
    margin = round(0.1 * cash, 2)
    swept = round(0.5 * cash, 2)
    equities = [
        Line(
            ticker=_ticker(universe, i, day),
            name=universe.companies[i].name,
            sector=_sector(universe.companies[i].sector, day),
            asset_class="Equity",
            value=float(value[i]),
            weight=round(100 * float(value[i]) / wealth, 2),
            notional=float(value[i]),
            quantity=float(quantity[i]),
            price=float(universe.raw[row, i]),
            exchange="NASDAQ" if i % 2 else "New York Stock Exchange Inc.",
        )
        for i in places
    ]
    rest = [
        _money("XTSLA", "BLK CSH FND TREASURY SL AGENCY", "Money Market", swept, wealth, 1.0),
        _money("USD", "USD CASH", "Cash", round(cash - margin - swept, 2), wealth, 100.0),
        _money("MSFUT", "CASH COLLATERAL MSFUT USD", "Cash Collateral and Margins", margin, wealth,
               100.0),
        Line("RTYZ5" if fund != "IVV" else "ESZ5", "SIMULATED EMINI INDEX FUTURE",
             "Cash and/or Derivatives", "Futures", 0.0, 0.0, round(0.9 * cash, 2),
             round(cash / 125_000), round(10 * nav, 2), "Chicago Mercantile Exchange"),
    ]  # fmt: skip
    lines = [*equities, *rest, *escrows]
    missing = round(100 - sum(line.weight for line in lines), 2)
    lines[0] = _reweighted(lines[0], round(lines[0].weight + missing, 2))
    return Portfolio(shares=shares, nav=nav, lines=tuple(lines))


def _money(ticker: str, name: str, kind: str, value: float, wealth: float, price: float) -> Line:
    weight = round(100 * value / wealth, 2)
    units = float(round(value))
    return Line(ticker, name, "Cash and/or Derivatives", kind, value, weight, value, units, price,
                "-")  # fmt: skip


def _reweighted(line: Line, weight: float) -> Line:
    return Line(line.ticker, line.name, line.sector, line.asset_class, line.value, weight,
                line.notional, line.quantity, line.price, line.exchange)  # fmt: skip


def _escrows(universe: Universe, row: int) -> list[Line]:
    """Claims on companies taken over in the last two years: no ticker, next to no value."""
    gone = np.flatnonzero((universe.delisted_at < row) & (universe.delisted_at >= row - 504))
    return [
        Line(
            ticker=None,
            name=f"{universe.companies[i].name.removesuffix(' INC')} ESCROW",
            sector=_sector(universe.companies[i].sector, universe.days[row]),
            asset_class="Equity",
            value=0.01 * n,
            weight=0.0,
            notional=0.01 * n,
            quantity=21_000.0 + 137 * int(i),
            price=0.0,
            exchange="NO MARKET (E.G. UNLISTED)",
        )
        for n, i in enumerate(gone[:4].tolist())
    ]


def _ticker(universe: Universe, i: int, day: np.datetime64) -> str:
    ticker = universe.companies[i].ticker
    return "META" if ticker == "FB" and day >= RENAMED_ON else ticker


def _sector(number: int, day: np.datetime64) -> str:
    name = SECTORS[number]
    return "Telecommunications" if number == 0 and day < OLD_SECTOR_UNTIL else name
