"""Factors that every simulated security shares, and the levels of indices and funds.

A fund is its index times a ratio, plus what makes it different (value, growth, a sector, bond
duration), minus costs. Single companies are in `companies`, wire formats elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from pipelines.sample.economy import DAILY_VOL, Days, Economy, Floats, sessions, stream, turn
from pipelines.sample.macro import Macro
from pipelines.sample.names import SECTORS

RATE_BETA = (-0.2, 0.0, -1.5, 2.0, 1.8, -0.5, 0.8, -0.8, 0.8, -3.0, -3.5)
"""Percent a sector gains against the market when the 10-year yield rises a point, in `SECTORS`."""


@dataclass(frozen=True, slots=True)
class FundSpec:
    """How a simulated fund moves. `level` is its price at the end of 2025's story.

    `blend` is its weight on the small-cap index (the rest: the large-cap index); `style` loads on
    growth (negative: value), `rate_beta` on the 10-year yield, percent a point. Kinds besides
    `equity`: `treasury`, `credit`, `dollar`. `yield_pct` is paid in four dividends (monthly where
    `monthly`), `split` doubles the shares.
    """

    symbol: str
    title: str
    inception: date
    level: float
    blend: float = 0.0
    style: float = 0.0
    sector: str | None = None
    rate_beta: float = 0.0
    own_pct: float = 0.02
    kind: str = "equity"
    yield_pct: float = 1.5
    monthly: bool = False
    shares_million: float = 0.0
    split: tuple[date, int] | None = None


def _sector(symbol: str, title: str, level: float, sector: str, shares: float,
            first: str = "1998-12-22") -> FundSpec:  # fmt: skip
    name = f"The {title} Select Sector SPDR® Fund"
    return FundSpec(symbol, name, date.fromisoformat(first), level, sector=sector, own_pct=0.03,
                    shares_million=shares, yield_pct=1.8)  # fmt: skip


FUNDS = {
    f.symbol: f
    for f in (
        FundSpec("IWM", "iShares Russell 2000 ETF", date(2000, 5, 26), 251.2, blend=1.0,
                 own_pct=0.0, yield_pct=1.2, shares_million=281, split=(date(2006, 6, 12), 2)),
        FundSpec("IWN", "iShares Russell 2000 Value ETF", date(2000, 7, 28), 181.0, blend=1.0,
                 style=-0.9, yield_pct=1.9, shares_million=66),
        FundSpec("IWO", "iShares Russell 2000 Growth ETF", date(2000, 7, 28), 328.0, blend=1.0,
                 style=0.9, yield_pct=0.6, shares_million=38),
        FundSpec("VB", "Vanguard Small-Cap ETF", date(2004, 1, 30), 259.0, blend=0.85,
                 yield_pct=1.3),
        FundSpec("IJR", "iShares Core S&P Small-Cap ETF", date(2000, 5, 26), 121.0, blend=0.95,
                 style=-0.2, own_pct=0.08, yield_pct=1.6, shares_million=702),
        FundSpec("SPSM", "SPDR® Portfolio S&P 600™ Small Cap ETF", date(2013, 7, 8), 47.1,
                 blend=0.95, style=-0.2, own_pct=0.08, yield_pct=1.6, shares_million=268),
        FundSpec("IVV", "iShares Core S&P 500 ETF", date(2000, 5, 19), 674.0, own_pct=0.0,
                 yield_pct=1.2, shares_million=985),
        FundSpec("SPY", "SPDR® S&P 500® ETF Trust", date(1993, 1, 29), 671.5, own_pct=0.0,
                 yield_pct=1.2, shares_million=1012),
        FundSpec("VOO", "Vanguard S&P 500 ETF", date(2010, 9, 9), 617.0, own_pct=0.01,
                 yield_pct=1.2),
        FundSpec("RSP", "Invesco S&P 500 Equal Weight ETF", date(2003, 5, 1), 189.0, blend=0.3,
                 style=-0.15, own_pct=0.06, yield_pct=1.6),
        FundSpec("IWD", "iShares Russell 1000 Value ETF", date(2000, 5, 26), 203.0, style=-0.7,
                 yield_pct=1.9),
        FundSpec("IWF", "iShares Russell 1000 Growth ETF", date(2000, 5, 26), 472.0, style=0.7,
                 yield_pct=0.6),
        FundSpec("VTV", "Vanguard Value ETF", date(2004, 1, 30), 186.0, style=-0.65,
                 yield_pct=2.2),
        FundSpec("VUG", "Vanguard Growth ETF", date(2004, 1, 30), 480.0, style=0.65,
                 yield_pct=0.5),
        _sector("XLB", "Materials", 90.0, "Materials", 61),
        _sector("XLC", "Communication Services", 118.0, "Communication", 216, "2018-06-19"),
        _sector("XLE", "Energy", 89.0, "Energy", 297),
        _sector("XLF", "Financial", 53.5, "Financials", 968),
        _sector("XLI", "Industrial", 153.0, "Industrials", 152),
        _sector("XLK", "Technology", 283.0, "Information Technology", 318),
        _sector("XLP", "Consumer Staples", 78.6, "Consumer Staples", 199),
        _sector("XLRE", "Real Estate", 42.1, "Real Estate", 178, "2015-10-08"),
        _sector("XLU", "Utilities", 88.0, "Utilities", 236),
        _sector("XLV", "Health Care", 141.0, "Health Care", 262),
        _sector("XLY", "Consumer Discretionary", 238.0, "Consumer Discretionary", 97),
        FundSpec("KRE", "SPDR® S&P® Regional Banking ETF", date(2006, 6, 22), 63.4, blend=0.5,
                 sector="Financials", rate_beta=3.5, own_pct=0.5, yield_pct=2.6,
                 shares_million=58),
        FundSpec("IYR", "iShares U.S. Real Estate ETF", date(2000, 6, 19), 97.0,
                 sector="Real Estate", own_pct=0.05, yield_pct=2.6),
        FundSpec("VNQ", "Vanguard Real Estate ETF", date(2004, 9, 29), 91.0, blend=0.1,
                 sector="Real Estate", own_pct=0.05, yield_pct=3.8),
        FundSpec("TLT", "iShares 20+ Year Treasury Bond ETF", date(2002, 7, 26), 89.6,
                 kind="treasury", own_pct=0.1, yield_pct=3.6, monthly=True),
        FundSpec("HYG", "iShares iBoxx $ High Yield Corporate Bond ETF", date(2007, 4, 11), 80.9,
                 kind="credit", own_pct=0.05, yield_pct=5.6, monthly=True),
        FundSpec("UUP", "Invesco DB US Dollar Index Bullish Fund", date(2007, 3, 1), 27.8,
                 kind="dollar", own_pct=0.03, yield_pct=0.0),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Market:
    """Levels of all instruments per session. Computed once, on first use."""

    economy: Economy
    macro: Macro

    @property
    def days(self) -> Days:
        """All sessions, 1988 on."""
        return sessions()

    def place(self, day: date) -> int:
        """Return the number of sessions up to and including `day`."""
        return int(np.searchsorted(self.days, np.datetime64(day), side="right"))

    @cached_property
    def volatility(self) -> Floats:
        """Daily volatility of the market in percent: what everything else scales with."""
        return turn(self.days, DAILY_VOL)

    @cached_property
    def index_returns(self) -> dict[str, Floats]:
        """Simple returns of both indices; the first session is 0."""
        return {
            name: np.diff(level, prepend=level[0]) / np.concatenate([level[:1], level[:-1]])
            for name, level in self.economy.indices.items()
        }

    @cached_property
    def yield_changes(self) -> Floats:
        """Change of the 10-year yield over the session, points."""
        e = self.economy
        at = np.searchsorted(e.weekdays, self.days, side="right") - 1
        return np.diff(e.rates["ten"][at], prepend=e.rates["ten"][at[0]])

    @cached_property
    def sector_returns(self) -> Floats:
        """Excess return of each sector over the market: sessions x `SECTORS`."""
        rng = stream(self.economy.seed, "sectors")
        own = rng.standard_normal((len(self.days), len(SECTORS)))
        scale = 0.0048 * np.sqrt(self.volatility)[:, None]
        out = scale * own + 0.01 * np.outer(self.yield_changes, RATE_BETA)
        return np.asarray(out - 0.3 * out.mean(axis=1, keepdims=True))

    @cached_property
    def growth_returns(self) -> Floats:
        """Return of growth over value, half on each side."""
        rng = stream(self.economy.seed, "growth")
        drift = turn(self.days, "1988:0 1998:0.05 2000.2:0.4 2000.3:-0.5 2003:-0.1 2007:-0.02 "
                     "2012:0.03 2020.7:0.15 2021:-0.2 2023:0.04 2026:0.03") / 252  # fmt: skip
        own = 0.0028 * np.sqrt(self.volatility) * rng.standard_normal(len(self.days))
        return np.asarray(drift + own - 0.008 * self.yield_changes)

    def fund_nav(self, symbol: str) -> Floats:
        """Return the NAV of a fund on every session, six decimals, in units of today's shares.

        Before inception it is a number that nobody quotes.
        """
        return self._navs[symbol]

    @cached_property
    def _navs(self) -> dict[str, Floats]:
        return {symbol: self._nav(spec) for symbol, spec in FUNDS.items()}

    def _nav(self, spec: FundSpec) -> Floats:
        n = len(self.days)
        own = stream(self.economy.seed, f"fund/{spec.symbol}").standard_normal(n)
        own = 0.01 * spec.own_pct * np.sqrt(self.volatility) * own
        small, large = self.index_returns["small"], self.index_returns["large"]
        if spec.kind == "equity":
            returns = spec.blend * small + (1 - spec.blend) * large + spec.style * (
                self.growth_returns) + 0.01 * spec.rate_beta * self.yield_changes  # fmt: skip
            if spec.sector is not None:
                returns = returns + self.sector_returns[:, SECTORS.index(spec.sector)]
        elif spec.kind == "treasury":
            returns = -0.165 * self.yield_changes
        elif spec.kind == "credit":
            days, spread = self.macro.values("BAMLH0A0HYM2")
            held = ~np.isnan(spread)
            at = np.searchsorted(days[held], self.days, side="right") - 1
            moves = np.diff(spread[held][at], prepend=spread[held][at[0]])
            returns = -0.022 * moves - 0.02 * self.yield_changes + 0.15 * large
        else:
            level = self.macro.dollar_level(self.days)
            returns = np.diff(level, prepend=level[0]) / level * 0.9
        log = np.cumsum(np.log1p(np.clip(returns + own, -0.24, 0.24)))
        anchor = self.place(date(2025, 10, 10)) - 1
        ratio = np.exp(log - log[anchor])
        return np.asarray(np.round(spec.level * ratio, 6))

    @cached_property
    def dollar_index(self) -> Floats:
        """The futures dollar index per session."""
        return np.asarray(np.round(self.macro.dollar_level(self.days) * 0.826, 3))

    # -- shares of funds --------------------------------------------------------------------
    def fund_shares(self, symbol: str) -> Floats:
        """Return shares outstanding per session, in units of today's shares; 0 before inception.

        Creations and redemptions come in units of 50,000; nearly half of all days see none. Money
        follows what has gone well.
        """
        return self._share_counts[symbol]

    @cached_property
    def _share_counts(self) -> dict[str, Floats]:
        return {s: self._shares(f) for s, f in FUNDS.items() if f.shares_million}

    def _shares(self, spec: FundSpec) -> Floats:
        start = self.place(spec.inception) - 1
        n = len(self.days) - start
        rng = stream(self.economy.seed, f"shares/{spec.symbol}")
        nav = self.fund_nav(spec.symbol)
        gone = np.log(nav / np.concatenate([nav[:63], nav[:-63]]))[start:]
        noise = np.zeros(n)
        steps = 0.0035 * rng.standard_normal(n) + 0.004 * gone
        x = 0.0
        for i, step in enumerate(steps.tolist()):
            x = 0.9965 * x + step
            noise[i] = x
        age = np.arange(n) / (len(self.days) - start)
        grown = (0.04 + 0.96 * age**0.8) * np.exp(noise - noise[-1])
        rally = np.clip((self.days[start:] - np.datetime64("2025-08-04")).astype(float) / 68, 0, 1)
        if spec.blend == 1.0 or spec.symbol in ("IJR", "SPSM"):
            grown = grown * (1 + 0.07 * rally)
        wanted = np.maximum(np.round(spec.shares_million * 20 * grown), 2)
        # On a day without an order the count stays as it was.
        acts = rng.random(n) > 0.45
        acts[0] = True
        last = np.maximum.accumulate(np.where(acts, np.arange(n), 0))
        out = np.zeros(len(self.days))
        out[start:] = wanted[last] * 50_000
        return out
