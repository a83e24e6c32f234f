"""The build file made anew from landing: the same raw rows, the same marts, the old file kept."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from pipelines import steps
from pipelines.errors import ConfigurationError
from pipelines.rebuild import RebuildRefused, rebuild
from pipelines.storage.errors import LandingCorrupt
from pipelines.storage.landing_log import read_log
from pipelines.storage.versions import current_version
from tests.fakes.nights import run_sample_night
from tests.fakes.small_night import (
    FIRST,
    SECOND,
    raw_rows,
    run_small_night,
    small_catalog,
    small_settings,
)

MOMENT = datetime(2025, 10, 11, 8, 0, tzinfo=UTC)


def differences(old: Path, new: Path, schemas: tuple[str, ...]) -> dict[str, int]:
    """Rows that only one of two files has, all columns counted, by table."""
    found = {}
    with duckdb.connect(str(new), read_only=True) as connection:
        connection.execute(f"attach '{old}' as old (read_only)")
        tables = connection.execute(
            "select schema_name || '.' || table_name from duckdb_tables() "
            "where database_name = 'old' and list_contains(?, schema_name) order by 1",
            [list(schemas)],
        ).fetchall()
        assert tables
        for (name,) in tables:
            [(rows,)] = connection.execute(
                f"select count(*) from ((from {name} except all from old.{name}) "
                f"union all (from old.{name} except all from {name}))"
            ).fetchall()
            if rows:
                found[name] = rows
    return found


@pytest.fixture(scope="module")
def two_nights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    warehouse = tmp_path_factory.mktemp("rebuild") / "warehouse"
    run_small_night(small_settings(warehouse, FIRST), "first")
    run_small_night(small_settings(warehouse, SECOND), "second")
    return warehouse


@pytest.fixture
def warehouse(two_nights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two small nights; the marts of these are not dbt's, so no dbt is asked for."""
    monkeypatch.setattr("pipelines.rebuild._build_marts", lambda staging, loaded: [])
    return Path(shutil.copytree(two_nights, tmp_path / "warehouse", symlinks=True))


@pytest.mark.nightly
def test_marts_and_raw_come_out_equal_row_for_row(tmp_path: Path) -> None:
    night = run_sample_night(tmp_path / "w", only="macro", as_of=FIRST)
    assert night.exit_code == 0, night.conclusion.error
    shown = current_version(night.settings)
    rebuilt = rebuild(night.settings, moment=MOMENT)
    assert rebuilt.findings == ()
    assert rebuilt.kept is not None
    new, old = night.settings.build_path, rebuilt.kept / "warehouse.duckdb"
    assert differences(old, new, ("raw", "marts", "intermediate", "reference")) == {}
    assert night.build("select count(*) > 1000 from marts.macro_regime") == [(True,)]
    assert current_version(night.settings) == shown


def test_every_batch_is_loaded_again_in_the_order_of_landing(warehouse: Path) -> None:
    settings = small_settings(warehouse)
    rebuilt = rebuild(settings, moment=MOMENT)
    assert dict(rebuilt.batches) == {"loaded": 4}
    assert rebuilt.raw is not None
    assert {(d.only_old, d.only_new) for d in rebuilt.raw.values()} == {(0, 0)}
    assert rebuilt.kept == settings.build_path.parent / "before-20251011T080000"
    old = rebuilt.kept / "warehouse.duckdb"
    assert differences(old, settings.build_path, ("raw",)) == {}
    names = sorted(p.name for p in settings.build_path.parent.iterdir())
    assert names == ["before-20251011T080000", "night.lock", "warehouse.duckdb", "world.json"]
    run_small_night(settings, "third")


def test_a_damaged_build_file_is_no_obstacle(warehouse: Path, tmp_path: Path) -> None:
    settings = small_settings(warehouse)
    whole = tmp_path / "whole.duckdb"
    shutil.copy(settings.build_path, whole)
    settings.build_path.write_bytes(b"no database")
    settings.build_path.with_name("warehouse.duckdb.wal").write_bytes(b"stale")
    rebuilt = rebuild(settings, moment=MOMENT)
    assert rebuilt.raw is None
    assert differences(whole, settings.build_path, ("raw",)) == {}
    assert rebuilt.kept is not None
    kept = sorted(p.name for p in rebuilt.kept.iterdir())
    assert kept == ["warehouse.duckdb", "warehouse.duckdb.wal", "world.json"]


def test_rows_are_not_given_up_silently(warehouse: Path) -> None:
    settings = small_settings(warehouse)
    before = settings.build_path.read_bytes()
    shutil.rmtree(warehouse / "landing/runs/second")
    with pytest.raises(RebuildRefused, match=r"does not give back rows .*raw\.instrument_bars"):
        rebuild(settings, moment=MOMENT)
    assert settings.build_path.read_bytes() == before
    assert not list(settings.build_path.parent.glob(".rebuild-*"))
    rebuild(settings, accept_loss=True, moment=MOMENT)
    with duckdb.connect(str(settings.build_path), read_only=True) as build:
        assert build.execute("select distinct run_id from raw.instrument_bars").fetchall() == [
            ("first",)
        ]


def test_a_damaged_batch_stops_the_rebuild_and_can_be_left_out(warehouse: Path) -> None:
    settings = small_settings(warehouse)
    path = warehouse / "landing/runs/second/instrument_bars/instrument_bars.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(LandingCorrupt, match=rf"run second: {path}"):
        rebuild(settings, moment=MOMENT)
    rebuilt = rebuild(settings, without=["second"], accept_loss=True, moment=MOMENT)
    assert dict(rebuilt.batches) == {"loaded": 2}
    with pytest.raises(ConfigurationError, match="--without third: landing holds no such run"):
        rebuild(settings, without=["third"])


def test_a_load_that_a_crash_cut_off_is_made_good_by_the_next_night(tmp_path: Path) -> None:
    settings = small_settings(tmp_path, FIRST)
    night = steps.begin_night(settings, "cut", branches=("macro",), catalog=small_catalog())
    steps.fetch_feed(night, "fred_observations")
    steps.judge_feed(night, "fred_observations")
    steps.end_night("cut", failed=True)
    assert raw_rows(settings.build_path) == 0
    steps.begin_night(settings, "next", branches=("macro",), catalog=small_catalog())
    steps.end_night("next", failed=False)
    with duckdb.connect(str(settings.build_path), read_only=True) as build:
        assert build.execute(
            "select distinct run_id, loaded_as_of from raw.fred_observations"
        ).fetchall() == [("cut", FIRST)]
    assert [(e.batch.run_id, e.verdict) for e in read_log(settings.landing_dir)] == [
        ("cut", "accepted")
    ]
