"""Mutation of the gate: take one check away, and some cell of the matrix must end differently."""

from __future__ import annotations

import sys

from pipelines.quality.findings import GateReport
from pipelines.quality.gates import CHECKS
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


def report() -> int:
    """Print which checks the matrix misses when they are gone, and which it does not."""
    found = find_witnesses()
    feeds = {station.feed for station in STATIONS.values()}
    every = [(feed, check) for feed in CHECKS if feed in feeds for check in CHECKS[feed]]
    alone = [key for key in every if key not in found]
    sys.stdout.write(f"{len(found)} of {len(every)} checks are missed; not covered: {alone}\n")
    return 0
