from __future__ import annotations

from datetime import date

import pandas as pd
import pytest

from pipelines.quality.freshness import (
    find_stale_series,
    holdings_freshness,
    instrument_freshness,
    series_freshness,
    shares_freshness,
)
from pipelines.sources.calendar import sessions_between
from tests.fakes.gate import a_fund, a_series, an_instrument

SESSIONS = pd.DatetimeIndex(pd.to_datetime(sessions_between(date(2024, 1, 2), date(2024, 6, 28))))
MONTHLY = a_series("CPI", frequency="monthly", stale_after_days=75, required=True)


@pytest.mark.parametrize(
    ("as_of", "stale_since"),
    [(date(2024, 6, 15), None), (date(2024, 6, 16), date(2024, 6, 16)),
     (date(2024, 6, 20), date(2024, 6, 16))],
)  # fmt: skip
def test_a_series_is_stale_the_day_after_its_limit(as_of, stale_since):
    (found,) = series_freshness([MONTHLY], {"CPI": date(2024, 4, 1)}, as_of=as_of)
    assert (found.is_stale, found.stale_since) == (stale_since is not None, stale_since)
    assert (found.item, found.newest_on, found.limit) == ("CPI", date(2024, 4, 1), "75 days")
    assert found.is_required
    due = "; the value of 2024-05-01 was due on 2024-05-02" if stale_since else ""
    assert found.describe().endswith(due or "limit 75 days")


def test_an_observation_that_does_not_exist_is_not_waited_for():
    with_hole = MONTHLY.model_copy(update={"known_holes": (date(2024, 5, 1),)})
    newest = {"CPI": date(2024, 4, 1)}
    assert find_stale_series([MONTHLY], newest, as_of=date(2024, 6, 20)) != []
    assert find_stale_series([with_hole], newest, as_of=date(2024, 6, 20)) == []
    assert find_stale_series([with_hole], newest, as_of=date(2024, 7, 16))[0].stale_since == date(
        2024, 7, 16
    )


def test_a_hole_far_ahead_excuses_nothing():
    with_hole = MONTHLY.model_copy(update={"known_holes": (date(2024, 9, 1),)})
    newest = {"CPI": date(2024, 4, 1)}
    assert len(find_stale_series([with_hole], newest, as_of=date(2024, 9, 2))) == 1


def test_two_holes_in_a_row_are_both_excused():
    holes = (date(2024, 6, 1), date(2024, 5, 1))
    with_holes = MONTHLY.model_copy(update={"known_holes": holes})
    found = series_freshness([with_holes], {"CPI": date(2024, 4, 1)}, as_of=date(2024, 8, 15))
    assert (found[0].is_stale, found[0].newest_on) == (False, date(2024, 4, 1))


def test_a_projection_is_fresh():
    projected = a_series("DOTS", frequency="annual", observations_in_future=True)
    assert find_stale_series([projected], {"DOTS": date(2026, 1, 1)}, as_of=date(2024, 6, 1)) == []


def test_a_series_without_a_row_is_stale_since_no_day():
    (found,) = find_stale_series([MONTHLY], {}, as_of=date(2024, 6, 1))
    assert (found.newest_on, found.stale_since) == (None, None)
    assert found.describe() == "CPI (required): no row at all"


@pytest.mark.parametrize(
    ("as_of", "stale_since"),
    [
        (date(2024, 5, 29), None),  # 24, 28, 29 May: three sessions, 27 is Memorial Day
        (date(2024, 5, 30), date(2024, 5, 30)),
        (date(2024, 6, 1), date(2024, 5, 30)),
    ],
)
def test_an_instrument_ages_by_sessions_not_by_days(as_of, stale_since):
    (found,) = instrument_freshness(
        [an_instrument("IDX", stale_after_sessions=3)],
        {"IDX": date(2024, 5, 23)},
        sessions=SESSIONS,
        as_of=as_of,
    )
    assert found.stale_since == stale_since
    assert found.is_stale is (stale_since is not None)


def test_only_funds_with_counts_have_an_age_of_counts():
    funds = [a_fund("YES", shares_stale_after_sessions=1), a_fund("NO", shares=False)]
    found = shares_freshness(
        funds, {"YES": date(2024, 5, 28)}, sessions=SESSIONS, as_of=date(2024, 5, 30)
    )
    assert [(f.item, f.stale_since) for f in found] == [("YES", date(2024, 5, 30))]


def test_holdings_age_by_calendar_days():
    funds = [a_fund("YES", holdings=True), a_fund("NO")]
    fresh = holdings_freshness(funds, {"YES": date(2024, 1, 31)}, as_of=date(2024, 5, 10))
    stale = holdings_freshness(funds, {"YES": date(2024, 1, 31)}, as_of=date(2024, 5, 11))
    assert [(f.item, f.is_stale) for f in fresh] == [("YES", False)]
    assert stale[0].describe() == "YES: newest 2024-01-31, limit 100 days, stale since 2024-05-11"
