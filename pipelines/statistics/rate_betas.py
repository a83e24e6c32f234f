"""Regressions of sector funds on yields, breakeven inflation and the dollar.

Ordinary least squares with Newey-West standard errors over the last 104 weeks. Which dates the
weeks have and what was known of them is decided before, in SQL.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

WINDOW_WEEKS = 104
NEWEY_WEST_LAGS = 4
FACTORS = ("yield_10y", "breakeven_10y", "dollar")
LEGS = ("fund", "market", *FACTORS)
UNITS = {"yield_10y": "pct_per_pt", "breakeven_10y": "pct_per_pt", "dollar": "pct_per_pct"}
"""Unit of each beta, as its column ends."""
BETAS = tuple(f"beta_{factor}_{UNITS[factor]}" for factor in FACTORS)
T_VALUES = tuple(f"t_{factor}" for factor in FACTORS)
ESTIMATES = (*BETAS, *T_VALUES, "r_squared_ratio")

EPSILON = float(np.finfo(np.float64).eps)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """`betas` and `t_values` in the order of FACTORS, without the constant."""

    betas: Floats
    t_values: Floats
    r_squared: float


def fit_window(
    returns: Floats, changes: Floats, covariance_of_scores: Callable[..., Floats]
) -> Fit | None:
    """Return the regression of `returns` (n) on a constant and `changes` (n, 3).

    The estimates are those of statsmodels' `OLS(...).fit(cov_type="HAC", cov_kwds={"maxlags": 4,
    "use_correction": False})` without its result object, which costs four times as much;
    `covariance_of_scores` is statsmodels' `S_hac_simple` (Bartlett weights; Newey and West, 1987).
    None where the columns are not independent, or the returns do not vary.
    """
    x = np.column_stack([np.ones(len(returns)), changes])
    left, singular, right = np.linalg.svd(x, full_matrices=False)
    if singular[-1] <= singular[0] * len(x) * EPSILON or np.ptp(returns) == 0:
        return None
    inverse = (right.T / singular) @ left.T
    estimates = inverse @ returns
    residuals = returns - x @ estimates
    bread = inverse @ inverse.T
    meat = covariance_of_scores(x * residuals[:, None], nlags=NEWEY_WEST_LAGS)
    variances = np.diag(bread @ meat @ bread)
    centred = returns - returns.mean()
    return Fit(
        betas=estimates[1:],
        t_values=estimates[1:] / np.sqrt(variances[1:]),
        r_squared=float(1 - residuals @ residuals / (centred @ centred)),
    )


def fit_rate_betas(levels: pd.DataFrame) -> pd.DataFrame:
    """Return one fit per fund and day on which a further week became known.

    `levels`: fund_id, week_on (Monday), dated_on, leg (one of LEGS), known_on, value and
    known_on_basis; one row per value and day from which it counts, the five legs of a week first on
    the same day.
    A fit uses each level as it was known that day. Prices are total-return prices, yields and
    breakeven are in percent, the dollar is an index.

    Result: fund_id, known_on, week_on, known_on_basis (the weakest of the newest week's factors),
    weeks (how many of the window's returns exist), window_from_on and window_to_on (first and last
    date of a level), betas in percent per unit, Newey-West t, R². Estimates are null unless all 104
    weeks are there.
    """
    rows = [
        row
        for fund_id, own in levels.groupby("fund_id", sort=True)
        for row in _fits_of_fund(str(fund_id), own)
    ]
    columns = ["fund_id", "known_on", "week_on", "known_on_basis", "weeks"]
    columns += ["window_from_on", "window_to_on", *ESTIMATES]
    frame = pd.DataFrame(rows, columns=columns)
    dates = ["known_on", "week_on", "window_from_on", "window_to_on"]
    return frame.astype(
        dict.fromkeys(dates, "datetime64[us]")
        | dict.fromkeys(ESTIMATES, "float64")
        | {"fund_id": "str", "known_on_basis": "str", "weeks": "int32"}
    )


def _fits_of_fund(fund_id: str, levels: pd.DataFrame) -> Iterator[Mapping[str, Any]]:
    from statsmodels.stats.sandwich_covariance import S_hac_simple

    levels = levels.sort_values(["known_on", "week_on"], kind="stable")
    monday = pd.to_datetime(levels["week_on"]).to_numpy("datetime64[D]")
    week = (monday - monday.min()).astype(np.int64) // 7
    leg = levels["leg"].map(LEGS.index).to_numpy()
    value = levels["value"].to_numpy(np.float64)
    basis = levels["known_on_basis"].to_numpy()
    known = pd.to_datetime(levels["known_on"]).to_numpy("datetime64[D]")
    dated = np.full(week.max() + 1, np.datetime64("NaT"), "datetime64[D]")
    dated[week] = pd.to_datetime(levels["dated_on"]).to_numpy("datetime64[D]")

    held = np.full((week.max() + 1, len(LEGS)), np.nan)
    newest = -1
    starts = np.flatnonzero(np.r_[True, known[1:] != known[:-1]])
    for start, stop in zip(starts, [*starts[1:], len(known)], strict=True):
        today = slice(start, stop)
        held[week[today], leg[today]] = value[today]
        if week[today].max() <= newest:
            continue  # an old level was revised: the next week's fit uses it
        newest = int(week[today].max())
        in_window = slice(max(newest - WINDOW_WEEKS, 0), newest + 1)
        relative, changes = _changes(held[in_window])
        weeks = int(np.count_nonzero(~np.isnan(relative)))
        fit = fit_window(relative, changes, S_hac_simple) if weeks == WINDOW_WEEKS else None
        estimates = [np.nan] * len(ESTIMATES)
        if fit is not None:
            estimates = [*fit.betas, *fit.t_values, fit.r_squared]
        of_factors = (week[today] == newest) & (leg[today] >= LEGS.index(FACTORS[0]))
        dates = dated[in_window]
        yield {
            "fund_id": fund_id,
            "known_on": known[start],
            "week_on": monday.min() + 7 * newest,
            "known_on_basis": min(basis[today][of_factors]),
            "weeks": weeks,
            "window_from_on": dates[~np.isnat(dates)][0],
            "window_to_on": dated[newest],
        } | dict(zip(ESTIMATES, estimates, strict=True))


def _changes(levels: Floats) -> tuple[Floats, Floats]:
    """Return the fund's weekly return minus the market's in percent, and the factors' changes.

    `levels` holds one row a week in the order of LEGS; a change needs two weeks in a row.
    """
    before, after = levels[:-1], levels[1:]
    returns = 100 * (after / before - 1)
    changes = np.column_stack([after[:, 2:4] - before[:, 2:4], returns[:, 4]])
    return returns[:, 0] - returns[:, 1], changes
