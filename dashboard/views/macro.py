"""Helped? Inflation, policy, rates, credit and the dollar as they were known each evening."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, panels, reader


def show() -> None:
    """Draw the page."""
    panels.page(
        "Macro",
        _body,
        lead="Every value is the one that could be read that evening, before its revisions.",
    )


def _body() -> None:
    frame = reader.rows(
        "select traded_on, core_pce_yoy_pct, fed_target_mid_pct, yield_2y_pct, yield_10y_pct, "
        "slope_10y_2y_pts, high_yield_spread_pct, baa_spread_pct, nfci, broad_dollar_index, "
        "broad_dollar_change_63d_pct, unemployment_pct, sahm_pts, policy_phase, inflation_phase, "
        "is_reliable, stale_inputs from marts.macro_regime order by traded_on"
    )
    if frame.empty:
        st.info("No session of the macro picture has been published.")
        return
    row = frame.iloc[-1]
    if row["stale_inputs"]:
        st.warning(f"Stale inputs keep their last value: {row['stale_inputs']}")
    shades = panels.shades()
    gap = row["core_pce_yoy_pct"] - 2.0
    phase = str(row["policy_phase"]).replace("_", " ")
    charts_of = (
        (
            f"Core inflation runs {gap:+.1f} points from the 2 % target; the Fed is {phase}",
            "%", {"core_pce_yoy_pct": "core PCE, year on year", "fed_target_mid_pct": "Fed target"},
            False, ((2.0, "target"),), "FRED PCEPILFE, DFEDTARU, DFEDTARL", "inflation_and_policy",
        ),
        (
            f"The 10-year yield stands at {row['yield_10y_pct']:.2f} %, "
            f"{row['slope_10y_2y_pts']:+.2f} points from the 2-year",
            "%", {"yield_10y_pct": "10 years", "yield_2y_pct": "2 years"},
            False, (), "FRED DGS10, DGS2", "yields",
        ),
        (
            f"Lower-rated borrowers pay {row['baa_spread_pct']:.1f} points over Treasuries (Baa)",
            "percentage points",
            {"high_yield_spread_pct": "high yield", "baa_spread_pct": "Baa"},
            False, (), "FRED BAMLH0A0HYM2, BAA10Y", "credit",
        ),
        (
            f"The dollar moved {row['broad_dollar_change_63d_pct']:+.1f} % in 63 sessions",
            "index", {"broad_dollar_index": "broad dollar"},
            False, (), "FRED DTWEXBGS", "dollar",
        ),
        (
            f"Unemployment {row['unemployment_pct']:.1f} %, Sahm indicator {row['sahm_pts']:+.2f}",
            "% and percentage points",
            {"unemployment_pct": "unemployment", "sahm_pts": "Sahm indicator"},
            True, ((0.5, "Sahm threshold"),), "FRED UNRATE", "labour",
        ),
    )  # fmt: skip
    for title, unit, names, zero, rules, source, name in charts_of:
        known = frame.dropna(subset=list(names), how="all")
        words = charts.Words(title, unit)
        panels.chart(
            words,
            charts.lines(known, words, names=names, zero=zero, rules=rules, shades=shades),
            known[["traded_on", *names]],
            source=source,
            name=name,
        )
