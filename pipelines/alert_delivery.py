"""Send an alert to the webhook and the mailbox that the settings name, each cause once a day.

What a message says, and what was told already, is in `alerts`. A channel that fails does not keep
the other from being used, and never fails a run: the failure is logged without address or password.
"""

from __future__ import annotations

import logging
import smtplib
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from ipaddress import ip_address
from urllib.parse import parse_qs, unquote, urlsplit

from pipelines.alerts import (
    Alert,
    as_json,
    as_slack,
    as_text,
    describe_degraded,
    describe_failure,
    remember,
    untold,
)
from pipelines.errors import SmallcapsError
from pipelines.settings import Secret, Settings
from pipelines.sources.errors import SourceError
from pipelines.sources.http import post_json
from pipelines.storage import snapshot
from pipelines.storage.errors import NothingPublished
from pipelines.storage.reports import RunReport, read_run_report
from pipelines.storage.warehouse import read_build

log = logging.getLogger(__name__)

SMTP_TIMEOUT_S = 15.0


class AlertNotSent(SmallcapsError):
    """No channel took the message. It says which and why, without a secret."""


def send(settings: Settings, alert: Alert) -> list[str]:
    """Send the alert over every configured channel; return the channels that took it.

    Raises:
        AlertNotSent: there are channels, and none took it.
    """
    channels: dict[str, Callable[[], None]] = {}
    webhook, smtp = settings.alert_webhook, settings.alert_smtp
    if webhook is not None:
        document = as_slack(alert) if settings.alert_webhook_form == "slack" else as_json(alert)
        channels["webhook"] = lambda: post_json(webhook, document)
    if smtp is not None:
        channels["mail"] = lambda: send_mail(smtp, alert)
    took, failed = [], []
    for name, deliver in channels.items():
        try:
            deliver()
            took.append(name)
        except (SourceError, OSError, smtplib.SMTPException, ValueError) as error:
            # An SMTP reply may repeat what we sent; only our own errors are fit to be shown.
            why = str(error) if isinstance(error, SourceError) else type(error).__name__
            failed.append(f"{name}: {why}")
            log.warning("alert not sent by %s: %s", name, why)
    if failed and not took:
        raise AlertNotSent("; ".join(failed))
    return took


def send_once(settings: Settings, alert: Alert, *, now: datetime | None = None) -> list[str]:
    """Send what nobody was told today, and remember it; return the channels that took it.

    Raises:
        AlertNotSent: no channel took it. It is not remembered, so the next occasion tries again.
    """
    today = (now or datetime.now(UTC)).astimezone(UTC).date()
    fresh = untold(alert, settings.alert_memory, today=today)
    if fresh is None or not settings.alerts_are_on:
        return []
    took = send(settings, fresh)
    remember(fresh, settings.alert_memory, today=today)
    return took


def send_mail(address: Secret, alert: Alert) -> None:
    """Send the alert as plain text to `smtp://user:password@host:port?from=…&to=…`.

    `smtps://` encrypts from the start; `smtp://` does as soon as the server offers it, and sends a
    password unencrypted to this machine only. Raises OSError, SMTPException or ValueError.
    """
    parts = urlsplit(address.reveal())
    named = parse_qs(parts.query)
    message = EmailMessage()
    message["Subject"] = alert.title
    message["From"] = named["from"][0]
    message["To"] = ", ".join(named["to"])
    message.set_content(as_text(alert))
    host = parts.hostname or "127.0.0.1"
    server: smtplib.SMTP
    if parts.scheme == "smtps":
        server = smtplib.SMTP_SSL(
            host, parts.port or 465, timeout=SMTP_TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        server = smtplib.SMTP(host, parts.port or 587, timeout=SMTP_TIMEOUT_S)
    with server:
        server.ehlo()
        is_private = parts.scheme == "smtps" or _is_loopback(host)
        if parts.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
            is_private = True
        if parts.username:
            if not is_private:
                raise ValueError("no password is sent over an unencrypted connection")
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


# -- occasions ------------------------------------------------------------------------------------
def tell_of_failure(settings: Settings, run_id: str, error: str) -> list[str]:
    """Send the alert of a run that failed, from what the build file says of it.

    Raises:
        AlertNotSent: no channel took it.
    """
    if not settings.alerts_are_on:
        return []
    report: RunReport | None = None
    if settings.build_path.exists():
        try:
            with read_build(settings) as connection:
                report = read_run_report(connection, run_id)
        except SmallcapsError as unreadable:
            error = error or str(unreadable)
    alert = describe_failure(
        settings, report, run_id=run_id, error=error, still_published=_still_published(settings)
    )
    return send_once(settings, alert)


def tell_of_degraded(settings: Settings) -> list[str]:
    """Send the alert of what is silent or stale in the published version, if anything is.

    It reads the published file, which no run ever waits for.

    Raises:
        NothingPublished: there is no version yet.
        AlertNotSent: no channel took it.
    """
    if not settings.alerts_are_on:
        return []
    publication = snapshot.read_publication(settings)
    behind = snapshot.query(
        settings,
        "select feed, item, status, detail, newest_on, is_stale, stale_since, is_required "
        "from meta.source_status "
        "where is_stale or status in ('unknown', 'unavailable', 'broken', 'refused') "
        "order by is_required desc, feed, item",
    )
    alert = describe_degraded(
        settings,
        behind,
        run_id=str(publication["run_id"]),
        as_of=publication["as_of"].date(),
        still_published=_still_published(settings),
    )
    return [] if alert is None else send_once(settings, alert)


def _still_published(settings: Settings) -> str:
    try:
        publication = snapshot.read_publication(settings)
    except NothingPublished:
        return "nothing yet"
    return f"version {publication['version']}, as of {publication['as_of']:%Y-%m-%d}"
