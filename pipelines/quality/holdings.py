"""What must be true of holdings files. A file that fails is kept out whole, not line by line.

The batch is refused only where the newest file of a fund that decides an index's membership fails:
an older one, or another fund's, is missed, and the night goes on.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from pipelines.catalog.models import GateCheck
from pipelines.quality import expectations as gx
from pipelines.quality.bench import (
    Bad,
    Bench,
    Ruling,
    describe_rows,
    limit,
    name_some,
    rule_on_rows,
)
from pipelines.quality.freshness import holdings_freshness
from pipelines.quality.structure import fresh_items

_FILE_KEY = ["fund_id", "as_of_on", "edition"]
_FAR_APART = 1e9
"""Stands for a comparison that has nothing to compare: no bound contains it."""


def _files(bench: Bench) -> pd.DataFrame:
    return bench.frame("fund_files")


def _per_file(bench: Bench, lines: pd.Series[Any]) -> pd.Series[Any]:
    """Sum a column of lines per file; index = labels of `fund_files`, NaN without lines."""
    holdings = bench.frame("fund_holdings")
    sums = lines.groupby([holdings[c] for c in _FILE_KEY]).sum(min_count=1)
    files = _files(bench)
    keys = pd.MultiIndex.from_frame(files[_FILE_KEY])
    return pd.Series(sums.reindex(keys).to_numpy(dtype="float64"), index=files.index)


def rule_on_files(bench: Bench, reasons: pd.Series[Any], *, good: str) -> Ruling:
    """Quarantine whole files (index of `reasons` = labels of `fund_files`) with their lines.

    Refuses where one is a universe fund's newest, in this batch and against what is stored.
    """
    if reasons.empty:
        return Ruling(good)
    files, holdings = _files(bench), bench.frame("fund_holdings")
    failed = files.loc[reasons.index, _FILE_KEY].assign(reason=reasons)
    lines = holdings[_FILE_KEY].reset_index().merge(failed, on=_FILE_KEY).set_index("index")
    universe = {f.id for f in bench.catalog.funds if f.universe_id}
    stored = bench.stored("fund_files")["newest_on"]
    worst = []
    for fund_id, own in failed.groupby("fund_id"):
        newest = files.loc[files["fund_id"] == fund_id, "as_of_on"].max()
        known = stored.get(str(fund_id), pd.NaT)
        if fund_id in universe and own["as_of_on"].max() == newest and not known > newest:
            worst.append(f"{fund_id} {newest:%Y-%m-%d}")
    told = describe_rows("fund_files", files, reasons)
    bad = (Bad("fund_files", reasons), Bad("fund_holdings", lines["reason"].sort_index()))
    message = f"{len(reasons)} of {len(files)} files fail; first: {told[0]}"
    if worst:
        message += f"; the newest file of an index's fund: {name_some(worst)}"
    return Ruling(message, bad, refuses=bool(worst), failing=len(reasons), examples=told)


def files_are_of_their_fund(bench: Bench, gate: GateCheck) -> Ruling:  # noqa: ARG001
    """The file names the fund that was asked for on top: a wrong id answers with another's.

    iShares prints the catalogue's name and nothing else; State Street adds trade marks and, since
    2025, its own name in front.
    """
    files = _files(bench)
    funds = {f.id: f for f in bench.catalog.funds}
    printed, expected = [], []
    for fund_id, name in zip(files["fund_id"], files["fund_name"], strict=True):
        fund = funds.get(fund_id)
        wanted = fund.name_in_file if fund else "a fund of the catalogue"
        around = fund is not None and fund.issuer == "ssga" and _plain(wanted) in _plain(name)
        printed.append(wanted if around else name)
        expected.append(wanted)
    rows = gx.expect_equal(
        pd.Series(printed, index=files.index, dtype="str"),
        pd.Series(expected, index=files.index, dtype="str"),
    ).rows
    reasons = pd.Series(
        [f"another fund's file: {files.at[r, 'fund_name']!r}" for r in rows], rows, dtype="str"
    )
    return rule_on_files(bench, reasons, good=f"{len(files)} files name their fund")


def _plain(name: str) -> str:
    return " ".join(re.sub("[®™]", "", str(name)).split()).casefold()


def files_are_of_the_day_asked(bench: Bench, gate: GateCheck) -> Ruling:
    """A file is not of a later day than asked, nor much older.

    A holiday is answered with the file before it. Much older (`max_days_before`) is reported only:
    the key is the date in the file.
    """
    files = _files(bench)
    asked = {p.sha256: p.context.get("asked_on") for p in bench.extract.payloads}
    asked_on = pd.to_datetime(files["payload_sha256"].map(asked).astype("object"))
    behind = (asked_on - files["as_of_on"]).dt.days.astype("float64")
    later = gx.expect_between(behind, low=0.0).rows
    old = gx.expect_between(behind, high=limit(gate, "max_days_before")).rows
    reasons = pd.Series(
        [f"asked for {asked_on[r]:%Y-%m-%d}, a later file came" for r in later], later, dtype="str"
    )
    ruling = rule_on_files(bench, reasons, good="every file is of the day asked")
    if len(old) and not ruling.bad:
        told = describe_rows(
            "fund_files", files, (behind[old].astype("int64").astype("str") + " days before asked")
        )
        return Ruling(f"{len(old)} files are much older than asked: {told[0]}", noted=True,
                      failing=len(old), examples=told)  # fmt: skip
    return ruling


def files_are_of_weekdays(bench: Bench, gate: GateCheck) -> Ruling:  # noqa: ARG001
    """No file is dated on a Saturday or a Sunday.

    Exchange holidays are not looked for: a month's last weekday may be one.
    """
    files = _files(bench)
    on_weekday = files["as_of_on"].dt.day_of_week < 5
    rows = gx.expect_true(on_weekday).rows
    reasons = pd.Series(
        [f"dated on {files['as_of_on'][r]:%A, %Y-%m-%d}" for r in rows], rows, dtype="str"
    )
    return rule_on_files(bench, reasons, good=f"{len(files)} files are of weekdays")


def files_hold_their_lines(bench: Bench, gate: GateCheck) -> Ruling:
    """A file has the lines that it counts, and about as many equities as the one before.

    The ratio to the fund's file before (or the stored newest) lies within `min_ratio` and
    `max_ratio`; without one before, an equity fund has at least `min_equity_lines`.
    """
    files, holdings = _files(bench), bench.frame("fund_holdings")
    present = _per_file(bench, pd.Series(1.0, index=holdings.index)).fillna(0.0)
    counted = files["line_count"].astype("float64")
    short = gx.expect_equal(present, counted).rows
    equity = files["equity_lines"].astype("float64")
    before = _equity_lines_before(bench)
    ratio = (equity / before).replace([np.inf], _FAR_APART)
    odd = gx.expect_between(ratio, limit(gate, "min_ratio"), limit(gate, "max_ratio")).rows
    few = gx.expect_between(equity, low=limit(gate, "min_equity_lines")).rows
    told = {r: f"{equity[r]:g} equity lines" for r in few}
    told |= {r: f"{equity[r]:g} equity lines after {before[r]:g} in the file before" for r in odd}
    told |= {r: f"{present[r]:g} lines of {counted[r]:g}" for r in short}
    reasons = pd.Series(told, dtype="str").sort_index()
    return rule_on_files(bench, reasons, good=f"{len(files)} files hold their lines")


def _equity_lines_before(bench: Bench) -> pd.Series[Any]:
    """Return the equity lines of each fund's file before, in the batch or stored; NaN if none."""
    files = _files(bench).sort_values(["fund_id", "as_of_on"], kind="stable")
    before = files.groupby("fund_id")["equity_lines"].shift().astype("float64")
    stored = bench.stored("fund_files")
    if "newest_value" in stored and not stored.empty:
        older = files["fund_id"].map(stored["newest_on"]) < files["as_of_on"]
        known = files["fund_id"].map(stored["newest_value"]).astype("float64")
        before = before.fillna(known.where(older))
    return before.reindex(_files(bench).index)


