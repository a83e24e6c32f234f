"""The simulated market as a transport: a `requests` adapter that answers the sources' own URLs.

Everything it serves is simulated. No value, company or statistic in it is real: it exists so that
the whole pipeline runs, the same on any day, without keys and without a network. Routing by host
lives here; what each provider says is in `fred`, `yahoo`, `issuers`, `filings` and `documents`.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping
from datetime import date, time
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from pipelines.sample.documents import DocumentsWire
from pipelines.sample.economy import DEFAULT_SEED, LAST_SESSION, SIMULATED_TO, Economy
from pipelines.sample.filings import FilingsWire
from pipelines.sample.fred import FredWire
from pipelines.sample.issuers import IssuersWire
from pipelines.sample.long_history import LongHistory
from pipelines.sample.macro import Macro
from pipelines.sample.market import Market
from pipelines.sample.vintages import FredHistory
from pipelines.sample.wire import Answer, Ask, html_page, http_date
from pipelines.sample.yahoo import YahooWire
from pipelines.settings import PUBLIC_HOSTS

Handler = Callable[[Ask], Answer]
_HOSTS = {urlsplit(url).netloc: provider for provider, url in PUBLIC_HOSTS.items()}


def sample_clock() -> date:
    """Return the sample world's today: its last session."""
    return LAST_SESSION


class SampleAdapter(BaseAdapter):
    """Answers GET requests to the public hosts with simulated data in the providers' formats.

    All of it is simulated. `now` moves the clock (default: `last_session`): nothing that is dated
    or published later than that day is served, so two nights can be played one after the other.
    Replies depend on seed, clock and request alone, byte for byte.

    Raises:
        ValueError: the clock is past the end of the simulation.
    """

    def __init__(
        self,
        *,
        seed: int = DEFAULT_SEED,
        last_session: date = LAST_SESSION,
        now: date | None = None,
    ) -> None:
        super().__init__()
        self.now = last_session if now is None else now
        if self.now > SIMULATED_TO:
            raise ValueError(f"the simulation ends on {SIMULATED_TO}, before {self.now}")
        # One thread at a time: rendering is pure computation and the caches are shared.
        self._lock = threading.RLock()
        economy = Economy(seed)
        macro = Macro(economy)
        fred = FredWire(FredHistory(macro))
        market = Market(economy, macro)
        yahoo = YahooWire(market)
        issuers = IssuersWire(market, yahoo)
        filings = FilingsWire(yahoo)
        documents = DocumentsWire(macro, fred, LongHistory(market))
        self._handlers: Mapping[str, Handler] = {
            "fred-api": fred.api,
            "fred-graph": fred.graph,
            "yahoo": yahoo.chart,
            "ishares": issuers.ishares,
            "blackrock": issuers.blackrock,
            "ssga": issuers.ssga,
            "sec": filings.data,
            "sec-www": filings.website,
            "french": documents.french,
            "shiller": documents.shiller,
            "shiller-page": documents.shiller_page,
            "treasury": documents.treasury,
            "fed-board": documents.board,
            "ecb": documents.ecb,
        }

    def send(  # noqa: D102 - the base class says it
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002
        timeout: Any = None,  # noqa: ARG002
        verify: Any = True,  # noqa: ARG002
        cert: Any = None,  # noqa: ARG002
        proxies: Any = None,  # noqa: ARG002
    ) -> requests.Response:
        parts = urlsplit(request.url or "")
        ask = Ask(
            path=unquote(parts.path),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={k.lower(): str(v) for k, v in (request.headers or {}).items()},
            now=self.now,
        )
        with self._lock:
            answer = self.answer(_HOSTS.get(parts.netloc, ""), ask)
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(answer.headers)
        response.headers["Date"] = http_date(self.now, time(23, 59))
        if answer.status != 304:
            response.headers["Content-Type"] = answer.content_type
            response.headers["Content-Length"] = str(len(answer.body))
        response.raw = io.BytesIO(answer.body)
        response.url = request.url or ""
        response.request = request
        response.encoding = requests.utils.get_encoding_from_headers(response.headers)
        return response

    def answer(self, provider: str, ask: Ask) -> Answer:
        """Return the reply of one provider; an unknown provider has no such page."""
        handler = self._handlers.get(provider)
        if handler is None:
            return html_page(404, "404 Not Found", "The requested URL was not found here.")
        return handler(ask)

    def close(self) -> None:
        """Nothing is open."""
