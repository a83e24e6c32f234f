"""Run contestants in processes of their own, in turn, and compare what they cost.

A contestant is a function of this package that returns what it found. It runs in a fresh process,
which reports CPU (user and system, all threads), wall time and the highest resident memory; imports
and what the contestant prepares before `start()` are not counted. Contestants of one comparison
take turns, so that a change of the machine's mood meets all of them.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

THREADS = 2


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a contestant cost, and what it returned (JSON)."""

    cpu_s: float
    wall_s: float
    peak_mib: float
    found: Any


class Clock:
    """The clocks of a contestant's process, read at `start` and at the end."""

    def start(self) -> None:
        """Begin to count: everything before was preparation."""
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def cost(self, found: Any) -> Cost:
        """Return what it cost since `start`."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Cost(time.process_time() - self._cpu, time.perf_counter() - self._wall, peak, found)


def peak_mib() -> float:
    """Return the highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run_once(contestant: str, *arguments: str, threads: int = THREADS) -> Cost:
    """Run `module:function` in a fresh process and return its cost.

    Raises:
        RuntimeError: it failed; the message is the end of what it wrote.
    """
    environment = os.environ | {
        "POLARS_MAX_THREADS": str(threads),
        "NUMBA_NUM_THREADS": str(threads),
        "SMALLCAPS_BENCH_THREADS": str(threads),
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.measure", contestant, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    if done.returncode:
        raise RuntimeError(f"{contestant}: {done.stderr.strip()[-2000:]}")
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def compete(
    contestants: dict[str, Sequence[str]], *, rounds: int = 3
) -> tuple[dict[str, Cost], dict[str, list[Cost]]]:
    """Run all contestants in turn, `rounds` times; return the medians and every single run.

    `contestants` is name to (`module:function`, arguments...).
    """
    runs: dict[str, list[Cost]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, (contestant, *arguments) in contestants.items():
            runs[name].append(run_once(contestant, *arguments))
    return {name: median(costs) for name, costs in runs.items()}, runs


def median(costs: Sequence[Cost]) -> Cost:
    """Return the median of each figure; the highest of the memory peaks."""
    return Cost(
        statistics.median(c.cpu_s for c in costs),
        statistics.median(c.wall_s for c in costs),
        max(c.peak_mib for c in costs),
        costs[0].found,
    )


def machine() -> str:
    """Return the machine in one line."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith(("model name", "CPU part")):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{model}, {os.cpu_count()} cores, {memory:.0f} GiB, Python {python}"


def _main() -> None:
    module, _, function = sys.argv[1].partition(":")
    clock = Clock()
    found = getattr(importlib.import_module(module), function)(clock, *sys.argv[2:])
    print(json.dumps(asdict(clock.cost(found))))


if __name__ == "__main__":
    _main()