def lines_stand_once(bench: Bench, gate: GateCheck) -> Ruling:
    """No line stands twice in a file with the same ticker, name, quantity, weight and value.

    Copies are dropped. Lines without a weight (rights, warrants, escrows) may be alike.
    """
    lines = bench.frame("fund_holdings")
    same = [*_FILE_KEY, "ticker", "name", "quantity", "weight_pct", "market_value_usd"]
    weighing = lines[lines["weight_pct"].astype("float64") > 0]
    rows = gx.expect_true(~weighing.duplicated(same)).rows
    reasons = pd.Series(
        [f"{name} stands twice" for name in weighing.loc[rows, "name"]], index=rows, dtype="str"
    )
    return rule_on_rows(
        bench, gate, [Bad("fund_holdings", reasons)], good=f"{len(weighing)} lines stand once"
    )


def weights_sum_to_hundred(bench: Bench, gate: GateCheck) -> Ruling:
    """The weights of a file's lines add up to 100 percent, within `tolerance_pct`."""
    weights = bench.frame("fund_holdings")["weight_pct"].astype("float64")
    total = _per_file(bench, weights).fillna(_FAR_APART)
    within = limit(gate, "tolerance_pct")
    rows = gx.expect_between((total - 100.0).abs().round(6), high=within).rows
    reasons = pd.Series([f"weights sum to {total[r]:.2f}" for r in rows], rows, dtype="str")
    return rule_on_files(bench, reasons, good=f"weights of {len(total)} files sum to 100")


