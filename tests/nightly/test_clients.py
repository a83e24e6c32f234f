"""Real clients on a real published file: read, never write, live through a publication."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import adbc_driver_duckdb
import adbc_driver_manager.dbapi
import duckdb
import pandas as pd
import polars
import pytest
from sqlalchemy import Engine, NullPool, create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from pipelines.errors import ConfigurationError
from pipelines.settings import PROJECT_DIR, Secret, Settings
from pipelines.storage.serving import extension_path, serve_published
from pipelines.storage.versions import list_versions, repoint
from tests.fakes.nights import NightResult
from tests.fakes.ui import free_port

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.xdist_group("nights"),
    pytest.mark.filterwarnings("ignore"),
]
COUNT = "select count(*) from marts.market_breadth"
VERSION = "select max(version) from meta.publications"
NODE = PROJECT_DIR / ".venv-node"
DUCKDB_CLI = Path(sys.executable).with_name("duckdb")
TOKEN = "a-token-of-readers"
BI_PAGE = (PROJECT_DIR / "docs/bi.md").read_text(encoding="utf-8")


@pytest.fixture
def published(later_night: NightResult) -> Path:
    """The path that every tool is told to open."""
    return later_night.settings.published_dir / "current/warehouse.duckdb"


def sqlalchemy_engine(path: Path) -> Engine:
    return create_engine(f"duckdb:///{path}", connect_args={"read_only": True}, poolclass=NullPool)


def read_python(path: Path, sql: str) -> Any:
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(sql).fetchall()[0][0]


def read_sqlalchemy(path: Path, sql: str) -> Any:
    return pd.read_sql(sql, sqlalchemy_engine(path)).iloc[0, 0]


def read_adbc(path: Path, sql: str) -> Any:
    with connect_adbc(path) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetch_arrow_table().column(0)[0].as_py()


def connect_adbc(path: Path) -> adbc_driver_manager.dbapi.Connection:
    return adbc_driver_manager.dbapi.connect(
        driver=adbc_driver_duckdb.driver_path(),
        entrypoint="duckdb_adbc_init",
        db_kwargs={"path": str(path), "access_mode": "READ_ONLY"},
        autocommit=True,
    )


def read_polars(path: Path, sql: str) -> Any:
    with connect_adbc(path) as connection:
        return polars.read_database(sql, connection).item()


def read_command_line(path: Path, sql: str) -> Any:
    told = run([str(DUCKDB_CLI), "-readonly", "-json", str(path), sql])
    return next(iter(json.loads(told)[0].values()))


def read_node(path: Path, sql: str) -> Any:
    if not (NODE / "node_modules/@duckdb/node-api").is_dir():
        pytest.skip("the Node client is not installed: there was no npm when `make test` set up")
    value = json.loads(run(["node", str(NODE / "read.mjs"), str(path), sql]))[0][0]
    return int(value) if str(value).isdigit() else value  # a BIGINT comes as text


def run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


CLIENTS: dict[str, Callable[[Path, str], Any]] = {
    "python": read_python,
    "sqlalchemy": read_sqlalchemy,
    "adbc": read_adbc,
    "polars": read_polars,
    "command_line": read_command_line,
    "node": read_node,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_reads_what_was_published(
    published: Path, later_night: NightResult, client: str
) -> None:
    [(expected,)] = later_night.published(COUNT)
    assert expected > 10_000
    assert CLIENTS[client](published, COUNT) == expected


@pytest.mark.parametrize("client", CLIENTS)
def test_a_new_connection_sees_the_version_that_the_link_shows(
    published: Path, later_night: NightResult, client: str
) -> None:
    settings = later_night.settings
    before, newest = list_versions(settings)[-2:]
    assert CLIENTS[client](published, VERSION) == newest
    try:
        repoint(settings, before)
        assert CLIENTS[client](published, VERSION) == before
    finally:
        repoint(settings, newest)


@contextmanager
def open_python(path: Path) -> Iterator[Callable[[], Any]]:
    with duckdb.connect(str(path), read_only=True) as connection:
        yield lambda: connection.execute(VERSION).fetchall()[0][0]


@contextmanager
def open_sqlalchemy(path: Path) -> Iterator[Callable[[], Any]]:
    with sqlalchemy_engine(path).connect() as connection:
        yield lambda: connection.execute(text(VERSION)).scalar()


@contextmanager
def open_adbc(path: Path) -> Iterator[Callable[[], Any]]:
    with connect_adbc(path) as connection, connection.cursor() as cursor:

        def read() -> Any:
            cursor.execute(VERSION)
            return cursor.fetchone()[0]

        yield read


@pytest.mark.parametrize("opened", [open_python, open_sqlalchemy, open_adbc])
def test_an_open_connection_keeps_its_version_through_a_publication(
    published: Path, later_night: NightResult, opened: Callable[[Path], Any]
) -> None:
    settings = later_night.settings
    before, newest = list_versions(settings)[-2:]
    with opened(published) as read:
        assert read() == newest
        try:
            repoint(settings, before)
            assert read() == newest
            assert read_command_line(published, VERSION) == before
        finally:
            repoint(settings, newest)


def test_sqlalchemy_reflects_schemas_tables_columns_and_their_comments(published: Path) -> None:
    inspector = inspect(sqlalchemy_engine(published))
    assert {"marts", "meta"} <= {name.split(".")[-1] for name in inspector.get_schema_names()}
    tables = inspector.get_table_names(schema="marts")
    assert {"market_breadth", "claim_audit"} <= set(tables)
    columns = {c["name"]: c for c in inspector.get_columns("market_breadth", schema="marts")}
    assert str(columns["traded_on"]["type"]) == "DATE"
    assert "percent" in columns["pct_above_200d"]["comment"]


def write_sqlalchemy(path: Path, sql: str) -> None:
    with sqlalchemy_engine(path).connect() as connection:
        connection.execute(text(sql))


@pytest.mark.parametrize(
    "write", [read_python, write_sqlalchemy, read_adbc, read_command_line], ids=lambda f: f.__name__
)
def test_no_client_can_change_the_file(published: Path, write: Callable[[Path, str], Any]) -> None:
    errors = (duckdb.Error, DBAPIError, adbc_driver_manager.Error, AssertionError)
    with pytest.raises(errors, match="read-only"):
        write(published, "delete from meta.world")


def test_the_examples_of_the_page_run_as_they_stand(
    published: Path, later_night: NightResult, tmp_path: Path
) -> None:
    (tmp_path / "warehouse").symlink_to(later_night.settings.warehouse)
    examples = re.findall(r"```python\n(.+?)```", BI_PAGE, re.DOTALL)
    assert len(examples) == 3
    for example in examples:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", example],
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


# -- the server of remote readers -----------------------------------------------------------------
class Served:
    """The server in a thread of its own, and what it told."""

    def __init__(self, settings: Settings) -> None:
        self.port = free_port()
        self.versions: list[str] = []
        self._told = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=serve_published,
            args=(settings,),
            kwargs={
                "token": Secret(TOKEN), "host": "127.0.0.1", "port": self.port,
                "stop": self._stop, "tell": self._tell, "look_every_s": 0.02,
            },
        )  # fmt: skip
        self._thread.start()

    def _tell(self, version: str) -> None:
        with self._told:
            self.versions.append(version)
            self._told.notify_all()

    def wait_for(self, count: int) -> None:
        with self._told:
            assert self._told.wait_for(lambda: len(self.versions) >= count, timeout=20)

    def end(self) -> None:
        self._stop.set()
        self._thread.join(timeout=20)
        assert not self._thread.is_alive()


@pytest.fixture
def served(later_night: NightResult) -> Iterator[Served]:
    server = Served(later_night.settings)
    server.wait_for(1)
    yield server
    server.end()


def ask(server: Served, sql: str, *, token: str = TOKEN) -> list[Any]:
    """Run one query as a client in a process of its own does; raise with what it was told."""
    script = (
        "import duckdb, json, sys\n"
        "c = duckdb.connect()\n"
        f"c.execute(\"load '{extension_path('httpfs')}'\")\n"
        f"c.execute(\"load '{extension_path('quack')}'\")\n"
        f"c.execute(\"attach 'quack:127.0.0.1:{server.port}' as remote (token '{token}')\")\n"
        "print(json.dumps(c.execute(sys.argv[1]).fetchall(), default=str))\n"
    )
    command = [sys.executable, "-c", script, sql]
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    if done.returncode != 0:
        raise PermissionError(done.stderr)
    rows: list[Any] = json.loads(done.stdout)
    return rows


def remotely(sql: str) -> str:
    return f"from remote.query($${sql}$$)"


def test_a_remote_reader_reads_what_was_published(served: Served, later_night: NightResult) -> None:
    assert ask(served, remotely(COUNT)) == [list(later_night.published(COUNT)[0])]


def test_a_remote_reader_with_another_token_reads_nothing(served: Served) -> None:
    with pytest.raises(PermissionError, match="Authentication failed"):
        ask(served, remotely(COUNT), token="another-token-of-readers")


@pytest.mark.parametrize(
    "sql",
    [
        "create table t as select 1",
        "create temp table t as select 1",
        "delete from meta.world",
        "attach ':memory:' as other",
        "copy (select 1) to '/tmp/out.csv'",
        "install httpfs",
        "set enable_external_access = true",
        "call quack_stop('quack:127.0.0.1:1')",
        "from quack_stop('quack:127.0.0.1:1')",
        "from \"QUACK_STOP\"('quack:127.0.0.1:1')",
        "from query('call quack_' || 'stop(''x'')')",
        "select (from quack_active_connections() limit 1)",
        "from json_execute_serialized_sql(json_serialize_sql('from quack_' || 'stop(''x'')'))",
        "with a as (from enable_logging()) from a",
        "from checkpoint()",
        "from pandas_scan(4096, 4096, 4096)",
        "select write_log('x')",
        "select 1; delete from meta.world",
    ],
)
def test_a_remote_reader_can_only_read(served: Served, sql: str) -> None:
    with pytest.raises(PermissionError, match="Authorization failed"):
        ask(served, remotely(sql))


@pytest.mark.parametrize(
    "sql", ["from read_text('/etc/hosts')", "from glob('/*')", "from read_csv('http://127.0.0.1/')"]
)
def test_a_remote_reader_sees_no_file_and_no_network_of_the_server(
    served: Served, sql: str
) -> None:
    with pytest.raises(PermissionError, match="disabled by configuration"):
        ask(served, remotely(sql))


def test_an_attached_reader_cannot_write_either(served: Served) -> None:
    for sql in ("create table remote.meta.t as select 1", "drop table remote.meta.world"):
        with pytest.raises(PermissionError, match=r"read-only|Authorization failed"):
            ask(served, sql)


def test_the_server_follows_a_publication(served: Served, later_night: NightResult) -> None:
    settings = later_night.settings
    before, newest = list_versions(settings)[-2:]
    assert ask(served, remotely(VERSION)) == [[newest]]
    try:
        repoint(settings, before)
        served.wait_for(2)
        assert ask(served, remotely(VERSION)) == [[before]]
    finally:
        repoint(settings, newest)
        served.wait_for(3)
    assert served.versions == [newest, before, newest]


def test_a_short_token_is_no_token(later_night: NightResult) -> None:
    with pytest.raises(ConfigurationError, match="at least 16 characters"):
        serve_published(
            later_night.settings, token=Secret("short"), host="127.0.0.1", port=1,
            stop=threading.Event(), tell=print,
        )  # fmt: skip


def test_the_command_wants_a_token_and_loopback(later_night: NightResult) -> None:
    def told(*options: str, **more: str) -> tuple[int, str]:
        environment = {k: v for k, v in os.environ.items() if k != "SMALLCAPS_SERVE_TOKEN"}
        environment |= {"SMALLCAPS_WAREHOUSE": str(later_night.settings.warehouse), **more}
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", "serve", *options],
            capture_output=True, text=True, timeout=60, env=environment, check=False,
        )  # fmt: skip
        return done.returncode, " ".join(done.stderr.split())

    code, said = told()
    assert (code, "SMALLCAPS_SERVE_TOKEN: not set" in said) == (2, True)
    code, said = told("--host", "0.0.0.0", SMALLCAPS_SERVE_TOKEN=TOKEN)  # noqa: S104
    assert (code, "has no TLS" in said, TOKEN in said) == (2, True, False)


def test_no_table_of_marts_has_the_name_of_one_of_meta(published: Path) -> None:
    with duckdb.connect(str(published), read_only=True) as connection:
        names = connection.execute("select table_name from duckdb_tables()").fetchall()
    assert len(names) == len(set(names))


def test_the_command_line_that_is_tried_is_of_the_lock_file() -> None:
    assert shutil.which(str(DUCKDB_CLI)), "duckdb-cli is a development dependency"
    assert duckdb.__version__ in run([str(DUCKDB_CLI), "--version"])
