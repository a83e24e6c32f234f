"""Each reconciliation is silent where two sources agree, and finds the row where they do not."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from pipelines.defs.dbt import runner

NAMES = {
    "index": "assert_an_index_fund_moves_with_its_index",
    "adjusted": "assert_adjusted_returns_differ_only_by_distributions",
    "fred": "assert_fred_says_what_the_agency_says",
    "nav": "assert_a_funds_assets_are_the_sum_of_its_holdings",
}
DAYS = [date(2025, 9, 1) + timedelta(days=n) for n in range(6)]
PAID_ON = DAYS[3]
OPEN = "date '9999-12-31'"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """The tables that the tests read, with agreeing sources: a market, a fund, a yield, a file."""
    path = tmp_path / "warehouse.duckdb"
    closes = {day: 100.0 + n - (1.0 if day >= PAID_ON else 0) for n, day in enumerate(DAYS)}
    with duckdb.connect(str(path)) as connection:
        for schema in ("staging", "intermediate", "marts"):
            connection.execute(f"create schema {schema}")
        connection.execute(
            "create table staging.stg_prices__instrument_bars "
            "(symbol varchar, traded_on date, close decimal(18, 6), total_return_ratio double)"
        )
        before = None
        for day, close in closes.items():
            paid = 1.0 if day == PAID_ON else 0.0
            ratio = None if before is None else (close + paid) / before
            connection.execute(
                "insert into staging.stg_prices__instrument_bars values "
                "('IWM', ?, ?, ?), ('^RUT', ?, ?, ?)",
                [day, close, ratio, day, close + (1.0 if day >= PAID_ON else 0.0), None],
            )
            before = close
        connection.execute(
            f"""
            create table staging.stg_prices__instrument_events as
            select 'IWM' as symbol, 'dividend' as event_kind, date '{PAID_ON}' as event_on,
                1.0 as amount_usd;
            create table intermediate.int_instrument_prices_adjusted as
            select symbol, traded_on, close, cast(close as double)
                - case when symbol = 'IWM' and traded_on < date '{PAID_ON}' then 1 else 0 end
                as adj_close
            from staging.stg_prices__instrument_bars;
            create table staging.stg_fred__observations as
            select 'DGS10' as series_id, date '2025-09-01' as observed_on, 4.25 as value,
                {OPEN} as realtime_end;
            create table staging.stg_agencies__observations as
            select *, 'treasury' as source from staging.stg_fred__observations;
            create table marts.fund_flows as
            select 'IWM' as fund_id, date '2025-09-01' as traded_on, 5e9 as aum_usd,
                0.7 as aum_gap_pct
            """
        )
    return path


def failures(path: Path) -> dict[str, tuple[str, int]]:
    results = runner.test(list(NAMES.values()), build_path=path, variables={"as_of": "2025-10-10"})
    short = {name: key for key, name in NAMES.items()}
    return {short[r.name]: (r.status, r.failures) for r in results}


def test_sources_that_agree_are_not_mentioned_and_each_break_is_found_once(tables: Path) -> None:
    assert failures(tables) == dict.fromkeys(NAMES, ("pass", 0))
    with duckdb.connect(str(tables)) as connection:
        connection.execute(
            f"""
            update intermediate.int_instrument_prices_adjusted set close = close * 0.98
            where symbol = '^RUT' and traded_on = date '{DAYS[-1]}';
            update staging.stg_prices__instrument_events set amount_usd = 0.5;
            update staging.stg_agencies__observations set value = 4.52;
            update marts.fund_flows set aum_gap_pct = -2.4
            """
        )
    assert failures(tables) == dict.fromkeys(NAMES, ("warn", 1))
