"""What a price provider has to offer: the request for a symbol's bars, and a look at the reply.

The providers are `sources.yahoo` and `sources.tiingo`; who is asked when is in `sources.prices`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from pipelines.settings import Secret
from pipelines.sources.payloads import FetchContext, Payload


@dataclass(frozen=True, slots=True)
class BarRequest:
    """One GET: path, public parameters, and headers that must not be landed."""

    path: str
    params: Mapping[str, str]
    secret_headers: Mapping[str, Secret] = field(default_factory=dict)


class PriceProvider(Protocol):
    """One source of daily bars. `kind` selects its parser in the module's `PARSERS`."""

    @property
    def id(self) -> str:
        """Provider id of the catalogue."""

    @property
    def kind(self) -> str:
        """Kind of its payloads."""

    @property
    def returned_statuses(self) -> tuple[int, ...]:
        """Error statuses whose body the provider reads itself."""

    def request(self, symbol: str, *, start: date, context: FetchContext) -> BarRequest:
        """Build the request for bars of the provider's `symbol` from `start` to the as-of day."""

    def is_busy(self, body: bytes) -> bool:
        """Say whether a body with status 200 means "too many requests"."""

    def split_dates(self, payload: Payload) -> list[date]:
        """Return the ex-dates of the payload's splits; raise SourceError where it is no data."""


def is_superseded(payload: Payload) -> bool:
    """Say whether a fuller payload of the same fetch stands for this one, which is only kept.

    A tail that shows a new split is landed as evidence, and no row comes from it.
    """
    return payload.context.get("superseded") == "yes"
