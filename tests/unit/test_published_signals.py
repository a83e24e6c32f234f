"""The record of what each signal said on its night: written once, at publication."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from pipelines.storage import meta, snapshot
from pipelines.storage.publish import publish
from pipelines.storage.warehouse import open_build
from tests.fakes.storage import settings_in, stored

NOW = datetime(2024, 3, 1, 22, 0, tzinfo=UTC)
COLUMNS = [
    ("signal_id", "VARCHAR"),
    ("traded_on", "DATE"),
    ("score_z", "DOUBLE"),
    ("state", "VARCHAR"),
]
RECORD = "select traded_on, score_z, as_of, version from meta.published_signals order by traded_on"


def publish_scores(settings: Any, day: int, scores: dict[int, float], **more: Any) -> str:
    """Build a scorecard of March 2024 and publish it as the night of `day`; return the version."""
    run, as_of = f"run0000{day}-x", date(2024, 3, day)
    with open_build(settings) as build:
        build.execute(
            "create or replace table marts.signal_scorecard "
            "(signal_id varchar, traded_on date, score_z double, state varchar)"
        )
        for on, score in scores.items():
            build.execute(
                "insert into marts.signal_scorecard values ('composite', ?, ?, 'neutral')",
                [date(2024, 3, on), score],
            )
        meta.start_run(
            build, run, world="sample", as_of=as_of, code_version="1", branches=["signals"],
            started_at=NOW,
        )  # fmt: skip
        meta.record_checks(
            build, run, [meta.CheckRecord("gate:a", "gate", "x", "block", "passed", "")]
        )
    return publish(
        settings,
        run_id=run,
        as_of=as_of,
        expected_checks=["gate:a"],
        code_version="1",
        dictionary=meta.dictionary(),
        marts={"marts.signal_scorecard": COLUMNS},
        published_at=NOW + timedelta(days=day),
        **more,
    ).version


@pytest.fixture
def settings(tmp_path: Any) -> Any:
    return settings_in(tmp_path)


def recorded(settings: Any) -> list[tuple[Any, ...]]:
    with open_build(settings) as build:
        return stored(build, RECORD)


def test_the_first_night_writes_down_its_newest_session_and_later_nights_what_is_new(
    settings: Any,
) -> None:
    first = publish_scores(settings, 4, {1: 0.1, 4: 0.4})
    second = publish_scores(settings, 6, {1: 9.0, 4: 9.0, 5: 0.5, 6: 0.6})
    expected = [
        ("2024-03-04", 0.4, "2024-03-04", first),
        ("2024-03-05", 0.5, "2024-03-06", second),
        ("2024-03-06", 0.6, "2024-03-06", second),
    ]
    assert recorded(settings) == expected
    shown = snapshot.query(settings, RECORD)
    assert shown["score_z"].tolist() == [0.4, 0.5, 0.6]
    assert shown["version"].tolist() == [first, second, second]


def test_a_night_published_again_leaves_what_it_said_first(settings: Any) -> None:
    publish_scores(settings, 4, {4: 0.4})
    before = recorded(settings)
    publish_scores(settings, 4, {4: 7.0})
    assert recorded(settings) == before


def test_a_rebuilt_past_day_writes_nothing_down(settings: Any, tmp_path: Any) -> None:
    publish_scores(settings, 4, {4: 0.4})
    publish_scores(settings_in(tmp_path / "copy"), 3, {3: 0.3}, home=settings)
    assert recorded(settings) == [("2024-03-04", 0.4, "2024-03-04", "20240305T220000-run00004")]


def test_what_a_crash_after_the_repointing_kept_out_of_the_build_is_taken_over(
    settings: Any,
) -> None:
    first = publish_scores(settings, 4, {4: 0.4})
    with open_build(settings) as build:
        build.execute("delete from meta.published_signals")
        build.execute("delete from meta.publications")
    second = publish_scores(settings, 5, {4: 9.0, 5: 0.5})
    assert recorded(settings) == [
        ("2024-03-04", 0.4, "2024-03-04", first),
        ("2024-03-05", 0.5, "2024-03-05", second),
    ]
