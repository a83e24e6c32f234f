"""Start Dagster's UI and daemon, the dashboard, or the server of remote readers, and stop them.

Which warehouse they show comes with the settings; the definitions come from workspace.yaml.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping

from pipelines.errors import ConfigurationError
from pipelines.launch import WORKSPACE, clear_dead_runs, prepare_dagster_home
from pipelines.settings import PROJECT_DIR, Settings, child_environment
from pipelines.storage.serving import serve_published

GRACE_SECONDS = 20.0
"""Daemon threads and the code server take about 3 s to end; a run of theirs may take longer."""
POLL_SECONDS = 0.05
QUIET_WARNING = "ignore:Function `dev_command` is superseded"


def serve(settings: Settings, *, host: str, port: int) -> int:
    """Run `dagster dev` in a process group of its own until it ends or we are told to stop.

    Ctrl-C and SIGTERM are passed on to the whole group; what has not ended after `GRACE_SECONDS`
    is killed. Returns 0 after a stop that was asked for, else the exit code.

    Raises:
        ConfigurationError: the address cannot be had; another program listens there.
    """
    _check_free(host, port)
    clear_dead_runs(settings)
    environment = child_environment(settings) | {
        "DAGSTER_HOME": str(prepare_dagster_home(settings)),
        "PYTHONWARNINGS": QUIET_WARNING,
    }
    command = [sys.executable, "-m", "dagster", "dev", "--workspace", str(WORKSPACE)]
    command += ["--host", host, "--port", str(port)]
    return _run_until_told(command, environment)


def serve_dashboard(settings: Settings, *, host: str, port: int) -> int:
    """Run the dashboard in a process group of its own until it ends or we are told to stop.

    Returns 0 after a stop that was asked for, else the exit code.

    Raises:
        ConfigurationError: the address cannot be had; another program listens there.
    """
    _check_free(host, port)
    environment = child_environment(settings) | {"PYTHONPATH": str(PROJECT_DIR)}
    command = [sys.executable, "-m", "streamlit", "run", str(PROJECT_DIR / "dashboard/app.py")]
    command += [f"--server.address={host}", f"--server.port={port}", "--server.headless=true"]
    command += ["--browser.gatherUsageStats=false", "--server.fileWatcherType=none"]
    command += ["--client.toolbarMode=minimal", "--client.showErrorDetails=none"]
    return _run_until_told(command, environment)


def serve_readers(settings: Settings, *, host: str, port: int, tell: Callable[[str], None]) -> int:
    """Serve the published file to remote readers until we are told to stop; return 0.

    Raises:
        ConfigurationError: no token in the environment, or the address cannot be had.
        NothingPublished: no run has published yet.
    """
    if settings.serve_token is None:
        raise ConfigurationError(
            "SMALLCAPS_SERVE_TOKEN: not set; readers show it, so that nobody else can read"
        )
    _check_free(host, port)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve_published(
        settings, token=settings.serve_token, host=host, port=port, stop=stop, tell=tell
    )
    return 0


def _run_until_told(command: list[str], environment: Mapping[str, str]) -> int:
    asked: list[float] = []

    def stop(*_: object) -> None:
        if not asked:
            asked.append(time.monotonic())

    # Before the child starts: a handled signal is reset to its default in the child, an ignored
    # one (as in a script's background job) would stay ignored there and Ctrl-C would do nothing.
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    process = subprocess.Popen(command, env=environment, start_new_session=True)  # noqa: S603
    group = process.pid
    try:
        while process.poll() is None and not asked:
            time.sleep(POLL_SECONDS)
    finally:
        _end_group(process, group)
    return 0 if asked else process.returncode


def _check_free(host: str, port: int) -> None:
    """Refuse a taken address at once; Dagster would say so after 15 s and leave its daemon up."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationError(f"--port {port}: {host}:{port} is taken ({error})") from error


def _end_group(process: subprocess.Popen[bytes], group: int) -> None:
    """Ask the group to end, wait for its last member, and kill what does not end."""
    for signal_number, seconds in ((signal.SIGINT, GRACE_SECONDS), (signal.SIGKILL, 5.0)):
        _signal(group, signal_number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            process.poll()
            if not _signal(group, 0):
                return
            time.sleep(POLL_SECONDS)


def _signal(group: int, number: int) -> bool:
    """Send a signal to a process group; return whether anybody was there to get it."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True
