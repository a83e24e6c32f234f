from datetime import date

import pandas as pd
import pytest

from pipelines.catalog.models import FredSeries, ReleaseRule
from pipelines.storage import dating
from tests.fakes.storage import RULES

AS_OF = date(2024, 3, 20)


def facts(**columns) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    for name in columns:
        if name.endswith(("_on", "_start")) or name == "dated":
            frame[name] = pd.to_datetime(frame[name]).astype("datetime64[us]")
    return frame


def answers(frame: pd.DataFrame) -> list[tuple[str, str]]:
    days = [d.date().isoformat() for d in frame["known_on"]]
    return list(zip(days, frame["known_on_basis"], strict=True))


def date_one_release(
    observed_on="2024-01-01",
    *,
    entity="A",
    previous=None,
    is_known=False,
    vintage=None,
    first_vintage=None,
) -> tuple[str, str]:
    frame = facts(
        entity=[entity],
        dated=[observed_on],
        realtime_start=[vintage],
        first_vintage_on=[first_vintage],
        previous_load_on=[previous],
        is_known=[is_known],
    )
    return answers(dating.date_releases(frame, as_of=AS_OF, rules=RULES))[0]


def test_the_first_load_of_a_series_is_dated_by_its_release_rule() -> None:
    assert date_one_release("2024-01-01") == ("2024-02-15", "estimated")


def test_an_estimate_after_the_first_load_is_the_load() -> None:
    assert date_one_release("2024-03-01") == ("2024-03-20", "estimated")


def test_a_series_without_a_rule_is_known_when_first_seen() -> None:
    assert date_one_release(entity="U1") == ("2024-03-20", "observed")


@pytest.mark.parametrize(
    ("previous", "answer"),
    [
        ("2024-02-14", ("2024-02-15", "estimated")),  # came out after we had looked
        ("2024-02-15", ("2024-03-20", "observed")),  # we looked that day: it was not there
        ("2024-03-19", ("2024-03-20", "observed")),  # late: the estimate would be a look-ahead
    ],
)
def test_a_later_value_is_dated_by_rule_only_if_we_had_not_looked_since(previous, answer) -> None:
    assert date_one_release("2024-01-01", previous=previous) == answer


def test_a_value_that_comes_on_its_estimated_day_is_observed() -> None:
    assert date_one_release("2024-02-04", previous="2024-03-19") == ("2024-03-20", "observed")


def test_a_value_that_comes_before_its_estimate_is_observed() -> None:
    assert date_one_release("2024-03-01", previous="2024-03-19") == ("2024-03-20", "observed")


def test_a_changed_value_is_known_from_the_load_that_saw_it() -> None:
    answer = date_one_release("2023-06-01", previous="2024-03-19", is_known=True)
    assert answer == ("2024-03-20", "observed")


def test_a_vintage_is_known_from_its_own_first_day() -> None:
    answer = date_one_release(vintage="2024-02-20", first_vintage="2010-01-05")
    assert answer == ("2024-02-20", "vintage")


def test_the_earliest_stored_vintage_may_be_decades_late_and_is_dated_by_rule() -> None:
    answer = date_one_release("1965-01-01", vintage="1996-12-04", first_vintage="1996-12-04")
    assert answer == ("1965-02-15", "estimated")


def test_the_earliest_vintage_stands_where_the_rule_says_later() -> None:
    answer = date_one_release("1996-12-01", vintage="1996-12-04", first_vintage="1996-12-04")
    assert answer == ("1996-12-04", "vintage")


def test_a_series_outside_the_catalogue_has_no_rule_to_guess() -> None:
    with pytest.raises(KeyError, match="NONE"):
        date_one_release(entity="NONE")


def test_shares_are_usable_from_the_session_after_even_if_that_lies_ahead() -> None:
    frame = facts(
        dated=["2024-03-18", "2024-03-20"],
        previous_load_on=["2024-03-18", "2024-03-18"],
        is_known=[False, False],
    )
    dated = dating.date_shares(frame, as_of=AS_OF, rules=RULES)
    assert answers(dated) == [("2024-03-19", "estimated"), ("2024-03-21", "estimated")]


def test_a_count_that_changed_or_came_late_is_known_from_the_load() -> None:
    frame = facts(
        dated=["2024-03-01", "2024-03-01"],
        previous_load_on=["2024-03-18", "2024-03-18"],
        is_known=[True, False],
    )
    dated = dating.date_shares(frame, as_of=AS_OF, rules=RULES)
    assert answers(dated) == [("2024-03-20", "observed")] * 2


