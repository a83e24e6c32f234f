"""Four questions answered from rows: the word, the sentence, and what is said of gaps."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from pipelines.overview import Overview, answer_overview

DAY = date(2025, 10, 10)


def signal(state: str | None, because: str = "") -> dict[str, Any]:
    return {"state": state, "score_z": None if state is None else 0.7, "missing_because": because}


def rows(**changes: Any) -> Overview:
    whole: dict[str, Any] = {
        "signals": {
            "valuation": signal("tailwind"),
            "breadth": signal("headwind"),
            "flows": signal("neutral"),
            "rates_and_inflation": signal("tailwind"),
            "credit": signal("tailwind"),
            "dollar": signal("headwind"),
        },
        "valuation": {
            "traded_on": DAY, "log_price_ratio_z": -1.55, "price_ratio_drawdown_pct": -54.2,
            "pb_gap_pct": -68.6, "is_book_reliable": True, "book_observed_on": date(2025, 7, 31),
            "small_fair_value_gap_pct": 3.4,
        },
        "breadth": {
            "traded_on": DAY, "pct_above_200d": 41.8, "new_highs_52w": 12, "new_lows_52w": 1567,
            "priced_members": 1905, "advances": 241, "declines": 1655, "is_reliable": True,
        },
        "flows": {
            "traded_on": DAY, "small_minus_large_flow_63d_pct": -2.25, "flow_21d_usd": -1.25e9,
            "funds_with_flow": 3, "flow_z": 1.04,
        },
        "macro": {
            "traded_on": DAY, "core_pce_yoy_pct": 2.91, "core_pce_observed_on": date(2025, 8, 1),
            "fed_target_mid_pct": 4.125, "policy_phase": "on_hold", "yield_10y_pct": 4.05,
            "yield_10y_change_63d_pts": -0.30, "broad_dollar_change_63d_pct": 1.26,
            "stale_inputs": "NFCI",
        },
    }  # fmt: skip
    return Overview(**(whole | changes))


def test_each_word_is_that_of_its_signals() -> None:
    words = {a.question: a.word for a in answer_overview(rows())}
    assert words == {"cheap": "yes", "broad": "no", "bought": "mixed", "helped": "yes"}


def test_sentences_say_reading_unit_and_side() -> None:
    cheap, broad, bought, helped = answer_overview(rows())
    assert cheap.sentence == (
        "Against large caps, small caps cost less than their ten-year average: −1.6 standard "
        "deviations."
    )
    assert cheap.evidence == (
        "The price ratio stands 54 % below its high.",
        "Price to book is 69 % below that of large caps (July 2025).",
        "Their own price to book is 3 % above its 15-year median.",
    )
    assert broad.sentence == (
        "42 % of the Russell 2000's members close above their 200-day average."
    )
    assert broad.evidence[0] == "12 of 1,905 at a 52-week high, 1,567 at a low."
    assert bought.sentence == (
        "Over 63 sessions small-cap funds took in 2.2 % of their assets less than large-cap funds."
    )
    assert bought.evidence[0] == "−$1.2 billion into 3 small-cap funds in 21 sessions."
    assert helped.sentence == "Rates and inflation: tailwind; credit: tailwind; dollar: headwind."
    assert helped.evidence == (
        "Core PCE inflation 2.9 % (August 2025), Fed target 4.125 %, on hold.",
        "10-year yield 4.05 %, −0.30 points in 63 sessions.",
        "Dollar +1.3 % in 63 sessions.",
        "Stale: NFCI.",
    )
    assert {a.as_of for a in (cheap, broad, bought, helped)} == {DAY}


@pytest.mark.parametrize(
    ("states", "word"),
    [
        (("tailwind", "tailwind", "headwind"), "yes"),
        (("headwind", "headwind", None), "no"),
        (("tailwind", "neutral", "headwind"), "mixed"),
        (("tailwind", "headwind", None), "mixed"),
        (("tailwind", None, None), "unknown"),
    ],
)
def test_of_three_pillars_more_than_half_decide_and_one_alone_does_not(states, word) -> None:
    pillars = ("rates_and_inflation", "credit", "dollar")
    signals = {p: signal(s, "stale") for p, s in zip(pillars, states, strict=True)}
    assert answer_overview(rows(signals=signals))[3].word == word


def test_what_is_unknown_says_why() -> None:
    signals = {"breadth": signal(None, "membership is too old")}
    breadth = {
        "traded_on": DAY, "pct_above_200d": 50.0, "is_reliable": False, "coverage_pct": 51.2,
        "membership_age_days": 248,
    }  # fmt: skip
    broad = answer_overview(rows(signals=signals, breadth=breadth))[1]
    assert broad.word == "unknown"
    assert broad.evidence == (
        "No score for breadth: membership is too old.",
        "Not reliable: 51 % of the members have a price, the list of members is 248 days old.",
    )


def test_an_empty_warehouse_is_unknown_four_times() -> None:
    empty = Overview(signals={}, valuation={}, breadth={}, flows={}, macro={})
    answers = answer_overview(empty)
    assert [a.word for a in answers] == ["unknown"] * 4
    assert all(a.as_of is None for a in answers)
    assert answers[0].evidence == (
        "No score for valuation: no row of this signal has been published.",
    )
