"""From issuers' tickers to price symbols, and to the list of what is priced."""

from __future__ import annotations

from datetime import date

import pytest

from pipelines.catalog.models import TickerMap
from pipelines.sources.tickers import (
    EquityLine,
    find_unmatched,
    map_ticker,
    price_symbols,
    rules_known_on,
)


def rename(old: str, new: str, **dates: str) -> dict[str, str]:
    return {"universe_ticker": old, "price_symbol": new, "note": "n", **dates}


TICKERS = TickerMap.model_validate(
    {
        "class_shares": {"AAB": "AA-B"},
        "renames": [
            rename("OLD", "MID", valid_to="2019-12-31"),
            rename("MID", "DUP", valid_from="2020-01-01", valid_to="2024-03-03"),
            rename("BACK", "AWAY", valid_to="2021-06-30"),
            rename("AWAY", "BACK", valid_from="2021-07-01", valid_to="2022-06-30"),
            rename("CODE*", "CODE"),
        ],
        "reuses": [{"price_symbol": "DUP", "valid_to": "2024-03-03", "note": "n"}],
    }
)
TODAY = rules_known_on(TICKERS, date(2025, 4, 4))


@pytest.mark.parametrize(
    ("ticker", "file_date", "symbol"),
    [
        ("XYZ", date(2025, 1, 2), "XYZ"),
        (" XYZ ", date(2025, 1, 2), "XYZ"),
        ("AAB", date(2025, 1, 2), "AA-B"),
        ("-", date(2025, 1, 2), None),
        ("--", date(2025, 1, 2), None),
        ("", date(2025, 1, 2), None),
        (None, date(2025, 1, 2), None),
        # a rename holds for files up to its last day
        ("MID", date(2024, 3, 3), "DUP"),
        ("MID", date(2024, 3, 4), "MID"),
        # the same symbol was another company's until that day, and is this one's since
        ("DUP", date(2024, 3, 3), None),
        ("DUP", date(2024, 3, 4), "DUP"),
        # two renames in a row, and one that came back
        ("OLD", date(2018, 5, 1), "DUP"),
        ("BACK", date(2020, 5, 1), "BACK"),
        ("AWAY", date(2022, 1, 3), "BACK"),
        ("BACK", date(2025, 1, 2), "BACK"),
        ("CODE*", date(2013, 5, 1), "CODE"),
    ],
)
def test_a_ticker_leads_to_todays_symbol(ticker, file_date, symbol) -> None:
    assert map_ticker(ticker, file_date, TODAY) == symbol


@pytest.mark.parametrize(
    ("as_of", "symbol"),
    [
        (date(2019, 12, 31), "OLD"),
        (date(2020, 1, 1), "MID"),
        (date(2024, 3, 3), "MID"),
        (date(2024, 3, 4), "DUP"),
    ],
)
def test_nobody_knows_a_rename_before_it_happens(as_of, symbol) -> None:
    assert map_ticker("OLD", date(2018, 5, 1), rules_known_on(TICKERS, as_of)) == symbol


def lines(*given: tuple[str | None, str]) -> list[EquityLine]:
    return [EquityLine("SMX", date.fromisoformat(day), ticker, f"{ticker} INC")
            for ticker, day in given]  # fmt: skip


def test_present_members_come_first_and_former_ones_stay() -> None:
    given = lines(
        ("ZZZ", "2025-02-04"), ("AAB", "2025-02-04"), ("GONE", "2020-01-31"), (None, "2025-02-04"),
        ("OLD", "2018-05-01"), ("DUP", "2025-02-04"), ("ZZZ", "2020-01-31"), ("DUP", "2023-01-31"),
    )  # fmt: skip
    assert price_symbols(given, TICKERS, as_of=date(2025, 4, 4)) == ["AA-B", "DUP", "ZZZ", "GONE"]


def test_the_report_says_what_has_no_prices_and_why() -> None:
    given = lines(
        ("ZZZ", "2025-02-04"), ("GONE", "2020-01-31"), ("GONE", "2020-02-28"), ("-", "2025-02-04"),
        ("-", "2025-02-04"), ("DUP", "2023-01-31"), ("MID", "2023-01-31"),
    )  # fmt: skip
    report = find_unmatched(given, TICKERS, as_of=date(2025, 4, 4), priced={"ZZZ"})
    assert [(u.ticker, u.price_symbol, u.reason, u.lines) for u in report] == [
        ("-", None, "no_ticker", 2),
        ("DUP", None, "reused", 1),
        ("MID", "DUP", "no_prices", 1),
        ("GONE", "GONE", "no_prices", 2),
    ]
    gone = report[-1]
    assert (gone.first_file_on, gone.last_file_on) == (date(2020, 1, 31), date(2020, 2, 28))
    assert gone.name == "GONE INC"
