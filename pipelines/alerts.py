"""What an alert says, and whether it was said already today. Nothing is sent here.

An alert is made from a run's report: what failed, which rule, which rows, what is still published,
where the run can be seen. Each cause is told once a day (UTC), however often it comes back: which
ones were told is in `alerts.json` beside the data. Sending is in `alert_delivery`.
"""

from __future__ import annotations

import fcntl
import json
import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.sentences import find_troubles, say_day, say_ending, shorten
from pipelines.settings import Settings
from pipelines.storage.files import write_file
from pipelines.storage.reports import RunReport, as_rows

REMEMBERED_DAYS = 7
MOST_CAUSES = 20
"""More than anybody reads; the rest is counted, and stands where the link leads."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that went wrong: `rule` names it and is what a day remembers."""

    rule: str
    finding: str
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Alert:
    """One message: its headline, its causes, and what readers see meanwhile."""

    title: str
    world: str
    as_of: date | None
    run_id: str
    link: str
    still_published: str
    causes: tuple[Cause, ...]


def describe_failure(
    settings: Settings,
    report: RunReport | None,
    *,
    run_id: str,
    error: str,
    still_published: str,
) -> Alert:
    """Return the alert of a run that did not publish.

    The causes are the failed checks; without one, the required items that are too old; without
    those, `error`, the first step's failure. `report` is None where the build file cannot be read.
    """
    causes: tuple[Cause, ...] = ()
    status = "failed"
    if report is not None:
        status = report.status
        causes = tuple(
            Cause(str(row["check_id"]), shorten(row["finding"]), _count(row["failing_rows"]))
            for row in as_rows(report.failed)
        )
        if not causes and status == "required_missing":
            causes = tuple(
                Cause(
                    f"required:{row['feed']}.{row['item']}",
                    f"newest {say_day(row['newest_on'])}, "
                    f"too old since {say_day(row['stale_since'])}",
                )
                for row in as_rows(report.behind)
                if row["is_required"] and row["is_stale"]
            )
    said = shorten(error) or "the run ended before its last step"
    return Alert(
        title=f"smallcaps: {say_ending(status)}",
        world=settings.world,
        as_of=report.as_of if report is not None else None,
        run_id=run_id,
        link=run_link(settings, run_id),
        still_published=still_published,
        causes=causes or (Cause(f"run:{_without_numbers(said)}", said),),
    )


def describe_degraded(
    settings: Settings, behind: pd.DataFrame, *, run_id: str, as_of: date, still_published: str
) -> Alert | None:
    """Return the alert of a published run some of whose sources are silent or stale, if any are.

    One cause a feed and kind of trouble, with its items: a provider that is down is one cause.
    """
    troubles = find_troubles(as_rows(behind))
    if not troubles:
        return None
    return Alert(
        title="smallcaps: published, with sources that are silent or stale",
        world=settings.world,
        as_of=as_of,
        run_id=run_id,
        link=run_link(settings, run_id),
        still_published=still_published,
        causes=tuple(
            Cause(f"degraded:{t.feed}:{t.kind}", shorten(", ".join(t.items)), len(t.items))
            for t in troubles
        ),
    )


def trial_alert(settings: Settings) -> Alert:
    """Return the message of `smallcaps alert --test`."""
    cause = Cause("test", "Somebody asked for a test message. Nothing is wrong.")
    return Alert(
        "smallcaps: test message", settings.world, None, "", settings.ui_url, "unchanged", (cause,)
    )


def run_link(settings: Settings, run_id: str) -> str:
    """Return where the run can be seen in the Dagster UI."""
    return f"{settings.ui_url}/runs/{run_id}"


# -- forms ----------------------------------------------------------------------------------------
def as_text(alert: Alert) -> str:
    """Return the alert as plain text, for mail."""
    about = f"{alert.world} world" + (f", as of {alert.as_of}" if alert.as_of else "")
    lines = [alert.title, about, ""]
    for cause in alert.causes[:MOST_CAUSES]:
        rows = f" ({cause.rows:,} rows)" if cause.rows else ""
        lines += [f"- {cause.rule}{rows}", f"  {cause.finding}"]
    if len(alert.causes) > MOST_CAUSES:
        lines.append(f"- and {len(alert.causes) - MOST_CAUSES} more")
    lines += ["", f"still published: {alert.still_published}"]
    lines += [f"run: {alert.run_id}"] if alert.run_id else []
    return "\n".join([*lines, f"see: {alert.link}", ""])


def as_json(alert: Alert) -> dict[str, Any]:
    """Return the alert as a JSON document, all causes in it."""
    return {
        "title": alert.title,
        "world": alert.world,
        "as_of": alert.as_of.isoformat() if alert.as_of else None,
        "run_id": alert.run_id or None,
        "link": alert.link,
        "still_published": alert.still_published,
        "causes": [{"rule": c.rule, "finding": c.finding, "rows": c.rows} for c in alert.causes],
    }


def as_slack(alert: Alert) -> dict[str, str]:
    """Return the alert in the form that Slack's incoming webhooks take.

    What a source said may hold Slack's control characters: they are escaped, so that no finding
    can mention a channel or forge a link.
    """
    text = as_text(alert).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": text}


# -- what was told already ------------------------------------------------------------------------
def untold(alert: Alert, path: Path, *, today: date) -> Alert | None:
    """Return the alert with the causes that nobody was told of today, or None."""
    told = _read(path)
    day = today.isoformat()
    fresh = tuple(c for c in alert.causes if told.get(_key(alert, c)) != day)
    return replace(alert, causes=fresh) if fresh else None


def remember(alert: Alert, path: Path, *, today: date) -> None:
    """Note that the causes of an alert were told today."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        first = (today - timedelta(days=REMEMBERED_DAYS)).isoformat()
        told = {rule: day for rule, day in _read(path).items() if day >= first}
        told |= {_key(alert, c): today.isoformat() for c in alert.causes}
        write_file(path, json.dumps(told, indent=1, sort_keys=True).encode())


def _key(alert: Alert, cause: Cause) -> str:
    return f"{alert.world}:{cause.rule}"


def _read(path: Path) -> dict[str, str]:
    """Return rule to day; nothing where the file is missing or damaged: better told twice."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _without_numbers(text: str) -> str:
    """Return a message without what differs from run to run: ids, counts, times."""
    return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d+", "#", text)[:120]


def _count(value: object) -> int:
    return int(value) if isinstance(value, int | float) and value == value else 0
