"""The reviewed data on funds and tickers: complete, and without contradictions."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from itertools import pairwise

import pytest
import yaml

from pipelines.catalog.models import CATALOG_DIR, Fund, TickerMap, read_entries
from pipelines.sources.tickers import map_ticker, rules_known_on

FUNDS = {f.id: f for f in read_entries(CATALOG_DIR / "funds.yaml", Fund, id_field="id")}
TICKERS = TickerMap.model_validate(
    yaml.safe_load((CATALOG_DIR / "tickers.yaml").read_text(encoding="utf-8"))
)


def test_every_group_of_the_methods_has_a_fund() -> None:
    groups = Counter(fund.group for fund in FUNDS.values())
    assert groups == {
        "small_cap": 3, "large_cap": 2, "small_value": 1, "small_growth": 1, "sector": 12,
    }  # fmt: skip
    assert {f.sector for f in FUNDS.values() if f.group == "sector"} == {
        "Communication", "Consumer Discretionary", "Consumer Staples", "Energy", "Financials",
        "Health Care", "Industrials", "Information Technology", "Materials", "Real Estate",
        "Utilities",
    }  # fmt: skip


def test_the_two_universes_have_one_fund_each_with_holdings() -> None:
    universes = {f.universe_id: f.id for f in FUNDS.values() if f.universe_id and f.holdings}
    assert universes == {"russell_2000": "IWM", "sp_500": "IVV"}


def test_product_ids_are_those_of_the_issuers() -> None:
    ishares = {f.id: f.product_id for f in FUNDS.values() if f.issuer == "ishares"}
    assert ishares == {
        "IWM": "239710", "IVV": "239726", "IWN": "239712", "IWO": "239709", "IJR": "239774",
    }  # fmt: skip
    assert all(f.slug == f.id.lower() for f in FUNDS.values() if f.issuer == "ssga")


def test_a_ticker_has_one_rename_at_a_time() -> None:
    spans = defaultdict(list)
    for rename in TICKERS.renames:
        assert rename.valid_from <= rename.valid_to, rename
        spans[rename.universe_ticker].append((rename.valid_from, rename.valid_to))
    for ticker, found in spans.items():
        found.sort()
        for (_, earlier_end), (later_start, _) in pairwise(found):
            assert earlier_end < later_start, ticker


def test_a_class_share_is_no_rename() -> None:
    assert not set(TICKERS.class_shares) & {r.universe_ticker for r in TICKERS.renames}


@pytest.mark.parametrize(
    ("ticker", "file_date", "symbol"),
    [
        ("BRKB", date(2025, 1, 31), "BRK-B"),
        ("MOGA", date(2025, 1, 31), "MOG-A"),
        ("BF.B", date(2016, 1, 29), "BF-B"),
        ("FB", date(2022, 5, 31), "META"),
        ("HCP", date(2018, 1, 31), "DOC"),
        ("PEAK", date(2023, 1, 31), "DOC"),
        ("DOC", date(2023, 11, 22), None),
        ("DOC", date(2024, 3, 28), "DOC"),
        ("LB", date(2020, 1, 31), "BBWI"),
        ("LB", date(2023, 1, 31), None),
        ("LB", date(2025, 1, 31), "LB"),
        ("AA", date(2015, 1, 30), "HWM"),
        ("IR", date(2019, 1, 31), "TT"),
        ("IR", date(2021, 1, 29), "IR"),
        ("TT", date(2021, 1, 29), "TT"),
        ("FISV", date(2022, 1, 31), "FI"),
        ("PARA", date(2024, 1, 31), "PARA"),
        ("BBT", date(2018, 1, 31), "TFC"),
    ],
)
def test_known_cases_on_4_april_2025(ticker, file_date, symbol) -> None:
    assert map_ticker(ticker, file_date, rules_known_on(TICKERS, date(2025, 4, 4))) == symbol


@pytest.mark.parametrize(
    ("ticker", "file_date", "symbol"),
    [
        ("FISV", date(2022, 1, 31), "FISV"),
        ("FI", date(2024, 1, 31), "FISV"),
        ("CBS", date(2018, 1, 31), "PSKY"),
    ],
)
def test_known_cases_at_the_end_of_2025(ticker, file_date, symbol) -> None:
    assert map_ticker(ticker, file_date, rules_known_on(TICKERS, date(2025, 12, 31))) == symbol
