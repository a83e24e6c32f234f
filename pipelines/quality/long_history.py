"""What must be true of the library files of Kenneth French and of Shiller's workbook.

Both rewrite their whole history in every edition, so a fault is judged by edition: single odd
values are quarantined, an older or emptier edition than the stored one is refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipelines.catalog.models import GateCheck
from pipelines.quality import expectations as gx
from pipelines.quality.bar_moves import Floats, find_spikes
from pipelines.quality.bench import Bad, Bench, Ruling, limit, name_some, rule_on_rows

_POSITIVE_TABLES = ("number_of_firms", "average_market_cap")
_RATIO_TABLES = ("value_weight_average_of_be",)
_RETURN_WORDS = ("returns", "factors")

_SHILLER_RANGES = {
    "price": ("min_level", "max_level"),
    "dividend": ("min_level", "max_level"),
    "earnings": ("min_earnings", "max_level"),
    "cpi": ("min_level", "max_level"),
    "long_rate_pct": ("min_rate_pct", "max_rate_pct"),
    "cape_ratio": ("min_level", "max_cape"),
}
_SPIKING = ("price", "cpi", "cape_ratio")
"""Measures whose neighbours are close: earnings fell by four fifths within months of 2008."""


def returns_are_possible(bench: Bench, gate: GateCheck) -> Ruling:
    """No return is below -100 percent, none above `max_monthly_pct` or `max_annual_pct`."""
    frame = bench.frame("french_portfolios")
    own = frame[frame["table_id"].str.contains("|".join(_RETURN_WORDS))]
    highest = (
        own["frequency"]
        .eq("annual")
        .map({True: limit(gate, "max_annual_pct"), False: limit(gate, "max_monthly_pct")})
        .astype("float64")
    )
    low = pd.Series(-100.0, index=own.index)
    rows = gx.expect_within_bounds(own["value"].astype("float64"), low, highest).rows
    reasons = _reasons(own, rows, "percent is no return")
    return rule_on_rows(
        bench, gate, [Bad("french_portfolios", reasons)], good=f"{len(own)} returns are possible"
    )


def _reasons(frame: pd.DataFrame, rows: pd.Index, why: str) -> pd.Series[Any]:
    own = frame.loc[rows, ["table_id", "portfolio", "value"]].to_numpy(dtype="object")
    told = [f"{table} {portfolio}: {value:g} {why}" for table, portfolio, value in own]
    return pd.Series(told, index=rows, dtype="str")


def firms_and_sizes_are_positive(bench: Bench, gate: GateCheck) -> Ruling:
    """Counts of firms and their average size are not negative; BE/ME lies within its limits.

    A count of zero is a portfolio that was empty that month, and its size is missing.
    """
    frame = bench.frame("french_portfolios")
    sizes = frame[frame["table_id"].str.startswith(_POSITIVE_TABLES)]
    ratios = frame[frame["table_id"].str.startswith(_RATIO_TABLES)]
    low = gx.expect_between(sizes["value"], low=0.0).rows
    odd = gx.expect_between(
        ratios["value"], limit(gate, "min_be_me"), limit(gate, "max_be_me")
    ).rows
    reasons = pd.concat(
        [_reasons(frame, low, "is negative"), _reasons(frame, odd, "is no book-to-market ratio")]
    ).sort_index()
    return rule_on_rows(
        bench,
        gate,
        [Bad("french_portfolios", reasons)],
        good=f"{len(sizes)} counts and sizes, {len(ratios)} ratios are plausible",
    )


def files_hold_their_history(bench: Bench, gate: GateCheck) -> Ruling:
    """Each monthly table is as long as its history: at least `min_months` months."""
    frame = bench.frame("french_portfolios")
    monthly = frame[frame["frequency"] == "monthly"]
    if frame.empty:
        return Ruling("no rows in this batch")
    months = monthly.groupby(["file_id", "table_id"])["period_on"].nunique()
    rows = gx.expect_between(months.reset_index(drop=True), low=limit(gate, "min_months")).rows
    short = tuple(f"{months.index[r][0]}.{months.index[r][1]}: {months.iloc[r]}" for r in rows)
    if short or months.empty:
        return Ruling(
            f"tables with fewer months than their history: {name_some(short) or 'all'}",
            refuses=True,
            failing=len(short),
            examples=short,
        )
    return Ruling(f"{len(months)} monthly tables hold {int(months.min())} months or more")


def edition_is_not_older(bench: Bench, gate: GateCheck) -> Ruling:
    """A file's newest month, and its CRSP vintage where it has one, are not before the stored.

    Stored vintages come as `newest_edition` of the history, where given.
    """
    table = "french_portfolios" if "french" in bench.extract.feed else "shiller_history"
    entity = "file_id" if table == "french_portfolios" else "measure"
    dated = "period_on" if table == "french_portfolios" else "observed_on"
    frame, stored = bench.frame(table), bench.stored(table)
    if frame.empty or stored.empty:
        return Ruling("no stored edition to compare with")
    came = frame.groupby(entity).agg(newest=(dated, "max"), edition=("edition", "max"))
    came.index = came.index.astype("str")
    both = came.join(stored, how="inner")
    behind = (both["newest"] - both["newest_on"]).dt.days.astype("float64")
    if table == "french_portfolios" and "newest_edition" in both:
        vintage = both["edition"].astype("float64") - both["newest_edition"].astype("float64")
        behind = behind.where(vintage.isna() | (vintage >= 0), -1.0).clip(upper=0.0)
    slack = limit(gate, "slack_days")
    rows = gx.expect_between(behind.reset_index(drop=True), low=-slack).rows
    older = tuple(
        f"{both.index[r]}: ends {both['newest'].iloc[r]:%Y-%m}, edition {both['edition'].iloc[r]}"
        for r in rows
    )
    if older:
        return Ruling(
            f"an older edition than the stored one: {name_some(older)}",
            refuses=True,
            failing=len(older),
            examples=older,
        )
    return Ruling(f"{len(both)} editions are not older than the stored ones")


def stored_values_agree(bench: Bench, gate: GateCheck) -> Ruling:
    """No portfolio (Shiller: measure) is a multiple of the stored one, no table lost any.

    The median of new over stored lies within `max_factor` and its inverse, over at least
    `min_compared` values that are not zero. Portfolios that are new are named and loaded.
    """
    name = "french_portfolios" if "french" in bench.extract.feed else "shiller_history"
    is_library = name == "french_portfolios"
    group = ["file_id", "table_id", "portfolio"] if is_library else ["measure"]
    dated = "period_on" if is_library else "observed_on"
    frame, stored = bench.frame(name), bench.history.get(f"{name}__values")
    if frame.empty or stored is None or stored.empty:
        return Ruling("no stored value to compare with")
    both = frame[[*group, dated, "value"]].merge(
        stored, on=[*group, dated], suffixes=("", "_stored")
    )
    both = both[(both["value"] != 0) & (both["value_stored"] != 0)].dropna()
    ratio = (both["value"] / both["value_stored"]).groupby([both[c] for c in group])
    medians = ratio.median()[ratio.size() >= limit(gate, "min_compared")]
    factor = limit(gate, "max_factor")
    rows = gx.expect_between(medians.reset_index(drop=True), 1 / factor, factor).rows
    wrong = [f"{_label(medians.index[r])}: {medians.iloc[r]:g} times the stored" for r in rows]
    if is_library:
        had = stored[stored["file_id"].isin(frame["file_id"])]
        kept = set(map(tuple, frame[group].drop_duplicates().to_numpy()))
        before = set(map(tuple, had[group].drop_duplicates().to_numpy()))
        wrong += [f"{_label(key)} is gone" for key in sorted(before - kept)]
        added = tuple(_label(key) for key in sorted(kept - before))
    else:
        added = ()
    if wrong:
        return Ruling(
            f"not the history that is stored: {name_some(wrong)}",
            refuses=True,
            failing=len(wrong),
            examples=tuple(wrong),
        )
    if added:
        return Ruling(
            f"new portfolios: {name_some(added)}", noted=True, failing=len(added), examples=added
        )
    return Ruling(f"{len(medians)} histories agree with the stored ones")


def _label(key: Any) -> str:
    return ".".join(map(str, key)) if isinstance(key, tuple) else str(key)


def newest_month_is_recent(bench: Bench, gate: GateCheck) -> Ruling:
    """The newest month is at most `max_days` days before the as-of date."""
    table = "french_portfolios" if "french" in bench.extract.feed else "shiller_history"
    newest = bench.newest(table)
    if not newest:
        return Ruling("no row at all", noted=True)
    items = sorted(newest)
    ages = pd.Series([float((bench.as_of - newest[i]).days) for i in items])
    rows = gx.expect_between(ages, high=limit(gate, "max_days")).rows
    old = tuple(f"{items[r]} ends {newest[items[r]]:%Y-%m}" for r in rows)
    if old:
        return Ruling(f"stale: {name_some(old)}", noted=True, failing=len(old), examples=old)
    return Ruling(f"{len(items)} histories are recent")


def measures_are_plausible(bench: Bench, gate: GateCheck) -> Ruling:
    """Shiller's measures lie in their ranges, and none leaves its neighbours for a month."""
    frame = bench.frame("shiller_history")
    bad: dict[int, str] = {}
    for measure, (low, high) in _SHILLER_RANGES.items():
        own = frame[frame["measure"] == measure].sort_values("observed_on")
        values = own["value"].astype("float64")
        rows = gx.expect_between(values, limit(gate, low), limit(gate, high)).rows
        bad |= {r: f"{measure} {values[r]:g} is out of range" for r in rows}
        if measure in _SPIKING:
            rest = values[values.notna() & (values > 0) & ~values.index.isin(rows)]
            levels: Floats = np.asarray(rest, dtype=np.float64)
            spikes = find_spikes(
                np.zeros(len(rest), dtype="int64"),
                levels,
                np.full_like(levels, limit(gate, "spike_factor")),
                longest_run=1,
                back_within_pct=limit(gate, "back_within_pct"),
            )
            if len(levels) > 1:  # the newest has one neighbour only
                step = levels[-1] / levels[-2]
                spikes[-1] |= max(step, 1 / step) > limit(gate, "spike_factor")
            flags = pd.Series(~spikes, index=rest.index)
            bad |= {r: f"{measure} {values[r]:g} leaves its neighbours for a month"
                    for r in gx.expect_true(flags).rows}  # fmt: skip
    reasons = pd.Series(bad, dtype="str").sort_index()
    return rule_on_rows(
        bench, gate, [Bad("shiller_history", reasons)], good=f"{len(frame)} values are plausible"
    )


def every_measure_is_there(bench: Bench, gate: GateCheck) -> Ruling:
    """The workbook has all its measures, each with at least `min_months` values."""
    frame = bench.frame("shiller_history")
    if frame.empty:
        return Ruling("no rows in this batch")
    known = gx.expect_in_set(frame["measure"], list(_SHILLER_RANGES)).rows
    months = frame[frame["value"].notna()].groupby("measure").size()
    counts = months.reindex(list(_SHILLER_RANGES)).fillna(0).astype("float64")
    rows = gx.expect_between(counts.reset_index(drop=True), low=limit(gate, "min_months")).rows
    short = tuple(f"{counts.index[r]}: {counts.iloc[r]:g} values" for r in rows)
    strange = tuple(sorted({str(m) for m in frame.loc[known, "measure"]}))
    if short or strange:
        return Ruling(
            f"measures are not the workbook's: {name_some((*short, *strange))}",
            refuses=True,
            failing=len(short) + len(strange),
            examples=(*short, *strange),
        )
    return Ruling(f"{len(counts)} measures with {int(counts.min())} values or more")
