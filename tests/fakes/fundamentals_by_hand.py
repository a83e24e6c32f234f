"""Portfolio ratios and leverage by loops, straight from raw rows: what the models should say.

For each month end everything is worked out anew from the filings of that day: no states, no
windows, no sums of changes as in the models.
"""

from __future__ import annotations

import math
from collections import defaultdict
from datetime import date, timedelta
from typing import Any

import pandas as pd

from tests.fakes import filings

END = filings.END
UNIVERSES = {"IWM": "russell_2000", "IVV": "sp_500"}
TAGS = {row["tag"]: row for row in filings.concept_tags()}
Row = dict[str, Any]
Figures = dict[tuple[str, date], tuple[float, date, str | None]]


def newest_versions(facts: list[Row], day: date) -> dict[tuple[str, date, date], list[Row]]:
    """Return the versions of each tag and period that were known on a day, oldest first."""
    found: dict[tuple[str, date, date], list[Row]] = defaultdict(list)
    for fact in sorted(facts, key=lambda f: f["known_on"]):
        if fact["known_on"] <= day:
            found[fact["tag"], fact["period_start_on"], fact["period_end_on"]].append(fact)
    return found


def quarters(facts: list[Row], day: date) -> tuple[Figures, dict[tuple[str, date], date]]:
    """Return value, day of its filing and what it includes by concept and end; first known days."""
    versions = newest_versions(facts, day)
    candidates: dict[tuple[str, date], list[tuple[int, float, date, str | None]]] = defaultdict(
        list
    )
    first: dict[tuple[str, date], date] = {}

    def offer(tag: str, end: date, place: int, value: float, known: date, since: date) -> None:
        key = (TAGS[tag]["concept_id"], end)
        candidates[key].append((place, value, known, TAGS[tag]["includes"]))
        first[key] = min(first.get(key, since), since)

    for (tag, start, end), said in versions.items():
        place = 2 * TAGS[tag]["place"]
        if TAGS[tag]["kind"] == "instant" or 80 <= (end - start).days <= 100:
            offer(tag, end, place, said[-1]["value"], said[-1]["known_on"], said[0]["known_on"])
        if TAGS[tag]["unit"] != "USD" or TAGS[tag]["kind"] == "instant":
            continue
        for (other, since, until), less in versions.items():
            if (other, since) == (tag, start) and 80 <= (end - until).days <= 100:
                offer(
                    tag, end, place + 1, said[-1]["value"] - less[-1]["value"],
                    max(said[-1]["known_on"], less[-1]["known_on"]),
                    max(said[0]["known_on"], less[0]["known_on"]),
                )  # fmt: skip
    best = {key: min(found, key=lambda c: c[0]) for key, found in candidates.items()}
    return {key: (value, known, inc) for key, (_, value, known, inc) in best.items()}, first


def trailing(
    figures: Figures, first: dict[tuple[str, date], date], concept: str
) -> tuple[float, date] | None:
    """Return the newest sum of four quarters in a row and the last day of the last."""
    ends = {end: first[c, end] for c, end in figures if c == concept}
    kept = [
        end
        for end, known in ends.items()
        if not any(
            other != end and abs((other - end).days) <= 20 and (k, -other.toordinal())
            < (known, -end.toordinal())
            for other, k in ends.items()
        )
    ]  # fmt: skip
    for last in sorted(kept, reverse=True):
        chain = [last]
        while len(chain) < 4:
            before = [e for e in kept if 80 <= (chain[-1] - e).days <= 100]
            if not before:
                break
            chain.append(before[0])
        if len(chain) == 4:
            return math.fsum(figures[concept, e][0] for e in chain), last
    return None


