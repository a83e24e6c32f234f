"""Four questions answered in a word and a sentence each, from the newest rows of the marts. Pure.

The word is that of the signals (`signal_scorecard`): a tailwind is yes, a headwind no, neither is
mixed, and a signal without a score is unknown. The sentence says the reading behind it with unit
and date. The dashboard, the report and the alerts say the same because all of them ask here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

Question = Literal["cheap", "broad", "bought", "helped"]
Word = Literal["yes", "no", "mixed", "unknown"]
Row = Mapping[str, Any]

PILLARS_OF: Mapping[Question, tuple[str, ...]] = {
    "cheap": ("valuation",),
    "broad": ("breadth",),
    "bought": ("flows",),
    "helped": ("rates_and_inflation", "credit", "dollar"),
}
TITLES: Mapping[Question, str] = {
    "cheap": "Are small caps cheap?",
    "broad": "Is the market broad?",
    "bought": "Are they bought?",
    "helped": "Does the macro picture help?",
}
_WORD_OF_STATE: Mapping[Any, Word] = {"tailwind": "yes", "headwind": "no", "neutral": "mixed"}


@dataclass(frozen=True, slots=True)
class Overview:
    """The newest rows that the answers need; a row that does not exist is empty.

    `signals` maps signal ids to their newest row of signal_scorecard.
    """

    signals: Mapping[str, Row]
    valuation: Row
    breadth: Row
    flows: Row
    macro: Row


@dataclass(frozen=True, slots=True)
class Answer:
    """One question answered. `table` is the mart that the sentence's reading comes from."""

    question: Question
    title: str
    word: Word
    sentence: str
    evidence: tuple[str, ...]
    as_of: date | None
    table: str


def answer_overview(rows: Overview) -> tuple[Answer, ...]:
    """Answer the four questions in their fixed order."""
    return (_cheap(rows), _broad(rows), _bought(rows), _helped(rows))


def _answer(
    rows: Overview, question: Question, sentence: str, evidence: list[str], row: Row, table: str
) -> Answer:
    word = _word(rows, question)
    if word == "unknown":
        evidence = [*_why_unknown(rows, question), *evidence]
    return Answer(
        question, TITLES[question], word, sentence, tuple(evidence), row.get("traded_on"), table
    )


def _word(rows: Overview, question: Question) -> Word:
    """Return the pillar's word; of several the side on which more than half of them stand."""
    pillars = PILLARS_OF[question]
    words = [_WORD_OF_STATE.get(rows.signals.get(p, {}).get("state"), "unknown") for p in pillars]
    known = [w for w in words if w != "unknown"]
    if 2 * len(known) <= len(words):
        return "unknown"
    for side in ("yes", "no"):
        if 2 * known.count(side) > len(known):
            return side
    return "mixed"


def _why_unknown(rows: Overview, question: Question) -> list[str]:
    told = []
    for pillar in PILLARS_OF[question]:
        row = rows.signals.get(pillar, {})
        if row.get("score_z") is None:
            because = row.get("missing_because") or "no row of this signal has been published"
            told.append(f"No score for {pillar.replace('_', ' ')}: {because}.")
    return told


def _cheap(rows: Overview) -> Answer:
    row = rows.valuation
    z = row.get("log_price_ratio_z")
    sentence = "Nothing is known of the price of small against large caps."
    if z is not None:
        sentence = (
            f"Against large caps, small caps cost {_side(z, 'more', 'less')} than their ten-year "
            f"average: {_signed(z)} standard deviations."
        )
    evidence = []
    if row.get("price_ratio_drawdown_pct") is not None:
        evidence.append(
            f"The price ratio stands {abs(row['price_ratio_drawdown_pct']):.0f} % below its high."
        )
    if row.get("pb_gap_pct") is not None and row.get("is_book_reliable"):
        evidence.append(
            f"Price to book is {abs(row['pb_gap_pct']):.0f} % "
            f"{_side(row['pb_gap_pct'], 'above', 'below')} that of large caps "
            f"({row['book_observed_on']:%B %Y})."
        )
    if row.get("small_fair_value_gap_pct") is not None and row.get("is_book_reliable"):
        gap = row["small_fair_value_gap_pct"]
        evidence.append(
            f"Their own price to book is {abs(gap):.0f} % {_side(gap, 'above', 'below')} its "
            f"15-year median."
        )
    return _answer(rows, "cheap", sentence, evidence, row, "marts.valuation_gaps")


