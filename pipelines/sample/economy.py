"""The simulated economy: clock, policy rates, yields, indices, credit, the business cycle.

Everything here is invented. Turning points are hand-written so that the story has cycles to tell
of (recessions, hiking and cutting, a small-cap rally to a record at the end); everything between
them is drawn from seeded generators. What a provider makes of these numbers is in the modules
named after providers, and single stocks are in `market`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from pipelines.sources.calendar import sessions_between

Floats = NDArray[np.float64]
Days = NDArray[np.datetime64]

DEFAULT_SEED = 20_251_010
LAST_SESSION = date(2025, 10, 10)
"""The sample world's today. The simulation runs on to `SIMULATED_TO`, so that a clock may move."""
SIMULATED_FROM = date(1985, 1, 1)
SIMULATED_TO = date(2025, 12, 31)

RECESSIONS = (
    ("1990-09", "1991-04"),
    ("2001-03", "2001-11"),
    ("2008-02", "2009-06"),
    ("2020-03", "2020-05"),
)
"""First and last month of the simulated recessions."""

POLICY_START = 8.25
POLICY_MOVES: tuple[tuple[str, int, tuple[int, ...]], ...] = (
    ("1990-07-12", 49, (-25,) * 4 + (-50, -50, -25, -25, -50, -25, -25, -25, -50, -50, -25, -25)),
    ("1994-02-10", 49, (25, 25, 50, 50, 50, 50, 50)),
    ("1995-07-06", 98, (-25, -25, -25)),
    ("1999-07-01", 63, (25, 25, 25, 50)),
    ("2001-01-04", 35, (-50, -50, -50, -50, -50, -25, -25, -50, -50, -50, -25)),
    ("2002-11-07", 231, (-50, -25)),
    ("2004-07-01", 42, (25,) * 17),
    ("2007-09-20", 49, (-50, -25, -25) + (-50,) * 8),
    ("2015-12-17", 364, (25,)),
    ("2016-12-15", 91, (25,) * 8),
    ("2019-08-01", 42, (-25, -25, -25)),
    ("2020-03-05", 7, (-50, -50, -50)),
    ("2022-03-17", 42, (25,) + (50,) * 8 + (25,) * 4),
    ("2024-09-19", 49, (-50, -25)),
    ("2024-12-19", 49, (-25,)),
    ("2025-09-18", 42, (-25, -25, -25)),
    ("2026-03-19", 91, (-25, -25)),
)
"""First day of a new range, days between moves, moves in basis points."""

ECB_STEPS = (
    "1985-01-01:4.00 1989-10-06:5.00 1990-11-02:6.00 1992-07-17:6.75 1993-09-10:5.25 "
    "1994-06-10:4.00 1995-08-25:3.00 1996-04-19:2.00 "
    "1999-04-09:1.50 1999-11-05:2.00 2000-06-09:3.25 2001-09-18:2.75 2002-12-06:1.75 "
    "2003-06-06:1.00 2005-12-06:1.25 2006-08-09:2.00 2007-06-13:3.00 2008-11-12:2.25 "
    "2009-01-21:1.00 2009-05-13:0.25 2011-07-13:0.75 2011-12-14:0.25 2012-07-11:0.00 "
    "2014-09-10:-0.20 2016-03-16:-0.40 2019-09-18:-0.50 2022-07-27:0.00 2022-09-14:0.75 "
    "2022-11-02:1.50 2022-12-21:2.00 2023-03-22:3.00 2023-06-21:3.50 2023-09-20:4.00 "
    "2024-06-12:3.75 2024-10-23:3.25 2025-02-05:2.75 2025-06-11:2.00"
)

TEN_YEAR = (
    "1985.0:10.6 1987.0:7.4 1988.9:9.0 1990.7:8.7 1993.8:5.5 1994.9:7.7 1996.1:5.8 1998.8:4.7 "
    "2000.1:6.5 2003.4:3.6 2006.5:5.0 2008.95:2.4 2010.3:3.7 2012.6:1.7 2013.95:2.9 2016.5:1.6 "
    "2018.85:3.1 2020.3:0.8 2021.25:1.6 2022.8:4.0 2023.8:4.75 2024.7:3.8 2025.05:4.6 "
    "2025.4:4.4 2025.78:4.1 2026.0:4.1"
)
BREAKEVEN = (
    "1985.0:4.0 1990.0:3.8 1994.0:3.0 1998.9:1.3 2001.0:1.9 2005.0:2.5 2008.4:2.4 2008.95:0.4 "
    "2011.2:2.4 2016.1:1.4 2018.4:2.1 2020.22:0.7 2022.3:2.8 2024.0:2.25 2025.8:2.3 2026.0:2.3"
)
DOLLAR = (
    "1985.0:72 1988.0:66 1995.3:72 2002.1:112 2008.3:86 2009.2:103 2011.5:86 2016.95:112 "
    "2018.1:103 2020.22:120 2021.4:106 2022.78:127 2023.55:115 2025.05:128.5 2025.7:119.5 "
    "2026.0:120"
)

