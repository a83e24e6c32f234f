"""One reader process: stdlib and DuckDB only, so that any interpreter with any DuckDB can run it.

    python watch.py CURRENT SHOWN STOP HOLD

Reads the file behind the link CURRENT, as BI tools open it, until the file STOP exists. SHOWN holds
the number of the newest version that the publisher has shown. A connection is used for HOLD reads
(0: one the whole time). Prints what it counted as one line of JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb

SEEN = (
    "select (select max(n) from marts.first_stamp), (select min(n) from marts.last_stamp), "
    "(select count(*) from meta.publications), (select count(*) from marts.first_stamp), "
    "(select version from meta.publications order by version desc limit 1)"
)
ROWS = 2000


def watch(current: Path, shown: Path, stop: Path, hold: int) -> dict[str, int | str]:
    """Read until told to stop; return what was counted.

    `stale` are new connections that show a version that had been replaced before they were opened,
    `torn` are reads, or connections, that see two versions at once.
    """
    reads = connections = errors = torn = stale = 0
    seen: set[int] = set()
    first_error = ""
    while not stop.exists():
        try:
            before = int(shown.read_text())
            with duckdb.connect(str(current), read_only=True) as connection:
                connections += 1
                held = set()
                mine = 0
                while mine < hold or (hold == 0 and not stop.exists()):
                    row = connection.execute(SEEN).fetchone()
                    mine += 1
                    held.add(tuple(row))
                    stale += mine == 1 and row[0] < before
                    torn += row[0] != row[1] or row[2] != row[0] or row[3] != ROWS
                reads += mine
                torn += len(held) > 1
                seen |= {row[0] for row in held}
        except (duckdb.Error, OSError) as error:
            errors += 1
            first_error = first_error or f"{type(error).__name__}: {error}"
    return {
        "reads": reads,
        "connections": connections,
        "errors": errors,
        "torn": torn,
        "stale": stale,
        "versions_seen": len(seen),
        "first_error": first_error,
        "duckdb": duckdb.__version__,
    }


if __name__ == "__main__":
    current, shown, stop = map(Path, sys.argv[1:4])
    print(json.dumps(watch(current, shown, stop, int(sys.argv[4]))), flush=True)
