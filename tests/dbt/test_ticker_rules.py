"""From a file's ticker to the price symbol: the SQL says what `sources.tickers` says."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest

from pipelines.catalog.models import load_catalog
from pipelines.sources.tickers import OPEN_END, map_ticker, rules_known_on

CATALOG = load_catalog()
TICKERS = CATALOG.tickers


def file_dates() -> list[date]:
    """Return the days on which an answer can change, and the days beside them."""
    edges = {r.valid_to for r in (*TICKERS.renames, *TICKERS.reuses)}
    edges |= {r.valid_from for r in (*TICKERS.renames, *TICKERS.reuses)}
    edges -= {OPEN_END, date(1900, 1, 1)}
    return sorted({day + timedelta(days=shift) for day in edges for shift in (-1, 0, 1)})


def every_line() -> pd.DataFrame:
    """Return one line per ticker that a rule names and day on which it can matter."""
    named = {r.universe_ticker for r in TICKERS.renames} | set(TICKERS.class_shares)
    named |= {r.price_symbol for r in (*TICKERS.renames, *TICKERS.reuses)} | {"PLAIN"}
    lines = [
        {"as_of_on": day, "line_no": number, "ticker": ticker}
        for day in file_dates()
        for number, ticker in enumerate(sorted(named), start=1)
    ]
    return pd.DataFrame(lines).assign(
        fund_id="IVV", edition="only", name="a company", asset_class="Equity"
    )


@pytest.fixture
def filled(dbt_warehouse):
    dbt_warehouse.insert(
        "reference.funds", [{"fund_id": "IVV", "universe_id": "sp_500", "has_holdings": True}]
    )
    dbt_warehouse.insert(
        "reference.class_shares",
        [{"universe_ticker": t, "price_symbol": s} for t, s in TICKERS.class_shares.items()],
    )
    dbt_warehouse.insert("reference.ticker_renames", [r.model_dump() for r in TICKERS.renames])
    dbt_warehouse.insert("reference.ticker_reuses", [r.model_dump() for r in TICKERS.reuses])
    dbt_warehouse.insert("raw.fund_holdings", every_line())
    return dbt_warehouse


@pytest.mark.parametrize("as_of", [date(2018, 6, 1), date(2025, 4, 4), date(2025, 12, 31)])
def test_sql_and_python_map_every_ticker_alike(filled, as_of) -> None:
    filled.build("+int_universe_lines_mapped", command="run", as_of=as_of)
    mapped = filled.query(
        "select ticker, as_of_on, price_symbol from intermediate.int_universe_lines_mapped"
    )
    rules = rules_known_on(TICKERS, as_of)

    assert len(mapped) == len(every_line())
    wrong = [
        (ticker, day.date(), symbol, expected)
        for ticker, day, symbol in mapped.itertuples(index=False, name=None)
        if (symbol if isinstance(symbol, str) else None)
        != (expected := map_ticker(ticker, day.date(), rules))
    ]
    assert wrong == []


def test_a_rebuild_as_of_a_past_day_does_not_know_later_renames(filled) -> None:
    # Paramount traded as PARA until 6 August 2025
    seen = {}
    for as_of in (date(2025, 8, 6), date(2025, 8, 7)):
        filled.build("+int_universe_lines_mapped", command="run", as_of=as_of)
        seen[as_of] = filled.query(
            "select distinct price_symbol from intermediate.int_universe_lines_mapped "
            "where ticker = 'VIAC' and as_of_on <= '2022-02-16'"
        )["price_symbol"].tolist()
    assert seen == {date(2025, 8, 6): ["PARA"], date(2025, 8, 7): ["PSKY"]}
