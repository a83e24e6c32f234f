"""The published file for readers on other machines: DuckDB's Quack protocol, read-only.

One version is served at a time, opened read-only with all access to files and network switched off
and its configuration locked. When the link moves, the server closes that version and opens the new
one at the same address: connections end, and the next query sees the new version.
"""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import duckdb

from pipelines.errors import ConfigurationError
from pipelines.settings import Secret, Settings
from pipelines.storage.errors import NothingPublished
from pipelines.storage.remote_queries import Judge
from pipelines.storage.versions import current_version, version_path
from pipelines.storage.warehouse import apply_limits, quoted

log = logging.getLogger(__name__)

LOOK_EVERY_S = 2.0
SHORTEST_TOKEN = 16
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def serve_published(
    settings: Settings,
    *,
    token: Secret,
    host: str,
    port: int,
    stop: threading.Event,
    tell: Callable[[str], None],
    look_every_s: float = LOOK_EVERY_S,
) -> None:
    """Serve the current version until `stop` is set, each new one as soon as the link shows it.

    `tell` is called with the name of each version that begins to be served.

    Raises:
        ConfigurationError: the token is too short, or the address cannot be had.
        NothingPublished: no run has published yet.
    """
    if len(token.reveal()) < SHORTEST_TOKEN:
        raise ConfigurationError(f"SMALLCAPS_SERVE_TOKEN: at least {SHORTEST_TOKEN} characters")
    judge = Judge()
    while not stop.is_set():
        version = current_version(settings)
        if version is None:
            raise NothingPublished("nothing is published yet: run `smallcaps run` first")
        with _served(version_path(settings, version), judge, token, host, port):
            tell(version)
            while not stop.wait(look_every_s) and current_version(settings) == version:
                pass


@contextmanager
def _served(path: Path, judge: Judge, token: Secret, host: str, port: int) -> Iterator[None]:
    """Serve one file while the context is open."""

    def may_run(session: str, query: str) -> bool:
        allowed = judge.may_run(query)
        if not allowed:
            log.warning("refused a query of session %s", session[:8])
        return allowed

    address = f"quack:{host}:{port}"
    with duckdb.connect(str(path), read_only=True) as connection:
        apply_limits(connection, scratch=Path(tempfile.gettempdir()))
        for name in ("httpfs", "quack"):
            connection.execute(f"load '{quoted(extension_path(name))}'")
        connection.create_function(
            "smallcaps_may_run", may_run, ["VARCHAR", "VARCHAR"], "BOOLEAN", side_effects=True
        )
        connection.execute("set global quack_authorization_function = 'smallcaps_may_run'")
        connection.execute("set enable_external_access = false")
        try:
            connection.execute(
                "call quack_serve($address, token = $token, allow_other_hostname = $other, "
                "disable_ssl = true)",
                {"address": address, "token": token.reveal(), "other": host not in LOOPBACK},
            ).fetchall()
        except duckdb.Error as error:
            told = str(error).splitlines()[0].replace(token.reveal(), "***")
            raise ConfigurationError(f"cannot serve on {host}:{port}: {told}") from None
        connection.execute("set lock_configuration = true")
        try:
            yield
        finally:
            connection.execute("call quack_stop($address)", {"address": address}).fetchall()


def extension_path(name: str) -> Path:
    """Return an extension's file out of its Python package, of this version of DuckDB.

    Raises:
        ConfigurationError: the package does not hold one.
    """
    folder = Path(str(files(f"duckdb_extension_{name}"))) / "extensions" / f"v{duckdb.__version__}"
    path = folder / f"{name}.duckdb_extension"
    if not path.exists():
        raise ConfigurationError(f"duckdb-extension-{name} has no file for {duckdb.__version__}")
    return path
