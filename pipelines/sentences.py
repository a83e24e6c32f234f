"""What is said of a run and of its data, once: by the summary, the alerts, the report, the pages.

Pure: rows in, words out. The four answers to the four questions are in `overview`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

Row = Mapping[str, Any]

SIMULATED = "SIMULATED DATA: nothing here is a real price, rate or fund"

ENDINGS: Mapping[str, str] = {
    "published": "published",
    "rebuilt_past": "rebuilt",
    "refused": "not published: a gate refused",
    "required_missing": "not published: a required dataset is too old",
    "misconfigured": "not published: wrong configuration",
}
"""Status of a run in meta.runs to what a person is told; any other status is a failed step."""
FAILED_STEP = "not published: a step failed"

SILENT = ("unavailable", "broken", "refused", "unknown")
UNKNOWN_IS_NORMAL = frozenset({"constituent_bars", "sec_frames"})
"""Feeds in which an unknown item is daily life: some 200 former members have no quotes any more,
and a tag that no company used in a period has no frame of it."""
LONGEST = 500


@dataclass(frozen=True, slots=True)
class Trouble:
    """Items of one feed that are silent (`kind` is how) or stale, each with what is known of it."""

    feed: str
    kind: str
    items: tuple[str, ...]


def say_ending(status: str) -> str:
    """Return how a run ended, in words."""
    return ENDINGS.get(status, FAILED_STEP)


def say_checks(passed: int, warned: int, failed: int) -> str:
    """Return the counts of a run's checks as one line."""
    return f"checks: {passed:,} passed, {warned:,} warned, {failed:,} failed"


def say_day(value: Any) -> str:
    """Return a date, or `never` where there is none."""
    return "never" if pd.isna(value) else f"{value:%Y-%m-%d}"


def shorten(text: object, longest: int = LONGEST) -> str:
    """Return a text as one line that is not too long."""
    line = " ".join(str(text).split())
    return line if len(line) <= longest else f"{line[:longest]} …"


def find_troubles(behind: Iterable[Row]) -> tuple[Trouble, ...]:
    """Group the rows of meta.source_status that matter by feed and kind, in that order.

    A provider that is down is one trouble, however many items it brings.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for row in behind:
        silent = row["status"] in SILENT
        if silent and not (row["status"] == "unknown" and row["feed"] in UNKNOWN_IS_NORMAL):
            told = f"{row['item']} ({shorten(row['detail'] or 'no reason given')})"
            found.setdefault((row["feed"], row["status"]), []).append(told)
        elif row["is_stale"]:
            told = f"{row['item']} (newest {say_day(row['newest_on'])})"
            found.setdefault((row["feed"], "stale"), []).append(told)
    return tuple(Trouble(feed, kind, tuple(items)) for (feed, kind), items in sorted(found.items()))
