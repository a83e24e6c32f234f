"""What an alert says, to whom it goes, and that it goes once."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from pipelines.alert_delivery import AlertNotSent, send, send_once
from pipelines.alerts import (
    Alert,
    Cause,
    as_json,
    as_slack,
    as_text,
    describe_degraded,
    describe_failure,
    trial_alert,
)
from pipelines.cli import app
from pipelines.errors import ConfigurationError
from pipelines.settings import Secret, Settings, read_settings
from pipelines.sources.errors import SourceUnavailable
from pipelines.sources.http import post_json
from pipelines.storage.reports import RunReport
from tests.fakes.mail import mail_server

CHECKS = ["check_id", "kind", "target", "severity", "status", "finding", "failing_rows"]
BEHIND = ["feed", "item", "status", "detail", "newest_on", "is_stale", "stale_since", "is_required"]
NOON = datetime(2025, 10, 10, 12, tzinfo=UTC)


@dataclass
class Hook:
    url: str = ""
    documents: list[dict] = field(default_factory=list)


@contextlib.contextmanager
def webhook(*statuses: int, location: str | None = None) -> Iterator[Hook]:
    """A real server on loopback that keeps what it is sent; answers `statuses`, then 200."""
    hook = Hook()
    left = list(statuses)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.documents.append(json.loads(body))
            self.send_response(left.pop(0) if left else 200)
            if location is not None:
                self.send_header("Location", location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    hook.url = f"http://127.0.0.1:{server.server_port}/hooks/T0KEN"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def settings_of(folder: Path, **more) -> Settings:
    return Settings(world="live", warehouse=folder, **more)


def report(failed=(), behind=(), status: str = "refused") -> RunReport:
    none = pd.DataFrame()
    return RunReport(
        run_id="run-1", status=status, as_of=date(2025, 10, 10), checks=9, passed=8,
        failed=pd.DataFrame(failed, columns=CHECKS), warned=none, batches=none,
        behind=pd.DataFrame(behind, columns=BEHIND), quarantined=none,
    )  # fmt: skip


def failed(check: str, finding: str = "two jumps: DGS10 2025-10-09", rows: int = 2) -> tuple:
    return (check, "gate", "landing.x", "block", "failed", finding, rows)


def failure(settings: Settings, *checks: str, error: str = "") -> Alert:
    return describe_failure(
        settings,
        report([failed(c) for c in checks]),
        run_id="run-1",
        error=error,
        still_published="version v7, as of 2025-10-09",
    )


# -- what it says ---------------------------------------------------------------------------------
def test_a_failure_names_rule_rows_what_is_published_and_the_run(tmp_path: Path) -> None:
    alert = failure(settings_of(tmp_path), "gate:fred_observations.no_value_jumps")
    assert as_json(alert) == {
        "title": "smallcaps: not published: a gate refused",
        "world": "live",
        "as_of": "2025-10-10",
        "run_id": "run-1",
        "link": "http://127.0.0.1:3000/runs/run-1",
        "still_published": "version v7, as of 2025-10-09",
        "causes": [
            {
                "rule": "gate:fred_observations.no_value_jumps",
                "finding": "two jumps: DGS10 2025-10-09",
                "rows": 2,
            }
        ],
    }
    text = as_text(alert)
    assert "- gate:fred_observations.no_value_jumps (2 rows)\n  two jumps: DGS10" in text
    assert "still published: version v7" in text
    assert text.endswith("see: http://127.0.0.1:3000/runs/run-1\n")


def test_an_old_required_item_is_the_cause_where_no_check_failed(tmp_path: Path) -> None:
    day = pd.Timestamp(2025, 10, 1)
    old = ("instrument_bars", "^RUT", "unavailable", "down", day, True, day, True)
    alert = describe_failure(
        settings_of(tmp_path), report(behind=[old], status="required_missing"), run_id="run-1",
        error="", still_published="x",
    )  # fmt: skip
    assert alert.causes == (
        Cause("required:instrument_bars.^RUT", "newest 2025-10-01, too old since 2025-10-01"),
    )


def test_the_same_error_is_the_same_cause_whatever_its_numbers(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    rules = {
        failure(settings, error=f"land: WarehouseBusy: process {n} holds it").causes[0].rule
        for n in (17, 4711)
    }
    assert rules == {"run:land: WarehouseBusy: process # holds it"}


def test_silent_items_of_one_feed_are_one_cause_and_unknown_members_are_none(
    tmp_path: Path,
) -> None:
    behind = pd.DataFrame(
        [
            ("fred_observations", "DGS10", "unavailable", "HTTP 503", None, False, None, True),
            ("fred_observations", "DGS2", "unavailable", "HTTP 503", None, False, None, False),
            ("constituent_bars", "GONE", "unknown", "404", None, False, None, False),
        ],
        columns=BEHIND,
    )
    day = date(2025, 10, 10)
    alert = describe_degraded(
        settings_of(tmp_path), behind, run_id="r", as_of=day, still_published="x"
    )
    assert alert is not None
    assert alert.causes == (
        Cause("degraded:fred_observations:unavailable", "DGS10 (HTTP 503), DGS2 (HTTP 503)", 2),
    )
    assert (
        describe_degraded(
            settings_of(tmp_path), behind[2:], run_id="r", as_of=day, still_published="x"
        )
        is None
    )


def test_a_finding_cannot_mention_a_channel_in_slack(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    alert = failure(settings, error="<!channel> <https://evil.test|click> & more")
    text = as_slack(alert)["text"]
    assert "<" not in text
    assert "&lt;!channel&gt;" in text


# -- how often ------------------------------------------------------------------------------------
def test_ten_times_the_same_cause_in_a_day_is_one_message(tmp_path: Path) -> None:
    with webhook() as hook:
        settings = settings_of(tmp_path, alert_webhook=Secret(hook.url))
        for hour in range(10):
            send_once(settings, failure(settings, "gate:a.b"), now=NOON.replace(hour=hour))
        assert len(hook.documents) == 1
        both = failure(settings, "gate:a.b", "gate:c.d")
        send_once(settings, both, now=NOON)
        assert [c["rule"] for c in hook.documents[1]["causes"]] == ["gate:c.d"]
        send_once(settings, both, now=NOON.replace(day=11))
        assert [c["rule"] for c in hook.documents[2]["causes"]] == ["gate:a.b", "gate:c.d"]
    assert json.loads(settings.alert_memory.read_text()) == {
        "live:gate:a.b": "2025-10-11",
        "live:gate:c.d": "2025-10-11",
    }


def test_a_message_that_nobody_took_is_sent_with_the_next_occasion(tmp_path: Path) -> None:
    with webhook(400) as hook:
        settings = settings_of(tmp_path, alert_webhook=Secret(hook.url))
        alert = failure(settings, "gate:a.b")
        with pytest.raises(AlertNotSent, match=r"webhook: 127\.0\.0\.1: HTTP 400") as refused:
            send_once(settings, alert, now=NOON)
        assert "T0KEN" not in str(refused.value)
        assert send_once(settings, alert, now=NOON) == ["webhook"]
    assert len(hook.documents) == 2


def test_a_damaged_memory_tells_again_instead_of_failing(tmp_path: Path) -> None:
    (tmp_path / "alerts.json").write_text("{torn")
    with webhook() as hook:
        settings = settings_of(tmp_path, alert_webhook=Secret(hook.url))
        assert send_once(settings, failure(settings, "gate:a.b"), now=NOON) == ["webhook"]


def test_without_a_channel_nothing_is_sent_and_nothing_remembered(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    assert send_once(settings, failure(settings, "gate:a.b"), now=NOON) == []
    assert not settings.alert_memory.exists()


# -- channels -------------------------------------------------------------------------------------
def test_the_slack_form_is_one_text(tmp_path: Path) -> None:
    with webhook() as hook:
        settings = settings_of(tmp_path, alert_webhook=Secret(hook.url), alert_webhook_form="slack")
        assert send(settings, trial_alert(settings)) == ["webhook"]
    assert list(hook.documents[0]) == ["text"]
    assert hook.documents[0]["text"].startswith("smallcaps: test message\n")


def test_a_busy_webhook_is_asked_again(tmp_path: Path) -> None:
    waited: list[float] = []
    with webhook(503, 429) as hook:
        post_json(Secret(hook.url), {"a": 1}, sleep=waited.append)
    assert hook.documents == [{"a": 1}] * 3
    assert waited == [2.0, 4.0]


def test_a_redirect_is_refused(tmp_path: Path) -> None:
    with webhook() as target, webhook(307, location=target.url) as hook:
        with pytest.raises(SourceUnavailable, match="HTTP 307"):
            post_json(Secret(hook.url), {"a": 1})
        assert target.documents == []


def test_a_webhook_that_is_not_there_is_named_by_its_host_alone() -> None:
    url = Secret("http://127.0.0.1:9/hooks/T0KEN")
    with pytest.raises(SourceUnavailable) as error:
        post_json(url, {}, attempts=1)
    assert str(error.value) == "webhook: 127.0.0.1: ConnectionError"


def test_mail_arrives_with_subject_text_and_login(tmp_path: Path) -> None:
    with mail_server() as box:
        address = f"smtp://me:p%40ss@127.0.0.1:{box.port}?from=a@example.org&to=b@example.org"
        settings = read_settings(
            {"SMALLCAPS_ALERT_SMTP": address, "SMALLCAPS_WAREHOUSE": str(tmp_path)}
        )
        assert send(settings, failure(settings, "gate:a.b")) == ["mail"]
    assert box.logins == ["me p@ss"]
    assert "Subject: smallcaps: not published: a gate refused" in box.messages[0]
    assert "From: a@example.org\nTo: b@example.org" in box.messages[0]
    assert "- gate:a.b (2 rows)" in box.messages[0]


def test_one_channel_is_enough_and_the_other_one_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with webhook() as hook, mail_server(refuses=True) as box:
        address = f"smtp://127.0.0.1:{box.port}?from=a@example.org&to=b@example.org"
        settings = settings_of(tmp_path, alert_webhook=Secret(hook.url), alert_smtp=Secret(address))
        assert send(settings, failure(settings, "gate:a.b")) == ["webhook"]
    assert box.messages == []
    assert caplog.messages == ["alert not sent by mail: SMTPSenderRefused"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMALLCAPS_ALERT_WEBHOOK", "file:///s3cret"),
        ("SMALLCAPS_ALERT_SMTP", "smtp://u:s3cret@host"),
        ("SMALLCAPS_ALERT_WEBHOOK_FORM", "xml"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_and_not_shown(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name) as error:
        read_settings({name: value})
    assert "s3cret" not in str(error.value)


def test_the_command_sends_a_test_message(tmp_path: Path) -> None:
    with webhook() as hook:
        answer = CliRunner().invoke(
            app, ["alert", "--test"], env={"SMALLCAPS_ALERT_WEBHOOK": hook.url}
        )
    assert (answer.exit_code, answer.output) == (0, "sent by webhook\n")
    assert [d["title"] for d in hook.documents] == ["smallcaps: test message"]
