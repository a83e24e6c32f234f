from datetime import date

import pandas as pd
import pytest

from pipelines.catalog.models import FredSeries, ReleaseRule
from pipelines.catalog.release_rules import (
    estimate_releases,
    estimated_release,
    expected_releases,
    find_newest_expected,
)


def rule(kind: str, **more) -> ReleaseRule:
    return ReleaseRule(kind=kind, **more)


JOBS = rule("days_after", days=31, weekday=4)
CASES = [
    # the next business day: over a weekend, over Independence Day
    (rule("business_days_after", days=1), "daily", "2025-04-03", "2025-04-04"),
    (rule("business_days_after", days=1), "daily", "2025-04-04", "2025-04-07"),
    (rule("business_days_after", days=1), "daily", "2025-07-03", "2025-07-07"),
    # a seven-day series: Saturday's value comes with Friday's
    (rule("business_days_after", days=1), "daily", "2025-04-05", "2025-04-07"),
    # the same evening; a holiday's missing value is not dated before its own day
    (rule("business_days_after"), "daily", "2025-04-04", "2025-04-04"),
    (rule("business_days_after"), "daily", "2025-07-04", "2025-07-07"),
    # a target range that takes effect on a Sunday
    (rule("days_after"), "daily", "2020-03-15", "2020-03-15"),
    # claims: the Thursday after the Saturday; the Friday when Thursday is a holiday
    (rule("days_after", days=5, weekday=3), "weekly", "2025-03-29", "2025-04-03"),
    (rule("days_after", days=5, weekday=3), "weekly", "2025-06-14", "2025-06-20"),
    # H.10: the Monday after the week, or the Tuesday after Labor Day
    (rule("next_weekday", weekday=0), "daily", "2025-04-04", "2025-04-07"),
    (rule("next_weekday", weekday=0), "daily", "2025-08-25", "2025-09-02"),
    (rule("next_weekday", weekday=0), "daily", "2025-04-07", "2025-04-14"),
    # the jobs report, third Friday after the week of the 12th: real days of 2024
    (JOBS, "monthly", "2024-01-01", "2024-02-02"),
    (JOBS, "monthly", "2024-02-01", "2024-03-08"),
    (JOBS, "monthly", "2024-10-01", "2024-11-01"),
    # the end of the month, weekends moved on, leap year
    (rule("days_after_month", days=31), "monthly", "2024-12-01", "2025-01-31"),
    (rule("days_after_month", days=12), "monthly", "2024-09-01", "2024-10-15"),
    (rule("days_after_month", days=1), "monthly", "2024-02-01", "2024-03-01"),
    (rule("days_after_quarter", days=30), "quarterly", "2024-10-01", "2025-01-30"),
    (rule("days_after_quarter", days=30), "quarterly", "2024-11-15", "2025-01-30"),
    (rule("days_after_year", days=10), "annual", "2024-05-01", "2025-01-10"),
    # the observed period is the series' own where that is longer than the rule's
    (rule("days_after_month", days=30), "quarterly", "2024-10-01", "2025-01-30"),
    # before 1970 and far back
    (rule("days_after_month", days=12), "monthly", "1947-01-01", "1947-02-12"),
]


@pytest.mark.parametrize(("given", "frequency", "observed", "expected"), CASES)
def test_an_estimate_is_the_day_of_the_rule(given, frequency, observed, expected) -> None:
    assert estimated_release(given, date.fromisoformat(observed), frequency) == date.fromisoformat(
        expected
    )


def test_an_unscheduled_value_has_no_estimate() -> None:
    assert estimated_release(rule("unscheduled"), date(2028, 1, 1), "annual") is None
    many = estimate_releases(
        rule("unscheduled"), pd.Series(pd.to_datetime(["2028-01-01"])), "annual"
    )
    assert many.isna().all()


