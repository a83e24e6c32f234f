"""The thin adapter around Great Expectations: a narrow frame and one expectation in, rows out.

The only importer of `great_expectations`, and only inside functions: the import costs seconds of
CPU, once a process. The context is ephemeral, writes nothing, sends nothing and draws no bars.
What is expected of which feed is in the feed modules.

Measured on two cores (November 2026): 10 ms an expectation on small frames, 0.25-0.6 s on three
million rows, as long as the frame is narrow and holds numbers or booleans. A failing column of
dates costs 6 s there, so dates are passed as day numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from pipelines.errors import SmallcapsError


class ExpectationFailedToRun(SmallcapsError):
    """Great Expectations could not evaluate an expectation: no verdict, neither good nor bad."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the expectation holds, the index labels of the rows that break it, what was seen."""

    success: bool
    rows: pd.Index
    observed: Any = None


@cache
def _workbench() -> tuple[Any, Any]:
    """Return the batch definition that takes any frame, and the module of expectations."""
    import great_expectations as gx
    import great_expectations.expectations as gxe
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_pandas("batches").add_dataframe_asset("batch")
    return asset.add_batch_definition_whole_dataframe("whole"), gxe


def judge(frame: pd.DataFrame, expectation: str, **arguments: Any) -> Verdict:
    """Let Great Expectations judge `frame` by one expectation, by its class name.

    Row-level expectations return the index labels of the rows that break them, whatever `mostly`
    says about the success. A missing value breaks only expectations about missing values.

    Raises:
        ExpectationFailedToRun: the expectation could not be evaluated.
    """
    definition, catalogue = _workbench()
    batch = definition.get_batch(batch_parameters={"dataframe": frame})
    expected = getattr(catalogue, expectation)(**arguments)
    outcome = batch.validate(expected, result_format="COMPLETE")
    result = outcome.result or {}
    if outcome.success is None or (not outcome.success and not _was_evaluated(result)):
        raise ExpectationFailedToRun(f"{expectation}: {str(outcome.exception_info)[:300]}")
    rows = pd.Index(result.get("unexpected_index_list") or [], dtype=frame.index.dtype)
    return Verdict(bool(outcome.success), rows.unique(), result.get("observed_value"))


def _was_evaluated(result: dict[str, Any]) -> bool:
    return any(key in result for key in ("unexpected_count", "observed_value", "element_count"))


def expect_between(
    values: pd.Series[Any],
    low: float | None = None,
    high: float | None = None,
    *,
    above: bool = False,
    mostly: float = 1.0,
) -> Verdict:
    """Expect every value present to be within [low, high]; `above` leaves `low` itself out."""
    if values.empty:
        return _nothing_to_judge(values)
    return judge(
        values.to_frame("value"),
        "ExpectColumnValuesToBeBetween",
        column="value",
        min_value=low,
        max_value=high,
        strict_min=above,
        mostly=mostly,
    )


def expect_within_bounds(
    values: pd.Series[Any], low: pd.Series[Any], high: pd.Series[Any]
) -> Verdict:
    """Expect each value present to lie between its own row's bounds, both included."""
    if values.empty:
        return _nothing_to_judge(values)
    frame = pd.DataFrame({"value": values, "low": low, "high": high})
    broken: pd.Index = pd.Index([], dtype=frame.index.dtype)
    for larger, smaller in (("value", "low"), ("high", "value")):
        verdict = judge(
            frame[[larger, smaller]],
            "ExpectColumnPairValuesAToBeGreaterThanB",
            column_A=larger,
            column_B=smaller,
            or_equal=True,
            ignore_row_if="either_value_is_missing",
        )
        broken = broken.union(verdict.rows)
    return Verdict(broken.empty, broken)


def expect_present(values: pd.Series[Any], *, mostly: float = 1.0) -> Verdict:
    """Expect no value to be missing."""
    if values.empty:
        return _nothing_to_judge(values)
    return judge(
        values.to_frame("value"), "ExpectColumnValuesToNotBeNull", column="value", mostly=mostly
    )


def expect_true(values: pd.Series[Any], *, mostly: float = 1.0) -> Verdict:
    """Expect every flag to be true."""
    return expect_in_set(values, [True], mostly=mostly)


def expect_in_set(
    values: pd.Series[Any], allowed: Sequence[Any], *, mostly: float = 1.0
) -> Verdict:
    """Expect every value present to be one of `allowed`."""
    if values.empty:
        return _nothing_to_judge(values)
    return judge(
        values.to_frame("value"),
        "ExpectColumnValuesToBeInSet",
        column="value",
        value_set=list(allowed),
        mostly=mostly,
    )


def expect_unique(keys: pd.Series[Any]) -> Verdict:
    """Expect no key twice; every row of a repeated key breaks it, the first one included."""
    if keys.empty:
        return _nothing_to_judge(keys)
    return judge(keys.to_frame("key"), "ExpectColumnValuesToBeUnique", column="key")


def expect_equal(left: pd.Series[Any], right: pd.Series[Any]) -> Verdict:
    """Expect both columns to say the same in every row."""
    if left.empty:
        return _nothing_to_judge(left)
    frame = pd.DataFrame({"left": left, "right": right})
    return judge(
        frame,
        "ExpectColumnPairValuesToBeEqual",
        column_A="left",
        column_B="right",
        ignore_row_if="both_values_are_missing",
    )


def expect_matching(texts: pd.Series[Any], pattern: str) -> Verdict:
    """Expect every text present to match the regular expression."""
    if texts.empty:
        return _nothing_to_judge(texts)
    return judge(
        texts.to_frame("text"), "ExpectColumnValuesToMatchRegex", column="text", regex=pattern
    )


def expect_columns(frame: pd.DataFrame, names: Sequence[str]) -> Verdict:
    """Expect the frame to have exactly these columns, in any order."""
    return judge(
        frame.head(1), "ExpectTableColumnsToMatchSet", column_set=list(names), exact_match=True
    )


def _nothing_to_judge(values: pd.Series[Any]) -> Verdict:
    return Verdict(True, values.index[:0])