def company_on(facts: list[Row], day: date) -> dict[str, Any]:
    """Return what was known of a company on a day, nothing older than it may be."""
    figures, first = quarters(facts, day)
    out: dict[str, Any] = {"filed": max((f["known_on"] for f in facts if f["known_on"] <= day),
                                        default=None)}  # fmt: skip
    ends: dict[str, date] = {}
    for concept in (
        "net_income",
        "revenue",
        "operating_income",
        "depreciation",
        "interest_expense",
    ):
        found = trailing(figures, first, concept)
        ends[concept] = found[1] if found else date.min
        out[concept] = found[0] if found and (day - found[1]).days <= 200 else None
    newest: dict[str, tuple[date, float, date, str | None]] = {}
    for (concept, end), (value, known, includes) in figures.items():
        if concept not in newest or end > newest[concept][0]:
            newest[concept] = (end, value, known, includes)
    for concept in ("equity", "cash"):
        found_instant = newest.get(concept)
        recent = found_instant is not None and (day - found_instant[0]).days <= 200
        out[concept] = found_instant[1] if found_instant and recent else None

    operating, depreciation = out["operating_income"], out["depreciation"]
    same = ends["operating_income"] == ends["depreciation"]
    known = operating is not None and depreciation is not None and same
    out["ebitda"] = operating + depreciation if known else None

    parts = {
        c: newest[c]
        for c in ("long_term_debt", "current_debt", "short_term_borrowings")
        if c in newest
    }
    debt_on = max((p[0] for p in parts.values()), default=date.min)
    balance_on = max([debt_on, *(newest[c][0] for c in ("equity", "cash") if c in newest)])
    out["debt"] = None
    if (day - debt_on).days <= 200:
        named = {c: p for c, p in parts.items() if p[0] == debt_on}
        already = {p[3] for p in named.values()}
        out["debt"] = math.fsum(p[1] for c, p in named.items() if c not in already)
    elif (
        (day - balance_on).days <= 200
        and (balance_on - debt_on).days > 400
        and not out["interest_expense"]
    ):
        out["debt"] = 0.0

    counts = []
    if "shares_outstanding" in newest:
        end, value, known_on, _ = newest["shares_outstanding"]
        counts.append(("filed", end, value, known_on))
    implied = [
        (end, figures["net_income", end][0] / value, known_on)
        for (concept, end), (value, known_on, _) in figures.items()
        if concept == "eps_diluted" and abs(value) >= 0.2 and ("net_income", end) in figures
    ]
    # the income of the day on which the earnings per share were filed
    if implied:
        end, _, known_on = max(implied)
        then, _ = quarters(facts, known_on)
        counts.append(
            ("implied", end, then["net_income", end][0] / figures["eps_diluted", end][0], known_on)
        )
    out["counts"] = {basis: (v, k) for basis, end, v, k in counts if (day - end).days <= 300}
    return out


class World:
    """The invented raw rows, and what should be published of them."""

    def __init__(self, sessions: list[date]) -> None:
        self.sessions = [s for s in sessions if s <= END]
        self.bars, self.splits = filings.make_bars(self.sessions)
        self.lines = filings.make_lines(self.sessions, self.bars)
        self.facts = filings.make_facts()
        self.companies = filings.make_companies()

    def split_factor(self, symbol: str, after: date) -> float:
        """Return the shares that one share of a day has become."""
        return math.prod(
            s["numerator"] / s["denominator"]
            for s in self.splits
            if s["symbol"] == symbol and s["event_on"] > after
        )

    def members(self) -> list[Row]:
        """Return one row per universe, month end and symbol with its figures."""
        ciks = {c["ticker"]: c["cik"] for c in self.companies}
        by_cik: dict[str, list[Row]] = defaultdict(list)
        for fact in self.facts:
            by_cik[fact["cik"]].append(fact)
        closes: dict[str, dict[date, float]] = defaultdict(dict)
        for bar in sorted(self.bars, key=lambda b: b["basis_on"]):
            closes[bar["symbol"]][bar["traded_on"]] = bar["close"]
        ends = [d for d, n in zip(self.sessions, [*self.sessions[1:], date.max], strict=True)
                if (d.year, d.month) != (n.year, n.month)]  # fmt: skip
        rows = []
        known: dict[tuple[str, date], Row] = {}
        for day in ends:
            for fund, universe in UNIVERSES.items():
                dates = {
                    x["as_of_on"]
                    for x in self.lines
                    if x["fund_id"] == fund and x["known_on"] <= day
                }
                if not dates:
                    continue
                lines = [
                    x for x in self.lines if x["fund_id"] == fund and x["as_of_on"] == max(dates)
                ]
                for line in lines:
                    symbol = line["ticker"]
                    row = self._valued(line, closes[symbol], day) | {"universe_id": universe}
                    cik = ciks.get(symbol)
                    row |= {"cik": cik, "facts": None}
                    if cik is not None:
                        if (cik, day) not in known:
                            known[cik, day] = company_on(by_cik[cik], day)
                        row["facts"] = known[cik, day]
                        for basis in ("implied", "filed"):
                            if basis in row["facts"]["counts"]:
                                value, on = row["facts"]["counts"][basis]
                                row[basis] = value * self.split_factor(symbol, on)
                                row["outstanding"] = row[basis]
                    rows.append(row)
        return rows

    def _valued(self, line: Row, closes: dict[date, float], day: date) -> Row:
        factor = self.split_factor(line["ticker"], line["as_of_on"])
        held = line["quantity"]
        if held is None:
            held = line["market_value_usd"] / line["price_usd"]
        window = self.sessions[self.sessions.index(day) - 4 : self.sessions.index(day) + 1]
        recent = [closes[d] for d in window if d in closes]
        on_file_day = closes.get(line["as_of_on"])
        fits = on_file_day is None or abs(line["price_usd"] / (on_file_day * factor) - 1) <= 0.1
        return {
            "month_on": day, "symbol": line["ticker"], "weight": line["weight_pct"],
            "financial": line["sector"] == "Financials", "file": line["as_of_on"],
            "held": held * factor,
            "value": held * factor * recent[-1] if recent and fits else None,
        }  # fmt: skip


