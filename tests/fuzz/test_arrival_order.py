"""The loader under disorder: what is stored depends on the payloads, not on their coming."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from pipelines.storage.warehouse import Connection, open_build
from tests.fakes.storage import settings_in
from tests.fuzz.stories import SERIES, expected, make_history, play, tell_in_disorder, tell_in_order


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connection]:
    with open_build(settings_in(tmp_path_factory.mktemp("stories"))) as connection:
        yield connection


@pytest.mark.parametrize("seed", range(6))
def test_what_was_known_when_depends_on_the_payloads_and_not_on_their_order(
    build: Connection, seed: int
) -> None:
    draw = random.Random(seed)
    histories = {series_id: make_history(draw) for series_id in SERIES}
    story = tell_in_disorder(draw)
    known = play(build, story, histories, has_vintages=True)
    assert {k: known.get(k) for k in expected(histories)} == expected(histories)


@pytest.mark.parametrize("seed", range(3))
def test_without_vintages_a_replay_changes_nothing(build: Connection, seed: int) -> None:
    draw = random.Random(seed)
    histories = {series_id: make_history(draw) for series_id in SERIES}
    plain = tell_in_order()
    known = play(build, plain, histories, has_vintages=False)
    rows = "select * exclude (run_id, batch_id) from raw.fred_observations order by all"
    before = build.execute(rows).fetchall()
    replays = draw.choices(plain, k=4)
    assert play(build, [*plain, *replays], histories, has_vintages=False) == known
    assert build.execute(rows).fetchall() == before
