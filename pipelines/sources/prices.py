"""Daily bars of instruments and constituents: whom to ask, how far back, and what comes next.

A night asks one request per symbol that can have a new bar, and none for one that has the last
closed session. Closes are adjusted to the newest split, so a new split, or a close that the gate
found restated, makes the symbol's whole history be read again. Wire formats are in the provider
modules.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from pipelines.catalog.models import Catalog
from pipelines.sources import tiingo, yahoo
from pipelines.sources.calendar import last_closed_session, running_session
from pipelines.sources.collect import Parser, collect
from pipelines.sources.errors import (
    SourceContractChanged,
    SourceError,
    SourceUnavailable,
    UnknownItem,
)
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import Extract, FetchContext, ItemState, Payload
from pipelines.sources.price_provider import PriceProvider

PROVIDERS: Mapping[str, PriceProvider] = {
    yahoo.PROVIDER: yahoo.YahooChart(),
    tiingo.PROVIDER: tiingo.TiingoDaily(),
}
PARSERS: dict[str, Parser] = {**yahoo.PARSERS, **tiingo.PARSERS}

REVISION_DAYS = 10
"""Calendar days before the newest bar that a tail reaches back: late corrections and an overlap
from which the gate sees a restated close."""

CONSTITUENT_PROVIDERS = (yahoo.PROVIDER,)
"""No alternate: Tiingo's free allowance is 500 symbols a month, an index has 2,000."""

CONSTITUENT_HISTORY_FROM = date(2005, 6, 1)
"""The first holdings file is of 2006-10-31; a 52-week high needs 252 closes before it."""

ASK_UNKNOWN_AGAIN_ON = 0
"""Monday. About 200 former members are unknown; asking them nightly would be a tenth of all
requests for nothing. `full_refresh`, or a week without asking, asks as well."""


@dataclass(frozen=True, slots=True)
class _Target:
    """One symbol to be asked, with the providers in order and the tables that its rows fill."""

    symbol: str
    providers: tuple[str, ...]
    provider_symbols: Mapping[str, str]
    history_from: date


@dataclass(frozen=True, slots=True)
class _Night:
    """What is the same for all symbols of one fetch."""

    client: HttpClient
    context: FetchContext
    tables: Mapping[str, str]
    restated: Collection[str]
    newest_session: date
    running: date | None


def fetch_instrument_bars(
    client: HttpClient,
    catalog: Catalog,
    context: FetchContext,
    *,
    restated: Collection[str] = (),
) -> Extract:
    """Fetch bars and events of the catalogued indices and ETFs.

    Symbols in `restated` are read whole whatever the warehouse holds, and then alone: the asset
    calls again with those in which the gate found a changed past close.
    """
    targets = [
        _Target(i.symbol, i.providers, i.provider_symbols, i.history_from)
        for i in catalog.instruments
        if not restated or i.symbol in restated
    ]
    return _fetch("instrument", client, context, targets, restated)


def fetch_constituent_bars(
    client: HttpClient,
    catalog: Catalog,  # noqa: ARG001 - the shape that all feeds share
    context: FetchContext,
    symbols: Sequence[str],
    *,
    restated: Collection[str] = (),
) -> Extract:
    """Fetch bars and events of the given price symbols (grain and `restated` as above)."""
    targets = [
        _Target(symbol, CONSTITUENT_PROVIDERS, {}, CONSTITUENT_HISTORY_FROM)
        for symbol in dict.fromkeys(symbols)
        if not restated or symbol in restated
    ]
    return _fetch("constituent", client, context, targets, restated)


def _fetch(
    prefix: str,
    client: HttpClient,
    context: FetchContext,
    targets: Sequence[_Target],
    restated: Collection[str],
) -> Extract:
    night = _Night(
        client=client,
        context=context,
        tables={"bars": f"{prefix}_bars", "events": f"{prefix}_events"},
        restated=frozenset(restated),
        newest_session=last_closed_session(context.now),
        running=running_session(context.now),
    )
    return collect(
        f"{prefix}_bars",
        client,
        yahoo.PROVIDER,
        targets,
        fetch_one=lambda target: _fetch_symbol(night, target),
        parsers=PARSERS,
        context=context,
        name=lambda target: target.symbol,
    )


