"""Make the report of one version and write it beside the version's file."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.lineage.diff import VersionDiff, diff_files
from pipelines.plots import PLOTS
from pipelines.report.content import FIGURES, Report, compose
from pipelines.report.html import render_html
from pipelines.report.pdf import render_pdf
from pipelines.settings import Settings
from pipelines.storage.errors import NothingPublished, StorageError
from pipelines.storage.files import write_file
from pipelines.storage.overview_rows import read_overview_of
from pipelines.storage.report_rows import read_report_rows
from pipelines.storage.versions import find_version, list_versions, version_path

log = logging.getLogger("pipelines.steps")

HTML_NAME = "report.html"
PDF_NAME = "report.pdf"


def write_report(settings: Settings, path: Path, version: str) -> tuple[Path, Path]:
    """Write `report.html` and `report.pdf` beside a version's file; return their paths.

    Raises:
        StorageError: the file lacks what the report tells of.
    """
    log.info("writing the report of %s", version)
    report = make_report(settings, path, version)
    html, pdf = path.parent / HTML_NAME, path.parent / PDF_NAME
    write_file(html, render_html(report))
    write_file(pdf, render_pdf(report))
    return html, pdf


def make_report(settings: Settings, path: Path, version: str) -> Report:
    """Return what the report of a version says, compared with the version kept before it.

    A rebuilt past day is compared with what was published on that day, if that is still kept. An
    older version that cannot be read is said, and stops nothing.
    """
    rows = read_report_rows(path, version, {name: PLOTS[name].sql for name in FIGURES})
    diff: VersionDiff | None = None
    before: Mapping[str, Mapping[str, Any]] = {}
    why = "There is no earlier version to compare with."
    kept = list_versions(settings)
    if rows.version["is_rebuild"]:
        earlier = rows.published_that_day if rows.published_that_day in kept else None
    else:
        earlier = max((name for name in kept if name < version), default=None)
    if earlier is not None:
        older = version_path(settings, earlier)
        try:
            diff = diff_files((earlier, version), (older, path))
            before = read_overview_of(older).signals
        except StorageError as error:
            diff, why = None, f"Not compared with {earlier}: {error}"
    return compose(rows, diff, before, no_diff=why)


def find_report(settings: Settings, name: str, *, pdf: bool = False) -> Path:
    """Return the report of a kept version, named as `storage.versions.find_version` takes it.

    Raises:
        NothingPublished: there is no such version, or it was published before reports were.
    """
    version = find_version(settings, name)
    path = version_path(settings, version).with_name(PDF_NAME if pdf else HTML_NAME)
    if not path.exists():
        raise NothingPublished(f"version {version} has no {path.name}: it is older than reports")
    return path
