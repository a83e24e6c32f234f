"""`smallcaps ui` for real: where it listens, what it keeps to itself, and that it leaves nobody."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pipelines.settings import PROJECT_DIR, child_environment, read_settings

pytestmark = [
    pytest.mark.xdist_group("ui"),
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc"),
]

START_SECONDS = 120.0
STOP_SECONDS = 40.0
LOOPBACK = "0100007F"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(seconds: float, done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"{what} took more than {seconds:.0f} s"
        time.sleep(0.1)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _ask(port: int, question: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": question}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)["data"]
    return found


def _processes_of(warehouse: Path) -> dict[int, str]:
    """Every living process that was started for this warehouse, with its environment."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            environment = (folder / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if f"SMALLCAPS_WAREHOUSE={warehouse}\0" in environment:
            found[int(folder.name)] = environment
    return found


def _listening(port: int) -> set[str]:
    """Local addresses that listen on a port, in the kernel's hexadecimal."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        if not Path(table).exists():
            continue
        for line in Path(table).read_text().splitlines()[1:]:
            address, number = line.split()[1].split(":")
            if int(number, 16) == port and line.split()[3] == "0A":
                found.add(address)
    return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the UI on a port; whatever the test did, nothing of it is left afterwards."""
    settings = read_settings({"SMALLCAPS_WAREHOUSE": str(tmp_path)})
    log = (tmp_path / "ui.log").open("wb")

    def begin(port: int, *before: str) -> subprocess.Popen[bytes]:
        command = [*before, sys.executable, "-m", "pipelines.cli", "ui", "--port", str(port)]
        return subprocess.Popen(
            command,
            env=child_environment(settings),
            cwd=PROJECT_DIR,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    yield begin
    log.close()
    for pid in _processes_of(tmp_path):
        subprocess.run(["kill", "-KILL", str(pid)], check=False)


def test_it_listens_on_loopback_keeps_quiet_and_ends_on_sigterm(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    port = _free_port()
    ui = start(port)
    _wait(START_SECONDS, lambda: _answers(port) or ui.poll() is not None, "the first page")
    assert ui.poll() is None, (tmp_path / "ui.log").read_text()
    assert _listening(port) == {LOOPBACK}
    processes = _processes_of(tmp_path)
    assert len(processes) >= 4  # ourselves, dagster dev, the web server, the daemon
    assert all("DAGSTER_DISABLE_TELEMETRY=1\0" in e for e in processes.values())
    said = _ask(
        port,
        "{shouldShowNux instance{info} workspaceOrError{... on Workspace{locationEntries{name}}}"
        " repositoriesOrError{... on RepositoryConnection{nodes{name schedules{name"
        " scheduleState{status}}}}}}",
    )
    assert said["shouldShowNux"] is False
    assert "telemetry:\n  enabled: false" in said["instance"]["info"]
    assert said["workspaceOrError"]["locationEntries"] == [{"name": "smallcaps"}]
    [repository] = said["repositoriesOrError"]["nodes"]
    assert repository["schedules"] == [
        {"name": "every_session", "scheduleState": {"status": "STOPPED"}}
    ]
    ui.send_signal(signal.SIGTERM)
    _wait(STOP_SECONDS, lambda: ui.poll() is not None, "the end")
    assert ui.returncode == 0
    assert _processes_of(tmp_path) == {}
    assert _listening(port) == set()


def test_ctrl_c_ends_it_even_where_the_shell_ignored_the_signal(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """A background job of a script inherits an ignored SIGINT, and so would all its children."""
    port = _free_port()
    ui = start(port, "sh", "-c", 'trap "" INT; exec "$@"', "sh")
    _wait(START_SECONDS, lambda: _answers(port) or ui.poll() is not None, "the first page")
    ui.send_signal(signal.SIGINT)
    _wait(STOP_SECONDS, lambda: ui.poll() is not None, "the end")
    assert ui.returncode == 0
    assert _processes_of(tmp_path) == {}


def test_a_taken_port_is_refused_at_once(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ui = start(port)
        _wait(START_SECONDS, lambda: ui.poll() is not None, "the refusal")
    assert ui.returncode == 2
    assert f"127.0.0.1:{port} is taken" in (tmp_path / "ui.log").read_text()
    assert _processes_of(tmp_path) == {}