def _fetch_symbol(night: _Night, target: _Target) -> Sequence[Payload]:
    """Return the payloads of one symbol: none if nothing can be new, else of one provider only.

    Raises:
        SourceError: no provider had it; the preferred one's error, with what the others said.
    """
    context = night.context
    state = context.state.get(target.symbol)
    whole = context.full_refresh or target.symbol in night.restated
    if state is not None and not whole:
        if state.newest_on is not None and state.newest_on >= night.newest_session:
            return ()
        if _rests(state, context.as_of):
            raise UnknownItem(
                state.source or target.providers[0],
                target.symbol,
                "not asked: unknown when last asked, and asked again on Mondays",
            )
    first: SourceError | None = None
    for place, provider_id in enumerate(target.providers):
        # The rows in the warehouse are the preferred provider's unless the state says otherwise;
        # another provider's history is its own and is read from the start.
        holds = state is not None and (
            state.source == provider_id or (state.source is None and place == 0)
        )
        since = state.newest_on if state is not None and holds and not whole else None
        try:
            return _fetch_from(night, target, PROVIDERS[provider_id], since)
        except (SourceUnavailable, UnknownItem) as error:
            if first is None:
                first = error
            else:
                rule = f"{first.rule}; {error.source}: {error.rule}"
                first = type(first)(first.source, first.item, rule)
    if first is None:
        raise ValueError(f"{target.symbol}: the catalogue names no provider")
    raise first


def _rests(state: ItemState, as_of: date) -> bool:
    """Say whether a symbol that was unknown need not be asked today."""
    if state.last_status != "unknown" or as_of.weekday() == ASK_UNKNOWN_AGAIN_ON:
        return False
    return state.asked_on is not None and as_of - state.asked_on < timedelta(days=7)


def _fetch_from(
    night: _Night, target: _Target, provider: PriceProvider, since: date | None
) -> Sequence[Payload]:
    """Ask one provider for the tail after `since`, or for the whole history."""
    if since is not None:
        tail = _get(night, target, provider, since - timedelta(days=REVISION_DAYS))
        try:
            splits = provider.split_dates(tail)
        except SourceContractChanged:
            return [tail]  # kept in landing; parsing it says what broke
        if not any(day > since for day in splits):
            return [tail]
        whole = _get(night, target, provider, target.history_from)
        evidence = replace(tail, context={**tail.context, "superseded": "yes"})
        return [evidence, _checked(provider, whole)]
    return [_checked(provider, _get(night, target, provider, target.history_from))]


def _checked(provider: PriceProvider, payload: Payload) -> Payload:
    """Return the payload; raise where it says "unknown" or "busy": the next one is asked then."""
    try:
        provider.split_dates(payload)
    except SourceContractChanged:
        return payload  # kept in landing; parsing it says what broke
    return payload


def _get(night: _Night, target: _Target, provider: PriceProvider, start: date) -> Payload:
    asked = target.provider_symbols.get(provider.id, target.symbol)
    request = provider.request(asked, start=start, context=night.context)
    payload = night.client.get(
        provider.id,
        request.path,
        kind=provider.kind,
        item=target.symbol,
        expects="json",
        params=request.params,
        secret_headers=request.secret_headers,
        context={
            **night.tables,
            "symbol": target.symbol,
            "provider_symbol": asked,
            "running_session": night.running.isoformat() if night.running else "",
        },
        returned_statuses=provider.returned_statuses,
        is_busy=provider.is_busy,
    )
    if payload.status == 200:
        return payload
    # An error status with a readable body: it says "unknown" or "I did not understand".
    provider.split_dates(payload)
    raise SourceUnavailable(
        provider.id, target.symbol, f"HTTP {payload.status} without an error that we know"
    )
