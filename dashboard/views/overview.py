"""Four questions, answered in five seconds."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, panels, reader
from pipelines.overview import Answer
from pipelines.storage.errors import NothingPublished

COLOURS = {"yes": "green", "no": "orange", "mixed": "blue", "unknown": "gray"}
"""With the word itself beside it, so that colour is never the only sign."""


def show() -> None:
    """Draw the page."""
    panels.page("Small caps tonight", _body)


def _body() -> None:
    answers = reader.answers()
    for left in range(0, len(answers), 2):
        for column, answer in zip(st.columns(2), answers[left : left + 2], strict=False):
            with column.container(border=True):
                _card(answer)
    _report()
    scores = reader.rows(
        "select replace(signal_id, '_', ' ') as signal, score_z, state, state_since_on, "
        "missing_inputs from marts.signal_scorecard qualify traded_on = max(traded_on) over () "
        "order by signal_id = 'composite' desc, score_z desc nulls last"
    )
    known = scores.dropna(subset=["score_z"])
    composite = scores[scores["signal"] == "composite"]
    title = "Too little is known for a composite"
    if len(composite) and composite["score_z"].notna().all():
        row = composite.iloc[0]
        title = f"Taken together a {row['state']}: {row['score_z']:+.1f} standard deviations"
        if row["state"] == "neutral":
            title = f"Taken together neutral: {row['score_z']:+.1f} standard deviations"
    words = charts.Words(
        title, "standard deviations; right of zero favours small caps, ±0.5 decides"
    )
    panels.chart(
        words,
        charts.bars(known, words, label="signal", value="score_z"),
        scores,
        source="signal_scorecard",
        name="signals",
    )
    st.caption(
        "A signal is a summary of conditions and no forecast; what it was worth so far is on the "
        "page Signals."
    )


def _report() -> None:
    """Offer the night's report, where the version has one."""
    try:
        page, pdf = reader.report(pdf=False), reader.report(pdf=True)
    except NothingPublished:
        return
    left, right = st.columns(2)
    left.download_button("The night's report (HTML)", page, "report.html", "text/html")
    right.download_button("The night's report (PDF)", pdf, "report.pdf", "application/pdf")


def _card(answer: Answer) -> None:
    st.markdown(f"#### {answer.title}")
    st.markdown(f"### :{COLOURS[answer.word]}[**{answer.word.upper()}**]")
    st.markdown(answer.sentence)
    for line in answer.evidence:
        st.markdown(f"- {line}")
    if answer.as_of is not None:
        st.caption(f"{answer.table}, session of {answer.as_of:%Y-%m-%d}")
