"""Start `smallcaps ui` for real, ask it, and see that nothing of it is left."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.settings import PROJECT_DIR, child_environment, read_settings

START_SECONDS = 120.0
STOP_SECONDS = 40.0
LOOPBACK = "0100007F"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait(seconds: float, done: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"{what} took more than {seconds:.0f} s"
        time.sleep(0.1)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/server_info", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def ask(port: int, question: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": question}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        found: dict[str, Any] = json.load(answer)["data"]
    return found


def processes_of(warehouse: Path) -> dict[int, str]:
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


def listening(port: int) -> set[str]:
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


def start_ui(warehouse: Path, port: int, *before: str) -> subprocess.Popen[bytes]:
    """Start the UI over a warehouse; what it says goes into `ui.log` there."""
    command = [*before, sys.executable, "-m", "pipelines.cli", "ui", "--port", str(port)]
    with (warehouse / "ui.log").open("wb") as log:
        return subprocess.Popen(
            command,
            env=child_environment(read_settings({"SMALLCAPS_WAREHOUSE": str(warehouse)})),
            cwd=PROJECT_DIR,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def kill_what_is_left(warehouse: Path) -> None:
    for pid in processes_of(warehouse):
        subprocess.run(["kill", "-KILL", str(pid)], check=False)
