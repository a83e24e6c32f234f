"""From the issuer's ticker to the price symbol, and from holdings lines to what is priced.

The rule lives here; the reviewed data it works on is `catalog/tickers.yaml`. In SQL
`stg_reference__ticker_renames` does what `rules_known_on` does and `int_universe_lines_mapped` what
`map_ticker` does; `tests/dbt` compares them. Nothing here fetches.

The rule, in this order, for the ticker of a file of a given date:

1. no ticker (blank, `-`, `--`): no member;
2. a rename whose dates hold the file's date: its price symbol, and `reuses` is not asked;
3. a class share spelling: its price symbol;
4. the ticker as it stands, unless `reuses` has it on the file's date: then no member.

`reuses` is asked for step 4 only: PEAK of 2023 is DOC today, while DOC of 2023 was another company.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from pipelines.catalog.models import TickerMap, TickerRename

NO_TICKER = frozenset({"", "-", "--"})
OPEN_END = date(9999, 12, 31)

Reason = Literal["no_ticker", "reused", "no_prices"]


@dataclass(frozen=True, slots=True)
class EquityLine:
    """One line of asset class Equity of one holdings file."""

    fund_id: str
    as_of_on: date
    ticker: str | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A ticker that has no prices, with the first and last file that names it."""

    ticker: str
    name: str
    price_symbol: str | None
    reason: Reason
    first_file_on: date
    last_file_on: date
    lines: int


def rules_known_on(tickers: TickerMap, as_of: date) -> TickerMap:
    """Return the map as it could be applied on `as_of`, each rename leading to its last symbol.

    A rename whose `valid_to` has not passed is left out (the open end marks a spelling and always
    stays). Chains are followed: HCP of 2018 leads to PEAK, and from March 2024 on to DOC.
    """
    known = [r for r in tickers.renames if r.valid_to < as_of or r.valid_to == OPEN_END]
    by_ticker: dict[str, list[TickerRename]] = {}
    for rename in known:
        by_ticker.setdefault(rename.universe_ticker, []).append(rename)

    def last_symbol(rename: TickerRename) -> str:
        symbol, day = rename.price_symbol, rename.valid_to
        while day < OPEN_END:
            day += timedelta(days=1)
            following = [r for r in by_ticker.get(symbol, ()) if r.valid_from <= day <= r.valid_to]
            if not following:
                break
            symbol, day = following[0].price_symbol, following[0].valid_to
        return symbol

    return tickers.model_copy(
        update={
            "renames": tuple(r.model_copy(update={"price_symbol": last_symbol(r)}) for r in known)
        }
    )


def map_ticker(universe_ticker: str | None, file_date: date, tickers: TickerMap) -> str | None:
    """Return the price symbol of an issuer's ticker in a file of `file_date`; None: no member.

    `tickers` is what `rules_known_on` returned for the day of the run.
    """
    ticker = (universe_ticker or "").strip()
    if ticker in NO_TICKER:
        return None
    for rename in tickers.renames:
        if rename.universe_ticker == ticker and rename.valid_from <= file_date <= rename.valid_to:
            return rename.price_symbol
    if ticker in tickers.class_shares:
        return tickers.class_shares[ticker]
    for reuse in tickers.reuses:
        if reuse.price_symbol == ticker and reuse.valid_from <= file_date <= reuse.valid_to:
            return None
    return ticker


def price_symbols(lines: Iterable[EquityLine], tickers: TickerMap, *, as_of: date) -> list[str]:
    """Return the distinct symbols to price: those of the newest file first, then alphabetical.

    All files of all dates count, so that former members are priced for the history of breadth. The
    order matters where a run is cut short: present members come before those who left long ago.
    """
    rules = rules_known_on(tickers, as_of)
    newest: dict[str, date] = {}
    for (ticker, day), _ in _by_ticker_and_day(lines).items():
        symbol = map_ticker(ticker, day, rules)
        if symbol is not None:
            newest[symbol] = max(newest.get(symbol, day), day)
    return sorted(newest, key=lambda symbol: (-newest[symbol].toordinal(), symbol))


def find_unmatched(
    lines: Iterable[EquityLine], tickers: TickerMap, *, as_of: date, priced: Collection[str]
) -> list[Unmatched]:
    """Return every ticker that leads to no prices and why, those of the newest files first.

    `priced` are the symbols that have prices. Grain: issuer's ticker, price symbol and reason.
    """
    rules = rules_known_on(tickers, as_of)
    have = set(priced)
    found: dict[tuple[str, str | None, Reason], Unmatched] = {}
    for (ticker, day), (name, count) in _by_ticker_and_day(lines).items():
        symbol = map_ticker(ticker, day, rules)
        if symbol is not None and symbol in have:
            continue
        reason: Reason
        if symbol is not None:
            reason = "no_prices"
        else:
            reason = "no_ticker" if ticker in NO_TICKER else "reused"
        old = found.get((ticker, symbol, reason))
        found[ticker, symbol, reason] = Unmatched(
            ticker=ticker,
            name=old.name if old and old.last_file_on > day else name,
            price_symbol=symbol,
            reason=reason,
            first_file_on=min(day, old.first_file_on) if old else day,
            last_file_on=max(day, old.last_file_on) if old else day,
            lines=count + (old.lines if old else 0),
        )
    return sorted(found.values(), key=lambda u: (-u.last_file_on.toordinal(), u.ticker))


def _by_ticker_and_day(
    lines: Iterable[EquityLine],
) -> dict[tuple[str, date], tuple[str, int]]:
    """Count the lines of each ticker and file date, with the name of one of them."""
    counted: dict[tuple[str, date], tuple[str, int]] = {}
    for line in lines:
        key = ((line.ticker or "").strip(), line.as_of_on)
        name, count = counted.get(key, (line.name, 0))
        counted[key] = (name, count + 1)
    return counted
