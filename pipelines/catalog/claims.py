"""An entry of `claims.yaml`, typed. How a claim is measured and judged is in the dbt models."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from pipelines.catalog.entry import Entry

UNITS: Mapping[str, str] = {
    "index_close": "points",
    "index_volume": "billion shares",
    "record_in_month": "flag",
    "month_of_record_before": "month as yyyymm",
    "months_between_cuts": "months of 30.4375 days",
    "core_pce_at_year_end": "percent",
    "core_pce_projection": "percent",
    "fund_assets": "billion USD",
    "average_volume": "million shares",
    "fair_value_gap": "percent",
    "sector_weight": "percent",
    "leverage_ratio": "ratio",
    "mean_after_event": "percent",
    "share_small_ahead": "percent",
    "quarter_direction": "sign",
    "policy_divergence": "flag",
    "yield_beta": "sign",
    "payrolls_direction": "sign",
    "earnings_growth_gap": "points",
}
"""Every measure and the unit in which its value is compared with the claim."""
UNMEASURED = frozenset({"earnings_growth_gap"})
"""No model measures these: a claim about them is not testable."""


class Claim(Entry):
    """One public statement, in our words, and what it is held against.

    `subject` and `other_subject` say what the measure is taken of: a symbol, a fund, a series, a
    sector, a pair and its side, an event and whose return; what each measure reads is in
    `int_claims_dated.yml`.
    """

    id: str
    statement: str
    stated_value: float
    unit: str
    about_on: date
    judged: Literal["compared", "different_measure", "not_testable"] = "compared"
    """different_measure: the claimant's yardstick is another; ours stands beside it."""
    measure: str
    subject: str | None = None
    other_subject: str | None = None
    horizon_sessions: int | None = Field(default=None, gt=0)
    tolerance: float | None = Field(default=None, ge=0)
    """Largest distance from `stated_value` that still supports the claim, in `unit`."""
    reading: str
    """What the measured value is."""
    second_reading: str | None = None
    """What the value of the other honest reading is; null where there is one reading."""
    would_need: str
    """Which data would decide it where ours cannot."""
    note: str | None = None

    @model_validator(mode="after")
    def _can_be_judged_as_it_says(self) -> Claim:
        if self.measure not in UNITS:
            raise ValueError(f"no such measure: {self.measure}")
        if self.unit != UNITS[self.measure]:
            raise ValueError(f"{self.measure} is in {UNITS[self.measure]}, not in {self.unit}")
        if (self.judged == "not_testable") != (self.measure in UNMEASURED):
            raise ValueError("not_testable is a claim that no model measures, and no other")
        if (self.tolerance is None) != (self.judged == "not_testable"):
            raise ValueError("a claim that is measured needs a tolerance, no other has one")
        return self
