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
from pipelines.quality.bench import Bad, Bench, Ruling, describe_rows, limit, rule_on_rows
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
    """The issuer's own total is shares times NAV, where it gives one; reported only."""
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
    return Ruling(
        f"{len(verdict.rows)} totals do not add up; first: {told[0]}",
        noted=True,
        failing=len(verdict.rows),
        examples=told,
    )


def share_counts_are_fresh(bench: Bench, gate: GateCheck) -> Ruling:  # noqa: ARG001
    """No fund's newest count is older than its limit."""
    records = shares_freshness(
        bench.catalog.funds, bench.newest(_TABLE), sessions=bench.sessions, as_of=bench.as_of
    )
    return fresh_items({r.item: (r.is_stale, r.describe()) for r in records})
