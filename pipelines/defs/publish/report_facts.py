"""What a run tells of the report that it wrote."""

from pathlib import Path

import dagster as dg

from pipelines.overview import answer_overview
from pipelines.report.make import HTML_NAME, PDF_NAME
from pipelines.storage.overview_rows import read_overview_of


def report_metadata(warehouse: Path) -> dict[str, dg.MetadataValue]:
    """Return where the report of a version lies, and its four answers, for the run's page."""
    answers = "\n".join(
        f"| {a.title} | **{a.word}** | {a.sentence} |"
        for a in answer_overview(read_overview_of(warehouse))
    )
    return {
        "html": dg.MetadataValue.path(str(warehouse.with_name(HTML_NAME))),
        "pdf": dg.MetadataValue.path(str(warehouse.with_name(PDF_NAME))),
        "answers": dg.MetadataValue.md(f"| question | answer | why |\n|---|---|---|\n{answers}"),
    }
