"""The regressions of sector funds against statsmodels' own, week by week."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.sandwich_covariance import S_hac_simple

from pipelines.statistics.rate_betas import (
    BETAS,
    ESTIMATES,
    LEGS,
    T_VALUES,
    fit_rate_betas,
    fit_window,
)

MONDAY = date(2015, 1, 5)


def make_levels(weeks: int, fund_id: str = "XLF", seed: int = 1) -> pd.DataFrame:
    """Return invented levels of the five legs; each week is known on the Monday after it."""
    random = np.random.default_rng(seed)
    yields = 3 + np.cumsum(random.normal(0, 0.1, weeks))
    breakeven = 2 + np.cumsum(random.normal(0, 0.05, weeks))
    dollar = 100 * np.exp(np.cumsum(random.normal(0, 0.01, weeks)))
    market = 50 * np.exp(np.cumsum(random.normal(0.001, 0.02, weeks)))
    excess = random.normal(0, 0.01, weeks) + 0.03 * np.diff(yields, prepend=3)
    fund = market * np.exp(np.cumsum(excess))
    rows = []
    for week in range(weeks):
        monday = MONDAY + timedelta(7 * week)
        for leg, series in zip(LEGS, (fund, market, yields, breakeven, dollar), strict=True):
            rows.append(
                {
                    "fund_id": fund_id,
                    "week_on": monday,
                    "dated_on": monday + timedelta(4),
                    "leg": leg,
                    "known_on": monday + timedelta(7),
                    "value": series[week],
                    "known_on_basis": "price" if leg in ("fund", "market") else "estimated",
                }
            )
    return pd.DataFrame(rows)


def by_statsmodels(levels: pd.DataFrame) -> list[float]:
    """Return betas, t and R² of the last 104 weeks, with statsmodels' full result."""
    wide = levels.pivot(index="week_on", columns="leg", values="value").iloc[-105:]
    change = wide.diff().iloc[1:]
    simple = (100 * wide.pct_change()).iloc[1:]
    x = np.column_stack([np.ones(104), change.yield_10y, change.breakeven_10y, simple.dollar])
    result = OLS((simple.fund - simple.market).to_numpy(), x).fit(
        cov_type="HAC", cov_kwds={"maxlags": 4, "use_correction": False}
    )
    return [*result.params[1:], *result.tvalues[1:], result.rsquared]


def test_every_week_is_the_regression_of_statsmodels() -> None:
    levels = make_levels(112)
    fits = fit_rate_betas(levels)
    assert fits["weeks"].tolist() == [*range(104), *[104] * 8]
    assert fits[list(ESTIMATES)].iloc[:104].isna().all(axis=None)
    for place in range(104, 112):
        until = levels[levels["week_on"] <= MONDAY + timedelta(7 * place)]
        fit = fits.iloc[place]
        assert fit[list(ESTIMATES)].tolist() == pytest.approx(
            by_statsmodels(until), rel=1e-9, abs=1e-9
        )
        assert fit["window_from_on"].date() == MONDAY + timedelta(7 * (place - 104) + 4)
        assert fit["window_to_on"].date() == MONDAY + timedelta(7 * place + 4)
        assert fit["known_on"].date() == MONDAY + timedelta(7 * place + 7)


def test_a_hole_is_never_skipped() -> None:
    """The week without a level has no return, nor has the next one: 102 of 104."""
    levels = make_levels(120)
    hole = levels["week_on"] == MONDAY + timedelta(7 * 15)
    fits = fit_rate_betas(levels[~hole]).set_index("week_on")
    newest = pd.Timestamp(MONDAY) + pd.to_timedelta(7 * 119, "D")
    assert fits.loc[newest, "weeks"] == 103
    before = fits.loc[newest - pd.to_timedelta(7 * 1, "D")]
    assert before["weeks"] == 102
    assert np.isnan(before[BETAS[0]])


def test_a_revision_counts_from_the_first_fit_after_it() -> None:
    levels = make_levels(108)
    known = MONDAY + timedelta(7 * 106 + 3)
    old = (levels["week_on"] == MONDAY + timedelta(7 * 50)) & (levels["leg"] == "dollar")
    revised = levels[old].assign(value=levels[old]["value"] * 1.01, known_on=known)
    plain, fits = fit_rate_betas(levels), fit_rate_betas(pd.concat([levels, revised]))

    assert len(fits) == len(plain)
    unseen = plain["known_on"] < pd.Timestamp(known)
    pd.testing.assert_frame_equal(fits[unseen], plain[unseen])
    levels.loc[old, "value"] *= 1.01
    pd.testing.assert_frame_equal(fits[~unseen], fit_rate_betas(levels)[~unseen])
    assert not np.allclose(fits[~unseen][list(T_VALUES)], plain[~unseen][list(T_VALUES)])


def test_weeks_that_become_known_together_are_one_fit() -> None:
    levels = make_levels(110)
    late = levels["known_on"] < MONDAY + timedelta(7 * 108)
    levels.loc[late, "known_on"] = MONDAY + timedelta(7 * 108)
    fits = fit_rate_betas(levels)
    assert fits["week_on"].dt.date.tolist() == [MONDAY + timedelta(7 * n) for n in (107, 108, 109)]
    assert fits["weeks"].tolist() == [104, 104, 104]


def test_the_weakest_basis_of_the_newest_weeks_factors_is_said() -> None:
    levels = make_levels(106)
    factors = ~levels["leg"].isin(["fund", "market"])
    levels.loc[factors, "known_on_basis"] = "vintage"
    newest = levels["week_on"] == levels["week_on"].max()
    levels.loc[newest & (levels["leg"] == "dollar"), "known_on_basis"] = "observed"
    assert fit_rate_betas(levels)["known_on_basis"].tolist() == [*["vintage"] * 105, "observed"]


def test_funds_do_not_touch_each_other() -> None:
    one, other = make_levels(106), make_levels(106, "KRE", seed=2)
    both = fit_rate_betas(pd.concat([other, one]).sample(frac=1, random_state=3))
    apart = pd.concat([fit_rate_betas(other), fit_rate_betas(one)], ignore_index=True)
    pd.testing.assert_frame_equal(both, apart)


def test_a_factor_that_stands_still_gives_no_estimate() -> None:
    levels = make_levels(105)
    levels.loc[levels["leg"] == "breakeven_10y", "value"] = 2.0
    assert fit_rate_betas(levels)[list(ESTIMATES)].isna().all(axis=None)
    changes = np.random.default_rng(1).normal(size=(104, 3))
    assert fit_window(np.full(104, 0.5), changes, S_hac_simple) is None


def test_no_levels_give_no_fit() -> None:
    fits = fit_rate_betas(make_levels(1).iloc[:0])
    assert fits.empty
    assert list(fits.columns[-7:]) == list(ESTIMATES)
