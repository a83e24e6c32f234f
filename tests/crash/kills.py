"""Kill -9 a small night at many points, run it again, and look whether anything is lost.

    python -m tests.crash.kills --kills 200

Half of the points are moments spread over the length of a night, the other half are the n-th time
that the night makes, renames, links, removes or opens a file for writing under the warehouse.
Half of the nights are the first of a warehouse, the other half the second, with a version shown.
"""

from __future__ import annotations

import argparse
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from pipelines.storage import snapshot
from pipelines.storage.versions import current_version, list_versions
from tests.fakes.small_night import (
    FIRST,
    raw_differences,
    raw_rows,
    run_small_night,
    small_settings,
)

PHASES = ("import", "begin", "fetch", "judge", "load", "build", "publish", "end")
WATCHED = {"open", "os.rename", "os.symlink", "os.remove", "os.mkdir", "os.chmod", "os.link"}
PATIENCE_S = 300.0
GOLDEN = 0.6180339887498949
"""Steps of this length, modulo one, spread any number of points evenly."""


@dataclass
class Tally:
    """What the kills hit and what they left behind."""

    kills: int = 0
    missed: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        hit = ", ".join(f"{name} {self.phases[name]}" for name in PHASES if self.phases[name])
        how = ", ".join(f"{n} {kind}" for kind, n in sorted(self.kinds.items()))
        return (
            f"{self.kills} kills ({how}; during {hit}), {self.missed} came too late; "
            f"{len(self.faults)} faults"
        )


@dataclass(frozen=True)
class Scene:
    """A kind of night with its undisturbed end."""

    name: str
    template: Path
    reference: Path
    seconds: float
    events: int


@dataclass(frozen=True)
class Point:
    """Where to kill: a share of a night's length, or of its file operations."""

    share: float
    by_event: bool

    def __str__(self) -> str:
        return f"at {self.share:.3f} of its {'file operations' if self.by_event else 'length'}"


class Kills:
    """The scenes of one harness in a folder, and the kills done in it.

    `chain` nights are killed in one warehouse, one after the other, before one may end: so what is
    begun to recover is killed as well.
    """

    def __init__(self, folder: Path, *, chain: int = 2) -> None:
        self.folder = folder
        self.chain = chain
        self._state = mmap.mmap(-1, 16)
        empty, first = folder / "empty", folder / "first"
        empty.mkdir(parents=True)
        # The parent runs one night of each kind itself: everything is imported and warm after it.
        run_small_night(small_settings(folder / "warm", FIRST), "warm-1")
        run_small_night(small_settings(folder / "warm"), "warm-2")
        run_small_night(small_settings(first, FIRST), "first")
        self.scenes = [self._measure("first night", empty), self._measure("second night", first)]

    def kill_many(self, kills: int, *, seed: int = 7, show: bool = False) -> Tally:
        """Kill nights until `kills` have hit, at points spread evenly."""
        tally = Tally()
        jitter = random.Random(seed)
        n = drawn = 0
        while tally.kills < kills and drawn < 3 * kills:
            points = []
            for _ in range(min(self.chain, kills - tally.kills)):
                share = (drawn * GOLDEN + jitter.random() / kills) % 1.0
                points.append(Point(share, by_event=drawn % 2 == 0))
                drawn += 1
            self._kill_in(tally, self.scenes[n % 2], points, f"warehouse-{n}")
            n += 1
            if show and n % 5 == 0:
                print(tally, flush=True)
        return tally

    # -- one kill -----------------------------------------------------------------------------
    def _kill_in(self, tally: Tally, scene: Scene, points: Sequence[Point], name: str) -> None:
        """Kill one night after the other in one warehouse, then let one run to its end."""
        warehouse = self.folder / name
        shutil.copytree(scene.template, warehouse, symlinks=True)
        settings = small_settings(warehouse)
        faults: list[str] = []
        where = []
        for n, point in enumerate(points):
            before = current_version(settings)
            how = self._kill_once(scene, warehouse, point, f"killed-{n}")
            phase = PHASES[self._state[0]]
            if how != -signal.SIGKILL:
                tally.missed += 1
                if how != 0:
                    faults.append(f"kill {n} ({point}): the night ended by itself with {how}")
                continue
            tally.kills += 1
            tally.phases[phase] += 1
            tally.kinds["at a file operation" if point.by_event else "at a moment"] += 1
            where.append(f"{phase} {point}")
            faults += _look_at_published(warehouse, before)
        again = _wait(self._fork(lambda: self._night(warehouse, "again")), time.monotonic())
        if again != 0:
            faults.append(f"the next night ended with {again}")
        else:
            faults += _look_at_published(warehouse, None)
            differing = raw_differences(settings.build_path, scene.reference)
            if differing:
                faults.append(f"raw differs from the undisturbed night: {differing}")
            faults += _leftovers(warehouse)
        tally.faults += [f"{name} ({scene.name}; {', '.join(where)}): {fault}" for fault in faults]
        if not faults:
            shutil.rmtree(warehouse)

    def _kill_once(self, scene: Scene, warehouse: Path, point: Point, run_id: str) -> int:
        at_event = 1 + int(point.share * scene.events) if point.by_event else None
        started = time.monotonic()
        child = self._fork(lambda: self._night(warehouse, run_id, at_event=at_event))
        if not point.by_event:
            time.sleep(point.share * scene.seconds)
            os.kill(child, signal.SIGKILL)
        return _wait(child, started)

    def _night(self, warehouse: Path, run_id: str, *, at_event: int | None = None) -> None:
        events = _watch(warehouse, at_event)
        run_small_night(small_settings(warehouse), run_id, phase=self._note)
        self._state[8:16] = events().to_bytes(8, "little")

    def _note(self, phase: str) -> None:
        self._state[0] = PHASES.index(phase)

    def _measure(self, name: str, template: Path) -> Scene:
        reference = self.folder / f"reference-{template.name}"
        shutil.copytree(template, reference, symlinks=True)
        started = time.monotonic()
        status = _wait(self._fork(lambda: self._night(reference, "undisturbed")), started)
        seconds = time.monotonic() - started
        assert status == 0, f"the undisturbed {name} ended with {status}"
        path = small_settings(reference).build_path
        assert raw_rows(path) > 1000
        events = int.from_bytes(self._state[8:16], "little")
        return Scene(name, template, path, seconds, events)

    def _fork(self, work: Callable[[], None]) -> int:
        self._state[0] = 0
        sys.stdout.flush()
        child = os.fork()
        if child:
            return child
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)


