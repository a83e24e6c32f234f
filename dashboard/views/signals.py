"""Six signals and their composite: what they say, and what they were worth."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, panels, reader
from pipelines.storage.errors import QueryRefused

SIGNALS = (
    "composite", "valuation", "breadth", "flows", "rates_and_inflation", "credit", "dollar",
)  # fmt: skip


def show() -> None:
    """Draw the page."""
    panels.page(
        "Signals",
        _body,
        lead="From +0.5 on a tailwind for small against large caps, from −0.5 on a headwind.",
    )


def _body() -> None:
    signal = panels.choose("Signal", SIGNALS, key="signal")
    frame = reader.rows(
        "select traded_on, score_z, state, state_since_on, inputs_used, inputs_expected, "
        "missing_inputs, missing_because from marts.signal_scorecard where signal_id = ? "
        "order by traded_on",
        signal,
    )
    known = frame.dropna(subset=["score_z"])
    name = signal.replace("_", " ")
    title = f"{name.capitalize()} has never had a score"
    if len(known):
        row = known.iloc[-1]
        title = f"{name.capitalize()}: {row['state']} since {row['state_since_on']:%d %B %Y}"
    words = charts.Words(title, "standard deviations")
    panels.chart(
        words,
        charts.lines(
            known, words, names={"score_z": name}, zero=True, shades=panels.shades(),
            rules=((0.5, "tailwind"), (-0.5, "headwind")),
        ),
        frame,
        source="signal_scorecard",
        name=f"signal_{signal}",
    )  # fmt: skip
    evidence = reader.rows(
        "select replace(signal_id, '_', ' ') as signal, rank_correlation, newey_west_t, "
        "hit_rate_pct, small_beats_large_pct, n, n_without_overlap, is_thin, has_evidence, "
        "no_evidence_because from marts.signal_evidence where horizon_sessions = 63 "
        "order by rank_correlation desc nulls last"
    )
    shown = evidence.dropna(subset=["rank_correlation"])
    sure = shown[shown["newey_west_t"].abs() >= 2]
    words = charts.Words(
        f"{len(sure)} of {len(evidence)} signals stand out over the next 63 sessions (|t| ≥ 2)",
        "rank correlation with the relative return that followed",
    )
    panels.chart(
        words,
        charts.bars(shown, words, label="signal", value="rank_correlation"),
        evidence,
        source="signal_evidence",
        name="evidence",
    )
    st.caption("28 rows, one history, and directions that people believe in because of it.")
    try:
        revised = reader.rows(
            "select signal_id, traded_on, published_as_of, published_score_z, current_score_z, "
            "change_z, has_changed_state from marts.signal_revisions order by traded_on, signal_id"
        )
    except QueryRefused:
        return
    st.subheader("As published, and as it would be today", anchor=False)
    if revised.empty:
        st.info("The first night is compared with the second: there is nothing yet.")
    else:
        changed = int((revised["change_z"].abs() > 0).sum())
        st.markdown(f"{changed:,} of {len(revised):,} published scores would be another today.")
        panels.show_table(revised, "signal_revisions")
