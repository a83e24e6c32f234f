"""What must be true of NAVs and share counts on the day they arrive.

Judged here is what one row says of itself. Spikes of the count need the five sessions after and are
judged again each night, in dbt (docs/methods.md, section 4).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from pipelines.catalog.models import GateCheck
from pipelines.quality import expectations as gx
from pipelines.quality.bar_moves import find_spikes
from pipelines.quality.bench import (
    Bad,
    Bench,
    Ruling,
    describe_rows,
    limit,
    name_some,
    rule_on_rows,
)
from pipelines.quality.freshness import shares_freshness
from pipelines.quality.structure import fresh_items

_TABLE = "fund_shares"


def counts_are_of_sessions(bench: Bench, gate: GateCheck) -> Ruling:
    """A count is of a session: issuers' files hold holidays and Sundays."""
    frame = bench.frame(_TABLE)
    days = frame["traded_on"]
    rows = gx.expect_true(days.isin(bench.sessions)).rows
    reasons = pd.Series(
        [f"{name}, no session" for name in days[rows].dt.day_name()], index=rows, dtype="str"
    )
    return rule_on_rows(
        bench, gate, [Bad(_TABLE, reasons)], good="every count is of a session", per_item=True
    )


def counts_are_positive(bench: Bench, gate: GateCheck) -> Ruling:
    """A count is given and above zero; `-` and `--` are no count."""
    frame = bench.frame(_TABLE)
    counts = frame["shares_outstanding"].astype("float64")
    missing = gx.expect_present(counts).rows
    low = gx.expect_between(counts, 0.0, above=True).rows
    reasons = pd.concat(
        [
            pd.Series("no count: '-' or '--'", index=missing, dtype="str"),
            pd.Series([f"a count of {counts[r]:g}" for r in low], index=low, dtype="str"),
        ]
    ).sort_index()
    return rule_on_rows(
        bench, gate, [Bad(_TABLE, reasons)], good="every count is positive", per_item=True
    )


def navs_are_plausible(bench: Bench, gate: GateCheck) -> Ruling:
    """A NAV, where given, lies between 0 and `max_nav_usd` and does not leave for a day."""
    frame = bench.frame(_TABLE)
    navs = frame["nav_usd"].astype("float64")
    out = gx.expect_between(navs, 0.0, limit(gate, "max_nav_usd"), above=True).rows
    rest = frame[navs.notna() & ~frame.index.isin(out)].sort_values(["fund_id", "traded_on"])
    spikes = find_spikes(
        pd.factorize(rest["fund_id"])[0],
        rest["nav_usd"].to_numpy(dtype=np.float64),
        np.full(len(rest), limit(gate, "spike_factor")),
        longest_run=1,
        back_within_pct=limit(gate, "back_within_pct"),
    )
    flags = pd.Series(True, index=frame.index)
    flags[rest.index[spikes]] = False
    rows = out.union(gx.expect_true(flags).rows)
    reasons = pd.Series([f"NAV of {navs[r]:g}" for r in rows], index=rows, dtype="str")
    return rule_on_rows(
        bench, gate, [Bad(_TABLE, reasons)], good="every NAV is plausible", per_item=True
    )


def total_net_assets_add_up(bench: Bench, gate: GateCheck) -> Ruling:
    """The issuer's own total is shares times NAV, where it gives one.

    Single odd totals are reported. Where more than `max_wrong_share` of them are odd, a column has
    another unit, and nothing of the batch is loaded.
    """
    frame = bench.frame(_TABLE)
    own = frame["shares_outstanding"].astype("float64") * frame["nav_usd"].astype("float64")
    gap: pd.Series[Any] = 100.0 * (frame["total_net_assets_usd"].astype("float64") / own - 1.0)
    gap = gap.replace([np.inf, -np.inf], np.nan).abs()
    verdict = gx.expect_between(
        gap, high=limit(gate, "tolerance_pct"), mostly=1.0 - limit(gate, "max_share")
    )
    if verdict.success:
        return Ruling(f"{int(gap.notna().sum())} totals add up")
    told = describe_rows(_TABLE, frame, gap[verdict.rows].map("{:.2f} % from shares x NAV".format))
    fund = frame["fund_id"]
    share = gap.index.isin(verdict.rows) & gap.notna()
    wrong = pd.Series(share, gap.index).groupby(fund).sum() / gap.notna().groupby(fund).sum()
    return Ruling(
        f"{len(verdict.rows)} totals do not add up; first: {told[0]}",
        refuses=bool((wrong > limit(gate, "max_wrong_share")).any()),
        noted=True,
        failing=len(verdict.rows),
        examples=told,
    )


