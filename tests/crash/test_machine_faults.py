"""Disk, rights, damage, locks, clock and links: what is said, and that nothing is lost."""

from __future__ import annotations

import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from pipelines import cli, steps
from pipelines.errors import ConfigurationError, SmallcapsError
from pipelines.exit_codes import Exit
from pipelines.night import BRANCHES, make_night
from pipelines.past_nights import lies_in_the_past
from pipelines.sources.parsers import PARSERS
from pipelines.storage import night_lock
from pipelines.storage.errors import (
    BuildUnusable,
    DiskFull,
    LandingCorrupt,
    NotWritable,
    StorageError,
    WarehouseBusy,
)
from pipelines.storage.landing import Landing
from pipelines.storage.versions import current_version, repoint
from pipelines.storage.warehouse import STORAGE_VERSION, open_build
from tests.fakes.small_night import (
    FIRST,
    SECOND,
    raw_rows,
    run_small_night,
    small_catalog,
    small_settings,
)
from tests.fakes.storage import settings_in

NOBODY = 65534


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse after one night; tests copy it."""
    warehouse = tmp_path_factory.mktemp("machine") / "warehouse"
    run_small_night(small_settings(warehouse, FIRST), "first")
    return warehouse


@pytest.fixture
def warehouse(first_night: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first_night, tmp_path / "warehouse", symlinks=True))


def in_child(work: Callable[[], None]) -> int:
    """Run in a fork, which may give up rights or space; its exit code is 0 if nothing is raised."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(timeout=120)
    return process.exitcode if process.exitcode is not None else 124


def exit_code_of(error: SmallcapsError, monkeypatch: pytest.MonkeyPatch) -> int:
    """The code with which the command ends when a command raises this."""

    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


# -- disk ------------------------------------------------------------------------------------
def test_a_full_disk_says_so_and_the_next_run_goes_on(warehouse: Path) -> None:
    settings = small_settings(warehouse)
    shown = current_version(settings)

    def run_without_space() -> None:
        # No file may grow past this: the same refusal, in the middle of a write, as a full disk.
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
        with pytest.raises(DiskFull, match=r"File too large.*; free space and run again"):
            run_small_night(settings, "full")

    assert in_child(run_without_space) == 0
    assert current_version(settings) == shown
    before = raw_rows(settings.build_path)
    run_small_night(settings, "again")
    assert raw_rows(settings.build_path) > before


def test_a_full_disk_ends_the_command_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exit_code_of(DiskFull("x"), monkeypatch) == Exit.REFUSED == 1


def test_a_folder_that_this_user_may_not_write_is_named(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_as_nobody() -> None:
        for folder in [warehouse, *warehouse.parents]:
            if folder.owner() == "root" and folder.stat().st_uid == os.geteuid() == 0:
                folder.chmod(folder.stat().st_mode | 0o055)
            if folder.name.startswith("pytest-of"):
                break
        for path in warehouse.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o555 if path.is_dir() else 0o444)
        warehouse.chmod(0o555)
        if os.geteuid() == 0:
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
        said = r"Permission denied.*; the user who runs this must be able to write everything under"
        with pytest.raises(NotWritable, match=said):
            run_small_night(small_settings(warehouse), "r")
        with pytest.raises(NotWritable, match=said), open_build(small_settings(warehouse)):
            pass

    assert in_child(run_as_nobody) == 0
    assert exit_code_of(NotWritable("x"), monkeypatch) == Exit.USAGE == 2


# -- damage ----------------------------------------------------------------------------------
@pytest.mark.parametrize("damage", ["garbage", "block", "empty"])
def test_a_damaged_build_file_is_named_with_the_way_out(warehouse: Path, damage: str) -> None:
    settings = small_settings(warehouse)
    path = settings.build_path
    content = bytearray(path.read_bytes())
    content[4096:12288] = os.urandom(8192)
    damaged = {
        "garbage": b"no database" * 1000,
        "block": bytes(content),
        "empty": b"",
    }
    path.write_bytes(damaged[damage])
    with (
        pytest.raises(BuildUnusable, match=r"is damaged \(.*\): smallcaps rebuild makes it anew"),
        open_build(settings, wait_s=0),
    ):
        pass


def test_a_wal_of_another_file_is_not_replayed(warehouse: Path, tmp_path: Path) -> None:
    settings = small_settings(warehouse)
    other = tmp_path / "other.duckdb"
    config = {"storage_compatibility_version": STORAGE_VERSION}
    with duckdb.connect(str(other), config=config) as connection:
        connection.execute("create table t as select 1 as n")
        connection.execute("checkpoint")
        connection.execute("insert into t values (2)")
        shutil.copy(f"{other}.wal", f"{settings.build_path}.wal")
    with (
        pytest.raises(BuildUnusable, match=r"WAL does not match database file.*smallcaps rebuild"),
        open_build(settings),
    ):
        pass


