"""The simulated long history: size and value portfolios since 1963, and a century's style workbook.

Months before the simulated indices begin are drawn; after that they follow the indices, so that
the book-value lens and the price lens tell one story. Wire forms are in `documents`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipelines.sample.economy import Days, Floats, rounded, stream, turn
from pipelines.sample.market import Market

NDMonths = Days
"""Months as NumPy dates."""

FRENCH_FROM = np.datetime64("1963-07")
SHILLER_FROM = np.datetime64("1871-01")

# Small low, mid, high book-to-market, then the same of the big.
STYLE = np.array([0.8, 0.0, -0.8, 0.6, 0.0, -0.7])
IS_SMALL = np.array([True, True, True, False, False, False])
TARGET_PB = np.array([4.0, 1.9, 0.95, 5.2, 2.3, 1.25])
FIRST_CAP = np.array([18.0, 24.0, 19.0, 620.0, 520.0, 410.0])
"""Average market capitalisation at the start, millions."""
FIRMS = np.array([720, 640, 690, 330, 240, 130])

_EARNINGS = (
    "1871:0.4 1900:0.5 1929:1.6 1932:0.45 1945:1.0 1950:2.8 1960:3.3 1966:5.5 1970:5.1 "
    "1975:8.0 1980:14.8 1985:15.5 1990:22.5 1991.9:16 1997:40 2000.6:54 2001.9:27 2006.9:81 "
    "2009.2:30 2011:84 2014.7:105 2016:87 2019.9:139 2020.9:95 2022:197 2023:174 2024.5:198 "
    "2025.8:232 2026:238"
)
_OLD_PRICE = (
    "1871:5 1900:6.5 1929.7:31 1932.5:5.4 1942:8.5 1960:58 1966:93 1970.5:76 1972.9:117 1974.8:69 "
    "1980:110 1982.6:110 1987.6:325 1988:250"
)
_OLD_CPI = (
    "1871:12.5 1900:7.8 1920:19.5 1933:13 1950:23.5 1960:29.4 1966:32 1973:43 1980:78 1983:98 "
    "1985.05:105.7"
)
_OLD_YIELD = (
    "1871:5.3 1900:3.1 1920:5.1 1941:2.0 1960:4.6 1966:4.9 1970:7.6 1975:7.8 1978:8.1 1981.7:15.1 "
    "1983:10.6 1985.05:11.1"
)


@dataclass(frozen=True)
class LongHistory:
    """Monthly portfolios and the monthly history of the large-cap index."""

    market: Market

    def _months(self, first: np.datetime64) -> NDMonths:
        return np.arange(first, np.datetime64("2026-01"))

    @cached_property
    def months(self) -> NDMonths:
        """Labels of the portfolio tables."""
        return self._months(FRENCH_FROM)

    def _monthly(self, daily: Floats, months: NDMonths) -> Floats:
        """Compound daily returns within calendar months; NaN before the first session."""
        labels = self.market.days.astype("datetime64[M]")
        at = np.searchsorted(months, labels)
        total = np.bincount(at, np.log1p(daily), minlength=len(months))
        seen = np.bincount(at, minlength=len(months)) > 0
        return np.where(seen, np.expm1(total), np.nan)

    @cached_property
    def factors(self) -> dict[str, Floats]:
        """Monthly returns in percent of small caps, large caps, growth over value, and bills."""
        m = self.months
        rng = stream(self.market.economy.seed, "french")
        shared, own, growth = rng.standard_normal((3, len(m)))
        drawn = {
            "large": 0.9 + 4.3 * shared,
            "small": 1.0 + 4.9 * shared + 2.4 * own,
            "growth": -0.1 + 1.5 * growth,
        }
        returns = self.market.index_returns
        known = {
            "large": 100 * self._monthly(returns["large"], m) + 0.15,
            "small": 100 * self._monthly(returns["small"], m) + 0.11,
            "growth": 100 * self._monthly(self.market.growth_returns, m),
        }
        found = {k: np.where(np.isnan(v), drawn[k], v) for k, v in known.items()}
        old = "1963:3.2 1970:6.5 1975:5.5 1981.5:15 1986:6.2 1988:6"
        yields = turn(m.astype("datetime64[D]"), old)
        days, rate = self.market.macro.values("DGS3MO")
        held = ~np.isnan(rate)
        at = np.searchsorted(days[held], m.astype("datetime64[D]"), side="right") - 1
        bills = np.where(m < np.datetime64("1988-02"), yields, rate[held][np.maximum(at, 0)])
        return {**found, "bills": rounded(np.maximum(bills, 0.0) / 12, 2)}

    @cached_property
    def returns(self) -> Floats:
        """Value-weighted monthly returns in percent: months x six portfolios."""
        f = self.factors
        rng = stream(self.market.economy.seed, "french/own")
        base = np.where(IS_SMALL, f["small"][:, None], f["large"][:, None])
        own = 0.5 * rng.standard_normal((len(self.months), 6))
        return np.asarray(rounded(base + STYLE * f["growth"][:, None] + own, 4))

    @cached_property
    def books(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Firms, average cap (millions), BE/ME of June and of December: months x six portfolios.

        A row holds what was true at the end of the month before. Portfolios are formed anew at the
        end of June, so the row of July is the first of a formation.
        """
        n = len(self.months)
        rng = stream(self.market.economy.seed, "french/books")
        firms, caps = np.empty((n, 6)), np.empty((n, 6))
        june, december = np.empty((n, 6)), np.empty((n, 6))
        log_pb = np.log(TARGET_PB) - 0.25
        out_of_favour = turn(
            self.months.astype("datetime64[D]"), "1963:0 2013:0 2018:-0.25 2026:-0.7"
        )
        cap, count = FIRST_CAP.copy(), FIRMS.astype(float)
        year_growth, half_growth = np.zeros(6), np.zeros(6)
        formed = 1 / np.exp(log_pb)
        formed_december = formed.copy()
        for t in range(n):
            month = int(self.months[t].astype(int)) % 12 + 1
            if month == 7 and t:
                target = np.log(TARGET_PB) + np.where(IS_SMALL, out_of_favour[t], 0.0)
                log_pb = log_pb + year_growth - 0.065 - 0.2 * (log_pb - target)
                count = rounded(FIRMS * (1 + 0.25 * np.sin(t / 90)) * rng.uniform(0.96, 1.04, 6), 0)
                cap = cap * rng.uniform(0.96, 0.985, 6)
                formed, formed_december = np.exp(-log_pb), np.exp(-log_pb + half_growth)
                year_growth = np.zeros(6)
            if month == 1:
                half_growth = np.zeros(6)
            firms[t], caps[t], june[t], december[t] = count, cap, formed, formed_december
            step = np.log1p((self.returns[t] - 0.2) / 100)
            year_growth, half_growth = year_growth + step, half_growth + step
            cap = cap * np.exp(step + 0.0025)  # the smallest leave
            count = np.maximum(rounded(count * 0.9975, 0), 20)
        return firms, rounded(caps, 2), rounded(june, 4), rounded(december, 4)

    # -- the long workbook ------------------------------------------------------------------
    @cached_property
    def workbook_months(self) -> NDMonths:
        """Months of the long workbook."""
        return self._months(SHILLER_FROM)

    @cached_property
    def workbook(self) -> dict[str, Floats]:
        """Monthly price, dividend, earnings, CPI, 10-year rate, and what follows from them."""
        m = self.workbook_months
        days: Days = m.astype("datetime64[D]")
        seed = self.market.economy.seed
        labels = self.market.days.astype("datetime64[M]")
        at = np.searchsorted(m, labels)
        seen = np.bincount(at, minlength=len(m))
        total = np.bincount(at, self.market.economy.indices["large"], minlength=len(m))
        noise = 0.012 * np.cumsum(stream(seed, "shiller").standard_normal(len(m)))
        old = turn(days, _OLD_PRICE) * np.exp(0.3 * (noise - np.linspace(0, noise[-1], len(m))))
        price = np.where(seen > 0, total / np.maximum(seen, 1), old)
        earnings = turn(days, _EARNINGS)
        dividends = 0.38 * np.convolve(earnings, np.ones(36) / 36)[: len(m)]
        dividends[:36] = 0.5 * earnings[:36]
        months, cpi = self.market.macro.values("CPIAUCSL")
        prices = turn(days, _OLD_CPI)
        late = days >= months[0]
        prices[late] = cpi[np.searchsorted(months, days[late])]
        e = self.market.economy
        weekday_month = e.weekdays.astype("datetime64[M]")
        rate = turn(days, _OLD_YIELD)
        place = np.searchsorted(m, weekday_month)
        mean = np.bincount(place, e.rates["ten"], minlength=len(m)) / np.maximum(
            np.bincount(place, minlength=len(m)), 1
        )
        rate[late] = mean[late]
        return {
            "price": rounded(price, 2),
            "dividend": rounded(dividends, 2),
            "earnings": rounded(earnings, 2),
            "cpi": rounded(prices, 3),
            "rate": rounded(rate, 2),
        }
