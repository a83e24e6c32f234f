"""A shorter pass of `make crash`."""

from __future__ import annotations

from pathlib import Path

from tests.crash.kills import Kills


def test_a_killed_night_loses_nothing_doubles_nothing_and_needs_no_repair(tmp_path: Path) -> None:
    kills = Kills(tmp_path / "scenes")
    tally = kills.kill_many(10)
    print(tally)
    assert tally.faults == []
    assert tally.kills == 10
    assert len(tally.phases) > 2, tally
