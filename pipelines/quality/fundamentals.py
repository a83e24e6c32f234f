"""What must be true of the SEC's list of tickers and of the facts that companies filed.

Filers make mistakes (a share count in millions, a year of 2105): single odd rows are kept out. What
would change the meaning of many rows, a unit or a tag that is not ours, refuses the batch.
"""

from __future__ import annotations

import pandas as pd

from pipelines.catalog.models import GateCheck
from pipelines.quality import expectations as gx
from pipelines.quality.bench import Bad, Bench, Ruling, limit, name_some, rule_on_rows
from pipelines.quality.freshness import feed_freshness
from pipelines.quality.structure import fresh_items

_LIST = "sec_companies"
_FACTS = "sec_facts"
_CIK = r"^\d{10}$"


def companies_have_their_keys(bench: Bench, gate: GateCheck) -> Ruling:
    """A CIK has ten digits and is not zero."""
    frame = bench.frame(_LIST)
    strange = gx.expect_matching(frame["cik"], _CIK).rows.union(
        frame.index[frame["cik"] == "0" * 10]
    )
    reasons = pd.Series(
        [f"{frame['cik'][r]!r} is no CIK" for r in strange], index=strange, dtype="str"
    )
    return rule_on_rows(
        bench, gate, [Bad(_LIST, reasons)], good=f"{len(frame)} tickers have a company"
    )


def list_is_whole(bench: Bench, gate: GateCheck) -> Ruling:
    """The list has at least `min_rows` tickers, and `min_share` of those stored."""
    frame, stored = bench.frame(_LIST), bench.stored(_LIST)
    if frame.empty:
        return Ruling("no rows in this batch")
    wanted = max(limit(gate, "min_rows"), limit(gate, "min_share") * len(stored))
    if not gx.expect_between(pd.Series([float(len(frame))]), low=wanted).success:
        return Ruling(
            f"{len(frame)} tickers, fewer than {wanted:.0f}: a cut list", refuses=True, failing=1
        )
    return Ruling(f"{len(frame)} tickers, {len(stored)} stored")


def tickers_keep_their_company(bench: Bench, gate: GateCheck) -> Ruling:
    """A ticker stands for the company for which it stood in the stored list.

    Tickers are given to others, and companies reorganise: a few a month. More than `max_share` of
    the common tickers at once means that the column is another.
    """
    frame, known = bench.frame(_LIST), bench.history.get(f"{_LIST}__keys")
    if frame.empty or known is None or known.empty:
        return Ruling("no stored list to compare with")
    both = frame[["ticker", "cik"]].merge(known, on="ticker", suffixes=("", "_stored"))
    same = both["cik"] == both["cik_stored"]
    verdict = gx.expect_true(same, mostly=1.0 - limit(gate, "max_share"))
    moved = both.loc[~same, ["ticker", "cik_stored", "cik"]]
    told = tuple(f"{ticker}: {old} to {new}" for ticker, old, new in moved.to_numpy()[:50])
    if not told:
        return Ruling(f"{len(both)} tickers keep their company")
    return Ruling(
        f"{len(moved)} of {len(both)} tickers have another company: {name_some(told)}",
        refuses=not verdict.success,
        noted=True,
        failing=len(moved),
        examples=told,
    )


def facts_are_catalogued(bench: Bench, gate: GateCheck) -> Ruling:
    """Each fact has a tag of the concept map, in the unit of its concept."""
    table = bench.extract.feed
    frame = bench.frame(table)
    known = [f"{t.tag} {c.unit}" for c in bench.catalog.concepts for t in c.tags]
    told = frame["tag"] + " " + frame["unit"]
    rows = gx.expect_in_set(told, known).rows
    reasons = pd.Series(
        [f"{told[r]} is not in the concept map" for r in rows], index=rows, dtype="str"
    )
    return rule_on_rows(
        bench, gate, [Bad(table, reasons)], good=f"{len(frame)} facts are of the concept map"
    )


