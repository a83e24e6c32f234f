"""The only door of the dashboard to the data: the current version, opened read-only for one query.

No connection is kept: a publication moves the link, and the next query sees the new version. What
was read is cached under the version's name, so an unchanged version is read once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from pipelines.overview import Answer, answer_overview
from pipelines.report.make import find_report
from pipelines.settings import Settings, read_settings
from pipelines.storage import snapshot
from pipelines.storage.overview_rows import read_overview
from pipelines.storage.versions import current_version

KEPT = 64
"""Results kept of one process: about three versions of all pages."""


@dataclass(frozen=True, slots=True)
class Edition:
    """What is published now, as the version itself says it."""

    version: str
    world: str
    as_of: Any
    published_at: Any
    code_version: str
    checks_passed: int
    checks_warned: int
    is_simulated: bool
    notice: str


def settings() -> Settings:
    """Return the settings of the environment that the dashboard was started with."""
    return read_settings()


def newest_version() -> str | None:
    """Return the name of the version that the link shows at this moment."""
    return current_version(settings())


def edition() -> Edition:
    """Return what the current version says of itself.

    Raises:
        NothingPublished: no run has published yet.
    """
    return _edition(_version())


def rows(sql: str, *values: str | int) -> pd.DataFrame:
    """Run a query on the current version, with values for its `?`, and return its rows.

    Raises:
        NothingPublished: no run has published yet.
        QueryRefused: the version does not have such a table or column.
    """
    return _rows(_version(), sql, values)


def answers() -> tuple[Answer, ...]:
    """Return the four answers of the current version."""
    return _answers(_version())


def report(*, pdf: bool) -> bytes:
    """Return the report of the current version as a file.

    Raises:
        NothingPublished: no run has published yet, or the version is older than reports.
    """
    return find_report(settings(), _version(), pdf=pdf).read_bytes()


def _version() -> str:
    snapshot.published_path(settings())  # says what to do where nothing is published
    return newest_version() or ""


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _edition(version: str) -> Edition:
    frame = _rows(version, "from meta.publications where version = ?", (version,))
    row = frame.iloc[0]
    return Edition(**{name: row[name] for name in Edition.__slots__})


@st.cache_data(max_entries=KEPT, show_spinner="Reading the published file …")
def _rows(version: str, sql: str, values: tuple[str | int, ...] = ()) -> pd.DataFrame:
    with snapshot.open_version(settings(), version) as connection:
        return snapshot.run(connection, sql, values)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _answers(version: str) -> tuple[Answer, ...]:
    with snapshot.open_version(settings(), version) as connection:
        return answer_overview(read_overview(connection))
