"""`smallcaps ui` for real: where it listens, what it keeps to itself, and that it leaves nobody."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.ui import (
    LOOPBACK,
    START_SECONDS,
    STOP_SECONDS,
    answers,
    ask,
    free_port,
    kill_what_is_left,
    listening,
    processes_of,
    start_ui,
    wait,
)

pytestmark = [
    pytest.mark.xdist_group("ui"),
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc"),
]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the UI on a port; whatever the test did, nothing of it is left afterwards."""
    yield lambda port, *before: start_ui(tmp_path, port, *before)
    kill_what_is_left(tmp_path)


def test_it_listens_on_loopback_keeps_quiet_and_ends_on_sigterm(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    port = free_port()
    ui = start(port)
    wait(START_SECONDS, lambda: answers(port) or ui.poll() is not None, "the first page")
    assert ui.poll() is None, (tmp_path / "ui.log").read_text()
    assert listening(port) == {LOOPBACK}
    processes = processes_of(tmp_path)
    assert len(processes) >= 4  # ourselves, dagster dev, the web server, the daemon
    assert all("DAGSTER_DISABLE_TELEMETRY=1\0" in e for e in processes.values())
    said = ask(
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
    wait(STOP_SECONDS, lambda: ui.poll() is not None, "the end")
    assert ui.returncode == 0
    assert processes_of(tmp_path) == {}
    assert listening(port) == set()


def test_ctrl_c_ends_it_even_where_the_shell_ignored_the_signal(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    """A background job of a script inherits an ignored SIGINT, and so would all its children."""
    port = free_port()
    ui = start(port, "sh", "-c", 'trap "" INT; exec "$@"', "sh")
    wait(START_SECONDS, lambda: answers(port) or ui.poll() is not None, "the first page")
    ui.send_signal(signal.SIGINT)
    wait(STOP_SECONDS, lambda: ui.poll() is not None, "the end")
    assert ui.returncode == 0
    assert processes_of(tmp_path) == {}


def test_a_taken_port_is_refused_at_once(
    tmp_path: Path, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ui = start(port)
        wait(START_SECONDS, lambda: ui.poll() is not None, "the refusal")
    assert ui.returncode == 2
    assert f"127.0.0.1:{port} is taken" in (tmp_path / "ui.log").read_text()
    assert processes_of(tmp_path) == {}
