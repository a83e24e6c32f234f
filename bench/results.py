"""Write what was measured as Markdown: one section a table, kept until that part runs again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench.measure import machine

HEAD = """# Benchmark results

Written by `make bench`; every figure was measured on the machine named with it. Ratios compare
contestants that took turns in one run on the same data, after their results were found equal.
Seconds are beside them for orientation only. Targets are the project's own.
"""


@dataclass(frozen=True, slots=True)
class ResultTable:
    """One table: title, what was done, columns and rows of text."""

    title: str
    said: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]

    def markdown(self) -> str:
        """Return the section."""
        stamp = f"{datetime.now(UTC):%Y-%m-%d}, {machine()}"
        lines = [f"## {self.title}", "", f"{self.said}", "", f"Measured {stamp}.", ""]
        lines += [f"| {' | '.join(self.columns)} |", f"|{'---|' * len(self.columns)}"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join(lines) + "\n"


def write_results(path: Path, tables: Sequence[ResultTable]) -> None:
    """Replace the sections that were measured now, keep the others."""
    held: dict[str, str] = {}
    if path.exists():
        for part in re.split(r"(?m)^(?=## )", path.read_text(encoding="utf-8"))[1:]:
            held[part.partition("\n")[0].removeprefix("## ")] = part.rstrip() + "\n"
    held |= {table.title: table.markdown() for table in tables}
    path.write_text(HEAD + "\n" + "\n".join(held.values()), encoding="utf-8")
