"""Dagster on a Postgres server of its own: a running daemon fires the night, which is published."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import psycopg2
import pytest
from dagster._core.scheduler.instigation import InstigatorStatus, ScheduleInstigatorData

from pipelines.settings import PROJECT_DIR, child_environment, process_environment, read_settings
from pipelines.sources.calendar import is_session
from pipelines.storage import snapshot
from tests.fakes.ui import free_port, wait

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("postgres")]
NEW_YORK = ZoneInfo("America/New_York")
START_SECONDS = 60.0
NIGHT_SECONDS = 2400.0


def _programs() -> Path:
    """The folder of Postgres' server programs (Debian keeps them off the path)."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for folder in (*folders, *(Path(p) for p in os.environ.get("PATH", "").split(":"))):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    pytest.skip("no Postgres server on this machine (Debian: postgresql)")


@pytest.fixture
def postgres() -> Iterator[str]:
    """A server on loopback with an empty database; yields its address. It refuses to be root."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="smallcaps-postgres-"))
    user = pwd.getpwnam("nobody").pw_name if os.geteuid() == 0 else None
    if user is not None:
        shutil.chown(folder, user)
    port = free_port()
    data, log = folder / "data", (folder / "log").open("wb")
    quiet = {"stdout": log, "stderr": subprocess.STDOUT, "cwd": folder, "user": user}
    initdb = [str(programs / "initdb"), "--pgdata", str(data), "--username", "dagster"]
    subprocess.run([*initdb, "--auth", "trust", "--no-sync"], check=True, **quiet)  # type: ignore[call-overload]
    server = subprocess.Popen(  # type: ignore[call-overload]
        [str(programs / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port),
         "-k", str(folder), "-F"],
        **quiet,
    )  # fmt: skip
    address = f"postgresql://dagster@127.0.0.1:{port}/postgres"

    def answers() -> bool:
        assert server.poll() is None, (folder / "log").read_text()
        try:
            psycopg2.connect(address).close()
        except psycopg2.OperationalError:
            return False
        return True

    try:
        wait(START_SECONDS, answers, "Postgres' start")
        yield address
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        log.close()
        shutil.rmtree(folder)


def last_tick() -> datetime:
    """When the schedule last fired, or would have: 20:00 in New York on a weekday."""
    tick = datetime.now(NEW_YORK).replace(hour=20, minute=0, second=0, microsecond=0)
    while tick > datetime.now(UTC) or tick.weekday() > 4:
        tick -= timedelta(days=1)
    return tick


def launch_after_the_holiday(
    instance: dg.DagsterInstance, environment: dict[str, str], workspace: list[str]
) -> None:
    """The last tick was of a day without a session: the daemon says so; then start a night."""
    [state] = instance.all_instigator_state()

    def skipped() -> bool:
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id)
        return any("is no XNYS session" in str(tick.skip_reason) for tick in ticks)

    wait(START_SECONDS, skipped, "the tick of the holiday")
    launch = [sys.executable, "-m", "dagster", "job", "launch", "--job", "nightly", *workspace]
    subprocess.run(launch, env=environment, cwd=PROJECT_DIR, check=True, capture_output=True)


def test_a_daemon_makes_up_for_the_night_that_it_slept_through(
    postgres: str, tmp_path: Path
) -> None:
    settings = read_settings({"SMALLCAPS_WAREHOUSE": str(tmp_path / "warehouse")})
    settings.dagster_home.mkdir(parents=True)
    shutil.copyfile(PROJECT_DIR / "deploy/dagster.yaml", settings.dagster_home / "dagster.yaml")
    environment = child_environment(settings) | {
        "DAGSTER_HOME": str(settings.dagster_home),
        "DAGSTER_POSTGRES_URL": postgres.replace("postgresql:", "postgresql+psycopg2:"),
    }
    workspace = ["--workspace", str(PROJECT_DIR / "workspace.yaml")]
    schedule = [sys.executable, "-m", "dagster", "schedule", "start", "every_session", *workspace]
    switched = subprocess.run(
        schedule, env=environment, cwd=PROJECT_DIR, check=False, capture_output=True, text=True
    )
    assert switched.returncode == 0, switched.stdout + switched.stderr
    tick = last_tick()
    with (
        process_environment(environment),
        dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance,
    ):
        [state] = instance.all_instigator_state()
        assert state.status is InstigatorStatus.RUNNING
        # It was switched on a minute before the tick; the daemon was down when the tick came.
        slept = ScheduleInstigatorData(
            cron_schedule="0 20 * * 1-5", start_timestamp=tick.timestamp() - 60
        )
        instance.update_instigator_state(state.with_data(slept))
        log = (tmp_path / "daemon.log").open("wb")
        daemon = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", *workspace],
            env=environment, cwd=PROJECT_DIR, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip

        def ended() -> bool:
            assert daemon.poll() is None, (tmp_path / "daemon.log").read_text()[-3000:]
            runs = instance.get_runs()
            return bool(runs) and all(run.is_finished for run in runs)

        try:
            if not is_session(tick.date()):
                launch_after_the_holiday(instance, environment, workspace)
            wait(NIGHT_SECONDS, ended, "the night")
        finally:
            os.killpg(daemon.pid, signal.SIGINT)
            daemon.wait(60)
            log.close()
        [run] = instance.get_runs()
    assert (run.job_name, run.status) == ("nightly", dg.DagsterRunStatus.SUCCESS)
    session = tick.date().isoformat() if is_session(tick.date()) else None
    assert run.tags.get("session") == session
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("select status, pipeline_name from runs")
        assert cursor.fetchall() == [("SUCCESS", "nightly")]
        cursor.execute("select count(distinct asset_key) from asset_keys")
        assert cursor.fetchone()[0] > 100
    assert not list(settings.dagster_home.rglob("*.db")), "nothing is kept in files"
    published = snapshot.query(settings, "from meta.publications")
    assert published["run_id"].tolist() == [run.run_id]