def ratio(above: float, below: float) -> float | None:
    return above / below if below > 0 else None


def portfolios(members: list[Row]) -> pd.DataFrame:
    """Return what portfolio_fundamentals should hold."""
    out = []
    groups: dict[tuple[str, date], list[Row]] = defaultdict(list)
    for member in members:
        groups[member["universe_id"], member["month_on"]].append(member)
    for (universe, day), rows in sorted(groups.items()):
        result: Row = {"universe_id": universe, "month_on": day, "members": len(rows)}
        total = math.fsum(r["weight"] for r in rows)
        for concept, name, column in (
            ("net_income", "earnings", "pe_ratio"), ("equity", "book", "pb_ratio"),
            ("revenue", "sales", "ps_ratio"),
        ):  # fmt: skip
            inside = [
                r for r in rows
                if r["value"] is not None and r.get("outstanding") and r["held"] <= r["outstanding"]
                and r["facts"][concept] is not None
            ]  # fmt: skip
            parts = [
                (r["value"], r["held"] / r["outstanding"] * r["facts"][concept]) for r in inside
            ]
            value, figure = (math.fsum(p[k] for p in parts) for k in (0, 1))
            result[column] = ratio(value, figure)
            result[f"{name}_coverage_pct"] = 100 * math.fsum(r["weight"] for r in inside) / total
            if name != "earnings":
                continue
            earners = [p for p in parts if p[1] >= 0]
            result["pe_without_losses_ratio"] = ratio(
                *(math.fsum(p[k] for p in earners) for k in (0, 1))
            )
            result["earnings_yield_pct"] = 100 * figure / value
            result["members_with_earnings"] = len(inside)
            losses = {r["cik"]: r["facts"]["net_income"] < 0 for r in inside}
            result["pct_members_with_loss"] = 100 * sum(losses.values()) / len(losses)
            both = [r for r in inside if "filed" in r and "implied" in r]
            good = [r for r in both if abs(r["implied"] / r["filed"] - 1) <= 0.1]
            result["shares_confirmed_pct"] = (
                100 * math.fsum(r["weight"] for r in good) / math.fsum(r["weight"] for r in both)
            )
        result["membership_as_of_on"] = rows[0]["file"]
        result["newest_filed_on"] = max(
            r["facts"]["filed"] for r in rows if r["facts"] and r["facts"]["filed"]
        )
        result["is_reliable"] = (
            min(result[f"{n}_coverage_pct"] for n in ("earnings", "book", "sales")) >= 80
        )
        out.append(result)
    return pd.DataFrame(out)


