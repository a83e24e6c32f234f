"""What readers see while versions are published, and that they cannot write."""

from __future__ import annotations

import multiprocessing
import os
import stat
from pathlib import Path

import duckdb
import pytest

from pipelines.storage import snapshot
from pipelines.storage.errors import QueryRefused
from tests.readers.crowd import prepare, publish_number, run_crowd

NOBODY = 65534


def test_readers_meet_no_error_no_torn_read_and_nothing_stale(tmp_path: Path) -> None:
    anew, held, _ = run_crowd(tmp_path, publications=15)
    for figures in (anew, held):
        assert (figures.errors, figures.torn, figures.stale) == (0, 0, 0), figures
    assert anew.reads >= anew.connections > 15
    assert anew.versions_seen > 1
    assert held.connections == 2
    assert held.versions_seen == 1, "a held connection keeps its version"


def test_a_reader_keeps_its_version_even_when_that_is_removed(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    publish_number(settings, 1)
    with snapshot.open_published(settings) as reader:
        for n in range(2, 5):
            publish_number(settings, n, keep=2)
        assert not (settings.published_dir / "versions" / "1").exists()
        assert reader.execute("select distinct n from marts.first_stamp").fetchall() == [(1,)]
    assert snapshot.query(settings, "select max(n) as n from marts.last_stamp")["n"][0] == 4


@pytest.mark.parametrize(
    "sql",
    [
        "insert into marts.first_stamp values (9)",
        "update marts.first_stamp set n = 9",
        "delete from marts.first_stamp",
        "drop table marts.first_stamp",
        "create table marts.mine (n integer)",
    ],
)
def test_a_reader_cannot_write(tmp_path: Path, sql: str) -> None:
    settings = prepare(tmp_path)
    publish_number(settings, 1)
    path = snapshot.published_path(settings)
    before = path.read_bytes()
    with pytest.raises(QueryRefused, match="read-only"):
        snapshot.query(settings, sql)
    with (
        duckdb.connect(str(path), read_only=True) as reader,
        pytest.raises(duckdb.InvalidInputException, match="attached in read-only mode"),
    ):
        reader.execute(sql)
    assert path.read_bytes() == before


def test_the_mode_of_the_file_keeps_another_user_from_writing(tmp_path: Path) -> None:
    settings = prepare(tmp_path)
    publish_number(settings, 1)
    path = snapshot.published_path(settings).resolve()
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    process = multiprocessing.get_context("fork").Process(target=_write_as_another, args=(path,))
    process.start()
    process.join(timeout=60)
    assert process.exitcode == 0
    assert snapshot.query(settings, "select max(n) as n from marts.first_stamp")["n"][0] == 1


def _write_as_another(path: Path) -> None:
    """Open read-write as an ordinary user; the superuser is above modes, so it steps down."""
    folder = os.open(path.parent, os.O_RDONLY)
    os.fchdir(folder)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    with pytest.raises(PermissionError):
        os.open(path.name, os.O_RDWR, dir_fd=folder)
    with pytest.raises(duckdb.IOException, match=r"Cannot open file .*Permission denied"):
        duckdb.connect(str(path))
