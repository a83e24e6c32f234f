"""Rank correlations and Newey-West t of the signals: `pipelines.statistics.evidence` over rows."""

from typing import Any

import pandas as pd

from pipelines.statistics.evidence import estimate_evidence


def model(dbt: Any, session: Any) -> pd.DataFrame:  # noqa: ARG001
    """Return one row per signal and horizon of which at least one return is known."""
    dbt.config(materialized="table")
    return estimate_evidence(dbt.ref("int_signal_returns_paired").df())
