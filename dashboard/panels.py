"""What every page is made of: the frame around it, a chart with its table, errors for a person."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import reader
from dashboard.charts import Words
from pipelines.errors import SmallcapsError
from pipelines.sentences import SIMULATED
from pipelines.storage.errors import NothingPublished

LOOK_EVERY_S = 30


def page(title: str, body: Callable[[], None], *, lead: str = "") -> None:
    """Draw a page: label, title, body, source line. An error becomes a sentence, never a trace."""
    try:
        edition = reader.edition()
    except NothingPublished as error:
        st.title(title)
        st.info(f"{error}")
        return
    except SmallcapsError as error:
        st.title(title)
        st.error(f"The published file cannot be read: {error}")
        return
    if edition.is_simulated:
        st.warning(SIMULATED, icon="⚠️")
    st.title(title)
    if lead:
        st.markdown(lead)
    try:
        body()
    except SmallcapsError as error:
        st.error(f"This version of the published file does not have what the page needs: {error}")
    st.divider()
    st.caption(
        f"As of {edition.as_of:%Y-%m-%d} · version {edition.version} · published "
        f"{edition.published_at:%Y-%m-%d %H:%M} UTC · {edition.checks_passed} checks passed, "
        f"{edition.checks_warned} warned · code {edition.code_version}"
    )
    st.caption(edition.notice)
    watch(edition.version)


@st.fragment(run_every=LOOK_EVERY_S)
def watch(shown: str) -> None:
    """Look at the link now and then; a new version draws the page anew."""
    newest = reader.newest_version()
    if newest is not None and newest != shown:
        st.rerun(scope="app")


def chart(
    words: Words, drawn: alt.LayerChart | None, table: pd.DataFrame, *, source: str, name: str
) -> None:
    """Show a finding, its chart, its source line and, folded, its table with two downloads."""
    st.subheader(words.title, anchor=False)
    if drawn is None or table.empty:
        st.info("There are no rows for this chart in the published version.")
        return
    st.caption(f"{words.unit} · {source} · as of {reader.edition().as_of:%Y-%m-%d}")
    st.altair_chart(drawn, width="stretch")
    with st.expander("Table and downloads"):
        show_table(table, name)


def show_table(table: pd.DataFrame, name: str, *, most: int = 1000) -> None:
    """Show a table (the newest rows of a long one) and offer all of it as CSV and as Parquet."""
    shown = table.tail(most).copy()
    for column in shown.select_dtypes("datetime"):
        whole = shown[column].dropna()
        if (whole == whole.dt.normalize()).all():
            shown[column] = shown[column].dt.strftime("%Y-%m-%d")
    st.dataframe(shown, hide_index=True)
    if len(table) > most:
        st.caption(f"The last {most:,} of {len(table):,} rows; the files hold all of them.")
    left, right = st.columns(2)
    left.download_button(
        "CSV", table.to_csv(index=False).encode(), f"{name}.csv", "text/csv", key=f"csv-{name}"
    )
    parquet = io.BytesIO()
    table.to_parquet(parquet, index=False)
    right.download_button(
        "Parquet", parquet.getvalue(), f"{name}.parquet",
        "application/vnd.apache.parquet", key=f"parquet-{name}",
    )  # fmt: skip


def shades() -> pd.DataFrame:
    """Return recessions and cycles of rate cuts as spans: from_on, to_on, kind."""
    return reader.rows(
        "with flagged as (select traded_on, 'recession' as kind, is_recession as flag "
        "from marts.macro_regime union all select traded_on, 'rate cuts', policy_phase = 'cutting' "
        "from marts.macro_regime), "
        "grouped as (select *, sum(case when flag then 0 else 1 end) over "
        "(partition by kind order by traded_on) as no from flagged) "
        "select min(traded_on) as from_on, max(traded_on) as to_on, kind from grouped where flag "
        "group by kind, no order by from_on"
    )


def choose(label: str, options: Sequence[str], *, key: str) -> str:
    """Let the reader choose one of some names; shown without underscores."""
    return str(
        st.radio(
            label,
            options,
            key=key,
            horizontal=True,
            format_func=lambda name: name.replace("_", " "),
        )
    )