def leverages(members: list[Row]) -> pd.DataFrame:
    """Return what leverage should hold."""
    out: list[Row] = []
    groups: dict[tuple[str, date], dict[str, Row]] = defaultdict(dict)
    for member in members:
        if member["month_on"].month % 3 == 0:
            company = groups[member["universe_id"], member["month_on"]].setdefault(
                member["cik"] or member["symbol"], member | {"weight": 0.0}
            )
            company["weight"] += member["weight"]
    for (universe, day), companies in sorted(groups.items()):
        rows = [r | {"facts": r["facts"] or defaultdict(lambda: None)} for r in companies.values()]
        quarter_on = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        result: Row = {
            "universe_id": universe, "quarter_on": quarter_on, "companies": len(rows),
            "financials": sum(r["financial"] for r in rows),
        }  # fmt: skip
        for prefix, financial in (("", False), ("financials_", True)):
            side = [r for r in rows if r["financial"] == financial]
            both = [
                r
                for r in side
                if r["facts"]["debt"] is not None and r["facts"]["equity"] is not None
            ]
            result[f"{prefix}debt_to_equity_ratio"] = ratio(
                *(math.fsum(r["facts"][k] for r in both) for k in ("debt", "equity"))
            )
            result[f"{prefix}debt_coverage_pct"] = (
                100 * math.fsum(r["weight"] for r in both) / math.fsum(r["weight"] for r in side)
            )
        side = [r for r in rows if not r["financial"]]
        weight = math.fsum(r["weight"] for r in side)
        full = [
            r for r in side if all(r["facts"][k] is not None for k in ("debt", "cash", "ebitda"))
        ]
        result["companies_with_net_debt"] = len(full)
        result["net_debt_to_ebitda_ratio"] = ratio(
            math.fsum(r["facts"]["debt"] - r["facts"]["cash"] for r in full),
            math.fsum(r["facts"]["ebitda"] for r in full),
        )
        result["net_debt_coverage_pct"] = 100 * math.fsum(r["weight"] for r in full) / weight
        covered = [
            r for r in side if r["facts"]["operating_income"] is not None
            and (r["facts"]["interest_expense"] is not None or r["facts"]["debt"] == 0)
        ]  # fmt: skip
        below = [
            r
            for r in covered
            if (r["facts"]["interest_expense"] or 0) > 0
            and r["facts"]["operating_income"] < r["facts"]["interest_expense"]
        ]
        result["pct_members_interest_cover_below_1"] = 100 * len(below) / len(covered)
        result["interest_cover_coverage_pct"] = (
            100 * math.fsum(r["weight"] for r in covered) / weight
        )
        result["is_reliable"] = (
            min(result["debt_coverage_pct"], result["net_debt_coverage_pct"]) >= 80
        )
        out.append(result)
    by_key = {(r["universe_id"], r["quarter_on"]): r for r in out}
    for row in out:
        large = by_key["sp_500", row["quarter_on"]]
        small = row["universe_id"] == "russell_2000"
        row["small_over_large_leverage_ratio"] = (
            row["net_debt_to_ebitda_ratio"] / large["net_debt_to_ebitda_ratio"] if small else None
        )
        row["is_small_over_large_reliable"] = small and row["is_reliable"] and large["is_reliable"]
    return pd.DataFrame(out)


def earnings_lens(portfolio: pd.DataFrame, sessions: list[date]) -> pd.DataFrame:
    """Return the earnings columns that valuation_gaps should hold on each session."""
    sides = {
        side: {r["month_on"]: r for r in portfolio.to_dict("records") if r["universe_id"] == name}
        for side, name in (("small", "russell_2000"), ("large", "sp_500"))
    }
    out = []
    for day in sessions:
        months = [m for m in sides["small"] if m in sides["large"] and m <= day]
        row: Row = {"traded_on": day, "is_earnings_reliable": False}
        if months:
            month = max(months)
            found = {side: rows[month] for side, rows in sides.items()}
            for name in ("pe", "pe_without_losses"):
                small, large = (found[side][f"{name}_ratio"] for side in ("small", "large"))
                row |= {f"{name}_small_ratio": small, f"{name}_large_ratio": large}
                row[f"{name}_gap_pct"] = 100 * (small / large - 1)
            for side in ("small", "large"):
                row[f"pct_{side}_members_with_loss"] = found[side]["pct_members_with_loss"]
                row[f"{side}_earnings_coverage_pct"] = found[side]["earnings_coverage_pct"]
            row["earnings_known_on"] = month
            row["earnings_newest_filed_on"] = max(r["newest_filed_on"] for r in found.values())
            row["is_earnings_reliable"] = all(r["is_reliable"] for r in found.values())
        out.append(row)
    return pd.DataFrame(out)
