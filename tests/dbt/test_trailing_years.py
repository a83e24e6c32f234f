"""Sums of four quarters hold what was known, whatever comes later and in whatever calendar."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import duckdb
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.filings import concept_tags

QUARTERS = "intermediate.int_fundamentals_quarterly"
MODEL = "models/intermediate/fundamentals/int_trailing_years_summed.sql"

rows = st.lists(
    st.tuples(
        st.integers(0, 7),  # quarter
        st.integers(-12, 12),  # its end moves by so many days
        st.integers(20, 500),  # days until it is filed
        st.integers(-1000, 1000),  # value
    ),
    min_size=4,
    max_size=30,
)


def quarters_table(drawn: list[tuple[int, int, int, int]]) -> pd.DataFrame:
    """Return drawn quarters in the shape of int_fundamentals_quarterly, one row a grain."""
    frame = pd.DataFrame.from_records(
        {
            "cik": "c",
            "concept_id": "net_income",
            "period_end_on": date(2022, 3, 31) + timedelta(91 * quarter + moved),
            "known_on": date(2022, 3, 31) + timedelta(91 * quarter + moved + waits),
            "value": float(value),
        }
        for quarter, moved, waits, value in drawn
    )
    return frame.drop_duplicates(["period_end_on", "known_on"])


def test_no_sum_uses_what_came_later_and_each_is_four_known_quarters(dbt_warehouse: Any) -> None:
    dbt_warehouse.insert("reference.concept_tags", concept_tags())
    dbt_warehouse.build("+int_trailing_years_summed", command="run")
    sql = (dbt_warehouse.folder / "target/compiled/smallcaps" / MODEL).read_text(encoding="utf-8")

    with duckdb.connect(str(dbt_warehouse.path)) as connection:

        def summed(frame: pd.DataFrame) -> list[tuple[Any, ...]]:
            connection.execute(f"delete from {QUARTERS}")
            connection.register("drawn", frame)
            connection.execute(f"insert into {QUARTERS} by name from drawn")
            return connection.execute(sql).fetchall()

        @given(drawn=rows, cut=st.integers(0, 1200))
        @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
        def holds(drawn: list[tuple[int, int, int, int]], cut: int) -> None:
            frame = quarters_table(drawn)
            day = date(2022, 3, 31) + timedelta(cut)
            whole = summed(frame)
            then = summed(frame[frame["known_on"] <= day])
            assert then == [row for row in whole if row[3] <= day]
            # four times as much in every quarter is four times the sum
            assert [row[4] * 4 for row in whole] == [
                row[4] for row in summed(frame.assign(value=frame["value"] * 4))
            ]
            for _, _, end, known_on, value in whole:
                known = frame[frame["known_on"] <= known_on].sort_values("known_on")
                newest = known.groupby("period_end_on")["value"].last()
                assert value in _sums_of_four(dict(newest), end)

        holds()


def _sums_of_four(values: dict[date, float], last: date) -> set[float]:
    """Return the sums of all chains of four ends, 80 to 100 days apart, up to `last`."""
    chains = [[last]]
    for _ in range(3):
        chains = [
            [*chain, end]
            for chain in chains
            for end in values
            if 80 <= (chain[-1] - end).days <= 100
        ]
    return {sum(values[end] for end in chain) for chain in chains}
