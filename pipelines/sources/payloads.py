"""What a connector hands over: payloads as received, and how each request ended.

Here live only the records. Fetching is in the provider modules, storing in `storage.landing`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Literal

import pandas as pd

from pipelines.settings import Secret

Status = Literal["fetched", "unchanged", "unknown", "unavailable", "broken"]


@dataclass(frozen=True, slots=True)
class Payload:
    """One reply of one source, as received.

    `url` is redacted and carries the provider's public host even when the request went to a local
    stand-in. `kind` selects the parser (`sources.parsers`), and `context` holds everything besides
    the body that the parser needs, so that a payload read back from landing parses to the same
    frames.
    """

    provider: str
    kind: str
    item: str
    url: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    fetched_at: datetime
    context: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""
    """Content address: hex digest of the body; computed where it is not given."""
    size: int = -1
    """Length of the body in bytes; computed where it is not given."""

    def __post_init__(self) -> None:
        """Fill the content address and the size from the body."""
        if not self.sha256:
            object.__setattr__(self, "sha256", hashlib.sha256(self.body).hexdigest())
        if self.size < 0:
            object.__setattr__(self, "size", len(self.body))

    def without_body(self) -> Payload:
        """Return the record alone: thousands of bodies are not kept in memory."""
        return replace(self, body=b"")


@dataclass(frozen=True, slots=True)
class ItemOutcome:
    """How the request for one catalogued item (series, symbol, fund, file) ended.

    Statuses: `fetched`; `unchanged` (the source says nothing is new: 304, updates feed, same file);
    `unknown` (the source does not know the item); `unavailable` (source down or blocking);
    `broken` (the payload broke its contract). `detail` is the error text for the last three.
    """

    provider: str
    item: str
    status: Status
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Extract:
    """Everything that one feed brought home in one run. Payloads come without their bodies.

    `frames` maps a raw table name (`storage.contracts`) to its typed rows, all payloads together;
    every contract column that the source supplies is present, none besides. `requests` counts the
    HTTP requests sent, by provider, retries included.
    """

    feed: str
    payloads: tuple[Payload, ...]
    outcomes: tuple[ItemOutcome, ...]
    frames: Mapping[str, pd.DataFrame]
    requests: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ItemState:
    """What the warehouse already holds of one item: the connector asks only for what can be new.

    `newest_on` is the newest `observed_on` / `traded_on` / file date, `loaded_as_of` the as-of
    date of the newest load, `etag` and `last_modified` the validators of the newest stored
    payload, and `sha256` its content address. `source` is the provider of the newest rows (None:
    the preferred one). `last_status` and `asked_on` say how the last request for the item ended
    and the as-of date of that run, rows or no rows.
    """

    item: str
    newest_on: date | None = None
    oldest_on: date | None = None
    loaded_as_of: date | None = None
    etag: str | None = None
    last_modified: str | None = None
    sha256: str | None = None
    source: str | None = None
    last_status: Status | None = None
    asked_on: date | None = None


@dataclass(frozen=True, slots=True)
class FetchContext:
    """The surroundings of one fetch: what is new is decided from these alone.

    `as_of` is the day the run is for (New York); `now` (aware, UTC) is never later than the end of
    that day, so that a bar of a session still running can be told. `state` maps an item to what
    the warehouse holds. `keep` stores a payload the moment it arrives.
    """

    as_of: date
    now: datetime
    state: Mapping[str, ItemState]
    keep: Callable[[Payload], None]
    full_refresh: bool = False
    fred_api_key: Secret | None = None
    tiingo_api_key: Secret | None = None
    sec_contact: str | None = None
    progress: Callable[[str], None] = lambda _: None
