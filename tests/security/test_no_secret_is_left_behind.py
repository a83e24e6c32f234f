"""A planted key, a source that sends it back in every way it can, and a search of what is left."""

from __future__ import annotations

import contextlib
import gzip
import json
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qsl, unquote, urlsplit

import duckdb
import pytest

from pipelines.errors import ConfigurationError
from pipelines.night import Night
from pipelines.sample.wire import Ask
from pipelines.settings import (
    PUBLIC_HOSTS,
    SAMPLE_FRED_KEY,
    Settings,
    base_url_variable,
    read_settings,
)
from pipelines.sources.errors import SourceError
from pipelines.steps import begin_night, end_night, fetch_feed, judge_feed, load_feed
from pipelines.storage import meta
from pipelines.storage.errors import LoadRefused
from pipelines.storage.publish import publish
from pipelines.storage.warehouse import open_build
from tests.fakes.sample_world import adapter

KEY = "p1antedkeyp1antedkeyp1antedkey99"
AS_OF = date(2025, 10, 10)
WANTED = ("DGS10", "DFEDTARU", "T10Y2Y", "UNRATE", "DGS2")
FEEDS = ("fred_observations", "fred_releases")


class Echo(BaseHTTPRequestHandler):
    """Simulated FRED that says the key in body, headers, error texts and redirects."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        if "api_key" not in query:
            return self._say(404, {"said": KEY})
        assert query["api_key"] == KEY
        if query.get("series_id") == "DGS2":
            return self._say(400, {"error_code": 400, "error_message": f"no, {KEY} may not"})
        if query.get("series_id") == "T10Y2Y":
            return self._say(302, {}, location=f"http://127.0.0.2/{KEY}")
        ask = Ask(unquote(parts.path), query | {"api_key": SAMPLE_FRED_KEY}, {}, AS_OF)
        answer = adapter(AS_OF).answer("fred-api", ask)
        document = json.loads(answer.body)
        return self._say(answer.status, document | {"you_asked": self.path})

    def _say(self, status: int, document: dict, location: str | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", f"application/json; key={KEY}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{KEY}"')
        if location is not None:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Variables of a live run whose every provider is the echo."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield {
            "SMALLCAPS_WORLD": "live",
            "SMALLCAPS_WAREHOUSE": str(tmp_path / "warehouse"),
            "SMALLCAPS_AS_OF": AS_OF.isoformat(),
            "SMALLCAPS_PACING": "off",
            "FRED_API_KEY": KEY,
            **{base_url_variable(provider): address for provider in PUBLIC_HOSTS},
        }
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    return read_settings(environment)


def _night(settings: Settings) -> Night:
    """A macro night over a few series, one of which is answered with an error and one elsewhere."""
    night = begin_night(settings, "planted", branches=("macro",))
    series = tuple(
        s.model_copy(update={"required": False})
        for s in night.catalog.fred_series
        if s.id in WANTED
    )
    return replace(night, catalog=night.catalog.model_copy(update={"fred_series": series}))


def _run(settings: Settings) -> list[str]:
    """Fetch, judge, load and publish; return every exception's whole text."""
    night = _night(settings)
    raised = []
    for feed in FEEDS:
        try:
            fetch_feed(night, feed)
            judge_feed(night, feed)
            load_feed(night, feed)
        except (SourceError, LoadRefused, ConfigurationError) as error:
            raised.append("".join(traceback.format_exception(error)))
    publish(
        settings, run_id="clean", as_of=AS_OF, expected_checks=["planted:check"],
        code_version="x", dictionary=meta.dictionary(), marts={},
    )  # fmt: skip
    end_night("planted", failed=False)
    return raised


def _texts(path: Path) -> Iterator[str]:
    """Everything that a file says: packed, columnar and plain."""
    raw = path.read_bytes()
    yield raw.decode("latin-1")
    if path.suffix == ".gz":
        yield gzip.decompress(raw).decode("latin-1")
    if path.suffix in (".duckdb", ".parquet"):
        with duckdb.connect(str(path) if path.suffix == ".duckdb" else ":memory:") as connection:
            names = [f"'{path}'"]
            if path.suffix == ".duckdb":
                names = [
                    f"{schema}.{table}"
                    for schema, table in connection.execute(
                        "select schema_name, table_name from duckdb_tables()"
                    ).fetchall()
                ]
            for name in names:
                yield str(connection.execute(f"from {name}").fetchall())


def test_a_planted_key_is_nowhere_in_what_a_night_leaves(
    settings: Settings, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    _night(settings)
    with open_build(settings) as connection:
        record = meta.CheckRecord("planted:check", "gate", "t", "block", "passed", "", 0)
        meta.start_run(
            connection, "clean", world="live", as_of=AS_OF, code_version="x",
            branches=("macro",), started_at=datetime.now(UTC),
        )  # fmt: skip
        meta.record_checks(connection, "clean", [record])
    raised = _run(settings)
    files = [p for p in settings.warehouse.rglob("*") if p.is_file() and not p.is_symlink()]
    searched = {str(p): "".join(_texts(p)) for p in files}
    kinds = {p.suffix for p in files}
    assert {".gz", ".duckdb", ".parquet", ".json"} <= kinds
    assert any("you_asked" in text for text in searched.values()), "the echo did not arrive"
    assert any("FRED refuses: no, ******** may not" in text for text in searched.values())
    assert [name for name, text in searched.items() if KEY in text or KEY in name] == []
    said = caplog.text + "".join(capfd.readouterr()) + "".join(raised) + repr(settings)
    assert "fetching fred_observations" in said
    assert KEY not in said


@pytest.mark.nightly
def test_a_planted_key_is_nowhere_in_what_the_command_and_dagster_leave(
    environment: dict[str, str],
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "run", "--only", "macro"],
        env={k: v for k, v in os.environ.items() if "API_KEY" not in k} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    listed = set()
    said = ""
    while process.poll() is None:
        listed |= {_command_line(p) for p in Path("/proc").glob("[0-9]*/cmdline")}
        with contextlib.suppress(subprocess.TimeoutExpired):
            said, _ = process.communicate(timeout=0.5)
    warehouse = Path(environment["SMALLCAPS_WAREHOUSE"])
    files = [p for p in warehouse.rglob("*") if p.is_file() and not p.is_symlink()]
    assert any(p.suffix == ".db" and "dagster_home" in p.parts for p in files), "no event log"
    assert process.returncode == 1, said
    assert "FRED refuses" in "".join("".join(_texts(p)) for p in files)
    assert [str(p) for p in files if any(KEY in text for text in _texts(p))] == []
    assert any("pipelines.cli" in line for line in listed), "the process list was not seen"
    assert [line for line in listed if KEY in line] == []
    assert "fred_observations" in said
    assert KEY not in said


def _command_line(path: Path) -> str:
    try:
        return path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:  # the process has ended
        return ""
