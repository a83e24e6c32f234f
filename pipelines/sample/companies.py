"""The simulated companies of both universes: prices, memberships, splits, dividends, ends.

Every return is the index's return plus sector, beta and chance; what is left over is taken out
weighted by capitalisation, so that the index *is* the weighted return of its members. All invented.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipelines.sample.economy import Days, Floats, stream
from pipelines.sample.market import Market
from pipelines.sample.names import Company, UniverseId, invent_companies

FIRST_SESSION = date(2015, 10, 1)
MEMBERS = 272
NEWCOMERS = 6
"""Companies that join at each reconstitution."""
TAKEOVERS = 22
RECENT_SPLIT = date(2025, 10, 8)
"""In each universe one company splits two sessions before the sample world's today."""

Bools = NDArray[np.bool_]


class Split(NamedTuple):
    """`new` shares for `old` ones, from session `at` on."""

    at: int
    new: int
    old: int


class Dividend(NamedTuple):
    """Cash per share as traded, ex on session `at`."""

    at: int
    amount: float


@dataclass(frozen=True)
class Universe:
    """One universe: arrays are sessions (from `FIRST_SESSION`) x companies.

    `raw` holds closes as traded, in dollars and cents, NaN where not listed; `shares` the shares
    outstanding as of each session; `member` who was in the index; `held` which session has a bar.
    """

    universe_id: UniverseId
    days: Days
    offset: int
    companies: tuple[Company, ...]
    raw: Floats
    shares: Floats
    member: Bools
    splits: tuple[tuple[Split, ...], ...]
    dividends: tuple[tuple[Dividend, ...], ...]
    delisted_at: NDArray[np.int64]
    illiquid: Bools

    def cap(self, row: int) -> Floats:
        """Return the capitalisation of the members of one session; 0 for the others."""
        return np.where(self.member[row], np.nan_to_num(self.raw[row] * self.shares[row]), 0.0)


def _reconstitutions(days: Days, universe_id: UniverseId) -> list[int]:
    """First sessions under new membership: after the last Friday of June (large: mid-December)."""
    found = []
    for year in range(2016, 2026):
        month = "06" if universe_id == "russell_2000" else "12"
        if month == "12" and year == 2025:
            continue
        first = np.datetime64(f"{year}-{month}")
        end = (first + 1).astype("datetime64[D]") - (1 if month == "06" else 10)
        friday = end - ((end.astype(np.int64) + 3) % 7 - 4) % 7
        found.append(int(np.searchsorted(days, friday, side="right")))
    return found


def simulate_universe(market: Market, universe_id: UniverseId) -> Universe:
    """Simulate one universe from `FIRST_SESSION` to the end of the simulation."""
    offset = market.place(FIRST_SESSION) - 1
    days = market.days[offset:]
    small = universe_id == "russell_2000"
    changes = _reconstitutions(days, universe_id)
    count = MEMBERS + NEWCOMERS * len(changes)
    seed = market.economy.seed
    companies = invent_companies(universe_id, count, seed=seed)
    rng = stream(seed, f"prices/{universe_id}")
    caps, member, listed, delisted_at = _run(market, offset, universe_id, companies, changes, rng)
    price = (19 if small else 62) * np.exp((0.8 if small else 0.5) * rng.standard_normal(count))
    base_shares = np.round(caps[0] / price, -3)
    path = caps / base_shares
    spelled = [c.ticker for c in companies].index("MOGA" if small else "BRKB")
    splits = tuple(
        _splits(path[:, i], listed[:, i], days, force=i == _splitter(member, days, spelled))
        for i in range(count)
    )
    ratio = np.ones_like(path)
    for i, events in enumerate(splits):
        for split in events:
            ratio[split.at :, i] *= split.new / split.old
    raw = np.where(listed, np.maximum(np.round(path / ratio, 2), 0.01), np.nan)
    dividends = tuple(_dividends(raw[:, i], splits[i], rng, small=small) for i in range(count))
    return Universe(
        universe_id=universe_id,
        days=days,
        offset=offset,
        companies=tuple(companies),
        raw=raw,
        shares=np.round(base_shares * ratio),
        member=member,
        splits=splits,
        dividends=dividends,
        delisted_at=delisted_at,
        illiquid=(rng.random(count) < 0.08) if small else np.zeros(count, dtype=bool),
    )


