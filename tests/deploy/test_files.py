"""What is deployed names what exists, listens on loopback, and holds no secret."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.settings import PROJECT_DIR
from tests.fakes.commands import known_commands

DEPLOY = PROJECT_DIR / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
BIN = Path(sys.executable).parent
SECRETS = ("KEY", "TOKEN", "PASSWORD", "SMTP", "WEBHOOK")


def _tool(name: str) -> str:
    """A linter of the development set, or of the machine; skipped where it is on neither."""
    found = shutil.which(name, path=f"{BIN}:/usr/bin:/usr/local/bin")
    if found is None:
        pytest.skip(f"{name} is not on this machine; the file is still held to the other rules")
    return found


def _run(*command: str, **options: Any) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""


def _check_command(words: list[str]) -> None:
    """`smallcaps …` with a command and options that exist, or another program of the lock file."""
    if Path(words[0]).name == "smallcaps":
        known = known_commands()
        assert words[1] in known
        assert {w for w in words[2:] if w.startswith("--")} <= known[words[1]]
    elif words[0] != "sh":
        assert (BIN / words[0]).exists(), f"{words[0]} is in no package of the lock file"


@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.name)
def test_a_unit_starts_a_command_that_exists_and_may_write_little(unit: Path) -> None:
    text = unit.read_text(encoding="utf-8")
    [command] = re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)
    _check_command(shlex.split(command))
    assert "--host" not in command, "the default is loopback"
    assert "User=smallcaps\n" in text
    assert "ProtectSystem=strict\n" in text
    assert "NoNewPrivileges=true\n" in text
    assert not re.search(r"^Environment=", text, re.MULTILINE), "values come from the file"


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    analyze = _tool("systemd-analyze")
    program = tmp_path / "srv/smallcaps/.venv/bin/smallcaps"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    written = []
    for unit in (*UNITS, DEPLOY / "systemd/smallcaps-night.timer"):
        here = unit.read_text(encoding="utf-8").replace("/srv/", f"{tmp_path}/srv/")
        (tmp_path / unit.name).write_text(here, encoding="utf-8")
        written.append(str(tmp_path / unit.name))
    _run(analyze, "verify", "--man=no", *written)


def test_the_container_file_passes_its_linter() -> None:
    _run(_tool("hadolint"), str(DEPLOY / "Containerfile"))


def test_scripts_pass_their_linter() -> None:
    scripts = [*DEPLOY.rglob("*.sh"), PROJECT_DIR / ".ci/run"]
    assert len(scripts) == 2
    _run(_tool("shellcheck"), *map(str, scripts))


def test_compose_takes_the_file() -> None:
    compose = _tool("docker-compose")
    environment = {"DAGSTER_POSTGRES_PASSWORD": "x", "PATH": "/usr/bin:/bin"}
    _run(compose, "--file", str(DEPLOY / "compose.yaml"), "config", "--quiet", env=environment)


@pytest.mark.parametrize("name", sorted(COMPOSE["services"]))
def test_a_service_is_not_root_not_on_the_network_and_starts_what_exists(name: str) -> None:
    service = COMPOSE["services"][name]
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    if name == "postgres":
        assert "ports" not in service
        return
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    _check_command(list(service["command"]))
    assert service.get("depends_on", {}).keys() <= COMPOSE["services"].keys()


def test_only_the_code_location_has_keys_and_only_some_write_the_warehouse() -> None:
    for name, service in COMPOSE["services"].items():
        has = {v for v in service.get("environment", {}) if v in ("FRED_API_KEY", "SEC_CONTACT")}
        assert bool(has) == (name == "code")
    assert COMPOSE["services"]["dashboard"]["volumes"] == ["warehouse:/warehouse:ro"]


def test_the_image_runs_as_nobody_in_particular_and_copies_only_what_is_there() -> None:
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    assert re.findall(r"^USER (.+)$", text, re.MULTILINE) == ["10001"]
    for copied in re.findall(r"^COPY (.+)$", text, re.MULTILINE):
        for source in copied.split()[:-1]:
            assert (PROJECT_DIR / source).exists(), source


@pytest.mark.parametrize(
    "path",
    sorted(p for p in DEPLOY.rglob("*") if p.is_file() and p.suffix != ".pyc"),
    ids=lambda p: p.name,
)
def test_no_file_holds_a_secret(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        found = re.match(r"\s*(?:export )?([A-Z_]+)\s*[=:]\s*(\S+)", line)
        if found and found[1].endswith(SECRETS) and not line.lstrip().startswith("#"):
            assert found[2].startswith(("${", "$(", '"$', "os.environ")), line


def test_both_dagster_configurations_differ_in_their_storage_alone() -> None:
    plain = PROJECT_DIR / "warehouse/dagster_home/dagster.yaml"
    local, served = (
        yaml.safe_load(p.read_text(encoding="utf-8")) for p in (plain, DEPLOY / "dagster.yaml")
    )
    assert served.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    assert served == local