def test_a_landed_payload_that_cannot_be_read_is_named(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing = Landing(small_settings(warehouse).landing_dir)
    [payload] = landing.read_batch("first", "instrument_bars").payloads[:1]
    path = warehouse / "landing/payloads" / payload.sha256[:2] / f"{payload.sha256}.gz"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(LandingCorrupt, match=rf"run first: payload {path} of yahoo IWM"):
        landing.reparse("first", "instrument_bars", PARSERS)
    manifest = warehouse / "landing/runs/first/instrument_bars/manifest.json"
    manifest.write_text("{", encoding="utf-8")
    with pytest.raises(LandingCorrupt, match=rf"run first: {manifest}"):
        landing.read_batch("first", "instrument_bars")
    assert exit_code_of(LandingCorrupt("x"), monkeypatch) == Exit.REFUSED


# -- locks -----------------------------------------------------------------------------------
def test_a_second_run_waits_and_then_says_who_is_at_work(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small_settings(warehouse)
    script = (
        "import sys; from pathlib import Path; from pipelines.settings import read_settings\n"
        "from pipelines.storage import night_lock\n"
        "s = read_settings({'SMALLCAPS_WAREHOUSE': sys.argv[1]})\n"
        "night_lock.hold(s, 'run abc'); print('held', flush=True); sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(warehouse)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        said = rf"run abc \(process {holder.pid}, since 20.* UTC\) is under way in this warehouse"
        with pytest.raises(WarehouseBusy, match=said):
            run_small_night(settings, "second")
        with pytest.raises(WarehouseBusy, match=said):
            night_lock.hold(settings, "smallcaps rebuild", wait_s=0.3)
        with open_build(settings) as build:
            runs = build.execute("select run_id from meta.runs order by 1").fetchall()
        assert runs == [("first",)], "the second run left no trace"
    finally:
        holder.kill()
        holder.wait(timeout=20)
    run_small_night(settings, "second")  # a lock does not outlive its process
    assert exit_code_of(WarehouseBusy("x"), monkeypatch) == Exit.REFUSED


def test_one_process_may_hold_the_warehouse_twice_and_gives_it_back_once(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)

    def take() -> None:
        night_lock.hold(settings, "other", wait_s=0)

    with night_lock.held_for(settings, "smallcaps run"):
        with night_lock.held_for(settings, "run r"):
            assert in_child(take) == 1
        assert in_child(take) == 1
    assert in_child(take) == 0


# -- clock -----------------------------------------------------------------------------------
def test_a_night_before_the_newest_fetches_nothing(warehouse: Path) -> None:
    past = small_settings(warehouse, date(2025, 10, 7))
    before = raw_rows(past.build_path)
    night = steps.begin_night(past, "earlier", catalog=small_catalog())
    try:
        with pytest.raises(
            ConfigurationError, match="a rebuild as of 2025-10-07 asks no source, fred_observations"
        ):
            steps.fetch_feed(night, "fred_observations")
    finally:
        steps.end_night("earlier", failed=True)
    assert raw_rows(past.build_path) == before
    assert sorted(p.name for p in (warehouse / "landing/runs").iterdir()) == ["first"]


@pytest.mark.parametrize(
    ("options", "branches", "told"),
    [
        ({}, ("macro",), r"--as-of 2025-10-07 .* is a rebuild of all branches: leave out --only"),
        ({"full_refresh": True}, BRANCHES, "asks no source: leave out --full-refresh"),
    ],
)
def test_a_rebuild_that_makes_no_sense_is_refused(
    warehouse: Path, options: dict[str, bool], branches: tuple[str, ...], told: str
) -> None:
    settings = small_settings(warehouse, date(2025, 10, 7)).with_options(**options)
    with pytest.raises(ConfigurationError, match=told):
        steps.check_before_run(settings, from_landing=None, branches=branches)


def test_a_copy_that_a_crash_left_behind_is_removed(warehouse: Path) -> None:
    past = small_settings(warehouse, date(2025, 10, 7))
    left = past.build_path.parent / ".past-dead"
    left.mkdir()
    (left / "half").write_bytes(b"x")
    night = steps.begin_night(past, "again", catalog=small_catalog())
    try:
        assert night.is_rebuild
        assert not left.exists()
        assert night.settings.build_path.exists()
    finally:
        steps.end_night("again", failed=True)
    assert not list(past.build_path.parent.glob(".past-*"))
    with open_build(past) as build:
        assert build.execute("select status from meta.runs where run_id = 'again'").fetchall() == [
            ("failed",)
        ]


def test_a_clock_that_went_back_is_noticed(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, world="live", warehouse=tmp_path)
    with open_build(settings) as build:
        build.execute(
            "insert into meta.batches (batch_id, run_id, feed, as_of, status) "
            "values ('r:f', 'r', 'f', '2024-03-01', 'loaded')"
        )
        night = make_night(settings, "r2", wall_clock=datetime(2024, 2, 1, 23, 0, tzinfo=UTC))
        with pytest.raises(
            ConfigurationError,
            match=r"newest closed day is 2024-02-01, but this warehouse already holds the night of "
            r"2024-03-01: has the clock gone back\?",
        ):
            lies_in_the_past(night, build)


def test_batches_keep_their_order_when_the_clock_goes_back(warehouse: Path) -> None:
    manifest = warehouse / "landing/runs/first/instrument_bars/manifest.json"
    text = manifest.read_text(encoding="utf-8")
    landed = Landing(warehouse / "landing").manifest("first", "instrument_bars").written_at
    ahead = landed.replace(year=landed.year + 1)
    manifest.write_text(text.replace(landed.isoformat(), ahead.isoformat()), encoding="utf-8")
    run_small_night(small_settings(warehouse, SECOND), "second")
    second = Landing(warehouse / "landing").manifest("second", "fred_observations")
    assert second.written_at > ahead


# -- links -----------------------------------------------------------------------------------
def test_a_file_system_without_links_is_named(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small_settings(warehouse)
    shown = current_version(settings)

    def no_links(*_given: object, **_options: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "symlink", no_links)
    with pytest.raises(
        StorageError,
        match=r"cannot make a link \(.*Operation not supported\); put SMALLCAPS_WAREHOUSE on a "
        r"file system with symbolic links",
    ):
        repoint(settings, "20240301T220000-x")
    assert current_version(settings) == shown
    monkeypatch.undo()
    assert exit_code_of(StorageError("x"), monkeypatch) == Exit.REFUSED