def _run(
    market: Market,
    offset: int,
    universe_id: UniverseId,
    companies: list[Company],
    changes: list[int],
    rng: np.random.Generator,
) -> tuple[Floats, Bools, Bools, NDArray[np.int64]]:
    """Walk through the sessions; return capitalisations, members, listings and last sessions."""
    small = universe_id == "russell_2000"
    index = market.index_returns["small" if small else "large"][offset:]
    sector = market.sector_returns[offset:]
    vol = np.sqrt(market.volatility[offset:])
    t_max, n = len(index), len(companies)
    sectors = np.array([c.sector for c in companies])
    beta = 1 + 0.22 * rng.standard_normal(n)
    own = (0.021 if small else 0.0125) * np.exp(0.3 * rng.standard_normal(n))
    chance = np.clip(rng.standard_t(4, (t_max, n)) / np.sqrt(2), -7, 7) * own
    start = (1.1e9 if small else 2.6e10) * np.exp((0.8 if small else 1.05) * rng.standard_normal(n))
    caps = np.empty((t_max, n))
    caps[0] = start
    member = np.zeros((t_max, n), dtype=bool)
    inside = np.arange(n) < MEMBERS
    listed_from = np.zeros(n, dtype=np.int64)
    ends = np.full(n, t_max + 10_000, dtype=np.int64)
    for number, change in enumerate(changes):
        for i in range(MEMBERS + number * NEWCOMERS, MEMBERS + (number + 1) * NEWCOMERS):
            if rng.random() < 0.5:  # a new issue, traded some months before it joins
                listed_from[i] = max(0, change - int(rng.integers(40, 250)))
    bids: dict[int, tuple[int, float]] = {}
    for i in rng.choice(np.arange(3, MEMBERS), TAKEOVERS, replace=False).tolist():
        told = int(rng.integers(120, t_max - 150))
        bids[i] = (told, float(rng.uniform(0.15, 0.35)))
        ends[i] = told + int(rng.integers(50, 110))
    waiting = dict(enumerate(changes))
    for t in range(t_max):
        for number, change in list(waiting.items()):
            if t == change:
                first = MEMBERS + number * NEWCOMERS
                inside[first : first + NEWCOMERS] = True
                leaving = int(inside.sum()) - MEMBERS
                order = np.argsort(np.where(inside, caps[t - 1], np.inf), kind="stable")
                for i in order[: max(leaving, 0)].tolist():
                    if i < 3:
                        continue
                    inside[i] = False
                    if i % 3 == 0 and i not in bids:  # some fail or go private later
                        ends[i] = t + 60 + 17 * (i % 20)
                del waiting[number]
        inside &= t <= ends
        member[t] = inside
        if t == 0:
            continue
        weight = np.where(inside, caps[t - 1], 0.0)
        weight /= weight.sum()
        logs = np.log(caps[t - 1])
        pull = 0.0005 * (logs - float(weight @ logs) + (1.1 if small else 1.6))
        rest = (beta - 1) * index[t] + sector[t, sectors] + vol[t] * chance[t] - pull
        rest = np.clip(rest, -0.42, 0.5)
        for i, (told, premium) in bids.items():
            if t == told:
                rest[i] = premium - index[t]
            elif t > told:
                rest[i] = 0.02 * rest[i] - index[t] + 0.0001
        caps[t] = caps[t - 1] * np.maximum(1 + index[t] + rest - float(weight @ rest), 0.4)
    at = np.arange(t_max)[:, None]
    return caps, member, (at >= listed_from) & (at <= ends), ends


def _splitter(member: Bools, days: Days, skip: int) -> int:
    """Return the company that splits at `RECENT_SPLIT`: an old member that is still one."""
    row = int(np.searchsorted(days, np.datetime64(RECENT_SPLIT)))
    still = np.flatnonzero(member[row] & member[0])
    return int(still[still > skip + 10][0])


def _splits(path: Floats, listed: Bools, days: Days, *, force: bool) -> tuple[Split, ...]:
    found: list[Split] = []
    ratio = 1.0
    for t in range(40, len(path) - 130, 63):
        if not listed[t] or force:
            continue
        price = path[t] / ratio
        if price > 420:
            new = 4 if price < 700 else 10
            found.append(Split(t, new, 1))
            ratio *= new
        elif price < 2.2:
            found.append(Split(t, 1, 10))
            ratio /= 10
    if force:
        found.append(Split(int(np.searchsorted(days, np.datetime64(RECENT_SPLIT))), 3, 1))
    return tuple(found)


def _dividends(
    raw: Floats, splits: tuple[Split, ...], rng: np.random.Generator, *, small: bool
) -> tuple[Dividend, ...]:
    pays = rng.random() < (0.35 if small else 0.65)
    rate, first = rng.uniform(0.006, 0.036), int(rng.integers(5, 60))
    if not pays:
        return ()
    busy = {s.at + k for s in splits for k in (-1, 0, 1)}
    found = []
    for t in range(first, len(raw), 63):
        price = raw[t - 1] if t else np.nan
        amount = round(float(price) * rate / 4, 2) if price == price else 0.0
        if t not in busy and amount >= 0.01 and raw[t] == raw[t]:
            found.append(Dividend(t, amount))
    return tuple(found)
