"""Unit tests of the SQL on an empty warehouse, and what SQL unit tests cannot compare: floats."""

from __future__ import annotations

from datetime import date

import pytest

MODELS = (
    "+market_breadth",
    "+record_highs",
    "+sector_weights",
    "+membership_mismatches",
    "+unmatched_tickers",
)


def test_the_models_pass_their_unit_tests_and_build_on_an_empty_warehouse(dbt_warehouse):
    outcomes = dbt_warehouse.build(*MODELS, exclude_types=())

    unit_tests = [name for name in outcomes if name.startswith("unit_test.")]
    assert len(unit_tests) >= 17
    for mart in ("market_breadth", "record_highs", "sector_weights"):
        count = dbt_warehouse.query(f"select count(*) as n from marts.{mart}")
        assert count["n"][0] == 0


def test_an_adjusted_close_puts_the_dividends_back(dbt_warehouse):
    # closes 10, 11, 9, 12; 1.00 paid on day 2, 0.45 on day 4; day 3 has no ratio: 9 / 11
    bars = [(2, 10.0, None), (3, 11.0, 12 / 10), (6, 9.0, None), (7, 12.0, 12.45 / 9)]
    dbt_warehouse.insert(
        "raw.instrument_bars",
        [
            {
                "symbol": "PAYS",
                "traded_on": date(2025, 1, day),
                "close": close,
                "volume": 1,
                "total_return_ratio": ratio,
            }
            for day, close, ratio in bars
        ],
    )
    dbt_warehouse.build("+int_instrument_prices_adjusted", command="run")
    rows = dbt_warehouse.query(
        "select * from intermediate.int_instrument_prices_adjusted order by traded_on"
    )

    day_3 = 12 * 9 / 12.45
    day_2 = day_3 * 11 / 9
    day_1 = day_2 * 10 / 12
    assert list(rows["adj_close"]) == pytest.approx([day_1, day_2, day_3, 12.0], rel=1e-12)
    assert rows["adj_close"].iloc[-1] == 12.0
    assert list(rows["observation_no"]) == [1, 2, 3, 4]
