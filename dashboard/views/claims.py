"""Public claims held against the data."""

from __future__ import annotations

import streamlit as st

from dashboard import panels, reader


def show() -> None:
    """Draw the page."""
    panels.page(
        "Claims",
        _body,
        lead="What is publicly said, our value beside it, and what would decide it. A verdict is "
        "about our figure, not about the claimant.",
    )


def _body() -> None:
    frame = reader.rows(
        "select replace(verdict, '_', ' ') as verdict, statement, stated_value, measured_value, "
        "unit, tolerance, about_on, measured_row, is_close_call, is_suspect, reading, would_need, "
        "claim_id "
        "from marts.claim_audit order by verdict desc, claim_id"
    )
    counts = frame["verdict"].value_counts()
    st.subheader(
        ", ".join(f"{count} {verdict}" for verdict, count in counts.items()).capitalize(),
        anchor=False,
    )
    wanted = st.multiselect("Verdict", sorted(counts.index), key="verdict")
    panels.show_table(frame[frame["verdict"].isin(wanted)] if wanted else frame, "claims")
