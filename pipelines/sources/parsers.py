"""Every payload kind with its parser: what landing needs to read a payload again."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.sources import (
    agencies,
    fred_api,
    fred_graph,
    french,
    ishares,
    prices,
    sec,
    sec_frames,
    shiller,
    ssga,
)
from pipelines.sources.collect import Parser

_PROVIDERS = (
    fred_api,
    fred_graph,
    agencies,
    prices,
    ishares,
    ssga,
    french,
    shiller,
    sec,
    sec_frames,
)

PARSERS: Mapping[str, Parser] = {
    kind: parser for module in _PROVIDERS for kind, parser in module.PARSERS.items()
}
"""Payload kind to parser. Kinds are unique over all providers."""
