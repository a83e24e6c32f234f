"""The simulated FRED over the wire: the keyed JSON API (v1) and the keyless CSV.

Forms and refusals only; the values and their vintages come from `vintages`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson

from pipelines.sample.releases import RELEASES, SERIES
from pipelines.sample.vintages import FOREVER, FredHistory, Observation
from pipelines.sample.wire import Answer, Ask, html_page

FIRST_DAY = "1776-07-04"
MOST_VINTAGES = 2000
_FREQUENCY = {
    "D": ("Daily", "D"),
    "D7": ("Daily, 7-Day", "D"),
    "W": ("Weekly", "W"),
    "M": ("Monthly", "M"),
    "Q": ("Quarterly", "Q"),
    "A": ("Annual", "A"),
}
_KEY_HELP = "Read https://fred.stlouisfed.org/docs/api/api_key.html for more information."
_UNKNOWN = "The series does not exist."
_CENTRAL = ZoneInfo("America/Chicago")


class _BadRequestError(Exception):
    """Answered with HTTP 400 and FRED's error body."""


@dataclass
class FredWire:
    """Answers for `api.stlouisfed.org` and `fred.stlouisfed.org`."""

    store: FredHistory
    _vintages: dict[str, list[str]] = field(default_factory=dict)

    # -- what was known when ------------------------------------------------------------------
    def _visible(self, series_id: str, now: date, start: str, end: str) -> list[Observation]:
        """Values current on some day of [start, end], clipped to it; nothing after the clock."""
        today = now.isoformat()
        last = min(end, today)
        return [
            Observation(o.day, o.value, max(o.start, start),
                        min(o.end if o.end < today else FOREVER, end))
            for o in self.store.history(series_id)
            if o.start <= last and o.end >= start
        ]  # fmt: skip

    def vintage_dates(self, series_id: str, now: date) -> list[str]:
        """Return the days up to the clock on which something new was published."""
        if series_id not in self._vintages:
            self._vintages[series_id] = sorted({o.start for o in self.store.history(series_id)})
        known = self._vintages[series_id]
        return known[: bisect_right(known, now.isoformat())]

    def _updated(self, series_id: str, now: date) -> str:
        day = self.vintage_dates(series_id, now)[-1]
        at = time(15, 16, 22) if SERIES[series_id].frequency.startswith("D") else time(7, 31, 4)
        moment = datetime.combine(date.fromisoformat(day), at, _CENTRAL)
        offset = moment.utcoffset() or timedelta()
        return f"{day} {at}{int(offset.total_seconds() // 3600):+03d}"

    def _meta(self, series_id: str, now: date) -> dict[str, Any]:
        spec, today = SERIES[series_id], now.isoformat()
        seen = self._visible(series_id, now, today, today)
        frequency, short = _FREQUENCY[spec.frequency]
        initials = "".join(w[0] for w in spec.adjusted.split())
        return {
            "id": series_id,
            "realtime_start": today,
            "realtime_end": today,
            "title": spec.title,
            "observation_start": seen[0].day if seen else today,
            "observation_end": seen[-1].day if seen else today,
            "frequency": frequency,
            "frequency_short": short,
            "units": spec.units,
            "units_short": spec.units,
            "seasonal_adjustment": spec.adjusted,
            "seasonal_adjustment_short": initials,
            "last_updated": self._updated(series_id, now),
            "popularity": 50,
            "notes": "Simulated by the smallcaps sample world; not a published statistic.",
        }

    # -- the keyed API ------------------------------------------------------------------------
    def api(self, ask: Ask) -> Answer:
        """Answer one request to the keyed API."""
        routes: Mapping[str, Callable[[Ask, Mapping[str, str]], dict[str, Any]]] = {
            "/fred/series": self._series,
            "/fred/series/observations": self._observations,
            "/fred/series/vintagedates": self._vintagedates,
            "/fred/series/updates": self._updates,
            "/fred/series/release": self._series_release,
            "/fred/releases/dates": self._releases_dates,
            "/fred/release/dates": self._release_dates,
        }
        route = routes.get(ask.path.rstrip("/"))
        if route is None:
            return _error(ask, 404, "Not Found.  The requested path does not exist.")
        try:
            _check_key(ask.query.get("api_key"))
            if ask.query.get("file_type", "xml") != "json":
                raise _BadRequestError("The sample world answers file_type=json only.")
            body = orjson.dumps(route(ask, ask.query)).replace(b"/", b"\\/")
        except _BadRequestError as error:
            return _error(ask, 400, f"Bad Request.  {error}")
        except ValueError:
            return _error(ask, 400, "Bad Request.  A date or number could not be read.")
        return Answer(200, body, "application/json; charset=UTF-8")

    def _series(self, ask: Ask, query: Mapping[str, str]) -> dict[str, Any]:
        today = ask.now.isoformat()
        found = self._meta(_series_id(query), ask.now)
        return {"realtime_start": today, "realtime_end": today, "seriess": [found]}

    def _observations(self, ask: Ask, query: Mapping[str, str]) -> dict[str, Any]:
        series_id = _series_id(query)
        if query.get("units", "lin") != "lin" or query.get("frequency"):
            raise _BadRequestError("The sample world answers units=lin and native frequency only.")
        output = int(query.get("output_type", "1"))
        if output not in (1, 3):
            raise _BadRequestError("The sample world answers output_type 1 and 3 only.")
        today = ask.now.isoformat()
        start = _day(query, "realtime_start", today)
        end = _day(query, "realtime_end", today)
        if end < start:
            raise _BadRequestError(
                "The date set by variable realtime_start can not be after the date set by "
                "variable realtime_end."
            )
        window = [v for v in self.vintage_dates(series_id, ask.now) if start <= v <= end]
        if len(window) > MOST_VINTAGES:
            raise _BadRequestError(
                f"There are {len(window)} vintage dates in the real-time period, more than the "
                f"maximum of {MOST_VINTAGES}."
            )
        low = _day(query, "observation_start", FIRST_DAY)
        high = _day(query, "observation_end", FOREVER)
        rows = [o for o in self._visible(series_id, ask.now, start, end) if low <= o.day <= high]
        shown = _matrix(series_id, rows, start) if output == 3 else _long(rows)
        part, paging = _page(query, shown, 100_000)
        return {
            "realtime_start": start,
            "realtime_end": end,
            "observation_start": low,
            "observation_end": high,
            "units": "lin",
            "output_type": output,
            "file_type": "json",
            "order_by": "observation_date",
            "sort_order": query.get("sort_order", "asc"),
            **paging,
            "observations": part,
        }

    def _vintagedates(self, ask: Ask, query: Mapping[str, str]) -> dict[str, Any]:
        series_id = _series_id(query)
        low, high = query.get("realtime_start", FIRST_DAY), query.get("realtime_end", FOREVER)
        found = [v for v in self.vintage_dates(series_id, ask.now) if low <= v <= high]
        part, paging = _page(query, found, 10_000)
        return {
            "realtime_start": low, "realtime_end": high, "order_by": "vintage_date",
            "sort_order": query.get("sort_order", "asc"), **paging, "vintage_dates": part,
        }  # fmt: skip

    def _updates(self, ask: Ask, query: Mapping[str, str]) -> dict[str, Any]:
        if ("start_time" in query) != ("end_time" in query):
            raise _BadRequestError("Variables start_time and end_time must be set together.")
        today = ask.now.isoformat()
        two_weeks = ask.now - timedelta(days=14)
        low = query.get("start_time", f"{two_weeks:%Y%m%d}0000")
        high = query.get("end_time", f"{ask.now:%Y%m%d}2359")
        found = [
            m for m in (self._meta(s, ask.now) for s in SERIES)
            if low <= re.sub(r"\D", "", str(m["last_updated"]))[:12] <= high
        ]  # fmt: skip
        found.sort(key=lambda m: (str(m["last_updated"]), str(m["id"])), reverse=True)
        part, paging = _page({**query, "sort_order": "asc"}, found, 1000)
        return {
            "realtime_start": today, "realtime_end": today, "filter_variable": "geography",
            "filter_value": query.get("filter_value", "all"), "order_by": "last_updated",
            "sort_order": "desc", **paging, "seriess": part,
        }  # fmt: skip

    def _series_release(self, ask: Ask, query: Mapping[str, str]) -> dict[str, Any]:
        today = ask.now.isoformat()
        number = SERIES[_series_id(query)].release_id
        release = {"id": number, "realtime_start": today, "realtime_end": today,
                   "name": RELEASES[number], "press_release": True}  # fmt: skip
        return {"realtime_start": today, "realtime_end": today, "releases": [release]}

    def _dates_of(self, release_id: int, now: date, *, until: date) -> list[str]:
        """Release days: what was published, and what is scheduled up to `until`."""
        found: set[str] = set()
        today = now.isoformat()
        for spec in SERIES.values():
            if spec.release_id != release_id:
                continue
            found.update(self.vintage_dates(spec.id, now))
            days = np.array(sorted({o.day for o in self.store.history(spec.id)[-40:]}),
                            dtype="datetime64[D]")  # fmt: skip
            scheduled = np.array([], dtype="datetime64[D]") if spec.frequency == "A" else (
                spec.schedule(days))  # fmt: skip
            found.update(
                s for s in scheduled.astype(str).tolist() if today < s <= until.isoformat()
            )
        return sorted(found)

    def _release_dates(self, ask: Ask, query: Mapping[str, str]) -> dict[str, Any]:
        release_id = int(query.get("release_id", "-1"))
        if release_id not in RELEASES:
            raise _BadRequestError("The release does not exist.")
        low, high = query.get("realtime_start", FIRST_DAY), query.get("realtime_end", FOREVER)
        until = ask.now + timedelta(days=75 if _wants_schedule(query) else 0)
        days = [d for d in self._dates_of(release_id, ask.now, until=until) if low <= d <= high]
        part, paging = _page(query, days, 10_000)
        return {
            "realtime_start": low, "realtime_end": high, "order_by": "release_date",
            "sort_order": query.get("sort_order", "asc"), **paging,
            "release_dates": [{"release_id": release_id, "date": d} for d in part],
        }  # fmt: skip

    def _releases_dates(self, ask: Ask, query: Mapping[str, str]) -> dict[str, Any]:
        low = query.get("realtime_start", f"{ask.now.year}-01-01")
        high = query.get("realtime_end", FOREVER)
        until = ask.now + timedelta(days=75 if _wants_schedule(query) else 0)
        rows = [
            {"release_id": number, "release_name": name, "date": day}
            for number, name in RELEASES.items()
            for day in self._dates_of(number, ask.now, until=until)
            if low <= day <= high
        ]
        rows.sort(key=lambda r: (str(r["date"]), -int(str(r["release_id"]))))
        part, paging = _page({"sort_order": "desc", **query}, rows, 1000)
        return {
            "realtime_start": low, "realtime_end": high, "order_by": "release_date",
            "sort_order": query.get("sort_order", "desc"), **paging, "release_dates": part,
        }  # fmt: skip

    # -- the keyless CSV ----------------------------------------------------------------------
    def graph(self, ask: Ask) -> Answer:
        """Answer one request to `fredgraph.csv`: current values, vintage parameters ignored."""
        if ask.headers.get("user-agent", "").startswith("Mozilla"):
            return html_page(403, "Access Denied", "You don't have permission to access this.")
        ids = [i for i in ask.query.get("id", "").upper().split(",") if i]
        if ask.path != "/graph/fredgraph.csv" or not ids or any(i not in SERIES for i in ids):
            return html_page(404, "Error 404 | FRED | St. Louis Fed", "This page does not exist.")
        low, high = ask.query.get("cosd", ""), ask.query.get("coed", FOREVER)
        today = ask.now.isoformat()
        columns = [
            {o.day: "" if o.value == "." else o.value
             for o in self._visible(i, ask.now, today, today) if low <= o.day <= high}
            for i in ids
        ]  # fmt: skip
        lines = ["observation_date," + ",".join(ids)]
        days: set[str] = set()
        lines += [
            ",".join([day, *(c.get(day, "") for c in columns)])
            for day in sorted(days.union(*columns))
        ]
        name = f"{ids[0]}.csv" if len(ids) == 1 else "fredgraph.csv"
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Answer(200, ("\n".join(lines) + "\n").encode(), "application/csv", disposition)


