"""When each simulated macro value was first published, and how it was revised afterwards.

Where the agency revises there are drafts (first, second, third release, an annual revision). The
earliest vintage on record may be decades later than the first release, as it is at FRED. Schedules
are in `releases`, wire forms in `fred`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from pipelines.sample.economy import SIMULATED_TO, Days, Floats, stream
from pipelines.sample.macro import Macro
from pipelines.sample.releases import SERIES, Series, no_weekend

FOREVER = "9999-12-31"


class Observation(NamedTuple):
    """One value of one date, with the first and last day on which it was the current one."""

    day: str
    value: str
    start: str
    end: str


@dataclass
class FredHistory:
    """Every observation of every series with its real-time period, built on first use."""

    macro: Macro
    _built: dict[str, tuple[Observation, ...]] = field(default_factory=dict)

    def history(self, series_id: str) -> tuple[Observation, ...]:
        """Return all vintages of one series, by observation date, then vintage."""
        if series_id not in self._built:
            spec = SERIES[series_id]
            if series_id in self._projections:
                rows = self._projections[series_id]
            elif spec.errors:
                rows = self._revised(spec)
            else:
                rows = self._published_once(spec)
            self._built[series_id] = tuple(rows)
        return self._built[series_id]

    def _published_once(self, spec: Series) -> list[Observation]:
        days, values = self.macro.values(spec.id)
        start = np.maximum(spec.schedule(days), np.datetime64(spec.archive_from))
        texts = _texts(values, spec.decimals)
        return [
            Observation(d, v, s, FOREVER)
            for d, v, s in zip(days.astype(str).tolist(), texts, start.astype(str).tolist(),
                               strict=True)
        ]  # fmt: skip

    def _revised(self, spec: Series) -> list[Observation]:
        days, values = self.macro.values(spec.id)
        first = spec.schedule(days)
        rng = stream(self.macro.economy.seed, f"drafts/{spec.id}")
        drafts: list[tuple[Days, Floats]] = []
        for n, size in enumerate(spec.errors):
            error = size * rng.standard_normal(len(days))
            draft = values + error if spec.error_kind == "abs" else values * (1 + error / 100)
            # The n-th draft comes with the report on the n-th period after.
            drafts.append((_later(first, n, spec.frequency), draft))
        if spec.errors[:2] == (0.0, 0.0):  # nothing but the annual revision
            drafts = [(drafts[0][0], drafts[-1][1])]
        if spec.annual_month is not None:
            drafts.append((_annual(drafts[-1][0], spec), values))
        else:
            drafts[-1] = (drafts[-1][0], values)
        starts = [np.maximum(s, np.datetime64(spec.archive_from)).astype(str).tolist()
                  for s, _ in drafts]  # fmt: skip
        texts = [_texts(v, spec.decimals) for _, v in drafts]
        rows: list[Observation] = []
        for i, day in enumerate(days.astype(str).tolist()):
            known: list[list[str]] = []
            for start, text in zip(starts, texts, strict=True):
                if start[i] == FOREVER:
                    continue
                if known and start[i] <= known[-1][0]:
                    known[-1] = [start[i], text[i]]
                elif not known or known[-1][1] != text[i]:
                    known.append([start[i], text[i]])
            ends = [_day_before(k[0]) for k in known[1:]] + [FOREVER]
            rows += [Observation(day, v, s, e) for (s, v), e in zip(known, ends, strict=True)]
        return rows

    @cached_property
    def _projections(self) -> dict[str, list[Observation]]:
        """The committee's projections: four meetings a year, this year and the next three."""
        rng = stream(self.macro.economy.seed, "projections")
        months, core = self.macro.values("PCEPILFE")
        yearly = 100 * (core[12:] / core[:-12] - 1)
        found: dict[str, dict[str, list[list[str]]]] = {s: {} for s in _PROJECTED}
        for year in range(1992, SIMULATED_TO.year + 1):
            for month in (3, 6, 9, 12):
                meeting = np.datetime64(f"{year}-{month:02d}-01") + 17
                if meeting > np.datetime64(SIMULATED_TO):
                    continue
                now = float(yearly[np.searchsorted(months[12:], meeting) - 3])
                rate = float(self.macro.values("DFEDTARU")[1][
                    (meeting - self.macro.values("DFEDTARU")[0][0]).astype(int)
                ])  # fmt: skip
                for ahead in range(4):
                    fade = 0.55**ahead
                    core_pct = 2.0 + (now - 2.0) * fade + 0.05 * rng.standard_normal()
                    funds = 3.0 + (rate - 3.0) * 0.7**ahead + 0.1 * rng.standard_normal()
                    for name, value in (
                        ("FEDTARMD", f"{max(funds, 0.1):.1f}"),
                        ("JCXFEMD", f"{core_pct:.1f}"),
                        ("PCECTPICTM", f"{round(core_pct * 20) / 20:.2f}"),
                    ):
                        known = found[name].setdefault(f"{year + ahead}-01-01", [])
                        if not known or known[-1][1] != value:
                            known.append([str(meeting), value])
        return {
            name: [
                Observation(day, value, start, _day_before(known[n + 1][0])
                            if n + 1 < len(known) else FOREVER)
                for day, known in sorted(by_day.items()) for n, (start, value) in enumerate(known)
            ]
            for name, by_day in found.items()
        }  # fmt: skip


_PROJECTED = ("FEDTARMD", "JCXFEMD", "PCECTPICTM")


def _texts(values: Floats, decimals: int) -> list[str]:
    shown = max(decimals, 0)
    return ["." if v != v else f"{v:.{shown}f}" for v in np.round(values, decimals).tolist()]


def _day_before(day: str) -> str:
    return str(np.datetime64(day) - 1)


def _later(first: Days, periods: int, frequency: str) -> Days:
    """Return the day of a later draft: with the report on that many periods later.

    Quarterly figures get their second and third estimate one and two months after the first.
    """
    if periods == 0:
        return first
    if frequency == "Q":
        return no_weekend(first + 30 * periods)
    gap = first[-1] - first[-1 - periods]
    return np.concatenate([first[periods:], first[len(first) - periods :] + gap])


def _annual(after: Days, spec: Series) -> Days:
    """Return the day of the first annual revision at least a month after the last draft."""
    month = after.astype("datetime64[M]")
    year = month.astype("datetime64[Y]").astype(int) + 1970
    number = month.astype(int) % 12 + 1
    year = year + (number >= (spec.annual_month or 1))
    target = np.array([f"{y}-{spec.annual_month:02d}" for y in year.tolist()],
                      dtype="datetime64[M]")  # fmt: skip
    if spec.frequency == "M":  # it comes with the regular report of that month
        return spec.schedule((target - 1).astype("datetime64[D]"))
    return no_weekend(target.astype("datetime64[D]") + (3 if spec.release_id == 17 else 24))