def _broad(rows: Overview) -> Answer:
    row = rows.breadth
    share = row.get("pct_above_200d")
    sentence = "Nothing is known of the members of the Russell 2000."
    if share is not None:
        sentence = f"{share:.0f} % of the Russell 2000's members close above their 200-day average."
    evidence = []
    if row.get("new_highs_52w") is not None:
        evidence.append(
            f"{row['new_highs_52w']:,} of {row['priced_members']:,} at a 52-week high, "
            f"{row['new_lows_52w']:,} at a low."
        )
    if row.get("advances") is not None:
        evidence.append(f"{row['advances']:,} rose, {row['declines']:,} fell that session.")
    if row and not row.get("is_reliable"):
        evidence.append(
            f"Not reliable: {row['coverage_pct']:.0f} % of the members have a price, the list of "
            f"members is {row['membership_age_days']} days old."
        )
    return _answer(rows, "broad", sentence, evidence, row, "marts.market_breadth")


def _bought(rows: Overview) -> Answer:
    row = rows.flows
    gap = row.get("small_minus_large_flow_63d_pct")
    sentence = "Nothing is known of the flows of the last 63 sessions."
    if gap is not None:
        sentence = (
            f"Over 63 sessions small-cap funds took in {abs(gap):.1f} % of their assets "
            f"{_side(gap, 'more', 'less')} than large-cap funds."
        )
    evidence = []
    if row.get("flow_21d_usd") is not None:
        evidence.append(
            f"{_dollars(row['flow_21d_usd'])} into {row['funds_with_flow']} small-cap funds in 21 "
            f"sessions."
        )
    if row.get("flow_z") is not None:
        evidence.append(
            f"The last five sessions are {_signed(row['flow_z'])} standard deviations from a "
            f"usual week of the year."
        )
    return _answer(rows, "bought", sentence, evidence, row, "marts.flow_signals")


def _helped(rows: Overview) -> Answer:
    row = rows.macro
    told = {p: rows.signals.get(p, {}).get("state") or "unknown" for p in PILLARS_OF["helped"]}
    sentence = "; ".join(
        f"{name.replace('_', ' ')}: {state}" for name, state in told.items()
    ).capitalize()
    evidence = []
    if row.get("core_pce_yoy_pct") is not None and row.get("fed_target_mid_pct") is not None:
        phase = str(row.get("policy_phase") or "no phase").replace("_", " ")
        evidence.append(
            f"Core PCE inflation {row['core_pce_yoy_pct']:.1f} % "
            f"({row['core_pce_observed_on']:%B %Y}), "
            f"Fed target {row['fed_target_mid_pct']:g} %, {phase}."
        )
    change = row.get("yield_10y_change_63d_pts")
    if row.get("yield_10y_pct") is not None and change is not None:
        moved = f"{change:+.2f}".replace("-", "−")
        evidence.append(
            f"10-year yield {row['yield_10y_pct']:.2f} %, {moved} points in 63 sessions."
        )
    if row.get("broad_dollar_change_63d_pct") is not None:
        evidence.append(f"Dollar {_signed(row['broad_dollar_change_63d_pct'])} % in 63 sessions.")
    if row.get("stale_inputs"):
        evidence.append(f"Stale: {row['stale_inputs']}.")
    return _answer(rows, "helped", f"{sentence}.", evidence, row, "marts.macro_regime")


def _side(value: float, above: str, below: str) -> str:
    return above if value >= 0 else below


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _dollars(value: float) -> str:
    size, unit = (1e9, "billion") if abs(value) >= 1e9 else (1e6, "million")
    return f"{'−' if value < 0 else ''}${abs(value) / size:.1f} {unit}"
