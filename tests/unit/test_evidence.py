"""What a signal was worth: small cases by hand, and properties that hold for all of them."""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.statistics.evidence import (
    COLUMNS,
    FEWEST_SCORES,
    count_without_overlap,
    estimate_evidence,
    expanding_quintiles,
    newey_west_slope,
    rank_correlation,
)

SEEDS = st.integers(0, 2**32 - 1)


def draw_scores(seed: int) -> np.ndarray[Any, Any]:
    """Return scores like those of a signal: wandering, clipped, with ties."""
    random = np.random.default_rng(seed)
    walk = np.cumsum(random.normal(0, 0.3, FEWEST_SCORES + int(random.integers(1, 60))))
    return np.clip(walk, -3, 3).round(int(random.integers(0, 3)))


def pairs(scores: list[float], returns: list[float | None], **given: Any) -> pd.DataFrame:
    """Return pairs of one signal on consecutive sessions."""
    numbers = range(1, len(scores) + 1)
    return pd.DataFrame(
        {
            "signal_id": "credit",
            "horizon_sessions": 21,
            "traded_on": pd.to_datetime([date(2020, 1, 1) + timedelta(n) for n in numbers]),
            "session_no": numbers,
            "score_z": scores,
            "relative_return_pct": returns,
        }
        | given
    )


def test_a_quintile_compares_with_the_scores_so_far() -> None:
    """255 rising scores: each is the highest so far; then the lowest, the 52nd and the 103rd."""
    rising = [float(n) for n in range(FEWEST_SCORES + 3)]
    found = expanding_quintiles(np.array([*rising, -1.0, 50.5, 101.5]))
    assert np.isnan(found[: FEWEST_SCORES - 1]).all()
    assert found[FEWEST_SCORES - 1 :].tolist() == [5.0] * 4 + [1.0, 2.0, 3.0]


def test_a_score_that_never_changes_is_in_the_highest_quintile() -> None:
    """It is <= every score so far, its own included: the share is 1."""
    assert set(expanding_quintiles(np.zeros(300))[FEWEST_SCORES - 1 :]) == {5.0}


@given(SEEDS, SEEDS)
@settings(deadline=None, max_examples=30)
def test_no_later_score_moves_a_quintile(seed: int, later: int) -> None:
    scores = draw_scores(seed)
    followed = expanding_quintiles(np.concatenate([scores, draw_scores(later)]))
    np.testing.assert_array_equal(followed[: len(scores)], expanding_quintiles(scores))


@given(SEEDS)
@settings(deadline=None, max_examples=30)
def test_a_quintile_is_that_of_the_share_of_scores_so_far(seed: int) -> None:
    scores = draw_scores(seed)
    for place, quintile in enumerate(expanding_quintiles(scores)):
        if place >= FEWEST_SCORES - 1:
            at_most = int((scores[: place + 1] <= scores[place]).sum())
            assert (quintile - 1) * (place + 1) < 5 * at_most <= quintile * (place + 1)


@given(SEEDS, st.floats(0.1, 10), st.floats(-5, 5))
@settings(deadline=None, max_examples=20)
def test_t_does_not_depend_on_the_scale_of_returns(seed: int, scale: float, shift: float) -> None:
    scores = np.random.default_rng(seed).normal(size=80)
    returns = np.random.default_rng(seed + 1).normal(size=80)
    slope, t = newey_west_slope(scores, returns, lags=5)
    other_slope, other_t = newey_west_slope(scores, scale * returns + shift, lags=5)
    assert other_slope == pytest.approx(scale * slope, rel=1e-9, abs=1e-12)
    assert other_t == pytest.approx(t, rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(
    ("numbers", "horizon", "count"),
    [([], 3, 0), ([1, 2, 3, 4, 5, 6, 7], 3, 3), ([1, 5, 6, 8], 3, 3), ([1, 2, 3], 21, 1)],
)
def test_sessions_without_overlap(numbers: list[int], horizon: int, count: int) -> None:
    """1, 4, 7; 1, 5, 8; 1."""
    assert count_without_overlap(np.array(numbers), horizon) == count


def test_a_t_without_lags_is_that_of_white() -> None:
    """x = -1, 0, 1; y = 1, 0, 2: slope 1/2, residuals 1/2, -1, 1/2; variance (1/4 + 1/4) / 4."""
    slope, t = newey_west_slope(np.array([-1.0, 0, 1]), np.array([1.0, 0, 2]), lags=0)
    assert slope == pytest.approx(0.5, abs=1e-12)
    assert t == pytest.approx(0.5 / math.sqrt(0.125), abs=1e-12)


def test_too_little_gives_no_number() -> None:
    flat, rising = np.zeros(30), np.arange(30.0)
    assert math.isnan(rank_correlation(flat, rising))
    assert math.isnan(rank_correlation(rising[:2], rising[:2]))
    assert all(math.isnan(v) for v in newey_west_slope(rising, rising**2, lags=29))
    assert all(math.isnan(v) for v in newey_west_slope(flat, rising, lags=2))


def test_figures_of_a_small_history() -> None:
    """Four ended horizons: hits 1, 2 and 4 of three with a sign; small wins 2 of 4; mean 0.25."""
    frame = pairs([1.0, -2.0, 0.0, 2.0, 1.0], [2.0, -3.0, -1.0, 3.0, None])
    [row] = estimate_evidence(frame).to_dict("records")
    assert (row["n"], row["n_without_overlap"], row["n_in_quintiles"]) == (4, 1, 0)
    assert row["hit_rate_pct"] == 100.0
    assert row["small_beats_large_pct"] == 50.0
    assert row["mean_relative_return_pct"] == 0.25
    # Ranks of the scores 3, 1, 2, 4 and of the returns 3, 1, 2, 4.
    assert row["rank_correlation"] == pytest.approx(1.0)
    assert math.isnan(row["newey_west_t"])
    assert row["last_on"] == pd.Timestamp(2020, 1, 5)


def test_without_a_return_there_is_no_row() -> None:
    found = estimate_evidence(
        pairs([1.0, 2.0], [None, None]).astype({"relative_return_pct": float})
    )
    assert found.empty
    assert list(found.columns) == list(COLUMNS)
    assert estimate_evidence(found.reindex(columns=pairs([1.0], [1.0]).columns)).empty
