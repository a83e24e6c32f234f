"""The report as one HTML file that asks nothing of anybody: styles and pictures are inside."""

from __future__ import annotations

import base64

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipelines.report.content import Report


def render_html(report: Report) -> bytes:
    """Return the file, UTF-8. Texts are escaped; the page forbids itself scripts and requests."""
    environment = Environment(
        loader=PackageLoader("pipelines.report", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["base64"] = lambda png: base64.b64encode(png).decode()
    return environment.get_template("report.html.jinja").render(report=report).encode()