def _error(ask: Ask, status: int, message: str) -> Answer:
    if ask.query.get("file_type", "xml") == "json":
        body = orjson.dumps({"error_code": status, "error_message": message})
        return Answer(status, body.replace(b"/", b"\\/"), "application/json; charset=UTF-8")
    text = f'<?xml version="1.0" encoding="utf-8" ?>\n<error code="{status}" message="{message}" />'
    return Answer(status, text.encode() + b"\n", "text/xml; charset=UTF-8")


def _check_key(key: str | None) -> None:
    if not key:
        raise _BadRequestError(f"Variable api_key is not set.  {_KEY_HELP}")
    if not re.fullmatch(r"[0-9a-z]{32}", key):
        raise _BadRequestError(
            "The value for variable api_key is not a 32 character alpha-numeric lower-case "
            f"string.  {_KEY_HELP}"
        )
    if key == "0" * 32:  # well formed, but nobody's
        raise _BadRequestError(f"The value for variable api_key is not registered.  {_KEY_HELP}")


def _series_id(query: Mapping[str, str]) -> str:
    series_id = query.get("series_id", "").upper()
    if not series_id:
        raise _BadRequestError("Variable series_id is not set.")
    if series_id not in SERIES:
        raise _BadRequestError(_UNKNOWN)
    return series_id


