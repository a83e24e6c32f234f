"""The reviewed catalogue of claims: complete, as the claimants said it, measurable as it says."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.catalog.claims import UNITS, UNMEASURED, Claim
from pipelines.catalog.models import CATALOG_DIR, load_catalog, load_catalog_from, read_entries
from pipelines.errors import ConfigurationError

CLAIMS = {c.id: c for c in load_catalog().claims}
MODELS = Path(__file__).parents[2] / "dbt_project/models/intermediate/claims"
ENTRY: dict[str, Any] = {
    "id": "x", "statement": "The index stood at 1.", "stated_value": 1, "unit": "points",
    "about_on": date(2025, 10, 10), "measure": "index_close", "subject": "^RUT", "tolerance": 0.5,
    "reading": "close", "would_need": "a bar",
}  # fmt: skip


def test_figures_dates_and_tolerances_are_the_reviewed_ones() -> None:
    told = {c.id: (c.stated_value, c.tolerance) for c in CLAIMS.values()}
    assert told == {
        "rut_close": (2473.29, 0.5), "index_volume": (5.38, 0.05), "rut_record_september": (1, 0),
        "rut_record_gap": (202111, 0), "first_cut_in_nine_months": (9, 0.5),
        "core_pce_2025": (3.1, 0.15), "core_pce_2028": (2.0, 0.05), "iwm_assets": (66.6, 1.5),
        "vb_assets": (67.6, 1.5), "iwm_average_volume": (34.67, 1.0),
        "small_value_discount": (-24, 5), "large_premium": (26, 5),
        "weight_financials": (18.65, 0.75), "weight_industrials": (17.85, 0.75),
        "weight_health_care": (16.31, 0.75), "debt_twice": (2.0, 0.3),
        "sp500_after_breakout": (15, 2.0), "post_election": (83, 5), "eps_growth_gap": (7, None),
        "dollar_q3": (-1, 0), "policy_divergence": (1, 0), "reits_lag": (-1, 0),
        "banks_gain": (1, 0), "job_growth_slower": (-1, 0),
    }  # fmt: skip
    other_days = {c.id: c.about_on for c in CLAIMS.values() if c.about_on != date(2025, 10, 10)}
    assert other_days.pop("core_pce_2025") == date(2025, 12, 31)
    assert other_days.pop("core_pce_2028") == date(2028, 12, 31)
    assert set(other_days) == {
        "rut_record_september", "rut_record_gap", "first_cut_in_nine_months", "dollar_q3",
        "policy_divergence", "job_growth_slower",
    }  # fmt: skip
    assert set(other_days.values()) == {date(2025, 9, 30)}
    judged = {c.id: c.judged for c in CLAIMS.values() if c.judged != "compared"}
    assert judged == {
        "small_value_discount": "different_measure", "large_premium": "different_measure",
        "eps_growth_gap": "not_testable",
    }  # fmt: skip


def test_every_measure_is_read_by_a_model_and_used_by_a_claim() -> None:
    code = "".join(p.read_text(encoding="utf-8") for p in MODELS.glob("int_claims_of_*.sql"))
    assert {m for m in UNITS if f"'{m}'" in code} == set(UNITS) - UNMEASURED
    assert {c.measure for c in CLAIMS.values()} == set(UNITS)


def test_subjects_are_of_the_catalogue() -> None:
    catalog = load_catalog()
    symbols = {i.symbol for i in catalog.instruments}
    universes = {f.universe_id for f in catalog.funds}
    funds_with_sector = {i.symbol for i in catalog.instruments if i.sector}
    for claim in CLAIMS.values():
        named = {claim.subject, claim.other_subject} - {None}
        if claim.measure in {"index_close", "index_volume", "average_volume"}:
            assert named <= symbols, claim.id
        elif claim.measure in {"record_in_month", "month_of_record_before"}:
            assert claim.subject in symbols and claim.other_subject in universes, claim.id
        elif claim.measure == "sector_weight":
            sectors = {i.sector for i in catalog.instruments}
            assert claim.subject in sectors and claim.other_subject in universes, claim.id
        elif claim.measure == "leverage_ratio":
            assert named == {"russell_2000", "sp_500"} <= universes, claim.id
        elif claim.measure == "yield_beta":
            assert named <= funds_with_sector, claim.id
        elif claim.measure == "quarter_direction":
            assert named <= {s.id for s in catalog.fred_series}, claim.id


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"measure": "astrology"}, "no such measure: astrology"),
        ({"unit": "percent"}, "index_close is in points, not in percent"),
        ({"tolerance": None}, "needs a tolerance"),
        ({"tolerance": -0.1}, "x: tolerance"),
        ({"judged": "not_testable"}, "no model measures"),
        ({"measure": "earnings_growth_gap"}, "no model measures"),
        ({"judged": "true"}, "x: judged"),
        ({"about_on": "someday"}, "x: about_on"),
        ({"horizon_sessions": 0}, "x: horizon_sessions"),
        ({"would_need": None}, "x: would_need"),
        ({"colour": "red"}, "x: colour"),
    ],
    ids=lambda v: str(v),
)
def test_an_entry_that_contradicts_itself_is_refused(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = tmp_path / "claims.yaml"
    entry = ENTRY | change
    if entry["measure"] == "earnings_growth_gap":
        entry["unit"] = UNITS["earnings_growth_gap"]
    path.write_text(yaml.safe_dump([entry]), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=said):
        read_entries(path, Claim, id_field="id")


def test_a_claim_is_added_by_an_entry_alone(tmp_path: Path) -> None:
    """The first step of docs/add.md: the loader takes a further entry as it stands."""
    for path in CATALOG_DIR.glob("*.yaml"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (CATALOG_DIR / "claims.yaml").read_text(encoding="utf-8")
    (tmp_path / "claims.yaml").write_text(text + yaml.safe_dump([ENTRY]), encoding="utf-8")
    assert [c.id for c in load_catalog_from(tmp_path).claims] == [*CLAIMS, "x"]
