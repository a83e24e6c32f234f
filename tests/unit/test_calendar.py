from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from pipelines.sources import calendar

NEW_YORK = ZoneInfo("America/New_York")


def test_a_week_with_a_closure_by_press_release_has_four_sessions():
    assert calendar.sessions_between(date(2025, 1, 6), date(2025, 1, 12)) == [
        date(2025, 1, 6),
        date(2025, 1, 7),
        date(2025, 1, 8),
        date(2025, 1, 10),
    ]


def test_a_holiday_is_no_session_and_has_no_close():
    assert not calendar.is_session(date(2024, 7, 4))
    with pytest.raises(ValueError, match="2024-07-04 is no session"):
        calendar.session_close(date(2024, 7, 4))


@pytest.mark.parametrize(
    "day",
    [
        date(1950, 2, 13),  # Lincoln's birthday, kept until 1953
        date(1963, 7, 4),
        date(1963, 11, 25),  # funeral of President Kennedy
        date(1968, 6, 12),  # a Wednesday of the paper crisis
        date(1969, 12, 25),
    ],
)
def test_closures_before_1970_are_closures(day):
    assert not calendar.is_session(day)


@pytest.mark.parametrize(
    ("day", "hour_utc"),
    [
        (date(2024, 1, 3), 21),  # winter time
        (date(2024, 7, 5), 20),  # daylight saving
        (date(2024, 11, 29), 18),  # early close, the day after Thanksgiving
    ],
)
def test_the_close_is_in_utc_with_early_closes(day, hour_utc):
    expected = datetime(day.year, day.month, day.day, hour_utc, tzinfo=UTC)
    assert calendar.session_close(day) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2025, 4, 4, 15, 59, tzinfo=NEW_YORK), date(2025, 4, 3)),
        (datetime(2025, 4, 4, 16, 0, tzinfo=NEW_YORK), date(2025, 4, 4)),
        (datetime(2025, 4, 6, 12, 0, tzinfo=NEW_YORK), date(2025, 4, 4)),
    ],
)
def test_a_session_counts_as_closed_from_the_bell_on(now, expected):
    assert calendar.last_closed_session(now) == expected


def test_a_session_runs_until_its_bell_and_not_on_a_sunday():
    noon = datetime(2025, 4, 4, 12, 0, tzinfo=NEW_YORK)
    assert calendar.running_session(noon) == date(2025, 4, 4)
    assert calendar.running_session(noon.replace(hour=16)) is None
    assert calendar.running_session(datetime(2025, 4, 6, 12, 0, tzinfo=NEW_YORK)) is None


def test_neighbours_jump_over_a_long_weekend():
    assert calendar.next_session(date(2025, 4, 17)) == date(2025, 4, 21)
    assert calendar.next_session(date(2025, 4, 19)) == date(2025, 4, 21)
    assert calendar.previous_session(date(2025, 4, 21)) == date(2025, 4, 17)


def test_outside_its_range_the_calendar_refuses_to_answer():
    with pytest.raises(ValueError, match="reaches from"):
        calendar.is_session(date(1949, 12, 30))
    with pytest.raises(ValueError, match="reaches from"):
        calendar.session_table(date(2024, 1, 1), date(2040, 12, 31))


def test_the_session_table_knows_its_neighbours_beyond_the_window():
    table = calendar.session_table(date(2024, 12, 30), date(2025, 1, 3))
    assert table["traded_on"].dt.strftime("%m-%d").tolist() == ["12-30", "12-31", "01-02", "01-03"]
    assert table["previous_on"].iloc[0] == pd.Timestamp(2024, 12, 27)
    assert table["next_on"].iloc[-1] == pd.Timestamp(2025, 1, 6)
    assert table["is_month_end"].tolist() == [False, True, False, False]
    assert table["closes_at"].iloc[1] == pd.Timestamp(2024, 12, 31, 21)
    assert (table["session_no"].diff().dropna() == 1).all()


def test_session_numbers_do_not_depend_on_the_window():
    whole = calendar.session_table(date(1950, 1, 3), date(2025, 12, 31))
    part = calendar.session_table(date(2025, 1, 1), date(2025, 12, 31))
    assert whole["traded_on"].iloc[0] == pd.Timestamp(1950, 1, 3)
    assert whole["session_no"].iloc[0] == 1
    assert pd.isna(whole["previous_on"].iloc[0])
    assert whole["session_no"].tail(250).tolist() == part["session_no"].tolist()
    assert len(part) == 250


@pytest.mark.replay
def test_the_sessions_are_the_days_on_which_the_index_has_a_close():
    bars = Path(__file__).parents[2].parent / "shared/replay/data/yahoo/prices.parquet"
    if not bars.exists():
        pytest.skip("no ../shared/replay beside the repository")
    frame = pd.read_parquet(bars, columns=["symbol", "date"], filters=[("symbol", "==", "^GSPC")])
    days = [day for day in pd.to_datetime(frame["date"]).dt.date if day >= calendar.FIRST_DAY]
    assert sorted(days) == calendar.sessions_between(calendar.FIRST_DAY, max(days))