LARGE_CAP = (
    "1988-01-04:250 1990-07-16:366 1990-10-11:297 1994-02-02:480 1998-07-17:1180 "
    "1998-10-08:965 2000-03-23:1512 2002-10-09:791 2007-10-09:1548 2009-03-09:689 "
    "2011-05-02:1370 2011-10-03:1105 2015-07-20:2120 2016-02-11:1840 2018-09-20:2920 "
    "2018-12-24:2380 2019-01-09:2580 2020-02-19:3370 2020-03-23:2270 2020-04-08:2710 "
    "2021-11-08:4690 2022-10-12:3590 2023-07-31:4580 2023-10-27:4130 2023-11-10:4400 "
    "2025-02-19:6120 2025-04-08:5010 2025-04-24:5500 2025-09-02:6430 2025-09-18:6610 "
    "2025-10-01:6660 2025-10-08:6690 2025-10-09:6698 2025-10-10:6725 2025-12-31:6850"
)
SMALL_CAP = (
    "1988-01-04:121 1990-07-16:168 1990-10-11:124 1994-02-02:262 1998-07-17:455 1998-10-08:318 "
    "2000-03-09:598 2002-10-09:334 2007-07-13:848 2009-03-09:348 2011-05-02:858 2011-10-03:612 "
    "2015-06-23:1290 2016-02-11:962 2018-08-31:1732 2018-12-24:1275 2019-01-09:1432 "
    "2020-02-19:1688 2020-03-23:1005 2020-04-08:1205 2021-03-15:2335 2021-08-19:2150 "
    "2021-11-08:2436 2022-06-16:1660 2023-07-31:1985 2023-10-27:1645 2023-11-10:1762 "
    "2024-11-25:2405 2025-02-19:2265 2025-04-08:1770 2025-04-24:1985 2025-08-20:2290 "
    "2025-09-15:2398 2025-09-18:2449 2025-10-01:2462 2025-10-08:2475 2025-10-09:2481 "
    "2025-10-10:2512 2025-12-31:2540"
)
SMALL_CAP_PEAK = (date(2021, 11, 8), 2436.0, date(2025, 9, 16))
"""Day and level of the old record, and the first day on which it may fall."""

DAILY_VOL = (
    "1988.0:0.9 1990.7:1.4 1992.0:0.7 1996.0:0.7 1998.75:1.7 2000.3:1.4 2002.75:1.9 2004.5:0.7 "
    "2007.0:0.6 2008.6:1.6 2008.85:3.4 2009.3:2.0 2010.4:1.2 2011.75:2.0 2013.0:0.8 2015.7:1.1 "
    "2017.5:0.45 2018.98:1.6 2019.5:0.8 2020.12:0.9 2020.22:3.6 2020.5:1.4 2021.5:0.8 2022.5:1.5 "
    "2023.5:0.8 2024.6:0.8 2025.15:1.0 2025.27:2.4 2025.5:0.8 2026.0:0.8"
)


