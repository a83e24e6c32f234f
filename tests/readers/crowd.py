"""Reader processes that query `published/current` without pause while versions are published.

    python -m tests.readers.crowd --publications 200 --other PYTHON-WITH-ANOTHER-DUCKDB

Every version carries its own number in two tables, so that a reader can tell whether what it sees
is of one version, and whether a new connection shows what was published before it was opened.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.settings import Settings
from pipelines.storage import meta
from pipelines.storage.files import write_file
from pipelines.storage.publish import publish
from pipelines.storage.warehouse import open_build
from tests.fakes.storage import settings_in
from tests.readers.watch import ROWS

AS_OF = date(2024, 3, 1)
STAMPS = {"marts.first_stamp": [("n", "BIGINT")], "marts.last_stamp": [("n", "BIGINT")]}
WATCH = Path(__file__).with_name("watch.py")


@dataclass
class Figures:
    """What the readers counted; `stale` are new connections that show a replaced version."""

    reads: int = 0
    connections: int = 0
    errors: int = 0
    torn: int = 0
    stale: int = 0
    versions_seen: int = 0
    versions: tuple[str, ...] = ()
    """The readers' versions of DuckDB."""

    def __str__(self) -> str:
        counts = [f for f in fields(self) if f.name != "versions"]
        counted = ", ".join(f"{f.name} {getattr(self, f.name):,}" for f in counts)
        return f"{counted} (DuckDB {' and '.join(self.versions)})"


def prepare(folder: Path) -> Settings:
    settings = settings_in(folder)
    with open_build(settings) as build:
        for name in STAMPS:
            build.execute(f"create table {name} (n bigint)")
        meta.record_checks(
            build, "run", [meta.CheckRecord("gate:a", "gate", "x", "block", "passed")]
        )
    return settings


def publish_number(settings: Settings, n: int, *, keep: int = 7) -> None:
    """Publish version number `n`: every row of both tables holds `n`."""
    with open_build(settings) as build:
        for name in STAMPS:
            build.execute(f"create or replace table {name} as select {n} as n from range({ROWS})")
    publish(
        settings,
        run_id="run",
        as_of=AS_OF,
        expected_checks=["gate:a"],
        code_version="1",
        dictionary=pd.DataFrame(columns=list(meta.TABLES["data_dictionary"])),
        marts=STAMPS,
        published_at=datetime.now(UTC),
        keep=keep,
    )


def run_crowd(
    folder: Path,
    *,
    publications: int,
    readers: int = 6,
    holders: int = 2,
    interpreters: Sequence[str] = (sys.executable,),
) -> tuple[Figures, Figures, float]:
    """Publish while processes read; return the figures of those that open anew, of those that hold
    one connection for the whole time, and the seconds of one publication.

    The readers take turns among `interpreters`, each with a DuckDB of its own.
    """
    settings = prepare(folder)
    publish_number(settings, 1)
    shown, stop = folder / "shown", folder / "stop"
    write_file(shown, b"1")
    current = settings.published_dir / "current" / "warehouse.duckdb"
    files = [str(path) for path in (WATCH, current, shown, stop)]
    holds = [1 + n % 3 for n in range(readers)] + [0] * holders
    crowd = [
        subprocess.Popen(
            [interpreters[n % len(interpreters)], *files, str(hold)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for n, hold in enumerate(holds)
    ]
    started = time.monotonic()
    try:
        for n in range(2, publications + 1):
            publish_number(settings, n)
            write_file(shown, str(n).encode())
    finally:
        took = (time.monotonic() - started) / max(1, publications - 1)
        stop.touch()
        told = [json.loads(process.communicate(timeout=60)[0]) for process in crowd]
    return _add(told[:readers]), _add(told[readers:]), took


def _add(told: Sequence[Mapping[str, Any]]) -> Figures:
    total = Figures(versions=tuple(sorted({str(one["duckdb"]) for one in told})))
    for name in ("reads", "connections", "errors", "torn", "stale"):
        setattr(total, name, sum(one[name] for one in told))
    total.versions_seen = max((one["versions_seen"] for one in told), default=0)
    for one in told:
        if one["first_error"]:
            print(f"reader: {one['first_error']}", flush=True)
    return total


def main() -> int:
    """Run the crowd once and print its figures; exit code 1 if a reader saw anything wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--publications", type=int, default=200)
    parser.add_argument(
        "--other", default=None, help="an interpreter with another DuckDB, for half of the readers"
    )
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="smallcaps-readers-"))
    anew, held, took = run_crowd(
        folder / "warehouse",
        publications=given.publications,
        interpreters=[sys.executable, *([given.other] if given.other else [])],
    )
    print(f"{given.publications} publications, {took * 1000:.0f} ms each")
    print(f"6 readers that open anew: {anew}")
    print(f"2 readers that hold one connection: {held}")
    shutil.rmtree(folder)
    wrong = sum(f.errors + f.torn + f.stale for f in (anew, held))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
