"""Where the CPU of one night goes: imports, each step, and what lies between them.

    python -m bench.profile_night [--warehouse DIR] [--json]

Runs the nightly job of the sample world in this process, as `smallcaps run` does, and reads the
process's CPU clock whenever Dagster reports that a step began or ended. Prints a table and returns
the job's exit code. CPU is user plus system of all threads; wall is beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measure import Cost, peak_mib


@dataclass
class Ledger:
    """CPU and wall seconds by what they were spent on."""

    cpu: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    wall: dict[str, float] = field(default_factory=lambda: defaultdict(float))

    @contextmanager
    def spent_on(self, what: str) -> Iterator[None]:
        """Book the time inside the block."""
        cpu, wall = time.process_time(), time.perf_counter()
        try:
            yield
        finally:
            self.cpu[what] += time.process_time() - cpu
            self.wall[what] += time.perf_counter() - wall


def _watch_steps(ledger: Ledger) -> None:
    import dagster as dg

    begun: dict[str, tuple[float, float]] = {}
    report = dg.DagsterInstance.handle_new_event

    def watched(self: Any, entry: Any, **options: Any) -> Any:
        event = entry.dagster_event
        key = event.step_key if event is not None else None
        if key is not None and event.event_type_value == "STEP_START":
            begun[key] = (time.process_time(), time.perf_counter())
        elif key in begun and event.event_type_value in ("STEP_SUCCESS", "STEP_FAILURE"):
            cpu, wall = begun.pop(key)
            ledger.cpu[f"step {key}"] += time.process_time() - cpu
            ledger.wall[f"step {key}"] += time.perf_counter() - wall
        with ledger.spent_on("(Dagster's event log, part of the steps)"):
            return report(self, entry, **options)

    dg.DagsterInstance.handle_new_event = watched  # type: ignore[method-assign, assignment]


def main() -> int:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--warehouse", type=Path, help="state folder (default: as for a night)")
    parser.add_argument("--json", action="store_true", help="print figures, not a table")
    chosen = parser.parse_args()
    if chosen.warehouse:
        os.environ["SMALLCAPS_WAREHOUSE"] = str(chosen.warehouse)
    ledger = Ledger()
    began = time.process_time(), time.perf_counter()
    with ledger.spent_on("import dagster, dbt, the definitions"):
        import pipelines.definitions  # noqa: F401
    _watch_steps(ledger)
    from pipelines.launch import run_night
    from pipelines.settings import read_settings

    with ledger.spent_on("(the whole night after the imports)"):
        code = run_night(
            read_settings(), only=None, from_landing=None, console=Console(file=sys.stderr)
        )
    cpu, wall = time.process_time() - began[0], time.perf_counter() - began[1]
    if chosen.json:
        print(json.dumps(asdict(Cost(cpu, wall, peak_mib(), ledger.cpu))))
        return int(code)
    table = Table("what", "CPU s", "wall s", "share of CPU")
    for what, spent in sorted(ledger.cpu.items(), key=lambda pair: -pair[1]):
        table.add_row(what, f"{spent:.2f}", f"{ledger.wall[what]:.2f}", f"{spent / cpu:.1%}")
    table.add_row("everything", f"{cpu:.2f}", f"{wall:.2f}", "100 %")
    Console(width=110).print(table)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