@pytest.mark.parametrize("given", sorted({(c[0].model_dump_json(), c[1]) for c in CASES}))
def test_many_estimates_are_those_of_one_by_one_and_never_before_the_observation(given) -> None:
    one = ReleaseRule.model_validate_json(given[0])
    days = pd.Series(pd.date_range("2019-12-20", "2021-03-10"), index=range(500, 947))
    many = estimate_releases(one, days, given[1])
    assert many.index.equals(days.index)
    assert str(many.dtype) == "datetime64[us]"
    assert [d.date() for d in many] == [estimated_release(one, d.date(), given[1]) for d in days]
    assert (many >= days).all()
    assert many.is_monotonic_increasing


def test_repeated_and_unsorted_dates_keep_their_places() -> None:
    days = pd.Series(pd.to_datetime(["2024-03-01", "2024-01-01", "2024-03-01"]))
    got = estimate_releases(rule("days_after_month", days=12), days, "monthly")
    assert [str(d.date()) for d in got] == ["2024-04-12", "2024-02-12", "2024-04-12"]


def series(**changes) -> FredSeries:
    fields = {
        "id": "X",
        "title": "x",
        "unit": "x",
        "frequency": "monthly",
        "release": rule("days_after_month", days=15),
        "plausible_min": 0,
        "plausible_max": 1,
        "largest_step": 1,
        "step_kind": "abs",
        "stale_after_days": 85,
        "rights": "public_domain",
        "why": "x",
    }
    return FredSeries(**(fields | changes))


@pytest.mark.parametrize(
    ("changes", "as_of", "expected"),
    [
        ({}, "2025-04-14", "2025-02-01"),
        ({}, "2025-04-15", "2025-03-01"),
        # October 2025 was never surveyed
        ({"known_holes": [date(2025, 10, 1)]}, "2025-12-01", "2025-09-01"),
        (
            {"frequency": "daily", "release": rule("business_days_after", days=1)},
            "2025-07-06",
            "2025-07-02",
        ),
        (
            {"frequency": "weekly", "release": rule("days_after", days=5, weekday=3)},
            "2025-04-04",
            "2025-03-23",
        ),
        (
            {"frequency": "quarterly", "release": rule("days_after_quarter", days=30)},
            "2025-04-04",
            "2024-10-01",
        ),
        (
            {
                "frequency": "annual",
                "release": rule("unscheduled"),
                "observations_in_future": True,
            },
            "2025-04-04",
            "2026-01-01",
        ),
        ({"release": rule("unscheduled")}, "2025-04-04", "2025-01-09"),
    ],
)
def test_the_newest_expected_observation_follows_the_rule(changes, as_of, expected) -> None:
    got = find_newest_expected(series(**changes), date.fromisoformat(as_of))
    assert got == date.fromisoformat(expected)


def test_a_known_hole_is_expected_by_nobody_but_named() -> None:
    one = series(known_holes=[date(2025, 10, 1)])
    frame = expected_releases(one, since=date(2025, 10, 1), until=date(2025, 12, 31))
    assert [
        (f"{r.observed_on:%Y-%m-%d}", f"{r.expected_on:%Y-%m-%d}", r.is_known_hole)
        for r in frame.itertuples()
    ] == [
        ("2025-09-01", "2025-10-15", False),
        ("2025-10-01", "2025-11-17", True),
        ("2025-11-01", "2025-12-15", False),
    ]


def test_a_weekly_series_expects_every_weekday_and_one_without_a_rule_nothing() -> None:
    weekly = series(frequency="weekly", release=rule("days_after", days=5, weekday=3))
    frame = expected_releases(weekly, since=date(2025, 4, 3), until=date(2025, 4, 3))
    assert frame["observed_on"].dt.strftime("%m-%d").tolist() == [
        "03-23", "03-24", "03-25", "03-26", "03-27", "03-28", "03-29",
    ]  # fmt: skip
    silent = series(release=rule("unscheduled"))
    assert expected_releases(silent, since=date(2020, 1, 1), until=date(2025, 1, 1)).empty
