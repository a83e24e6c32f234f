"""Reader processes that query `published/current` without pause while versions are published.

    python -m tests.readers.crowd --publications 200

Every version carries its own number in two tables, so that a reader can tell whether what it sees
is of one version, and whether a new connection shows what was published before it was opened.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import tempfile
import time
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from pipelines.settings import Settings
from pipelines.storage import meta
from pipelines.storage.publish import publish
from pipelines.storage.warehouse import open_build
from tests.fakes.storage import settings_in

AS_OF = date(2024, 3, 1)
STAMPS = {"marts.first_stamp": [("n", "BIGINT")], "marts.last_stamp": [("n", "BIGINT")]}
SEEN = (
    "select (select max(n) from marts.first_stamp), (select min(n) from marts.last_stamp), "
    "(select count(*) from meta.publications), (select count(*) from marts.first_stamp), "
    "(select version from meta.publications order by version desc limit 1)"
)
ROWS = 2000


@dataclass
class Figures:
    """What the readers counted; `stale` are new connections that show a replaced version."""

    reads: int = 0
    connections: int = 0
    errors: int = 0
    torn: int = 0
    stale: int = 0
    versions_seen: int = 0

    def __str__(self) -> str:
        return ", ".join(f"{f.name} {getattr(self, f.name):,}" for f in fields(self))


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


def watch(
    current: str,
    shown: Synchronized[int],
    stop: Event,
    results: Any,
    *,
    hold: int,
) -> None:
    """Read until told to stop; a connection is used for `hold` reads (0: one the whole time).

    The file is opened through the link, as BI tools do.
    """
    figures = Figures()
    seen = set()
    path = Path(current)
    first = True
    while not stop.is_set():
        try:
            before = shown.value
            with duckdb.connect(str(path), read_only=True) as connection:
                figures.connections += 1
                held: set[tuple[Any, ...]] = set()
                reads = 0
                while reads < hold or (hold == 0 and not stop.is_set()):
                    row = connection.execute(SEEN).fetchone()
                    assert row is not None
                    reads += 1
                    figures.reads += 1
                    held.add(tuple(row))
                    if reads == 1 and row[0] < before:
                        figures.stale += 1
                    if row[0] != row[1] or row[2] != row[0] or row[3] != ROWS:
                        figures.torn += 1
                figures.torn += len(held) > 1
                seen |= {row[0] for row in held}
        except (duckdb.Error, OSError) as error:
            figures.errors += 1
            if first:
                print(f"reader: {error}", flush=True)
                first = False
    figures.versions_seen = len(seen)
    results.put(figures)


def run_crowd(
    folder: Path, *, publications: int, readers: int = 6, holders: int = 2
) -> tuple[Figures, Figures, float]:
    """Publish while processes read; return the figures of those that open anew, of those that hold
    one connection for the whole time, and the seconds of one publication.
    """
    settings = prepare(folder)
    publish_number(settings, 1)
    context = multiprocessing.get_context("fork")
    shown: Synchronized[int] = context.Value("q", 1)
    stop = context.Event()
    queues = [context.Queue(), context.Queue()]
    current = str(settings.published_dir / "current" / "warehouse.duckdb")
    crowd = [
        context.Process(
            target=watch,
            args=(current, shown, stop, queues[n >= readers]),
            kwargs={"hold": 0 if n >= readers else 1 + n % 3},
        )
        for n in range(readers + holders)
    ]
    for process in crowd:
        process.start()
    started = time.monotonic()
    try:
        for n in range(2, publications + 1):
            publish_number(settings, n)
            shown.value = n
    finally:
        took = (time.monotonic() - started) / max(1, publications - 1)
        stop.set()
        told = [
            [queue.get(timeout=60) for _ in range(wanted)]
            for queue, wanted in zip(queues, (readers, holders), strict=True)
        ]
        for process in crowd:
            process.join(timeout=60)
    return _add(told[0]), _add(told[1]), took


def _add(several: list[Figures]) -> Figures:
    total = Figures(
        **{f.name: sum(getattr(one, f.name) for one in several) for f in fields(Figures)}
    )
    total.versions_seen = max((one.versions_seen for one in several), default=0)
    return total


def main() -> int:
    """Run the crowd once and print its figures; exit code 1 if a reader saw anything wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--publications", type=int, default=200)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="smallcaps-readers-"))
    anew, held, took = run_crowd(folder / "warehouse", publications=given.publications)
    print(f"{given.publications} publications, {took * 1000:.0f} ms each")
    print(f"6 readers that open anew: {anew}")
    print(f"2 readers that hold one connection: {held}")
    shutil.rmtree(folder)
    wrong = sum(f.errors + f.torn + f.stale for f in (anew, held))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
