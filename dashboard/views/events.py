"""What followed breakouts, elections, first cuts and breadth thrusts, beside all sessions."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, panels, reader

HORIZONS = ("21", "63", "126", "252")


def show() -> None:
    """Draw the page."""
    panels.page(
        "Events",
        _body,
        lead="Small minus large caps after each kind of event. The tick is the mean of all "
        "sessions: an event tells nothing where its interval covers it.",
    )


def _body() -> None:
    horizon = panels.choose("Sessions after the event", HORIZONS, key="horizon")
    frame = reader.rows(
        "select replace(event_kind, '_', ' ') || case when universe_id = 'sp_500' "
        "then ' S&P 500' else '' end || ' (' || n || ')' as event, mean_pct, mean_low_pct, "
        "mean_high_pct, base_mean_pct, n, n_without_overlap, is_thin, share_small_beats_large_pct "
        "from marts.event_study_summary where measure = 'relative_price' "
        "and horizon_sessions = ? order by mean_pct desc nulls last",
        int(horizon),
    )
    apart = frame[
        (frame["mean_low_pct"] > frame["base_mean_pct"])
        | (frame["mean_high_pct"] < frame["base_mean_pct"])
    ]
    words = charts.Words(
        f"{len(apart)} of {len(frame)} kinds of event differ from all sessions over {horizon} "
        f"sessions",
        "%, mean with 95 % interval; in brackets the number of events",
    )
    panels.chart(
        words,
        charts.bars(
            frame, words, label="event", value="mean_pct", low="mean_low_pct",
            high="mean_high_pct", mark="base_mean_pct",
        ),
        frame,
        source="closes of ^RUT and ^GSPC",
        name=f"events_{horizon}",
    )  # fmt: skip
    newest = reader.rows(
        "select distinct event_kind, universe_id, event_on from marts.event_studies "
        "order by event_on desc limit 20"
    )
    st.subheader("The newest events", anchor=False)
    panels.show_table(newest, "newest_events")
