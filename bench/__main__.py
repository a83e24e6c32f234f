"""`make bench`: run the comparisons and write `bench/results.md`.

    python -m bench [breadth] [growth] [night] [reading] [--rounds N] [--folder DIR]

Without a name all parts run. The panel is generated once and kept in the folder.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench import parts
from bench.measure import machine
from bench.results import write_results

RESULTS = Path(__file__).with_name("results.md")


def main() -> int:
    """Run the chosen parts; 1 where two contestants differ in their results."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    parser.add_argument("part", nargs="*", help=f"any of {', '.join(parts.PARTS)} (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contestant (3)")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path(tempfile.gettempdir()) / "smallcaps-bench",
        help="where generated data is kept (about 1 GB)",
    )
    chosen = parser.parse_args()
    if unknown := set(chosen.part) - set(parts.PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    chosen.folder.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    console.print(machine(), highlight=False)
    tables = []
    for name in chosen.part or list(parts.PARTS):
        console.print(f"[bold]{name}[/]")
        try:
            tables += parts.PARTS[name](chosen.folder, chosen.rounds, console)
        except parts.ResultsDiffer as error:
            console.print(f"[red]{name}: results differ, so no time is believed:[/] {error}")
            return 1
    write_results(RESULTS, tables)
    console.print(f"written: {RESULTS}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
