"""How readers open the published file: read-only, and always one version to its end.

The build file is not for reading (`storage.warehouse`); what is in the published file is decided in
`storage.publish`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from pipelines.settings import Settings
from pipelines.storage.errors import NothingPublished, QueryRefused
from pipelines.storage.versions import FILE_NAME, version_path
from pipelines.storage.warehouse import apply_limits


def published_path(settings: Settings) -> Path:
    """Return the path that BI tools open: through the link, so that it never changes.

    Raises:
        NothingPublished: no run has published yet.
    """
    path = settings.published_dir / "current" / FILE_NAME
    if not path.exists():
        raise NothingPublished(
            f"nothing is published under {settings.published_dir} yet: run `smallcaps run` first"
        )
    return path


@contextmanager
def open_published(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the current version read-only.

    The link is followed once, here: a publication in the meantime changes nothing for this reader,
    and the next one sees the new version, in this process too.

    Raises:
        NothingPublished: no run has published yet.
    """
    path = published_path(settings).resolve()
    with duckdb.connect(str(path), read_only=True) as connection:
        apply_limits(connection, scratch=Path(tempfile.gettempdir()))
        yield connection


@contextmanager
def open_version(settings: Settings, version: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open a kept version's own file read-only."""
    path = version_path(settings, version)
    with duckdb.connect(str(path), read_only=True) as connection:
        apply_limits(connection, scratch=Path(tempfile.gettempdir()))
        yield connection


def query(settings: Settings, sql: str, values: Sequence[Any] = ()) -> pd.DataFrame:
    """Run SQL on the published file and return the rows.

    Raises:
        NothingPublished: no run has published yet.
        QueryRefused: DuckDB does not accept the statement; its message is DuckDB's own.
    """
    with open_published(settings) as connection:
        return run(connection, sql, values)


def run(
    connection: duckdb.DuckDBPyConnection, sql: str, values: Sequence[Any] = ()
) -> pd.DataFrame:
    """Run SQL on an opened file and return the rows.

    Raises:
        QueryRefused: DuckDB does not accept the statement; its message is DuckDB's own.
    """
    try:
        frame: pd.DataFrame = connection.execute(sql, list(values)).df()
    except duckdb.Error as error:
        raise QueryRefused(str(error)) from error
    return frame


def read_world(settings: Settings) -> str:
    """Return the world that the published file itself says it belongs to."""
    return str(query(settings, "select world from meta.world")["world"].iloc[0])


def read_publication(settings: Settings) -> dict[str, Any]:
    """Return the row of `meta.publications` that describes the current version."""
    version = published_path(settings).resolve().parent.name
    frame = query(settings, "select * from meta.publications where version = ?", [version])
    return {str(k): v for k, v in frame.iloc[0].items()}


def read_source_status(settings: Settings) -> pd.DataFrame:
    """Return what the current version says of its sources, required and stale ones first."""
    return query(
        settings,
        "select feed, provider, item, status, newest_on, is_stale, stale_since, is_required, "
        "detail from meta.source_status "
        "order by (is_required and is_stale) desc, is_stale desc, feed, item",
    )


def row_counts(settings: Settings) -> dict[str, int]:
    """Return `schema.table` to its number of rows in the current version."""
    counts: dict[str, int] = json.loads(str(read_publication(settings)["row_counts"]))
    return counts