def stream(seed: int, name: str) -> np.random.Generator:
    """Return the generator of one named quantity: adding one never shifts another."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "big")))


def rounded(values: Floats, decimals: int) -> Floats:
    """Round to decimals: what is printed hides the last bits, in which machines may differ."""
    return np.asarray(np.round(values, decimals), dtype=np.float64)


def year_fraction(days: Days) -> Floats:
    """Return days as years with decimals (1990.5 is early July 1990)."""
    return 1970.0 + days.astype("datetime64[D]").astype(np.float64) / 365.2425


def turn(days: Days, points: str) -> Floats:
    """Interpolate `year:value` turning points at `days`."""
    pairs = [p.split(":") for p in points.split()]
    return np.interp(
        year_fraction(days), [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    )


def wobble(rng: np.random.Generator, size: int, *, memory: float, shock: float) -> Floats:
    """Return a mean-reverting walk: x_t = memory x_(t-1) + shock e_t, from 0."""
    out = np.empty(size)
    x = 0.0
    for i, e in enumerate(rng.standard_normal(size).tolist()):
        x = memory * x + shock * e
        out[i] = x
    return out


def _holidays(year: int) -> list[date]:
    """Federal holidays of a year, moved to Monday when on a Sunday."""

    def nth(month: int, weekday: int, n: int) -> date:
        first = date(year, month, 1)
        return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (n - 1))

    fixed = [date(year, 1, 1), date(year, 7, 4), date(year, 11, 11), date(year, 12, 25)]
    if year >= 2021:
        fixed.append(date(year, 6, 19))
    moved = [d + timedelta(days=1) if d.weekday() == 6 else d for d in fixed]
    last_may = date(year, 5, 31)
    return sorted([
        *moved, nth(1, 0, 3), nth(2, 0, 3), last_may - timedelta(days=last_may.weekday()),
        nth(9, 0, 1), nth(10, 0, 2), nth(11, 3, 4),
    ])  # fmt: skip


@cache
def bank_holidays() -> Days:
    """Return the days on which the Federal Reserve is closed, weekends aside."""
    years = range(SIMULATED_FROM.year, SIMULATED_TO.year + 2)
    return np.array([d for y in years for d in _holidays(y)], dtype="datetime64[D]")


@cache
def sessions() -> Days:
    """Return all XNYS sessions of the simulated indices, 1988 to `SIMULATED_TO`."""
    days = sessions_between(date(1988, 1, 4), SIMULATED_TO)
    return np.array(days, dtype="datetime64[D]")


def policy_upper(days: Days) -> Floats:
    """Return the upper bound of the federal funds target range, percent."""
    changed, levels, level = [np.datetime64("1900-01-01")], [POLICY_START], POLICY_START
    for first, gap, moves in POLICY_MOVES:
        for n, move in enumerate(moves):
            level = round(level + move / 100, 2)
            changed.append(np.datetime64(first) + np.timedelta64(gap * n))
            levels.append(level)
    at = np.searchsorted(np.array(changed, dtype="datetime64[D]"), days, side="right") - 1
    return np.array(levels)[at]


def ecb_deposit_rate(days: Days) -> Floats:
    """Return the simulated ECB deposit facility rate, percent."""
    pairs = [p.split(":") for p in ECB_STEPS.split()]
    changed = np.array([a for a, _ in pairs], dtype="datetime64[D]")
    at = np.maximum(np.searchsorted(changed, days, side="right") - 1, 0)
    return np.array([float(b) for _, b in pairs])[at]


@dataclass(frozen=True)
class Economy:
    """One simulated history. Properties are computed once, on first use."""

    seed: int = DEFAULT_SEED

    @cached_property
    def days(self) -> Days:
        """Every calendar day."""
        return np.arange(np.datetime64(SIMULATED_FROM), np.datetime64(SIMULATED_TO) + 1)

    @cached_property
    def weekdays(self) -> Days:
        """Every Monday to Friday, holidays included."""
        return self.days[np.is_busday(self.days)]

    @cached_property
    def is_open(self) -> NDArray[np.bool_]:
        """For each weekday: no bank holiday."""
        return np.is_busday(self.weekdays, holidays=bank_holidays())

    @cached_property
    def months(self) -> Days:
        """First day of every month."""
        return np.arange("1985-01", "2026-01", dtype="datetime64[M]").astype("datetime64[D]")

    @cached_property
    def recession(self) -> NDArray[np.bool_]:
        """For each month: in recession."""
        month = self.months.astype("datetime64[M]")
        out = np.zeros(len(month), dtype=bool)
        for first, last in RECESSIONS:
            out |= (month >= np.datetime64(first)) & (month <= np.datetime64(last))
        return out

    # -- equity indices -------------------------------------------------------------------
    @cached_property
    def indices(self) -> dict[str, Floats]:
        """Closes of the large- and the small-cap index per session, two decimals."""
        days = sessions()
        n = len(days)
        rng = stream(self.seed, "indices")
        vol = turn(days, DAILY_VOL) / 100
        common = np.clip(rng.standard_t(5, n) * np.sqrt(3 / 5), -3.2, 3.2)
        own = np.clip(rng.standard_t(5, n) * np.sqrt(3 / 5), -3.2, 3.2)
        large = np.exp(_bridge(days, LARGE_CAP, vol * common))
        small = _bridge(days, SMALL_CAP, vol * (1.0 * common + 0.55 * own))
        return {
            "large": rounded(large, 2),
            "small": rounded(np.exp(_below_old_record(days, small)), 2),
        }

    @cached_property
    def vix(self) -> Floats:
        """The volatility index per session: what the last weeks were like, and some fear."""
        returns = np.diff(np.log(self.indices["large"]), prepend=np.log(self.indices["large"][0]))
        variance, out = 0.01**2, np.empty(len(returns))
        for i, r in enumerate(returns.tolist()):
            variance = 0.93 * variance + 0.07 * r * r
            out[i] = variance
        fear = wobble(stream(self.seed, "vix"), len(out), memory=0.97, shock=0.02)
        return rounded(np.clip(1592 * np.sqrt(out) * np.exp(fear) + 2.5, 9.2, 84.0), 2)

    def on(self, days: Days, values: Floats) -> Floats:
        """Return a per-session quantity on other days: the newest at or before each."""
        return values[np.maximum(np.searchsorted(sessions(), days, side="right") - 1, 0)]

    def stress(self, days: Days) -> Floats:
        """Return smoothed market stress: 0 in ordinary times, about 4 in a panic."""
        slow = np.convolve(self.vix, np.ones(21) / 21)[: len(self.vix)]
        slow[:21] = self.vix[:21].mean()
        return (self.on(days, slow) - 17.0) / 9.0

    # -- rates on weekdays ----------------------------------------------------------------
    @cached_property
    def rates(self) -> dict[str, Floats]:
        """Yields of the weekdays in percent, two decimals: 3 months, 2, 10, 10 real, 5y5y."""
        days, n = self.weekdays, len(self.weekdays)
        ahead = np.arange(days[0], days[-1] + np.timedelta64(900), dtype="datetime64[D]")
        total = np.concatenate([[0.0], np.cumsum(policy_upper(ahead) - 0.125)])
        at = (days - days[0]).astype(int)

        def expected(span: int) -> Floats:
            return np.asarray((total[at + span] - total[at]) / span)

        def noise(name: str, memory: float, shock: float) -> Floats:
            return wobble(stream(self.seed, name), n, memory=memory, shock=shock)

        shared = noise("yields", 0.985, 0.045)
        ten = turn(days, TEN_YEAR) + shared + noise("ten", 0.97, 0.02)
        two = 0.75 * expected(500) + 0.25 * (ten - 0.2) + 0.7 * shared + noise("two", 0.97, 0.02)
        bill = expected(60) + noise("bill", 0.95, 0.02)
        breakeven = turn(days, BREAKEVEN) - 0.04 * self.stress(days) + 0.3 * shared
        forward = 0.8 * breakeven + 0.5 + noise("forward", 0.96, 0.01)
        ten, two, bill = (rounded(np.maximum(x, low), 2) for x, low in
                          ((ten, 0.45), (two, 0.10), (bill, 0.01)))  # fmt: skip
        even = rounded(breakeven + noise("breakeven", 0.96, 0.01), 2)
        return {
            "bill": bill,
            "two": two,
            "ten": ten,
            "real": rounded(ten - even, 2),
            "breakeven": even,
            "forward": rounded(forward, 2),
        }


def _bridge(days: Days, points: str, shocks: Floats) -> Floats:
    """Return log levels through the turning points, with the shocks between them."""
    pairs = [p.split(":") for p in points.split()]
    at = np.searchsorted(days, np.array([a for a, _ in pairs], dtype="datetime64[D]"))
    walk = np.cumsum(shocks)
    steps = np.arange(len(days))
    noise = walk - np.interp(steps, at, walk[at])
    logs: Sequence[float] = [float(np.log(float(b))) for _, b in pairs]
    return np.interp(steps, at, logs) + noise


def _below_old_record(days: Days, log_level: Floats) -> Floats:
    """Squeeze what would pass the old record before its time to just below it."""
    peak_on, peak, free_from = SMALL_CAP_PEAK
    low = np.log(peak) - 0.03
    squeezed = low + 0.028 * (1 - np.exp(-(log_level - low) / 0.03))
    held = (days != np.datetime64(peak_on)) & (days < np.datetime64(free_from))
    return np.where(held & (log_level > low), squeezed, log_level)