def test_bars_are_known_on_their_session_and_a_restatement_from_its_basis_on() -> None:
    frame = facts(
        dated=["2024-03-19", "2024-03-19", "2024-03-21"],
        previous_load_on=["2024-03-18"] * 3,
        is_restated=[False, True, True],
    )
    assert answers(dating.date_bars(frame, as_of=AS_OF)) == [
        ("2024-03-19", "estimated"),
        ("2024-03-20", "observed"),
        ("2024-03-21", "observed"),
    ]


def test_an_event_announced_ahead_is_known_when_seen() -> None:
    frame = facts(
        dated=["2024-03-19", "2024-06-14", "2024-06-14"],
        previous_load_on=["2024-03-18", "2024-03-18", None],
        is_known=[False, False, False],
    )
    assert answers(dating.date_events(frame, as_of=AS_OF)) == [
        ("2024-03-19", "estimated"),
        ("2024-03-20", "observed"),
        ("2024-03-20", "observed"),
    ]


def test_a_holdings_file_is_usable_from_the_session_after_its_date() -> None:
    frame = facts(
        dated=["2019-06-28", "2019-06-28", "2024-03-20"], is_first_edition=[True, False, False]
    )
    dated = dating.date_fund_files(frame, as_of=AS_OF, rules=RULES)
    assert answers(dated) == [
        ("2019-07-01", "estimated"),
        ("2024-03-20", "observed"),
        ("2024-03-21", "observed"),
    ]


def test_the_first_edition_of_a_long_history_is_dated_row_by_row() -> None:
    dates = pd.Series(pd.to_datetime(["1990-02-01", "1990-01-01", "2024-02-01"]))
    estimate = dating.estimate_french(dates, pd.Series(["monthly", "annual", "monthly"]))
    assert [d.date().isoformat() for d in estimate] == ["1990-04-03", "1991-02-03", "2024-04-03"]
    frame = facts(is_first_edition=[True] * 3, published_on=[None] * 3, previous_load_on=[None] * 3)
    dated = dating.date_history_files(frame, estimate, as_of=AS_OF)
    assert answers(dated) == [
        ("1990-04-03", "estimated"),
        ("1991-02-03", "estimated"),
        ("2024-03-20", "estimated"),
    ]


@pytest.mark.parametrize(
    ("published", "answer"),
    [
        ("2024-03-05", ("2024-03-05", "vintage")),
        ("2024-03-01", ("2024-03-20", "observed")),  # not after the load that did not see it
        ("2024-03-21", ("2024-03-20", "observed")),  # a date to come is no date of publication
        (None, ("2024-03-20", "observed")),
    ],
)
def test_a_later_edition_is_known_from_its_last_modified_day_if_credible(published, answer) -> None:
    frame = facts(
        is_first_edition=[False], published_on=[published], previous_load_on=["2024-03-01"]
    )
    estimate = pd.Series(pd.to_datetime(["1990-01-01"])).astype("datetime64[us]")
    assert answers(dating.date_history_files(frame, estimate, as_of=AS_OF)) == [answer]


def test_shiller_is_dated_thirty_days_after_the_month() -> None:
    estimate = dating.estimate_shiller(pd.Series(pd.to_datetime(["2024-01-01"])))
    assert estimate[0] == pd.Timestamp("2024-03-01")


def test_the_catalogue_and_the_calendar_make_the_rules() -> None:
    class OneSeries:
        fred_series = (
            FredSeries(
                id="CPI", title="t", unit="u", frequency="monthly", plausible_min=0,
                plausible_max=1, largest_step=1, step_kind="abs", stale_after_days=1,
                rights="public_domain", why="w",
                release=ReleaseRule(kind="days_after_month", days=15),
            ),
        )  # fmt: skip

    rules = dating.dating_rules(OneSeries())
    days = pd.Series(pd.to_datetime(["2024-01-01"])).astype("datetime64[us]")
    assert rules.release_estimate("CPI", days)[0] == pd.Timestamp("2024-02-15")
    fridays = pd.Series(pd.to_datetime(["2024-03-28", "2025-01-08"])).astype("datetime64[us]")
    assert list(rules.next_session(fridays)) == [
        pd.Timestamp("2024-04-01"),  # Good Friday
        pd.Timestamp("2025-01-10"),  # the day of mourning
    ]
