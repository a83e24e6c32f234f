"""What is plausible of macro series: ranges, steps between neighbours, age; and release dates.

The limits per series are the series catalogue's; how many failures make a batch bad is the gate
catalogue's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipelines.catalog.models import Catalog, FredSeries, GateCheck
from pipelines.quality import expectations as gx
from pipelines.quality.bench import Bad, Bench, Ruling, limit, name_some, rule_on_rows
from pipelines.quality.freshness import series_freshness
from pipelines.quality.structure import fresh_items

_BEFORE_ALL_VINTAGES = pd.Timestamp(1776, 7, 4)


def _table(bench: Bench) -> str:
    feed = bench.extract.feed
    return "agency_observations" if feed == "agency_observations" else "fred_observations"


def _limits_of(catalog: Catalog) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "low": [s.plausible_min for s in catalog.fred_series],
            "high": [s.plausible_max for s in catalog.fred_series],
            "step": [s.largest_step for s in catalog.fred_series],
            "is_pct": [s.step_kind == "pct" for s in catalog.fred_series],
        },
        index=pd.Index([s.id for s in catalog.fred_series], dtype="str"),
        dtype="object",
    ).astype({"low": "float64", "high": "float64", "step": "float64", "is_pct": "bool"})


def series_are_catalogued(bench: Bench, gate: GateCheck) -> Ruling:
    """No row belongs to a series that nobody asked for and nothing is known of."""
    table = _table(bench)
    frame = bench.frame(table)
    rows = gx.expect_in_set(frame["series_id"], [s.id for s in bench.catalog.fred_series]).rows
    reasons = pd.Series("no series of the catalogue", index=rows, dtype="str")
    return rule_on_rows(bench, gate, [Bad(table, reasons)], good="every series is catalogued")


def observations_are_of_weekdays(bench: Bench, gate: GateCheck) -> Ruling:
    """Daily series have values from Monday to Friday, unless the catalogue says otherwise.

    A row of a weekend that has no value claims nothing and is left.
    """
    table = _table(bench)
    frame = bench.frame(table)
    plain = {s.id for s in bench.catalog.fred_series if s.frequency == "daily" and not s.weekends}
    held = frame["series_id"].isin(plain) & frame["value"].notna()
    days = frame["observed_on"]
    rows = gx.expect_true((days.dt.day_of_week <= 4) | ~held).rows
    reasons = pd.Series(
        [f"a value of a {name}" for name in days[rows].dt.day_name()], index=rows, dtype="str"
    )
    return rule_on_rows(
        bench, gate, [Bad(table, reasons)], good="no value of a weekend", per_item=True
    )


def values_are_plausible(bench: Bench, gate: GateCheck) -> Ruling:
    """Each value lies in its series' plausible range.

    Refuses where a series has too many such rows, or too many among its newest: a changed unit
    shows there first.
    """
    table = _table(bench)
    frame = bench.frame(table)
    limits = _limits_of(bench.catalog).reindex(frame["series_id"])
    low, high = (pd.Series(limits[c].to_numpy(), index=frame.index) for c in ("low", "high"))
    values = frame["value"].astype("float64")
    rows = gx.expect_within_bounds(values, low, high).rows
    reasons = pd.Series(
        [
            f"{v:g} is outside {a:g} to {b:g}"
            for v, a, b in zip(values[rows], low[rows], high[rows], strict=True)
        ],
        index=rows,
        dtype="str",
    )
    ruling = rule_on_rows(
        bench, gate, [Bad(table, reasons)], good=f"{len(frame)} values in range", per_item=True
    )
    crowded = _bad_among_newest(frame, rows, gate)
    if crowded:
        message = f"too many of the newest values are out of range in {name_some(crowded)}"
        return Ruling(message, ruling.bad, refuses=True, examples=ruling.examples)
    return ruling


def _bad_among_newest(frame: pd.DataFrame, bad: pd.Index, gate: GateCheck) -> list[str]:
    count, most = int(limit(gate, "newest_rows")), limit(gate, "max_of_newest")
    out = []
    for series_id in frame.loc[bad, "series_id"].unique():
        own = frame[frame["series_id"] == series_id]
        newest = own.sort_values("observed_on", kind="stable").drop_duplicates(
            "observed_on", keep="last"
        )
        if newest.index[-count:].isin(bad).sum() > most:
            out.append(str(series_id))
    return out


def steps_are_plausible(bench: Bench, gate: GateCheck) -> Ruling:
    """No value is further from the one before than its series ever moves.

    A lone spike that comes back is quarantined; so is the newest value after such a step, until a
    neighbour confirms it. A step that the next value confirms is reported and stays.
    """
    table = _table(bench)
    frame = bench.frame(table)
    steps = find_large_steps(
        frame,
        bench.stored(table),
        _limits_of(bench.catalog),
        spike_factor=limit(gate, "spike_factor"),
    )
    spikes = steps[steps["kind"] != "shift"]
    reasons = pd.Series(
        [
            f"{row.value:g} after {row.before:g}: "
            + ("a lone spike" if row.kind == "spike" else "a step that no later value confirms")
            for row in spikes.itertuples()
        ],
        index=spikes.index,
        dtype="str",
    )
    shifts = steps[steps["kind"] == "shift"]
    good = "no step is larger than its series' largest"
    told = tuple(
        f"{r.series_id} {r.observed_on:%Y-%m-%d}: {r.before:g} to {r.value:g}"
        for r in shifts.itertuples()
    )
    if told:
        good = f"{len(told)} large steps, confirmed by the next value, stay: {name_some(told)}"
    ruling = rule_on_rows(bench, gate, [Bad(table, reasons)], good=good, per_item=True)
    if told and not ruling.bad:
        return Ruling(good, noted=True, failing=len(told), examples=told[:50])
    return ruling


def find_large_steps(
    frame: pd.DataFrame, stored: pd.DataFrame, limits: pd.DataFrame, *, spike_factor: float
) -> pd.DataFrame:
    """Return the rows that differ too much from the value before, as it was known at the time.

    Index: the frame's labels. Columns: `series_id`, `observed_on`, `value`, `before`, `kind`
    (`spike`: the value after is back near the one before; `newest`: nothing follows; `shift`: what
    follows stays). Rows of a vintage are compared with the value before in the same or the last
    earlier vintage: a rebased series changes level between vintages, not within one.

    Series with steps in percent also have a spike where a value is `spike_factor` times (or that
    part of) the one before, and the next is back within half of it: jobless claims once rose
    twelvefold in a week, so that their largest step catches no shifted decimal point.
    """
    rows = frame.loc[frame["value"].notna(), ["series_id", "observed_on", "value"]].copy()
    if "realtime_start" in frame:
        rows["vintage"] = frame["realtime_start"].fillna(_BEFORE_ALL_VINTAGES)
    else:
        rows["vintage"] = _BEFORE_ALL_VINTAGES
        if "source" in frame:  # two agencies are two histories
            rows["series_id"] = rows["series_id"].astype(str) + "\0" + frame["source"].astype(str)
    rows["label"] = rows.index
    rows = pd.concat([_stored_neighbours(rows, stored), rows], ignore_index=True)
    if rows.empty:
        return pd.DataFrame(columns=["series_id", "observed_on", "value", "before", "kind"])
    days = rows[["series_id", "observed_on"]].drop_duplicates().sort_values(list(rows.columns[:2]))
    by_series = days.groupby("series_id")["observed_on"]
    days["day_before"], days["day_after"] = by_series.shift(), by_series.shift(-1)
    rows = rows.merge(days, on=["series_id", "observed_on"])
    rows["before"] = _value_known_then(rows, "day_before")
    rows["after"] = _value_known_then(rows, "day_after")
    rows["series_id"] = rows["series_id"].str.split("\0").str[0]
    own = limits.reindex(rows["series_id"]).reset_index(drop=True)
    large = _is_large(rows["value"], rows["before"], own)
    back = ~_is_large(rows["after"], rows["before"], own, times=2.0)
    leaves = _is_large(rows["after"], rows["value"], own)
    times, returned = rows["value"] / rows["before"], rows["after"] / rows["before"]
    lone = (
        own["is_pct"] & returned.between(0.5, 1.5) & ~times.between(1 / spike_factor, spike_factor)
    )
    large, back, leaves = large | lone, back | lone, leaves | lone
    # Two observations may be absent between these neighbours; a spike is one only if it returns.
    kind = np.where(rows["after"].isna(), "newest", np.where(back & leaves, "spike", "shift"))
    found = rows.assign(kind=kind)[large & (rows["label"] >= 0)]
    # The way back from a spike is large as well, and is no fault of the value after it.
    spiked = rows.loc[(large & back & leaves), ["series_id", "day_after"]].dropna()
    returns = pd.MultiIndex.from_frame(found[["series_id", "observed_on"]]).isin(
        pd.MultiIndex.from_frame(spiked)
    )
    found = found[~returns].set_index("label")
    return found[["series_id", "observed_on", "value", "before", "kind"]].sort_index()


def _stored_neighbours(rows: pd.DataFrame, stored: pd.DataFrame) -> pd.DataFrame:
    """Return the newest stored value of each series whose batch begins after it."""
    if rows.empty or stored.empty or "newest_value" not in stored:
        return rows.iloc[:0]
    begins = rows.groupby("series_id")["observed_on"].min()
    plain = begins.index.str.split("\0").str[0]
    known = stored.reindex(plain)
    before = pd.DatetimeIndex(known["newest_on"]) < pd.DatetimeIndex(begins)
    use = before & known["newest_value"].notna().to_numpy()
    return pd.DataFrame(
        {
            "series_id": begins.index[use],
            "observed_on": known["newest_on"].to_numpy()[use],
            "value": known["newest_value"].astype("float64").to_numpy()[use],
            "vintage": _BEFORE_ALL_VINTAGES,
            "label": -1,
        }
    )


def _value_known_then(rows: pd.DataFrame, neighbour: str) -> pd.Series[Any]:
    """Return, per row, the neighbouring day's value as of the row's vintage.

    For a day after, whose first vintage is later, the first one counts.
    """
    wanted = rows[["series_id", neighbour, "vintage"]].reset_index()
    wanted = wanted.dropna().sort_values("vintage")
    known = rows[["series_id", "observed_on", "vintage", "value"]].rename(
        columns={"observed_on": neighbour}
    )
    known = known.sort_values("vintage").astype({"vintage": wanted["vintage"].dtype})
    by = ["series_id", neighbour]
    out = pd.merge_asof(wanted, known, on="vintage", by=by, direction="backward")
    if neighbour == "day_after":
        later = pd.merge_asof(wanted, known, on="vintage", by=by, direction="forward")
        out["value"] = out["value"].fillna(later["value"])
    return pd.Series(out["value"].to_numpy(), index=out["index"]).reindex(rows.index)


def _is_large(
    value: pd.Series[Any], before: pd.Series[Any], own: pd.DataFrame, *, times: float = 1.0
) -> pd.Series[Any]:
    """Say where the step is beyond `times` the series' largest; False where either is missing."""
    step = (value - before).abs()
    step = step.where(~own["is_pct"], 100.0 * step / before.abs())
    return step > times * own["step"] + 1e-9


