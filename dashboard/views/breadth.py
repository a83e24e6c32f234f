"""Broad? How many members take part."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, panels, reader

UNIVERSES = ("russell_2000", "sp_500")
NAMES = {"russell_2000": "Russell 2000", "sp_500": "S&P 500"}


def show() -> None:
    """Draw the page."""
    panels.page("Breadth", _body)


def _body() -> None:
    both = reader.rows(
        "pivot (select traded_on, universe_id, pct_above_200d from marts.market_breadth "
        "where sector = 'all' and is_reliable) on universe_id in ('russell_2000', 'sp_500') "
        "using first(pct_above_200d) group by traded_on order by traded_on"
    )
    newest = both.dropna(subset=["russell_2000"])
    share = newest["russell_2000"].iloc[-1] if len(newest) else 0.0
    words = charts.Words(
        f"{share:.0f} % of the Russell 2000's members stand above their 200-day average",
        "% of members, reliable sessions only",
    )
    panels.chart(
        words,
        charts.lines(
            both, words, names={k: NAMES[k] for k in UNIVERSES}, shades=panels.shades(),
            rules=((50.0, "half"),),
        ),
        both,
        source="closes of the members, holdings files",
        name="above_200d",
    )  # fmt: skip
    universe = panels.choose("Universe", UNIVERSES, key="universe")
    frame = reader.rows(
        "select traded_on, ad_line, mcclellan_oscillator, mcclellan_summation, new_highs_52w, "
        "new_lows_52w, up_volume_pct, equal_minus_cap_pct, is_zweig_thrust, coverage_pct, "
        "membership_age_days, is_reliable from marts.market_breadth "
        "where universe_id = ? and sector = 'all' order by traded_on",
        universe,
    )
    if frame.empty:
        st.info("No session of this universe has been published.")
        return
    row = frame.iloc[-1]
    words = charts.Words(
        f"{row['new_highs_52w']:.0f} members at a 52-week high, {row['new_lows_52w']:.0f} at a low",
        "members",
    )
    panels.chart(
        words,
        charts.lines(
            frame, words, names={"new_highs_52w": "new highs", "new_lows_52w": "new lows"}
        ),
        frame[["traded_on", "new_highs_52w", "new_lows_52w"]],
        source="closes of the members",
        name="highs_and_lows",
    )
    rising = row["mcclellan_oscillator"] >= 0
    words = charts.Words(
        f"Advances {'outweigh' if rising else 'fall behind'} declines in the McClellan oscillator "
        f"({row['mcclellan_oscillator']:+.0f})",
        "points of ratio-adjusted net advances",
    )
    panels.chart(
        words,
        charts.lines(
            frame.tail(756), words, names={"mcclellan_oscillator": "oscillator"}, zero=True
        ),
        frame[["traded_on", "mcclellan_oscillator", "mcclellan_summation", "ad_line"]],
        source="closes of the members; chart: last 756 sessions",
        name="mcclellan",
    )
    sectors = reader.rows(
        "select sector, pct_above_200d, advances, declines, priced_members "
        "from marts.market_breadth where universe_id = ? and sector != 'all' "
        "qualify traded_on = max(traded_on) over () order by pct_above_200d desc nulls last",
        universe,
    )
    named = sectors.dropna(subset=["pct_above_200d"])
    words = charts.Words(
        f"{named['sector'].iloc[0]} leads, {named['sector'].iloc[-1]} trails"
        if len(named) > 1
        else "Sectors",
        "% of the sector's members above their 200-day average",
    )
    panels.chart(
        words,
        charts.bars(named, words, label="sector", value="pct_above_200d"),
        sectors,
        source="closes of the members",
        name="sectors_above_200d",
    )
