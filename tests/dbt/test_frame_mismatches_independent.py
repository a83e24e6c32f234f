"""Frames against companies' facts a second time, straight from raw rows, by loops over versions.

The invented companies amend, repeat and mistype; the frames saw some of it, late or never.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

CONCEPTS = (
    ("NetIncomeLoss", "net_income", "USD", "flow"),
    ("EntityCommonStockSharesOutstanding", "shares_outstanding", "shares", "instant"),
)
FIRST_END, QUARTERS, COMPANIES = date(2023, 3, 31), 8, 30
AS_OF, EARLIER = date(2025, 6, 30), date(2024, 11, 15)
Row = dict[str, Any]


def make_rows() -> tuple[list[Row], list[Row]]:
    """Return raw facts and raw frames: up to three versions of a figure, each seen or not."""
    random = np.random.default_rng(11)
    facts: list[Row] = []
    frames: list[Row] = []
    for number in range(COMPANIES):
        cik = f"{number + 1:010d}"
        for tag, _, unit, kind in CONCEPTS:
            for quarter in range(QUARTERS):
                end = (pd.Timestamp(FIRST_END) + pd.offsets.QuarterEnd(quarter)).date()
                start = end if kind == "instant" else end - timedelta(days=90)
                period = (
                    f"CY{end.year}Q{(end.month - 1) // 3 + 1}{'I' if kind == 'instant' else ''}"
                )
                place = {"cik": cik, "tag": tag, "unit": unit, "period_end_on": end}
                value = float(random.integers(-50, 50))
                for version in range(random.integers(0, 4)):
                    filed = end + timedelta(days=int(40 + 150 * version + random.integers(0, 9)))
                    accession = f"{cik}-{filed:%y}-{version:06d}"
                    if version:
                        value = float(random.integers(-50, 50))
                    if random.random() < 0.9:
                        facts.append(
                            place | {
                                "period_start_on": start, "value": value, "filed_on": filed,
                                "accession": accession, "form": "10-Q", "known_on": filed,
                            }
                        )  # fmt: skip
                    if random.random() < 0.7:
                        scale = random.choice([1.0, 1.0, 1.0, 1.0 + 1e-12, 1e-3])
                        moved = timedelta(days=int(random.random() < 0.1 and kind == "flow"))
                        frames.append(
                            place | {
                                "frame_id": f"x.{tag}.{unit}.{period}", "taxonomy": "x",
                                "frame": period, "period_start_on": start + moved,
                                "value": value * scale, "accession": accession,
                                "known_on": filed + timedelta(days=int(random.integers(0, 9))),
                            }
                        )  # fmt: skip
    return facts, frames


def expected(facts: list[Row], frames: list[Row], as_of: date) -> dict[tuple[str, str], Row]:
    """Return the mismatches by (frame_id, cik), found by walking each company's versions."""
    told: dict[tuple[Any, ...], list[Row]] = {}
    for fact in facts:
        if fact["known_on"] <= as_of:
            key = (fact["cik"], fact["tag"], fact["period_start_on"], fact["period_end_on"])
            told.setdefault(key, []).append(fact)
    newest: dict[tuple[str, str], Row] = {}
    for row in sorted(frames, key=lambda r: r["known_on"]):
        if row["known_on"] <= as_of:
            newest[row["frame_id"], row["cik"]] = row
    found: dict[tuple[str, str], Row] = {}
    for name, row in newest.items():
        key = (row["cik"], row["tag"], row["period_start_on"], row["period_end_on"])
        versions = sorted(told.get(key, []), key=lambda r: r["known_on"])
        if not versions or same(row["value"], versions[-1]["value"]):
            continue
        last = versions[-1]
        found[name] = {
            "frame_value": row["value"],
            "fact_value": last["value"],
            "gap_pct": 100 * row["value"] / last["value"] - 100 if last["value"] else None,
            "is_earlier_value": any(same(row["value"], v["value"]) for v in versions),
            "frame_accession": row["accession"],
            "fact_accession": last["accession"],
            "fact_known_on": last["known_on"],
        }
    return found


def same(one: float, other: float) -> bool:
    return abs(one - other) <= 1e-9 * abs(other)


def loaded(warehouse: Any, facts: list[Row], frames: list[Row]) -> None:
    warehouse.create()
    warehouse.insert("raw.sec_facts", facts)
    warehouse.insert("raw.sec_frames", frames)
    warehouse.insert(
        "reference.concept_tags",
        [
            {"tag": tag, "concept_id": concept, "place": 1, "unit": unit, "kind": kind}
            for tag, concept, unit, kind in CONCEPTS
        ],
    )


def mismatches(warehouse: Any, as_of: date) -> Mapping[tuple[str, str], Row]:
    warehouse.build("+frame_mismatches", as_of=as_of, command="run")
    frame = warehouse.query("select * from meta.frame_mismatches").astype("object")
    rows = frame.where(frame.notna(), None).to_dict("records")
    return {(row["frame_id"], row["cik"]): row for row in rows}


def test_both_computations_find_the_same_mismatches_on_two_days(dbt_warehouse) -> None:
    facts, frames = make_rows()
    loaded(dbt_warehouse, facts, frames)
    for as_of, least in ((EARLIER, 40), (AS_OF, 80)):
        wanted, got = expected(facts, frames, as_of), mismatches(dbt_warehouse, as_of)
        assert got.keys() == wanted.keys()
        assert len(got) > least
        assert {row["is_earlier_value"] for row in got.values()} == {True, False}
        for name, row in wanted.items():
            other = got[name]
            for column in ("frame_value", "fact_value"):
                assert other[column] == pytest.approx(row[column], rel=1e-9)
            if row["gap_pct"] is None:
                assert other["gap_pct"] is None
            else:
                assert other["gap_pct"] == pytest.approx(row["gap_pct"], rel=1e-9, abs=1e-9)
            for column in ("is_earlier_value", "frame_accession", "fact_accession"):
                assert other[column] == row[column], column
            assert other["fact_known_on"].date() == row["fact_known_on"]


def test_what_came_later_changes_no_earlier_answer(dbt_warehouse) -> None:
    facts, frames = make_rows()
    loaded(dbt_warehouse, facts, frames)
    whole = mismatches(dbt_warehouse, EARLIER)
    loaded(
        dbt_warehouse,
        [row for row in facts if row["known_on"] <= EARLIER],
        [row for row in frames if row["known_on"] <= EARLIER],
    )
    assert mismatches(dbt_warehouse, EARLIER) == whole
    assert len(whole) > 40


def test_frames_that_repeat_the_newest_facts_have_no_mismatch(dbt_warehouse) -> None:
    facts = [fact for fact in make_rows()[0] if fact["known_on"] <= AS_OF]
    newest: dict[tuple[str, str, date], Row] = {}
    for fact in sorted(facts, key=lambda r: r["known_on"]):
        newest[fact["cik"], fact["tag"], fact["period_end_on"]] = fact
    kept = ("cik", "tag", "unit", "period_start_on", "period_end_on", "value", "accession")
    frames = [
        {name: fact[name] for name in kept}
        | {"frame_id": f"x.{tag}.{end}", "taxonomy": "x", "frame": "x", "known_on": AS_OF}
        for (_, tag, end), fact in newest.items()
    ]
    loaded(dbt_warehouse, facts, frames)
    assert dict(mismatches(dbt_warehouse, AS_OF)) == {}
    assert dbt_warehouse.query("select count(*) from staging.stg_sec__frames").iloc[0, 0] == len(
        newest
    )
