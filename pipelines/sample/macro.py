"""The simulated macro series: what each catalogued FRED id is worth on each date, finally revised.

Values are of the end of the simulation's knowledge; how they were first published and revised is
in `vintages`, how they go over the wire in `fred`. All figures are invented.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pipelines.sample.economy import (
    DOLLAR,
    Days,
    Economy,
    Floats,
    ecb_deposit_rate,
    policy_upper,
    rounded,
    stream,
    turn,
    wobble,
)

CORE_INFLATION = (
    "1985.0:4.1 1990.5:4.2 1994.0:2.3 1998.5:1.4 2001.0:2.0 2003.8:1.5 2006.5:2.5 2009.4:1.1 "
    "2010.9:1.2 2012.2:2.0 2015.5:1.3 2018.5:2.0 2020.35:0.6 2020.9:1.6 2021.5:4.6 2022.2:5.6 "
    "2022.9:4.7 2023.6:3.1 2024.3:2.8 2025.0:2.5 2025.5:2.9 2026.0:2.8"
)
"""Annualised monthly core PCE inflation around which the months scatter."""

UNEMPLOYMENT = (
    "1985.0:7.2 1990.2:5.3 1992.4:7.5 2000.2:4.0 2003.4:6.2 2007.0:4.5 2008.0:4.8 2009.8:9.9 "
    "2013.0:7.8 2016.0:4.9 2019.9:3.6 2020.17:3.7 2020.28:13.9 2020.75:7.6 2021.9:4.0 2023.3:3.5 "
    "2024.5:4.1 2025.3:4.2 2025.8:4.4 2026.0:4.5"
)
JOB_GROWTH = (
    "1985.0:2.6 1990.4:1.9 1991.0:-1.2 1992.5:1.0 1994.5:3.0 2000.0:2.3 2001.7:-1.3 2004.5:1.4 "
    "2006.5:1.8 2008.0:-0.3 2009.1:-5.5 2010.3:0.6 2014.0:1.9 2019.8:1.4 2020.16:1.2 2020.2:-55 "
    "2020.4:-30 2020.45:16 2021.5:5.0 2022.8:3.0 2024.0:1.5 2025.3:0.9 2026.0:0.4"
)
"""Payrolls, percent a year."""

OUTPUT_GROWTH = (
    "1985.0:3.8 1990.3:2.8 1990.9:-2.0 1992.0:3.2 1997.5:4.4 2000.2:4.0 2001.5:-0.6 2004.0:3.6 "
    "2007.5:2.2 2008.8:-5.0 2009.6:2.0 2014.5:2.6 2019.8:2.3 2020.1:-5.0 2020.3:-24.0 2020.6:26.0 "
    "2021.3:5.5 2022.5:1.8 2023.8:3.2 2025.0:1.4 2025.6:2.6 2026.0:2.0"
)

Values = tuple[Days, Floats]


@dataclass(frozen=True)
class Macro:
    """All macro series of one simulated economy. NaN is a day without a value (`.`)."""

    economy: Economy

    def values(self, series_id: str) -> Values:
        """Return observation dates and finally revised values. KeyError: not simulated."""
        return self._makers[series_id]()

    @cached_property
    def _makers(self) -> Mapping[str, Callable[[], Values]]:
        return self._daily_makers() | self._monthly_makers() | self._other_makers()

    @property
    def series_ids(self) -> tuple[str, ...]:
        """Ids of all simulated series."""
        return tuple(self._makers)

    # -- building blocks --------------------------------------------------------------------
    def _noise(self, name: str, size: int, *, memory: float = 0.9, shock: float = 1.0) -> Floats:
        return wobble(stream(self.economy.seed, name), size, memory=memory, shock=shock)

    def _rate(self, name: str) -> Values:
        e = self.economy
        keep = e.weekdays >= np.datetime64("1988-01-01")
        return e.weekdays[keep], np.where(e.is_open, e.rates[name], np.nan)[keep]

    def _minus(self, first: str, second: str) -> Values:
        days, a = self._rate(first)
        return days, rounded(a - self._rate(second)[1], 2)

    def _weekday(self, make: Callable[[Days], Floats], decimals: int) -> Values:
        days, open_ = self.economy.weekdays, self.economy.is_open
        keep = days >= np.datetime64("1988-01-01")
        return days[keep], np.where(open_, rounded(make(days), decimals), np.nan)[keep]

    def _calendar(self, values: Floats) -> Values:
        keep = self.economy.days >= np.datetime64("1988-01-01")
        return self.economy.days[keep], values[keep]

    def _funds_rate(self) -> Floats:
        """Effective rate per calendar day; a weekend repeats its Friday."""
        e = self.economy
        rate = policy_upper(e.days) - 0.17 + self._noise("DFF", len(e.days), memory=0.6, shock=0.01)
        weekday = (e.days.astype(np.int64) + 3) % 7
        back = np.clip(weekday - 4, 0, 2)
        return rounded(np.maximum(rate, 0.04)[np.maximum(np.arange(len(rate)) - back, 0)], 2)

    def _month_mean(self, values: Floats) -> Floats:
        month = self.economy.days.astype("datetime64[M]")
        _, at = np.unique(month, return_inverse=True)
        return np.asarray(np.bincount(at, values) / np.bincount(at))

    def _index(self, name: str, start: float, rate: Floats, shock: float, decimals: int) -> Values:
        """A monthly level from yearly growth in percent and monthly noise in percent."""
        rng = stream(self.economy.seed, name)
        growth = rate / 12 + shock * rng.standard_normal(len(rate))
        return self.economy.months, rounded(start * np.exp(np.cumsum(growth / 100)), decimals)

    @cached_property
    def _core_rate(self) -> Floats:
        rate = turn(self.economy.months, CORE_INFLATION)
        return rate + 12 * 0.035 * stream(self.economy.seed, "core").standard_normal(len(rate))

    @cached_property
    def _energy_rate(self) -> Floats:
        n = len(self.economy.months)
        return 12 * self._noise("energy", n, memory=0.45, shock=0.11)

    @cached_property
    def _slack(self) -> Floats:
        """For each month: minus one in a recession, smoothed, otherwise about zero."""
        hit = -self.economy.recession.astype(float)
        return np.convolve(hit, np.array([0.4, 0.3, 0.2, 0.1]))[: len(hit)]

    def _unemployment(self) -> Values:
        m = self.economy.months
        noise = self._noise("UNRATE", len(m), memory=0.7, shock=0.05)
        return m, rounded(turn(m, UNEMPLOYMENT) + noise, 1)

    @cached_property
    def _dollar(self) -> Floats:
        days = self.economy.weekdays
        walk = self._noise("dollar", len(days), memory=0.995, shock=0.0028)
        return np.asarray(turn(days, DOLLAR) * np.exp(walk))

    def dollar_level(self, days: Days) -> Floats:
        """Return the simulated broad dollar, unrounded, on any days."""
        at = np.searchsorted(self.economy.weekdays, days, side="right") - 1
        return self._dollar[np.maximum(at, 0)]

    # -- series by frequency ------------------------------------------------------------------
    def _daily_makers(self) -> dict[str, Callable[[], Values]]:
        e = self.economy

        def high_yield(days: Days) -> Floats:
            own = self._noise("hy", len(days), memory=0.985, shock=0.04)
            return np.maximum(4.1 + 2.3 * e.stress(days) + own, 2.4)

        def baa(days: Days) -> Floats:
            own = self._noise("baa", len(days), memory=0.99, shock=0.02)
            return np.maximum(2.1 + 0.55 * e.stress(days) + own, 1.3)

        def uncertainty() -> Values:
            noise = stream(e.seed, "USEPUINDXD").lognormal(0.0, 0.35, len(e.days))
            return self._calendar(rounded(95 * np.exp(0.3 * e.stress(e.days)) * noise, 2))

        def advanced(days: Days) -> Floats:
            own = self._noise("DTWEXAFEGS", len(days), memory=0.99, shock=0.0008)
            return 0.93 * self.dollar_level(days) * np.exp(own)

        def euro(days: Days) -> Floats:
            own = self._noise("DEXUSEU", len(days), memory=0.99, shock=0.001)
            return np.asarray(1.16 * (119.5 / self.dollar_level(days)) ** 0.6 * np.exp(own))

        return {
            "DFF": lambda: self._calendar(self._funds_rate()),
            "DFEDTARU": lambda: self._calendar(policy_upper(e.days)),
            "DFEDTARL": lambda: self._calendar(rounded(policy_upper(e.days) - 0.25, 2)),
            "ECBDFR": lambda: self._calendar(ecb_deposit_rate(e.days)),
            "DGS3MO": lambda: self._rate("bill"),
            "DGS2": lambda: self._rate("two"),
            "DGS10": lambda: self._rate("ten"),
            "DFII10": lambda: self._rate("real"),
            "T10YIE": lambda: self._rate("breakeven"),
            "T5YIFR": lambda: self._rate("forward"),
            "T10Y2Y": lambda: self._minus("ten", "two"),
            "T10Y3M": lambda: self._minus("ten", "bill"),
            "BAMLH0A0HYM2": lambda: self._weekday(high_yield, 2),
            "BAA10Y": lambda: self._weekday(baa, 2),
            "VIXCLS": lambda: self._weekday(lambda d: e.on(d, e.vix), 2),
            "USEPUINDXD": uncertainty,
            "DTWEXBGS": lambda: self._weekday(self.dollar_level, 4),
            "DTWEXAFEGS": lambda: self._weekday(advanced, 4),
            "DEXUSEU": lambda: self._weekday(euro, 4),
        }

    def _monthly_makers(self) -> dict[str, Callable[[], Values]]:
        e, m = self.economy, self.economy.months
        core, energy = self._core_rate, self._energy_rate
        real = turn(m, OUTPUT_GROWTH)

        def openings() -> Values:
            noise = self._noise("JTSJOL", len(m), memory=0.6, shock=0.02)
            path = (
                "1985:3300 1990:3900 1991.5:3000 2000.5:5300 2003.5:3300 2007:4800 2009.5:2400 "
                "2019:7500 2020.3:4700 2022.2:12000 2024:8600 2026:7100"
            )
            return m, rounded(turn(m, path) * np.exp(noise), 0)

        def trade_uncertainty() -> Values:
            level = turn(m, "1985:90 1993:160 1995:70 2016:60 2018.2:250 2019.6:700 2020.5:130 "
                         "2024.6:120 2025.25:3200 2025.6:1400 2026:900")  # fmt: skip
            noise = stream(e.seed, "EPUTRADE").lognormal(0.0, 0.3, len(m))
            return m, rounded(level * noise, 2)

        loans = turn(m, "1985:8 1990:2 1992.5:-3 1997:8 2001:1 2003:-5 2007:12 2009.6:-18 2012:10 "
                     "2019:6 2020.3:60 2020.7:-25 2021.5:-6 2022.6:15 2023.5:1 2026:3")  # fmt: skip
        money = turn(m, "1985:8 1990:4 1994:1 1998:8 2005:4 2010:5 2019:6 2020.4:40 2021:14 "
                     "2022.3:1 2023:-4 2024.5:3 2026:4.5")  # fmt: skip
        plants = turn(m, "1985:2 1993:0 1998:5 2002:-12 2008:25 2010:-25 2013:8 2018:2 2021.5:10 "
                      "2022.8:55 2024:10 2025:-5 2026:-6")  # fmt: skip
        return {
            "PCEPILFE": lambda: self._index("none", 47.1, core, 0.0, 3),
            "PCEPI": lambda: self._index("none", 46.2, core + energy, 0.0, 3),
            "PCE": lambda: self._index("PCE", 2610.0, core + energy + real, 0.22, 1),
            "CPILFESL": lambda: self._index("CPILFESL", 107.5, core + 0.35, 0.05, 3),
            "CPIAUCSL": lambda: self._index("CPIAUCSL", 105.7, core + 1.7 * energy + 0.3, 0.05, 3),
            "FEDFUNDS": lambda: (m, rounded(self._month_mean(self._funds_rate()), 2)),
            "MPRIME": lambda: (m, rounded(self._month_mean(policy_upper(e.days)) + 3.0, 2)),
            "PAYEMS": lambda: self._index("PAYEMS", 96300.0, turn(m, JOB_GROWTH), 0.05, 0),
            "UNRATE": self._unemployment,
            "JTSJOL": openings,
            "INDPRO": lambda: self._index("INDPRO", 55.8, real - 1.2, 0.35, 4),
            "RSAFS": lambda: self._index("RSAFS", 108_000.0, core + energy + real, 0.7, 0),
            "M2SL": lambda: self._index("M2SL", 2310.0, money, 0.12, 1),
            "BUSLOANS": lambda: self._index("BUSLOANS", 470.0, loans, 0.4, 4),
            "USREC": lambda: (m, e.recession.astype(float)),
            "EPUTRADE": trade_uncertainty,
            "TLMFGCONS": lambda: self._index("TLMFGCONS", 35_000.0, plants, 1.5, 0),
            "NEWORDER": lambda: self._index("NEWORDER", 22_500.0, real - 0.6, 2.0, 0),
        }

    def _other_makers(self) -> dict[str, Callable[[], Values]]:
        e = self.economy

        def week(weekday: int) -> Days:
            keep = (e.days.astype(np.int64) + 3) % 7 == weekday
            return np.asarray(e.days[keep & (e.days >= np.datetime64("1988-01-01"))])

        def conditions() -> Values:
            d = week(4)
            own = self._noise("NFCI", len(d), memory=0.97, shock=0.02)
            return d, rounded(-0.42 + 0.45 * e.stress(d) + own, 5)

        def claims() -> Values:
            d = week(5)
            jobless = np.interp(d.astype(float), *_floats(self._unemployment()))
            level = 70 + 44 * jobless + 90 * np.maximum(e.stress(d), 0)
            level += np.where(turn(d, "1985:0 2020.2:0 2020.25:1 2020.5:0.3 2021:0 2026:0") > 0.05,
                              4000 * turn(d, "1985:0 2020.2:0 2020.25:1 2020.5:0.3 2021:0 2026:0"),
                              0)  # fmt: skip
            noise = 1 + 0.035 * stream(e.seed, "ICSA").standard_normal(len(d))
            return d, rounded(level * noise, 0) * 1000

        def balance_sheet() -> Values:
            d = week(2)
            level = turn(d, "1988:280 2008.6:900 2009.0:2200 2014.9:4490 2019.6:3780 2020.2:4200 "
                         "2020.45:7100 2022.3:8960 2023.2:8350 2025:6850 2026:6550")  # fmt: skip
            return d, rounded(1000 * level + 4000 * self._noise("WALCL", len(d), memory=0.8), 0)

        def mortgage() -> Values:
            d = week(3)
            ten = np.interp(d.astype(float), e.weekdays.astype(float), e.rates["ten"])
            own = self._noise("MORTGAGE30US", len(d), memory=0.95, shock=0.03)
            return d, rounded(ten + 1.75 + 0.1 * e.stress(d) + own, 2)

        def bank_credit() -> Values:
            d = week(2)
            base = turn(d, "1988:2300 1993:3000 2000:5100 2008.7:9300 2010:9000 2020:13900 "
                        "2022:17300 2024:17400 2026:18900")  # fmt: skip
            own = self._noise("TOTBKCR", len(d), memory=0.9, shock=0.001)
            return d, rounded(base * np.exp(own), 4)

        def output() -> Values:
            q = e.months[::3]
            growth = turn(q + np.timedelta64(45), OUTPUT_GROWTH) / 4
            growth = growth + 0.2 * stream(e.seed, "GDPC1").standard_normal(len(q))
            return q, rounded(8200 * np.exp(np.cumsum(growth / 100)), 3)

        def standards(name: str, extra: float) -> Callable[[], Values]:
            def make() -> Values:
                q = e.months[12::3]
                drag = -60 * self._slack[12::3]
                own = self._noise(name, len(q), memory=0.7, shock=5.0)
                return q, rounded(np.minimum(extra + 9 * e.stress(q) + drag + own, 84.0), 1)

            return make

        return {
            "GDPC1": output,
            "DRTSCILM": standards("DRTSCILM", 1.0),
            "DRTSCIS": standards("DRTSCIS", 2.5),
            "NFCI": conditions,
            "ICSA": claims,
            "WALCL": balance_sheet,
            "MORTGAGE30US": mortgage,
            "TOTBKCR": bank_credit,
        }


def _floats(values: Values) -> tuple[Floats, Floats]:
    return values[0].astype(float), values[1]
