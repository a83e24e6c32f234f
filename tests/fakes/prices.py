"""A stand-in for the network: answers from a function, remembers what it was asked."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import BaseAdapter

from pipelines.catalog.models import Provider
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import FetchContext, Payload

Answer = tuple[int, dict[str, str], bytes]


class Asked:
    """One request as a test wants to look at it."""

    def __init__(self, request: requests.PreparedRequest) -> None:
        parts = urlsplit(request.url)
        self.host = parts.netloc
        self.path = parts.path
        self.query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        self.headers = {name.lower(): value for name, value in request.headers.items()}


class AnsweringAdapter(BaseAdapter):
    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        super().__init__()
        self.answer = answer
        self.asked: list[Asked] = []

    def send(self, request, **_):
        asked = Asked(request)
        self.asked.append(asked)
        status, headers, body = self.answer(asked)
        response = requests.Response()
        response.status_code = status
        response.headers.update(headers)
        response.raw = io.BytesIO(body)
        response.request = request
        response.url = request.url
        return response

    def close(self) -> None:
        pass


def provider(name: str, **changes) -> Provider:
    rules = {"id": name, "title": name, "user_agent": "smallcaps-test", "min_interval_s": 0}
    return Provider(**(rules | {"terms": "none", "max_attempts": 2} | changes))


def client_for(adapter: AnsweringAdapter, *names: str, secrets=()) -> HttpClient:
    return HttpClient(
        [provider(name) for name in names],
        adapter=adapter,
        secrets=secrets,
        pacing=False,
        sleep=lambda _: None,
        now=lambda: datetime(2025, 4, 4, 22, tzinfo=UTC),
    )


def fetch_context(now: datetime, state=(), kept=None, **more) -> FetchContext:
    return FetchContext(
        as_of=now.date(),
        now=now,
        state={s.item: s for s in state},
        keep=(kept if kept is not None else []).append,
        **more,
    )


def payload_of(provider_id: str, kind: str, item: str, body, status=200, **context) -> Payload:
    return Payload(
        provider=provider_id,
        kind=kind,
        item=item,
        url="https://source.test/x",
        status=status,
        headers={},
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        fetched_at=datetime(2025, 4, 4, 22, tzinfo=UTC),
        context=context,
    )