def _day(query: Mapping[str, str], name: str, default: str) -> str:
    return date.fromisoformat(query[name]).isoformat() if name in query else default


def _wants_schedule(query: Mapping[str, str]) -> bool:
    return query.get("include_release_dates_with_no_data", "false") == "true"


def _page(
    query: Mapping[str, str], rows: Sequence[Any], most: int
) -> tuple[Sequence[Any], dict[str, int]]:
    """Sort ascending rows as asked and cut out the page asked for."""
    order = query.get("sort_order", "asc")
    if order not in ("asc", "desc"):
        raise _BadRequestError("The value for variable sort_order is not one of asc, desc.")
    limit, offset = int(query.get("limit", most)), int(query.get("offset", 0))
    if not 1 <= limit <= most:
        raise _BadRequestError(f"The value for variable limit is not between 1 and {most}.")
    ordered = rows if order == "asc" else rows[::-1]
    paging = {"count": len(rows), "offset": offset, "limit": limit}
    return ordered[offset : offset + limit], paging


def _long(rows: Sequence[Observation]) -> list[dict[str, str]]:
    return [
        {"realtime_start": o.start, "realtime_end": o.end, "date": o.day, "value": o.value}
        for o in rows
    ]


def _matrix(series_id: str, rows: Sequence[Observation], start: str) -> list[dict[str, str]]:
    """New and revised values only: one object a date, one key a vintage that changed it."""
    found: dict[str, dict[str, str]] = {}
    for o in rows:
        if o.start > start or start == FIRST_DAY:
            cells = found.setdefault(o.day, {"date": o.day})
            cells[f"{series_id}_{o.start.replace('-', '')}"] = o.value
    return list(found.values())
