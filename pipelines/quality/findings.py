"""What a judge says of one batch: findings, the rows that may pass, the rows that may not.

Only the records live here. How a finding comes about is in the feed modules beside this one; where
it is written down is the storage layer's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from pipelines.catalog.models import Severity

QUARANTINE_COLUMNS = (
    "table_name",
    "source",
    "item",
    "row_date",
    "rule",
    "reason",
    "row_json",
)
"""Columns of `GateReport.quarantined`: `meta.quarantine` without its run and batch columns."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check's verdict.

    `severity` is what this verdict weighs, not what the check could: rows that were quarantined
    within the check's limit are a failed finding of severity `warn`, even where more of them would
    have blocked. `failing_rows` counts rows (items, for checks on items).
    """

    check: str
    severity: Severity
    passed: bool
    message: str
    failing_rows: int = 0
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GateReport:
    """The judgement of one batch.

    `accepted` maps raw tables to the rows that may be loaded (columns as they came); it is empty
    when the batch is refused. `quarantined` has `QUARANTINE_COLUMNS`, one row per row kept out;
    accepted and quarantined rows of a batch that is not refused add up to the rows that came.
    """

    feed: str
    findings: tuple[Finding, ...]
    accepted: Mapping[str, pd.DataFrame]
    quarantined: pd.DataFrame

    @property
    def refused(self) -> bool:
        """True when any blocking finding failed: nothing of the batch may be loaded."""
        return bool(self.reasons)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the batch is refused, as `check: message`; empty if it is not."""
        return tuple(
            f"{f.check}: {f.message}"
            for f in self.findings
            if not f.passed and f.severity == "block"
        )
