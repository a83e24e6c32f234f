"""Bootstrap intervals of means after events, and counting events that do not overlap."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.statistics.event_means import (
    DRAWS,
    MEASURES,
    bootstrap_event_means,
    count_without_overlap,
    seed_of,
)

KEYS = ["event_kind", "universe_id", "horizon_sessions"]


def make_events(n: int, kind: str = "election", horizon: int = 21, seed: int = 1) -> pd.DataFrame:
    """Return events of one kind every ten sessions; the last one's horizon is not over."""
    random = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "event_kind": kind,
            "universe_id": "all",
            "session_no": 100 + 10 * np.arange(n),
            "horizon_sessions": horizon,
        }
    )
    for kind_of_return in ("return_pct", "total_return_pct"):
        small, large = random.normal(2, 5, n), random.normal(1, 4, n)
        frame[f"small_{kind_of_return}"] = small
        frame[f"large_{kind_of_return}"] = large
        frame[f"relative_{kind_of_return}"] = small - large
    frame.loc[n - 1, list(MEASURES.values())] = np.nan
    frame.loc[0, [c for c in MEASURES.values() if "total" in c]] = np.nan
    return frame


def test_an_interval_is_the_percentiles_of_resampled_means() -> None:
    events = make_events(13)
    found = bootstrap_event_means(events).set_index("measure")
    for names, first in ((list(MEASURES)[:3], 0), (list(MEASURES)[3:], 1)):
        over = events.iloc[first:12]
        # The same stream, drawn in one go: each row of it is a sample of the events.
        drawn = np.random.default_rng(seed_of("election", "all", 21)).integers(
            0, len(over), size=(DRAWS, len(over))
        )
        for name in names:
            means = over[MEASURES[name]].to_numpy()[drawn].mean(axis=1)
            low, high = np.percentile(means, [2.5, 97.5])
            assert found.loc[name, "mean_low_pct"] == pytest.approx(low, abs=1e-9)
            assert found.loc[name, "mean_high_pct"] == pytest.approx(high, abs=1e-9)
    # every ten sessions: each third is a horizon of 21 apart; from 0 and from 10
    assert found["n_without_overlap"].tolist() == [4, 4, 4, 4, 4, 4]


def test_the_same_events_give_the_same_interval_in_any_order_and_company() -> None:
    alone = bootstrap_event_means(make_events(9))
    company = pd.concat([make_events(30, "first_cut", seed=5), make_events(9)])
    both = bootstrap_event_means(company.sample(frac=1, random_state=2))
    own = both[both["event_kind"] == "election"].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, alone)


def test_horizons_draw_from_streams_of_their_own() -> None:
    near, far = make_events(9), make_events(9, horizon=63)
    found = bootstrap_event_means(pd.concat([near, far])).set_index([*KEYS, "measure"])
    low = found["mean_low_pct"].xs("small_price", level="measure")
    assert low.iloc[0] != low.iloc[1]


def test_one_event_has_no_interval_and_none_has_no_row() -> None:
    found = bootstrap_event_means(make_events(2)).set_index("measure")
    assert list(found.index) == list(MEASURES)[:3]  # the first has no total return
    assert found["mean_low_pct"].isna().all()
    assert found["n_without_overlap"].tolist() == [1, 1, 1]
    nothing = bootstrap_event_means(make_events(1))
    assert nothing.empty
    assert list(nothing.columns[:4]) == [*KEYS, "measure"]


@pytest.mark.parametrize(
    ("sessions", "horizon", "counted"),
    [([], 21, 0), ([5], 21, 1), ([5, 25, 26], 21, 2), ([1, 2, 3, 22, 23, 43, 64], 21, 4)],
)
def test_an_event_counts_a_full_horizon_after_the_last_counted(
    sessions: list[int], horizon: int, counted: int
) -> None:
    assert count_without_overlap(sessions, horizon) == counted


@given(
    sessions=st.lists(st.integers(0, 2_000), unique=True, max_size=60).map(sorted),
    horizon=st.sampled_from([21, 63, 126, 252]),
)
def test_no_choice_without_overlap_is_larger(sessions: list[int], horizon: int) -> None:
    """Taking the earliest each time is the largest such set (interval scheduling)."""
    best = {0: 0}
    for place, number in enumerate(sessions, start=1):
        fits = max(k for k in range(place) if k == 0 or sessions[k - 1] <= number - horizon)
        best[place] = max(best[place - 1], best[fits] + 1)
    assert count_without_overlap(sessions, horizon) == best[len(sessions)]
