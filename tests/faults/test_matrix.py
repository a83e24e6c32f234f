"""The matrix of faults: a sample of its cells, each kind of fault and every hole once found.

All cells are played by `python -m tests.faults.table --check`, which takes minutes of CPU.
"""

from __future__ import annotations

import pytest

from tests.faults import injected
from tests.faults.mutation import is_missed
from tests.faults.play import play
from tests.faults.stations import STATIONS
from tests.faults.table import cells

SAMPLE = (
    ("fred-graph", "429 once, Retry-After 7", "absorbed", ""),
    ("fred-graph", "429, Retry-After 3600", "degraded", ""),
    ("fred-graph", "slow drip past the timeout", "degraded", ""),
    ("fred-graph", "renamed column", "blocked", "no_payload_broke_its_contract"),
    ("fred-graph", "a Sunday row", "absorbed", "observations_are_of_weekdays"),
    ("treasury", "another item's document", "blocked", "no_payload_broke_its_contract"),
    ("ssga", "every value × 10", "blocked", "total_net_assets_add_up"),
    ("ssga", "entity bomb (xlsx)", "blocked", "no_payload_broke_its_contract"),
)


def test_every_fault_is_injected_somewhere() -> None:
    named = {*injected.WIRE, *injected.BODIES, *injected.TABLES, injected.OTHERS}
    assert {fault for _, fault in cells()} == named


@pytest.mark.parametrize(
    ("name", "fault", "verdict", "rule"), SAMPLE, ids=[f"{n}: {f}" for n, f, _, _ in SAMPLE]
)
def test_a_cell_ends_as_it_must(name: str, fault: str, verdict: str, rule: str) -> None:
    outcome = play(name, fault)
    item = STATIONS[name].item
    assert outcome.verdict == verdict
    assert outcome.strange == 0
    if rule:
        # The rule is named, and without it the cell would end differently.
        assert rule in outcome.failed
        assert is_missed(outcome, rule)
    if outcome.refused:
        assert outcome.new_rows == 0
        assert item in outcome.reasons[0]
    if outcome.status not in ("fetched", "unchanged"):
        assert outcome.detail.startswith(f"{STATIONS[name].source}: {item}: ")
    if fault.startswith("429"):
        assert (7.0 in outcome.slept) == ("once" in fault)
        assert max(outcome.slept, default=0.0) <= 7.0
