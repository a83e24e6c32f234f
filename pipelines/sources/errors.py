"""What can go wrong at a source, as one tree. Every message names source, item and rule.

An error says by its type what the night does with it:

* `SourceUnavailable` and `UnknownItem`: data is *missing*; the last rows stay, flagged.
* `SourceContractChanged`: data is *wrong*; the batch is refused and nothing is built on it.

No message ever carries a key: callers pass redacted addresses only.
"""

from __future__ import annotations

from pipelines.errors import SmallcapsError


class SourceError(SmallcapsError):
    """A source did not give what was asked of it."""

    def __init__(self, source: str, item: str, rule: str) -> None:
        """Name the source (provider id), the item (series, symbol, fund, file) and the rule."""
        super().__init__(f"{source}: {item}: {rule}")
        self.source = source
        self.item = item
        self.rule = rule


class SourceUnavailable(SourceError):
    """The source is down, busy, blocking us or answering with a page instead of data."""


class UnknownItem(SourceError):
    """The source answered, and says that it does not know this item (any more)."""


class SourceContractChanged(SourceError):
    """The payload does not have the shape that the source promises."""
