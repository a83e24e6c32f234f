"""Two stand-ins for the network: an adapter that answers from code, a real server on loopback."""

import contextlib
import io
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from requests.adapters import BaseAdapter

from pipelines.catalog.models import Provider
from pipelines.settings import Secret
from pipelines.sources.http import HttpClient
from pipelines.sources.payloads import FetchContext, ItemState, Payload

KEY = Secret("k" * 31 + "7")
"""Looks like a FRED key and is none."""


@dataclass
class Asked:
    """One request that reached the adapter."""

    host: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass
class Reply:
    body: bytes | str | Mapping[str, Any] = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)

    def encode(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


class FakeAdapter(BaseAdapter):
    """Answers from a callable, or from a mapping of path to a reply or a list of replies in turn.

    A path that is not in the mapping is a 404; an exception instead of a reply is raised.
    """

    def __init__(self, answers: Callable[[Asked], Reply] | Mapping[str, Any]) -> None:
        super().__init__()
        self._answers = answers
        self._turns: dict[str, int] = {}
        self.asked: list[Asked] = []

    def send(self, request, **_):
        parts = urlsplit(request.url)
        query = {k: v[-1] for k, v in parse_qs(parts.query, keep_blank_values=True).items()}
        asked = Asked(parts.netloc, parts.path, query, {k.lower(): v for k, v in
                                                       request.headers.items()})  # fmt: skip
        self.asked.append(asked)
        reply = self._answers(asked) if callable(self._answers) else self._in_turn(asked.path)
        if isinstance(reply, Exception):
            raise reply
        response = requests.Response()
        response.status_code = reply.status
        response.headers.update(reply.headers)
        response.raw = io.BytesIO(reply.encode())
        response.request, response.url = request, request.url
        return response

    def _in_turn(self, path: str) -> Any:
        found = self._answers.get(path, Reply("no such path", 404))
        if not isinstance(found, list):
            return found
        turn = self._turns.get(path, 0)
        self._turns[path] = turn + 1
        return found[min(turn, len(found) - 1)]

    def close(self) -> None:
        pass


class FakeClock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds

    def now(self) -> datetime:
        return datetime(2025, 4, 4, 22, tzinfo=UTC)


def provider(name: str, **changes: Any) -> Provider:
    rules = {"id": name, "title": name, "user_agent": "smallcaps/test", "min_interval_s": 0}
    return Provider(**(rules | {"terms": "none"} | changes))


def client_for(adapter: BaseAdapter, *providers: str | Provider, clock=None, **more) -> HttpClient:
    clock = clock or FakeClock()
    rules = [p if isinstance(p, Provider) else provider(p) for p in providers]
    return HttpClient(
        rules,
        adapter=adapter,
        secrets=(KEY,),
        sleep=clock.sleep,
        monotonic=clock.monotonic,
        now=clock.now,
        **more,
    )


def fetch_context(as_of: date, *states: ItemState, kept=None, **more) -> FetchContext:
    return FetchContext(
        as_of=as_of,
        now=datetime.combine(as_of, time(23), UTC),
        state={s.item: s for s in states},
        keep=(kept if kept is not None else []).append,
        **more,
    )


def catalog_of(*series: Any) -> Any:
    """A catalogue as far as the macro connectors look at one."""
    return SimpleNamespace(fred_series=series)


def payload_of(provider_id: str, kind: str, item: str, body, **context: str) -> Payload:
    return Payload(
        provider=provider_id,
        kind=kind,
        item=item,
        url="https://example.test/",
        status=200,
        headers={},
        body=Reply(body).encode(),
        fetched_at=datetime(2025, 4, 4, 22, tzinfo=UTC),
        context=context,
    )


@contextlib.contextmanager
def loopback_server(handle: Callable[[socket.socket, str], None]) -> Iterator[str]:
    """Serve raw bytes on 127.0.0.1: `handle(connection, request head)` once a connection."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                head = b""
                while b"\r\n\r\n" not in head and (part := connection.recv(4096)):
                    head += part
                if head:
                    handle(connection, head.decode("latin-1"))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)
