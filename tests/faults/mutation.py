"""Mutation of the gate: take one check away, and some example must end differently.

The examples are those of the unit tests (`tests/unit/test_gate_*.py`) and the cells of the matrix.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.quality.findings import GateReport
from pipelines.quality.gates import CHECKS, judge_batch
from pipelines.sources.payloads import Extract
from tests.fakes import gate
from tests.faults import injected
from tests.faults.play import Outcome, play
from tests.faults.stations import STATIONS

Signature = tuple[bool, int, tuple[tuple[str, int], ...], bool]
ON_THE_WAY = ("503 always", "renamed column")
"""Faults whose outcome is the connector's doing; one of each kind is enough to mutate with."""


def signature(report: GateReport) -> Signature:
    """Return what a night does with a verdict: refuse, keep out, load, or at least say."""
    return (
        report.refused,
        len(report.quarantined),
        tuple(sorted((table, len(frame)) for table, frame in report.accepted.items())),
        any(not finding.passed for finding in report.findings),
    )


def is_missed(outcome: Outcome, check: str) -> bool:
    """Say whether the cell ends differently without `check`."""
    return signature(outcome.judge_without(check)) != signature(outcome.report)


def find_witnesses() -> dict[tuple[str, str], tuple[str, str]]:
    """Return (feed, check) to the first cell that ends differently without it."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    for name, station in STATIONS.items():
        wanted = [*ON_THE_WAY, *injected.TABLES, injected.OTHERS]
        for fault in (f for f in station.faults() if f in wanted):
            if all((station.feed, check) in found for check in CHECKS[station.feed]):
                break
            outcome = play(name, fault)
            for check in outcome.failed:
                key = (station.feed, check)
                if key not in found and is_missed(outcome, check):
                    found[key] = (name, fault)
                    sys.stdout.write(f"{key}: {found[key]}\n")
                    sys.stdout.flush()
    return found


class Recorder:
    """Judges every bad example of a test run again, each time without one check that it fails."""

    def __init__(self) -> None:
        self.found: dict[str, set[str]] = {}
        """Check to the feeds in which an example misses it."""

    def judge(self, extract: Extract, **given: Any) -> GateReport:
        """Stand in for `judge_batch`: the same report, and the checks noted that it depends on."""
        report = judge_batch(extract, **given)
        for check in {f.check for f in report.findings if not f.passed}:
            rest = {n: c for n, c in CHECKS[extract.feed].items() if n != check}
            try:
                without = signature(judge_batch(extract, **given | {"checks": rest}))
            except Exception:  # the checks behind it stand on what it keeps out
                without = None
            if without != signature(report):
                self.found.setdefault(check, set()).add(extract.feed)
        return report


def find_examples() -> dict[str, set[str]]:
    """Return check to feeds: those whose loss changes how an example of the unit tests ends."""
    recorder = Recorder()
    folder = Path(__file__).parents[1] / "unit"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gate, "judge_batch", recorder.judge)
        pytest.main(["-q", "-p", "no:randomly", *map(str, sorted(folder.glob("test_gate_*.py")))])
    return recorder.found


def report(*, cells: bool) -> int:
    """Print which checks no example misses; exit code 1 if there is one. `cells`: the matrix too.

    A check that several feeds share is one check: that each feed has it in its list is held by
    `test_code_and_catalogue_name_the_same_checks_in_the_same_order`.
    """
    found = find_examples()
    if cells:
        for feed, check in find_witnesses():
            found.setdefault(check, set()).add(feed)
    every = sorted({check for checks in CHECKS.values() for check in checks})
    alone = [check for check in every if check not in found]
    for check in every:
        sys.stdout.write(f"{check}: missed in {', '.join(sorted(found.get(check, ())))}\n")
    sys.stdout.write(f"{len(every) - len(alone)} of {len(every)} checks are missed when they are ")
    sys.stdout.write(f"taken away; by no example: {alone}\n")
    return int(bool(alone))


if __name__ == "__main__":
    sys.exit(report(cells=False))