def series_are_fresh(bench: Bench, gate: GateCheck) -> Ruling:  # noqa: ARG001 - a check's shape
    """No series is older than its release calendar allows."""
    records = series_freshness(
        _expected_series(bench), bench.newest(_table(bench)), as_of=bench.as_of
    )
    return fresh_items({r.item: (r.is_stale, r.describe()) for r in records})


def _expected_series(bench: Bench) -> list[FredSeries]:
    if bench.extract.feed == "agency_observations":
        return [s for s in bench.catalog.fred_series if s.alternate is not None]
    return list(bench.catalog.fred_series)


def release_dates_are_plausible(bench: Bench, gate: GateCheck) -> Ruling:
    """A release date lies between FRED's first and a calendar not longer than `max_days_ahead`."""
    frame = bench.frame("fred_release_dates")
    ahead = (frame["release_on"] - pd.Timestamp(bench.as_of)).dt.days.astype("float64")
    oldest = float((pd.Timestamp(1900, 1, 1) - pd.Timestamp(bench.as_of)).days)
    rows = gx.expect_between(ahead, oldest, limit(gate, "max_days_ahead")).rows
    reasons = pd.Series("no date of a release calendar", index=rows, dtype="str")
    return rule_on_rows(
        bench,
        gate,
        [Bad("fred_release_dates", reasons)],
        good=f"{len(frame)} release dates are plausible",
    )
