"""The simulated SEC's frames: the facts of all companies turned over, by tag and calendar period.

Which filings there are, and what they say, is in `sample.filings`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache
from typing import Any

import orjson

Row = tuple[str, Mapping[str, Any]]
"""A company's name and the entry of its companyfacts."""
Frames = Mapping[str, Mapping[int, Row]]
"""Path below `/api/xbrl/frames/` without `.json`, to the last filed row of each CIK."""


def turn_over(companies: Iterable[tuple[int, str, Mapping[str, Any]]]) -> Frames:
    """Return the frames of companies given as (CIK, name, facts as in companyfacts).

    Facts come in the order of their filing, so that the last one of a period stays.
    """
    frames: dict[str, dict[int, Row]] = {}
    for cik, name, facts in companies:
        for taxonomy, tags in facts.items():
            for tag, document in tags.items():
                for unit, entries in document["units"].items():
                    begin = f"{taxonomy}/{tag}/{unit.replace('/', '-per-')}/"
                    for entry in entries:
                        period = _period(entry.get("start"), entry["end"])
                        if period is not None:
                            frames.setdefault(begin + period, {})[cik] = (name, entry)
    return frames


@cache
def _period(start: str | None, end: str) -> str | None:
    """Return the calendar period that fits best, as the SEC names it; None where none does."""
    last = date.fromisoformat(end)
    if start is None:
        return f"{_quarter(last - timedelta(days=45))}I"
    first = date.fromisoformat(start)
    days = (last - first).days + 1
    middle = first + timedelta(days=days // 2)
    if 61 <= days <= 121:
        return _quarter(middle)
    return f"CY{middle.year}" if 335 <= days <= 395 else None


def _quarter(day: date) -> str:
    return f"CY{day.year}Q{(day.month - 1) // 3 + 1}"


def render(path: str, rows: Mapping[int, Row]) -> bytes:
    """Return the reply to `path`, companies in the order of their CIKs."""
    taxonomy, tag, unit, period = path.split("/")
    document = {
        "taxonomy": taxonomy,
        "tag": tag,
        "ccp": period,
        "uom": unit.replace("-per-", "/"),
        "label": tag,
        "description": "Simulated.",
        "pts": len(rows),
        "data": [_point(cik, *rows[cik]) for cik in sorted(rows)],
    }
    return orjson.dumps(document)


def _point(cik: int, name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    days = {key: entry[key] for key in ("start", "end") if key in entry}
    told = {"accn": entry["accn"], "cik": cik, "entityName": name, "loc": "US-NY"}
    return told | days | {"val": entry["val"]}
