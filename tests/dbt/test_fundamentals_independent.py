"""Portfolio ratios and leverage computed a second time, straight from raw rows, by loops.

The invented filings are in `fakes.filings`, the second computation in `fakes.fundamentals_by_hand`.
"""

from __future__ import annotations

import math
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from tests.fakes import filings
from tests.fakes.fundamentals_by_hand import (
    UNIVERSES,
    World,
    earnings_lens,
    leverages,
    portfolios,
)

END = filings.END
KNOWN_UNTIL = date(2024, 10, 15)


@pytest.fixture
def loaded(dbt_warehouse: Any) -> tuple[Any, World]:
    """A warehouse with the invented rows, and the rows."""
    sessions = dbt_warehouse.insert_sessions(date(2023, 9, 1), END + timedelta(30))
    world = World(sessions)
    dbt_warehouse.insert(
        "reference.funds", [{"fund_id": f, "universe_id": u} for f, u in UNIVERSES.items()]
    )
    dbt_warehouse.insert("reference.concept_tags", filings.concept_tags())
    dbt_warehouse.insert("raw.constituent_bars", world.bars)
    dbt_warehouse.insert("raw.constituent_events", world.splits)
    dbt_warehouse.insert("raw.fund_holdings", world.lines)
    files = pd.DataFrame(world.lines).drop_duplicates(["fund_id", "as_of_on", "edition"])
    columns = [
        "fund_id",
        "as_of_on",
        "edition",
        "known_on",
        "known_on_basis",
        "source",
        "loaded_as_of",
    ]
    dbt_warehouse.insert("raw.fund_files", files[columns])
    dbt_warehouse.insert("raw.sec_companies", world.companies)
    dbt_warehouse.insert("raw.sec_facts", world.facts)
    indices = [
        {"symbol": symbol, "traded_on": day, "close": close}
        for symbol, close in (("^RUT", 2000.0), ("^GSPC", 5000.0))
        for day in world.sessions
    ]
    dbt_warehouse.insert("raw.instrument_bars", indices)
    dbt_warehouse.insert(
        "reference.instruments",
        [{"symbol": symbol, "provider_order": ["yahoo"]} for symbol in ("^RUT", "^GSPC")],
    )
    return dbt_warehouse, world


MARTS = {
    "portfolio_fundamentals": "from marts.portfolio_fundamentals order by universe_id, month_on",
    "leverage": "from marts.leverage order by universe_id, quarter_on",
}


def assert_same(actual: pd.DataFrame, expected: pd.DataFrame, keys: list[str]) -> None:
    assert len(actual) == len(expected)
    for column in expected.columns:
        for place, (got, want) in enumerate(zip(actual[column], expected[column], strict=True)):
            key = expected.loc[place, keys].tolist()
            where = f"{column} of {key}: {got!r} instead of {want!r}"
            if want is None or (isinstance(want, float) and want != want):
                assert pd.isna(got), where
            elif isinstance(want, float):
                assert math.isclose(got, want, rel_tol=1e-9, abs_tol=1e-9), where
            elif isinstance(want, date):
                assert pd.Timestamp(got) == pd.Timestamp(want), where
            else:
                assert got == want, where


def test_every_figure_agrees_with_a_second_computation(loaded: tuple[Any, World]) -> None:
    warehouse, world = loaded
    warehouse.build("+portfolio_fundamentals", "+leverage", "+valuation_gaps", as_of=END)
    members = world.members()
    expected = portfolios(members), leverages(members)
    assert_same(
        warehouse.query(MARTS["portfolio_fundamentals"]), expected[0], ["universe_id", "month_on"]
    )
    assert_same(warehouse.query(MARTS["leverage"]), expected[1], ["universe_id", "quarter_on"])

    lens = earnings_lens(expected[0], world.sessions)
    assert_same(
        warehouse.query("from marts.valuation_gaps order by traded_on"), lens, ["traded_on"]
    )

    # The invented rows reach what they are there for.
    assert len(expected[0]) == 18
    assert (expected[0]["pct_members_with_loss"] > 0).any()
    assert (expected[0]["shares_confirmed_pct"] < 100).any()
    assert set(expected[0]["is_reliable"]) == {True, False}
    held = {
        r["symbol"]: r
        for r in members
        if r["month_on"] == END and r["universe_id"] == "russell_2000"
    }
    assert held["S05"]["facts"]["debt"] == 0.0
    assert held["S06"]["facts"]["debt"] is None
    assert "filed" not in held["S09"]
    assert held["S10"]["held"] > held["S10"]["outstanding"]
    assert held["S11"]["facts"]["net_income"] is None
    assert held["S12"]["facts"]["equity"] is None
    assert held["S16"]["value"] is None
    assert held["S17"]["value"] is None


def test_a_rebuild_of_an_earlier_day_gives_the_same_rows(loaded: tuple[Any, World]) -> None:
    """S02 splits, companies amend and file between the two days."""
    warehouse, _ = loaded
    selected = ("+portfolio_fundamentals", "+leverage")
    warehouse.build(*selected, command="run", as_of=END)
    full = {name: warehouse.query(sql) for name, sql in MARTS.items()}
    warehouse.build(*selected, command="run", as_of=KNOWN_UNTIL)
    for name, sql in MARTS.items():
        then, dated = warehouse.query(sql), "month_on" if name != "leverage" else "quarter_on"
        until = full[name][pd.to_datetime(full[name][dated]) <= pd.Timestamp(KNOWN_UNTIL)]
        assert len(then) > 1
        pd.testing.assert_frame_equal(then, until.reset_index(drop=True), rtol=1e-9, atol=1e-9)
