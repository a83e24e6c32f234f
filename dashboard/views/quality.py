"""Can it be trusted: checks, what was kept out, how old the sources are, what is late."""

from __future__ import annotations

import streamlit as st

from dashboard import charts, panels, reader
from pipelines.storage.errors import QueryRefused


def show() -> None:
    """Draw the page."""
    panels.page("Data quality", _body)


def _body() -> None:
    edition = reader.edition()
    checks = reader.rows(
        "select c.kind, c.check_id, c.status, c.finding, c.failing_rows from meta.checks as c "
        "inner join meta.publications as p on c.run_id = p.run_id "
        "where p.version = ? order by c.status = 'passed', c.check_id",
        edition.version,
    )
    odd = checks[checks["status"] != "passed"]
    st.subheader(
        f"{len(checks) - len(odd):,} of {len(checks):,} checks passed, {len(odd)} warned",
        anchor=False,
    )
    panels.show_table(odd if len(odd) else checks, "checks")
    stale = reader.rows(
        "select feed, item, newest_on, stale_since, status, detail, is_required "
        "from meta.source_status where is_stale or status not in ('fetched', 'unchanged') "
        "order by is_required desc, stale_since nulls last, feed, item"
    )
    former = (stale["feed"] == "constituent_bars") & (stale["status"] == "unknown")
    stale = stale[~former]
    title = "Every source is fresh" if stale.empty else f"{len(stale):,} items are stale or silent"
    st.subheader(title, anchor=False)
    if former.any():
        st.caption(f"{former.sum():,} former members without quotes are not counted.")
    if len(stale):
        panels.show_table(stale, "stale_sources")
    kept_out = reader.rows(
        "select feed, rule, count(*) as rows, min(row_date) as first_on, max(row_date) as last_on, "
        "first(reason) as for_example from meta.quarantine group by feed, rule order by rows desc"
    )
    st.subheader(f"{int(kept_out['rows'].sum()):,} single rows were kept out", anchor=False)
    if len(kept_out):
        panels.show_table(kept_out, "kept_out")
    try:
        _releases()
        _revisions()
    except QueryRefused:
        st.info("This version is older than the release calendar and the revisions.")


def _releases() -> None:
    calendar = reader.rows(
        "select series_id, observed_on, release_name, expected_on, expected_on_basis, arrived_on, "
        "days_late, replace(status, '_', ' ') as status from marts.release_calendar "
        "where status in ('late', 'never_seen', 'expected', 'known_hole') "
        "order by status = 'known_hole', status = 'expected', expected_on, series_id"
    )
    late = int(calendar["status"].isin(["late", "never seen"]).sum())
    coming = calendar[calendar["status"] == "expected"]
    next_one = coming["expected_on"].min() if len(coming) else None
    title = f"{late} values are late"
    if next_one is not None:
        title += f"; the next are expected on {next_one:%Y-%m-%d}"
    st.subheader(title, anchor=False)
    panels.show_table(calendar, "release_calendar")


def _revisions() -> None:
    frame = reader.rows(
        "select series_id, count(*) as observations, max(number_of_vintages) as most_vintages, "
        "median(abs(revision_in_sd)) as median_size, "
        "quantile_cont(abs(revision_in_sd), 0.9) as nine_of_ten_below "
        "from marts.macro_revisions where revision_in_sd is not null "
        "group by series_id order by nine_of_ten_below desc"
    )
    if frame.empty:
        st.info("No series with known first values has been revised yet.")
        return
    words = charts.Words(
        f"{frame['series_id'].iloc[0]} is revised most, against what it moves by itself",
        "standard deviations of its own change; nine of ten revisions are smaller",
    )
    panels.chart(
        words,
        charts.bars(frame, words, label="series_id", value="nine_of_ten_below"),
        frame,
        source="FRED real-time data",
        name="macro_revisions",
    )