def filings_follow_their_period(bench: Bench, gate: GateCheck) -> Ruling:
    """A period ends after its start, lasts at most `max_period_days`, and is over when filed.

    Nothing is filed more than `max_lag_days` after its period: comparisons reach back a few years.
    """
    frame = bench.frame(_FACTS)
    days = (frame["period_end_on"] - frame["period_start_on"]).dt.days.astype("float64")
    lag = (frame["filed_on"] - frame["period_end_on"]).dt.days.astype("float64")
    odd_period = gx.expect_between(days, 0.0, limit(gate, "max_period_days")).rows
    odd_lag = gx.expect_between(lag, 0.0, limit(gate, "max_lag_days")).rows.difference(odd_period)
    reasons = pd.concat(
        [
            pd.Series(
                [f"{frame['tag'][r]} of {days[r]:.0f} days" for r in odd_period],
                index=odd_period, dtype="str",
            ),
            pd.Series(
                [f"{frame['tag'][r]} filed {lag[r]:.0f} days after its period" for r in odd_lag],
                index=odd_lag, dtype="str",
            ),
        ]
    ).sort_index()  # fmt: skip
    return rule_on_rows(
        bench, gate, [Bad(_FACTS, reasons)], good=f"{len(frame)} facts follow their period"
    )


def facts_are_plausible(bench: Bench, gate: GateCheck) -> Ruling:
    """Dollars, dollars per share and counts of shares lie within what any company has had."""
    table = bench.extract.feed
    frame = bench.frame(table)
    highest = frame["unit"].map(
        {
            "USD": limit(gate, "max_usd"),
            "USD/shares": limit(gate, "max_usd_per_share"),
            "shares": limit(gate, "max_shares"),
        }
    )
    highest = highest.astype("float64")
    lowest = (-highest).mask(frame["unit"] == "shares", 0.0)
    rows = gx.expect_within_bounds(frame["value"].astype("float64"), lowest, highest).rows
    reasons = pd.Series(
        [f"{frame['tag'][r]} of {frame['value'][r]:g} {frame['unit'][r]}" for r in rows],
        index=rows, dtype="str",
    )  # fmt: skip
    return rule_on_rows(
        bench, gate, [Bad(table, reasons)], good=f"{len(frame)} values are plausible"
    )


def filings_keep_their_values(bench: Bench, gate: GateCheck) -> Ruling:
    """A filing that is stored says of a figure what it said before.

    What says otherwise is kept out, and a company's whole history of a figure of which more than
    `max_tag_share` does; the batch is refused where that is more than single companies.
    """
    frame, stored = bench.frame("sec_facts"), bench.history.get("sec_facts__values")
    if frame.empty or stored is None or stored.empty:
        return Ruling("no stored filing to compare with")
    key = ["cik", "tag", "unit", "period_start_on", "period_end_on", "accession"]
    both = frame[[*key, "value"]].reset_index().merge(stored, on=key, suffixes=("", "_stored"))
    both = both.set_index("index").rename_axis(None)
    rows = gx.expect_true(both["value"] == both["value_stored"]).rows
    reasons = pd.Series(
        [
            f"{both['accession'][r]} said {both['value_stored'][r]:g}, now {both['value'][r]:g}"
            for r in rows
        ],
        index=rows,
        dtype="str",
    )
    concerns = [both["cik"], both["tag"]]
    differs = pd.Series(both.index.isin(rows), index=both.index).groupby(concerns).mean()
    suspects = differs.index[differs > limit(gate, "max_tag_share")]
    of_suspects = pd.MultiIndex.from_frame(frame[["cik", "tag"]]).isin(suspects)
    others = frame.index[of_suspects].difference(rows)
    doubted = pd.Series("most filings say something else of this figure", others, dtype="str")
    reasons = pd.concat([reasons, doubted]).sort_index()
    return rule_on_rows(
        bench, gate, [Bad("sec_facts", reasons)], good=f"{len(both)} figures are as they were"
    )


def filings_are_fresh(bench: Bench, gate: GateCheck) -> Ruling:  # noqa: ARG001
    """No company that answered tonight has a newest filing older than its limit."""
    answered = {o.item for o in bench.extract.outcomes if o.status in ("fetched", "unchanged")}
    newest = {cik: day for cik, day in bench.newest(_FACTS).items() if cik in answered}
    records = feed_freshness(_FACTS, bench.catalog, newest, as_of=bench.as_of)
    return fresh_items({r.item: (r.is_stale, r.describe()) for r in records})
