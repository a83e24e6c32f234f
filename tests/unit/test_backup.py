"""A backup is a whole warehouse or none, and what comes back goes on working."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.safekeeping import backup, restore
from pipelines.settings import Settings
from pipelines.storage import snapshot
from pipelines.storage.backup import MANIFEST, read_backup
from pipelines.storage.errors import BackupRefused, WarehouseBusy
from pipelines.storage.versions import current_version, list_versions
from tests.fakes.small_night import FIRST, raw_differences, run_small_night, small_settings

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = small_settings(tmp_path_factory.mktemp("kept") / "warehouse", FIRST)
    run_small_night(settings, "first")
    return settings


@pytest.fixture(scope="module")
def saved(night: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backups") / "one"
    backup(night, folder, QUIET)
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "night.lock" and "dagster_home" not in path.parts
    }


def test_a_restored_warehouse_holds_the_same_files_and_goes_on(
    night: Settings, saved: Path, tmp_path: Path
) -> None:
    settings = small_settings(tmp_path / "elsewhere")
    restore(settings, saved, QUIET)
    kept, back = files_of(night.warehouse), files_of(settings.warehouse)
    # checkpointing when the restored file is opened may touch pages, not rows
    assert back.keys() == kept.keys()
    del kept["build/warehouse.duckdb"], back["build/warehouse.duckdb"]
    assert back == kept
    assert raw_differences(night.build_path, settings.build_path) == {}
    assert current_version(settings) == current_version(night)
    run_small_night(settings, "second")
    assert len(list_versions(settings)) == 2
    assert snapshot.query(settings, "select count(*) as n from meta.runs")["n"].tolist() == [2]


def test_the_manifest_names_every_file_with_its_hash_and_the_link(saved: Path) -> None:
    manifest = read_backup(saved)
    assert manifest.world == "sample"
    assert set(manifest.files) | set(manifest.links) == {
        p.relative_to(saved / "warehouse").as_posix()
        for p in (saved / "warehouse").rglob("*")
        if p.is_file() and "current" not in p.relative_to(saved / "warehouse").parent.parts
    } | {"published/current"}
    assert manifest.links["published/current"].startswith("versions/")
    assert all(len(digest) == 64 for digest in manifest.files.values())


@pytest.mark.parametrize("harm", ["changed", "missing", "cut short"])
def test_a_damaged_backup_is_refused_and_nothing_comes_back(
    saved: Path, tmp_path: Path, harm: str
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(saved, broken, symlinks=True)
    name = next(n for n in read_backup(broken).files if n.startswith("landing/payloads"))
    path = broken / "warehouse" / name
    if harm == "changed":
        path.chmod(0o644)
        path.write_bytes(path.read_bytes() + b"x")
    elif harm == "missing":
        path.unlink()
    else:
        (broken / MANIFEST).unlink()
    settings = small_settings(tmp_path / "new")
    with pytest.raises(BackupRefused, match=r"damaged|cut short"):
        restore(settings, broken, QUIET)
    assert not settings.build_path.exists()
    assert not settings.published_dir.exists()
    restore(settings, saved, QUIET)  # what was begun is no obstacle
    assert settings.build_path.exists()


@pytest.mark.parametrize("name", ["../escaped", "landing/../../escaped", "/etc/passwd", "other/x"])
def test_a_manifest_that_names_other_files_is_refused(
    saved: Path, tmp_path: Path, name: str
) -> None:
    forged = tmp_path / "forged"
    forged.mkdir()
    document = json.loads((saved / MANIFEST).read_text())
    for changes in (
        {"files": {name: "0" * 64}},
        {"links": {"published/current": f"../{name}"}},
        {"links": {"published/current": "/etc"}},
    ):
        (forged / MANIFEST).write_text(json.dumps(document | changes))
        with pytest.raises(BackupRefused, match="no warehouse's"):
            restore(small_settings(tmp_path / "new"), forged, QUIET)


def test_a_backup_goes_back_into_its_own_world_and_an_empty_warehouse(
    night: Settings, saved: Path, tmp_path: Path
) -> None:
    other = small_settings(tmp_path / "live").with_options(world="live")
    with pytest.raises(BackupRefused, match="of the sample world, this is live"):
        restore(other, saved, QUIET)
    with pytest.raises(BackupRefused, match="holds landing, build, published"):
        restore(night, saved, QUIET)


def test_a_backup_wants_a_new_folder_outside_and_a_warehouse(
    night: Settings, saved: Path, tmp_path: Path
) -> None:
    with pytest.raises(BackupRefused, match="is not empty"):
        backup(night, saved, QUIET)
    with pytest.raises(BackupRefused, match="lies in the warehouse"):
        backup(night, night.warehouse / "backup", QUIET)
    with pytest.raises(BackupRefused, match="there is no warehouse yet"):
        backup(small_settings(tmp_path / "none"), tmp_path / "folder", QUIET)


def test_no_backup_is_written_while_a_run_is_under_way(night: Settings, tmp_path: Path) -> None:
    hold = (
        "import sys; from pathlib import Path; from pipelines.storage import night_lock\n"
        "from tests.fakes.small_night import small_settings\n"
        "with night_lock.held_for(small_settings(Path(sys.argv[1])), 'a run'):\n"
        "    print('held', flush=True); sys.stdin.read()\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(night.warehouse)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert other.stdout is not None
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(WarehouseBusy, match="a run"):
            backup(night, tmp_path / "folder", QUIET, wait_s=0.2)
        assert not (tmp_path / "folder").exists()
    finally:
        other.communicate("")