def stored_counts_agree(bench: Bench, gate: GateCheck) -> Ruling:
    """A fund's counts that are stored already come again in the same unit.

    The median factor of new over stored counts lies within `largest_unexplained`, or the NAVs
    changed the other way (an issuer that restates its history for a split). Else all rows of the
    fund are kept out; more than `max_funds` such funds refuse the batch.
    """
    frame, overlap = bench.frame(_TABLE), bench.history.get(f"{_TABLE}__overlap")
    if frame.empty or overlap is None or overlap.empty:
        return Ruling("no stored count to compare with")
    both = frame[["fund_id", "traded_on", "shares_outstanding", "nav_usd"]].merge(
        overlap, on=["fund_id", "traded_on"], suffixes=("", "_stored")
    )
    numbers = both.drop(columns=["fund_id", "traded_on"]).astype("float64")
    factors = pd.DataFrame(
        {
            "fund_id": both["fund_id"],
            "count": np.log(numbers["shares_outstanding"] / numbers["shares_outstanding_stored"]),
            "nav": np.log(numbers["nav_usd"] / numbers["nav_usd_stored"]),
        }
    )
    median = factors.groupby("fund_id").median()
    bound = np.log(limit(gate, "largest_unexplained"))
    offset = (median["count"] + median["nav"].fillna(0.0)).abs()
    wrong = median.index[(median["count"].abs() > bound) & (offset > bound)]
    if wrong.empty:
        return Ruling(f"{len(both)} stored counts come in their unit")
    rows = frame.index[frame["fund_id"].isin(wrong)]
    times = np.exp(median.loc[wrong, "count"])
    told = tuple(f"{fund} (times {factor:g})" for fund, factor in times.items())
    reasons = frame.loc[rows, "fund_id"].map(
        {fund: f"counts came {factor:g} times the stored ones" for fund, factor in times.items()}
    )
    return Ruling(
        f"the counts of {len(wrong)} funds changed their unit: {name_some(told)}",
        (Bad(_TABLE, reasons.astype("str")),),
        refuses=len(wrong) > limit(gate, "max_funds"),
        failing=len(wrong),
        examples=told,
    )


def newest_counts_are_confirmed(bench: Bench, gate: GateCheck) -> Ruling:
    """A fund's newest count does not leap; one that does waits for the count that confirms it.

    A leap is a factor beyond `largest_step` over the count before that the NAV does not undo, as it
    does in a split. The files hold their history, so that the count comes again tomorrow.
    """
    frame = bench.frame(_TABLE)
    last = frame.sort_values("traded_on").groupby("fund_id").tail(2)
    logs = pd.DataFrame(
        {c: np.log(last[c].astype("float64")) for c in ("shares_outstanding", "nav_usd")}
    )
    steps = logs.groupby(last["fund_id"]).diff()
    step: pd.Series[Any] = steps["shares_outstanding"]
    undone = (step + steps["nav_usd"].fillna(0.0)).abs()
    bound = np.log(limit(gate, "largest_step"))
    smaller = step.abs().where(step.abs() < undone, undone)
    verdict = gx.expect_between(smaller, high=bound)
    rows = verdict.rows
    reasons = pd.Series(
        [f"a count {np.exp(step[r]):g} times the one before, not confirmed yet" for r in rows],
        index=rows,
        dtype="str",
    )
    return rule_on_rows(bench, gate, [Bad(_TABLE, reasons)], good="no newest count leaps")


def share_counts_are_fresh(bench: Bench, gate: GateCheck) -> Ruling:  # noqa: ARG001
    """No fund's newest count is older than its limit."""
    records = shares_freshness(
        bench.catalog.funds, bench.newest(_TABLE), sessions=bench.sessions, as_of=bench.as_of
    )
    return fresh_items({r.item: (r.is_stale, r.describe()) for r in records})