def _watch(warehouse: Path, at_event: int | None) -> Callable[[], int]:
    """Count the file operations under the warehouse; end the process before the given one."""
    count = 0
    prefix = str(warehouse)

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal count
        if event not in WATCHED:
            return
        paths = [str(a) for a in arguments[:2] if isinstance(a, str | os.PathLike)]
        if not any(prefix in path for path in paths):
            return
        if event == "open" and not _writes(arguments):
            return
        count += 1
        if count == at_event:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return lambda: count


def _writes(arguments: tuple[object, ...]) -> bool:
    flags = arguments[2] if len(arguments) > 2 else 0
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _wait(child: int, started: float) -> int:
    while time.monotonic() - started < PATIENCE_S:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 124


def _look_at_published(warehouse: Path, before: str | None) -> list[str]:
    """What a reader sees: nothing at all (if nothing was there) or one complete version."""
    settings = small_settings(warehouse)
    link = settings.published_dir / "current"
    if not link.is_symlink():
        return [f"the link is gone, it was {before}"] if before else []
    try:
        said = snapshot.read_publication(settings)
        counts = snapshot.row_counts(settings)
        with snapshot.open_published(settings) as reader:
            held = {
                name: reader.execute(f"select count(*) from {name}").fetchone()[0]
                for name in counts
            }
    except (duckdb.Error, IndexError, OSError) as error:
        return [f"the published file cannot be read: {error}"]
    faults = []
    if held != counts:
        faults.append(f"the published file lacks rows: {held} of {counts}")
    if said["version"] != current_version(settings):
        faults.append(f"the link says {current_version(settings)}, the file {said['version']}")
    for version in list_versions(settings):
        path = settings.published_dir / "versions" / version / "warehouse.duckdb"
        try:
            duckdb.connect(str(path), read_only=True).close()
        except duckdb.Error as error:
            faults.append(f"version {version} cannot be opened: {error}")
    return faults


def _leftovers(warehouse: Path) -> list[str]:
    settings = small_settings(warehouse)
    hidden = [*settings.published_dir.glob(".*"), *settings.published_dir.glob("versions/.*")]
    with duckdb.connect(str(settings.build_path), read_only=True) as build:
        running = build.execute("select run_id from meta.runs where status = 'running'").fetchall()
    return [f"left behind: {p.name}" for p in hidden] + [f"still running: {r[0]}" for r in running]


def main() -> int:
    """Kill as many nights as asked and print what came of it; exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--chain", type=int, default=4, help="kills in one warehouse")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="smallcaps-kills-"))
    kills = Kills(folder / "scenes", chain=given.chain)
    for scene in kills.scenes:
        print(f"{scene.name}: {scene.seconds:.1f} s, {scene.events} file operations", flush=True)
    tally = kills.kill_many(given.kills, seed=given.seed, show=True)
    for fault in tally.faults:
        print(f"FAULT {fault}")
    print(tally)
    if not tally.faults:
        shutil.rmtree(folder)
    return 1 if tally.faults or tally.kills < given.kills else 0


if __name__ == "__main__":
    raise SystemExit(main())