def lines_have_their_values(bench: Bench, gate: GateCheck) -> Ruling:
    """Equity lines with a ticker have a weight and a market value; few lack one.

    An issuer whose files give no market value at all (State Street) is asked for weights only.
    """
    holdings = bench.frame("fund_holdings")
    equity = (holdings["asset_class"] == "Equity") & holdings["ticker"].notna()
    valued = holdings["market_value_usd"].notna()
    gives_values = valued.groupby([holdings[c] for c in _FILE_KEY]).transform("any")
    lacking = equity & (holdings["weight_pct"].isna() | (gives_values & ~valued))
    share = _per_file(bench, lacking.astype("float64")) / _per_file(bench, equity.astype("float64"))
    rows = gx.expect_between(share, high=limit(gate, "max_share")).rows
    reasons = pd.Series(
        [f"{100 * share[r]:.1f} % of the equity lines lack a value" for r in rows],
        rows,
        dtype="str",
    )
    return rule_on_files(bench, reasons, good="equity lines have weight and value")


def net_assets_match_nav(bench: Bench, gate: GateCheck) -> Ruling:
    """The file's total market value over its shares is the fund's NAV of that day, where known.

    NAVs come from `history["fund_files__nav"]` (fund_id, traded_on, nav_usd). A day's creations
    can part the two, so it is reported, not held against the file.
    """
    files, navs = _files(bench), bench.history.get("fund_files__nav")
    if navs is None or navs.empty or files.empty:
        return Ruling("no NAV to compare with")
    known = navs.assign(traded_on=pd.to_datetime(navs["traded_on"])).set_index(
        ["fund_id", "traded_on"]
    )["nav_usd"]
    nav = known[~known.index.duplicated(keep="last")].reindex(
        pd.MultiIndex.from_frame(files[["fund_id", "as_of_on"]])
    )
    total = _per_file(bench, bench.frame("fund_holdings")["market_value_usd"].astype("float64"))
    per_share = total / files["shares_outstanding"].astype("float64").replace(0.0, np.nan)
    gap = 100.0 * (per_share / nav.to_numpy(dtype="float64") - 1.0)
    rows = gx.expect_between(gap.abs(), high=limit(gate, "tolerance_pct")).rows
    compared = int(gap.notna().sum())
    if rows.empty:
        return Ruling(f"{compared} files match their NAV")
    told = describe_rows("fund_files", files, gap[rows].map("{:+.2f} % from NAV".format))
    return Ruling(
        f"{len(rows)} of {compared} files are away from NAV; first: {told[0]}",
        noted=True,
        failing=len(rows),
        examples=told,
    )


def holdings_are_fresh(bench: Bench, gate: GateCheck) -> Ruling:  # noqa: ARG001 - a check's shape
    """No fund's newest holdings file is older than its limit."""
    records = holdings_freshness(bench.catalog.funds, bench.newest("fund_files"), as_of=bench.as_of)
    return fresh_items({r.item: (r.is_stale, r.describe()) for r in records})
