"""What a signal was worth so far: its scores beside the returns that followed.

Everything is computed from pairs (score, return after it) that were known at the time; no choice of
a threshold looks ahead.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from typing import Any

import numpy as np
import pandas as pd

FEWEST_SCORES = 252
"""A score has a quintile once it can be compared with a year of scores, its own included."""
QUINTILES = 5

COLUMNS: dict[str, str] = {
    "signal_id": "str",
    "horizon_sessions": "int64",
    "n": "int64",
    "n_without_overlap": "int64",
    "first_on": "datetime64[us]",
    "last_on": "datetime64[us]",
    "rank_correlation": "float64",
    "hit_rate_pct": "float64",
    "small_beats_large_pct": "float64",
    "mean_relative_return_pct": "float64",
    "slope_pct_per_z": "float64",
    "newey_west_t": "float64",
    **{f"mean_return_quintile_{q}_pct": "float64" for q in range(1, QUINTILES + 1)},
    "n_in_quintiles": "int64",
}
"""Columns of the estimates and their types."""


def estimate_evidence(pairs: pd.DataFrame) -> pd.DataFrame:
    """Estimate what each signal told about each horizon.

    `pairs` holds signal_id, horizon_sessions, traded_on, session_no, score_z and
    relative_return_pct (percent; null while the horizon is not over), one row per signal, horizon
    and session with a score. The result has one row per signal and horizon with at least one return
    and the columns of COLUMNS.
    """
    rows = [
        _estimate(group, horizon=int(group["horizon_sessions"].iloc[0]))
        for _, group in pairs.sort_values("session_no").groupby(
            ["signal_id", "horizon_sessions"], sort=True
        )
        if group["relative_return_pct"].notna().any()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _estimate(group: pd.DataFrame, *, horizon: int) -> dict[str, Any]:
    group = group.assign(quintile=expanding_quintiles(group["score_z"].to_numpy()))
    ended = group[group["relative_return_pct"].notna()]
    scores = ended["score_z"].to_numpy(dtype=float)
    returns = ended["relative_return_pct"].to_numpy(dtype=float)
    sided = scores != 0
    means = ended.groupby("quintile")["relative_return_pct"].mean()
    slope, t = newey_west_slope(scores, returns, lags=horizon - 1)
    return {
        "signal_id": group["signal_id"].iloc[0],
        "horizon_sessions": horizon,
        "n": len(ended),
        "n_without_overlap": count_without_overlap(ended["session_no"].to_numpy(), horizon),
        "first_on": ended["traded_on"].min(),
        "last_on": ended["traded_on"].max(),
        "rank_correlation": rank_correlation(scores, returns),
        "hit_rate_pct": 100 * float((scores[sided] * returns[sided] > 0).mean())
        if sided.any()
        else math.nan,
        "small_beats_large_pct": 100 * float((returns > 0).mean()),
        "mean_relative_return_pct": float(returns.mean()),
        "slope_pct_per_z": slope,
        "newey_west_t": t,
        **{
            f"mean_return_quintile_{q}_pct": means.get(float(q), math.nan)
            for q in range(1, QUINTILES + 1)
        },
        "n_in_quintiles": int(ended["quintile"].notna().sum()),
    }


def expanding_quintiles(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the quintile (1 to 5) of each score among the scores up to it, in order of time.

    ceil(5 x share of the scores so far, its own included, that are <= it); NaN until there are
    FEWEST_SCORES of them. A later score moves no earlier quintile.
    """
    out = np.full(len(scores), np.nan)
    so_far: list[float] = []
    for place, score in enumerate(scores):
        insort(so_far, float(score))
        if len(so_far) >= FEWEST_SCORES:
            # Whole numbers: 0.2 x 5 must not come out above 1.
            out[place] = -(-QUINTILES * bisect_right(so_far, float(score)) // len(so_far))
    return out


def count_without_overlap(session_numbers: np.ndarray[Any, Any], horizon: int) -> int:
    """Count the sessions, from the first on, that lie at least a horizon apart."""
    count, free_from = 0, -math.inf
    for number in session_numbers:
        if number >= free_from:
            count, free_from = count + 1, number + horizon
    return count


def rank_correlation(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> float:
    """Return Spearman's rank correlation; NaN where either side does not vary."""
    from scipy.stats import spearmanr

    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(spearmanr(x, y).statistic)


def newey_west_slope(
    x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], *, lags: int
) -> tuple[float, float]:
    """Return the slope of y on x (with a constant) and its t by Newey and West (1987).

    Bartlett weights, no small-sample factor. NaN with no more observations than lags + 1, which
    then say nothing about their own dependence, or where x does not vary.
    """
    from statsmodels.regression.linear_model import OLS

    if len(x) <= lags + 1 or np.ptp(x) == 0:
        return math.nan, math.nan
    design = np.column_stack([np.ones(len(x)), x])
    fit = OLS(y, design).fit(cov_type="HAC", cov_kwds={"maxlags": lags, "use_correction": False})
    # A perfect fit has no error, and so no t.
    t = float(fit.tvalues[1]) if fit.bse[1] > 0 else math.nan
    return float(fit.params[1]), t
