"""Invented companies: tickers and names that belong to nobody.

A few lines carry real *spellings* (BRKB, MOGA, FB), so that class shares and a rename are played
through; the companies behind them are as invented as the others and say so in their names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipelines.sample.economy import stream

UniverseId = Literal["russell_2000", "sp_500"]

SECTORS = (
    "Communication",
    "Consumer Discretionary",
    "Consumer Staples",
    "Energy",
    "Financials",
    "Health Care",
    "Industrials",
    "Information Technology",
    "Materials",
    "Real Estate",
    "Utilities",
)
"""As the issuers' files name them."""

_SHARES = {
    "russell_2000": (0.03, 0.10, 0.035, 0.05, 0.17, 0.17, 0.17, 0.14, 0.045, 0.06, 0.03),
    "sp_500": (0.05, 0.11, 0.07, 0.045, 0.14, 0.125, 0.15, 0.15, 0.05, 0.06, 0.05),
}
_NOUNS = (
    ("MEDIA", "TELECOM"),
    ("STORES", "LEISURE"),
    ("FOODS", "BRANDS"),
    ("ENERGY", "DRILLING"),
    ("BANCORP", "FINANCIAL"),
    ("THERAPEUTICS", "HEALTH"),
    ("INDUSTRIES", "MACHINERY"),
    ("SYSTEMS", "SOFTWARE"),
    ("CHEMICALS", "METALS & MINING"),
    ("PROPERTIES REIT", "REALTY TRUST"),
    ("POWER & LIGHT", "WATER"),
)
_ENDINGS = ("NDA", "RIS", "LEX", "MONT", "VIAN", "TEK", "RON", "LLO")

# Tickers of this pattern that somebody has or had.
_TAKEN = frozenset(
    ("QETA", "QOMO", "QUBA", "QURE", "XELA", "XENE", "XERI", "XERO", "XITO", "XOMA", "ZENA",
     "ZETA", "ZEUS", "ZIVO", "ZONE", "ZURA")
)  # fmt: skip
_SPELLED = {
    "sp_500": (
        ("BRKB", "BRK-B", 4, "SIMULATED HOLDINGS CLASS B"),
        ("FB", "META", 0, "SIMULATED SOCIAL CLASS A"),
    ),
    "russell_2000": (("MOGA", "MOG-A", 6, "SIMULATED CONTROLS CLASS A"),),
}


@dataclass(frozen=True, slots=True)
class Company:
    """One invented company: ticker of the issuers' files, price symbol, name, sector number."""

    ticker: str
    symbol: str
    name: str
    sector: int


def invent_companies(universe_id: UniverseId, count: int, *, seed: int) -> list[Company]:
    """Return `count` companies of one universe; no ticker is in both universes."""
    rng = stream(seed, f"companies/{universe_id}")
    pool = [
        a + b + c + d
        for a in "QXZ"
        for b in "AEIOU"
        for c in "BDFGKLMNPRSTVXZ"
        for d in "AEIOU"
        if a + b + c + d not in _TAKEN
    ]
    shuffled = [pool[i] for i in stream(seed, "tickers").permutation(len(pool)).tolist()]
    half = len(shuffled) // 2
    tickers = shuffled[:half] if universe_id == "sp_500" else shuffled[half:]
    shares = np.array(_SHARES[universe_id])
    sectors = rng.choice(len(SECTORS), size=count, p=shares / shares.sum()).tolist()
    found = [
        Company(ticker, ticker, f"{ticker}{_ENDINGS[n % 8]} {_NOUNS[sector][n % 2]} INC", sector)
        for n, (ticker, sector) in enumerate(zip(tickers, sectors, strict=False))
    ]
    for place, (ticker, symbol, sector, name) in enumerate(_SPELLED[universe_id]):
        found[place] = Company(ticker, symbol, name, sector)
    return found
