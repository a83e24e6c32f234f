from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from pipelines.quality import expectations as gx
from tests.fakes.gate import a_series, an_extract, catalog_with, finding, judge, raw_frame

LABELS = [10, 20, 30, 40]


def series(*values: object, dtype: object = None) -> pd.Series:
    return pd.Series(list(values), index=LABELS[: len(values)], dtype=dtype)


def labels(verdict: gx.Verdict) -> list[int]:
    return sorted(verdict.rows)


def test_values_between_bounds_and_the_labels_of_those_outside():
    verdict = gx.expect_between(series(0.0, 1.0, np.nan, 2.5), 0.0, 2.0)
    assert (verdict.success, labels(verdict)) == (False, [40])
    assert gx.expect_between(series(0.0, 2.0), 0.0, 2.0).success
    assert labels(gx.expect_between(series(0.0, 2.0), 0.0, above=True)) == [10]
    assert labels(gx.expect_between(series(1.0, np.inf, -np.inf), -1e300, 1e300)) == [20, 30]


def test_mostly_forgives_and_still_names_the_rows():
    verdict = gx.expect_between(series(1.0, 1.0, 1.0, 9.0), 0.0, 2.0, mostly=0.75)
    assert (verdict.success, labels(verdict)) == (True, [40])
    assert not gx.expect_between(series(1.0, 1.0, 1.0, 9.0), 0.0, 2.0, mostly=0.8).success


def test_each_value_has_its_own_bounds():
    verdict = gx.expect_within_bounds(
        series(1.0, 5.0, np.nan, 7.0), series(0.0, 6.0, 0.0, 0.0), series(1.0, 9.0, 1.0, 6.0)
    )
    assert (verdict.success, labels(verdict)) == (False, [20, 40])


def test_missing_values_are_found_by_the_expectation_of_presence_alone():
    values = series(1.0, np.nan, 3.0)
    assert labels(gx.expect_present(values)) == [20]
    assert gx.expect_between(values, 0.0, 5.0).success


def test_sets_flags_keys_pairs_and_patterns():
    assert labels(gx.expect_in_set(series("a", "b", "c", dtype="str"), ["a", "b"])) == [30]
    assert labels(gx.expect_true(series(True, False))) == [20]
    assert labels(gx.expect_unique(series(7, 8, 7))) == [10, 30]
    pair = gx.expect_equal(series("a", "b", dtype="str"), series("a", "x", dtype="str"))
    assert labels(pair) == [20]
    assert labels(gx.expect_matching(series("AB", "a1", dtype="str"), "^[A-Z]+$")) == [20]


def test_columns_are_exactly_those():
    frame = pd.DataFrame({"a": [1], "b": [2]})
    assert gx.expect_columns(frame, ["b", "a"]).success
    assert not gx.expect_columns(frame, ["a"]).success
    assert not gx.expect_columns(frame, ["a", "b", "c"]).success


def test_an_empty_column_breaks_nothing():
    empty = pd.Series(dtype="float64")
    assert gx.expect_between(empty, 0.0, 1.0).success
    assert gx.expect_unique(empty).rows.empty


def test_an_expectation_that_cannot_be_evaluated_is_an_error_not_a_verdict():
    frame = pd.DataFrame({"value": [1.0]})
    with pytest.raises(gx.ExpectationFailedToRun, match="ExpectColumnValuesToBeBetween"):
        gx.judge(frame, "ExpectColumnValuesToBeBetween", column="absent", min_value=0)


def a_batch(value: float = 4.0):
    rows = [
        {"series_id": "RATE", "observed_on": f"2024-05-{d}", "value": v}
        for d, v in ((28, 4.0), (29, value), (30, 4.1))
    ]
    frame = raw_frame("fred_observations", rows)
    return an_extract("fred_observations", {"fred_observations": frame})


def test_the_gate_asks_great_expectations(monkeypatch):
    asked: Counter[str] = Counter()
    real = gx.judge

    def spy(frame: pd.DataFrame, expectation: str, **arguments: object) -> gx.Verdict:
        asked[expectation] += 1
        return real(frame, expectation, **arguments)

    monkeypatch.setattr(gx, "judge", spy)
    report = judge(a_batch(), catalog_with(series=[a_series("RATE")]))
    assert not report.refused
    assert set(asked) == {
        "ExpectTableColumnsToMatchSet",
        "ExpectColumnPairValuesToBeEqual",
        "ExpectColumnValuesToBeBetween",
        "ExpectColumnPairValuesAToBeGreaterThanB",
        "ExpectColumnValuesToBeUnique",
        "ExpectColumnValuesToBeInSet",
        "ExpectColumnValuesToMatchRegex",
    }


def test_what_great_expectations_says_is_what_the_gate_does(monkeypatch):
    """A judge that finds every range broken: the gate must refuse what is in truth good."""
    real = gx.judge

    def severe(frame: pd.DataFrame, expectation: str, **arguments: object) -> gx.Verdict:
        if expectation == "ExpectColumnPairValuesAToBeGreaterThanB":
            return gx.Verdict(False, frame.index)
        return real(frame, expectation, **arguments)

    monkeypatch.setattr(gx, "judge", severe)
    report = judge(a_batch(), catalog_with(series=[a_series("RATE")]))
    assert report.refused
    assert finding(report, "values_are_plausible").failing_rows == 3


def test_a_great_expectations_that_fails_to_run_accepts_nothing(monkeypatch):
    def broken(*_: object, **__: object) -> gx.Verdict:
        raise gx.ExpectationFailedToRun("no verdict")

    monkeypatch.setattr(gx, "judge", broken)
    with pytest.raises(gx.ExpectationFailedToRun):
        judge(a_batch(), catalog_with(series=[a_series("RATE")]))
