"""Entry point for `streamlit run`: the list of pages; `smallcaps dashboard` starts it."""

from __future__ import annotations

import streamlit as st

from dashboard.views import (
    breadth,
    claims,
    events,
    flows,
    macro,
    overview,
    quality,
    sectors,
    signals,
    valuation,
)

PAGES = (
    (overview, "Overview", ""),
    (valuation, "Valuation", "valuation"),
    (breadth, "Breadth", "breadth"),
    (flows, "Flows", "flows"),
    (macro, "Macro", "macro"),
    (sectors, "Sectors", "sectors"),
    (events, "Events", "events"),
    (signals, "Signals", "signals"),
    (claims, "Claims", "claims"),
    (quality, "Data quality", "quality"),
)


def main() -> None:
    """Draw the page that is asked for."""
    st.set_page_config(page_title="smallcaps", page_icon="📈", layout="wide")
    pages = [
        st.Page(module.show, title=title, url_path=path or "overview", default=not path)
        for module, title, path in PAGES
    ]
    st.navigation(pages).run()


main()
