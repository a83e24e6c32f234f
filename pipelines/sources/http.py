"""The one way out to the network, and the only importer of requests.

`HttpClient.get` paces, retries within bounds, honours `Retry-After`, limits size and time, refuses
to leave the provider's host, and never lets a secret into a message. What a body means is the
provider modules' business; here a reply is bytes with a status.
"""

from __future__ import annotations

import logging
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal, TypeVar
from urllib.parse import urlencode, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import HTTPError

from pipelines.catalog.models import Provider
from pipelines.settings import PUBLIC_HOSTS, Secret
from pipelines.sources.errors import SourceContractChanged, SourceUnavailable, UnknownItem
from pipelines.sources.payloads import Payload

Transport = BaseAdapter
"""What carries requests out; the sample world and tests bring their own."""

Expects = Literal["json", "text", "binary", "html"]
"""What a good body is. An HTML page in place of data is a refusal, unless a page was asked for."""
T = TypeVar("T")
R = TypeVar("R")

RETRIED = frozenset({408, 429, 500, 502, 503, 504})
LONGEST_RETRY_AFTER_S = 120.0
KEPT_HEADERS = frozenset(
    {"content-type", "content-length", "etag", "last-modified", "date", "x-replay-clock", "age"}
)
_HTML = re.compile(rb"^\s*(<!doctype html|<html)", re.IGNORECASE)

log = logging.getLogger(__name__)
# At DEBUG it writes every address with its query, and a key may stand there.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


class _Again(Exception):
    """This attempt failed in a way that another may not."""

    def __init__(self, reason: str, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait_s = wait_s


class _Pace:
    """Starts of requests to one provider, at least `interval` seconds apart over all threads.

    A provider that says "too many" doubles the interval and holds every thread back as long as it
    asks; each good reply then takes a tenth off again, down to where it began.
    """

    def __init__(self, interval: float) -> None:
        self.interval = interval
        self._first = interval
        self._lock = threading.Lock()
        self._next = 0.0

    def wait(self, monotonic: Callable[[], float], sleep: Callable[[float], None]) -> None:
        with self._lock:
            now = monotonic()
            start = max(now, self._next)
            self._next = start + self.interval
        if start > now:
            sleep(start - now)

    def slow_down(self, now: float, wait_s: float | None) -> None:
        with self._lock:
            self.interval = min(max(self.interval * 2, 0.1), 10.0)
            if wait_s is not None and wait_s <= LONGEST_RETRY_AFTER_S:
                self._next = max(self._next, now + wait_s)

    def speed_up(self) -> None:
        with self._lock:
            self.interval = max(self._first, self.interval * 0.9)


class HttpClient:
    """GET for all connectors.

    `adapter` replaces the network for every address (the sample world, tests). `sleep`,
    `monotonic`, `now` and `rng` come in as arguments so that tests need neither patches nor time.
    With `pacing=False` requests are not spaced and back-off is a tenth, `Retry-After` still holds.
    """

    def __init__(
        self,
        providers: Iterable[Provider],
        *,
        base_urls: Mapping[str, str] = PUBLIC_HOSTS,
        secrets: Collection[Secret] = (),
        contact: str | None = None,
        pacing: bool = True,
        adapter: BaseAdapter | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        rng: random.Random | None = None,
    ) -> None:
        self._providers = {p.id: p for p in providers}
        self._base_urls = dict(base_urls)
        self._secrets = tuple(secrets)
        self._contact = contact or "no contact given"
        self._pacing = pacing
        self._adapter = adapter
        self._sleep = sleep
        self._monotonic = monotonic
        self._now = now
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not secrecy
        paces = {p.id: _Pace(p.min_interval_s if pacing else 0.0) for p in self._providers.values()}
        self._paces = {p.id: paces[p.paced_with or p.id] for p in self._providers.values()}
        self._failures: Counter[str] = Counter()
        self._local = threading.local()
        self._lock = threading.Lock()
        self.requests: Counter[str] = Counter()
        """Requests sent so far, by provider, retries included."""

    # -- public -------------------------------------------------------------------------------
    def get(
        self,
        provider: str,
        path: str,
        *,
        kind: str,
        item: str,
        expects: Expects,
        params: Mapping[str, str] | None = None,
        secret_params: Mapping[str, Secret] | None = None,
        secret_headers: Mapping[str, Secret] | None = None,
        context: Mapping[str, str] | None = None,
        etag: str | None = None,
        last_modified: str | None = None,
        returned_statuses: Collection[int] = (),
        is_busy: Callable[[bytes], bool] | None = None,
    ) -> Payload:
        """Fetch one address and return its payload.

        A 304 comes back as a payload with status 304 and no body (only when a validator was sent).
        Statuses in `returned_statuses` come back as payloads for the connector to read. `is_busy`
        recognises a "too many requests" inside a 200 body.

        Raises:
            SourceUnavailable: retries are used up, the provider blocks us, answers with an HTML
                page, nothing, noise, an oversized or truncated body, or sends us to another host.
            UnknownItem: 404.
            SourceContractChanged: any other 4xx: the request is not what the source understands.
        """
        rules = self._providers[provider]
        if self._failures[provider] >= rules.breaker_after:
            raise SourceUnavailable(
                provider, item, f"left alone after {self._failures[provider]} failures in a row"
            )
        reason = ""
        for attempt in range(rules.max_attempts):
            self._paces[provider].wait(self._monotonic, self._sleep)
            try:
                payload = self._attempt(
                    rules, path, kind, item, expects, dict(params or {}), dict(secret_params or {}),
                    dict(secret_headers or {}), dict(context or {}), etag, last_modified,
                    frozenset(returned_statuses), is_busy,
                )  # fmt: skip
            except _Again as again:
                reason = again.reason
                self._drop_session()
                if attempt + 1 < rules.max_attempts:
                    if again.wait_s is not None and again.wait_s > LONGEST_RETRY_AFTER_S:
                        reason += f"; asks to wait {again.wait_s:.0f} s, more than we do"
                        break
                    wait = again.wait_s if again.wait_s is not None else self._back_off(attempt)
                    log.info("%s: %s: %s; again in %.1f s", provider, item, reason, wait)
                    self._sleep(wait)
                continue
            except SourceUnavailable:
                self._count_failure(provider)
                raise
            except (UnknownItem, SourceContractChanged):
                self._failures[provider] = 0  # it answered: the provider itself is well
                raise
            self._failures[provider] = 0
            self._paces[provider].speed_up()
            return payload
        self._count_failure(provider)
        raise SourceUnavailable(provider, item, self.redact(reason))

    def _count_failure(self, provider: str) -> None:
        with self._lock:
            self._failures[provider] += 1

    def map(
        self, provider: str, function: Callable[[T], R], items: Sequence[T]
    ) -> Iterator[tuple[T, R]]:
        """Call `function` for every item with the provider's parallelism; results in item order."""
        workers = self._providers[provider].max_parallel
        if workers == 1 or len(items) < 2:
            for item in items:
                yield item, function(item)
            return
        with ThreadPoolExecutor(workers, thread_name_prefix=provider) as pool:
            yield from zip(items, pool.map(function, items), strict=True)

    def redact(self, text: str) -> str:
        """Return `text` with every known secret struck out."""
        for secret in self._secrets:
            text = text.replace(secret.reveal(), "********")
        return text

    # -- one attempt --------------------------------------------------------------------------
    def _attempt(
        self,
        rules: Provider,
        path: str,
        kind: str,
        item: str,
        expects: Expects,
        params: dict[str, str],
        secret_params: dict[str, Secret],
        secret_headers: dict[str, Secret],
        context: dict[str, str],
        etag: str | None,
        last_modified: str | None,
        returned_statuses: frozenset[int],
        is_busy: Callable[[bytes], bool] | None,
    ) -> Payload:
        query = urlencode(params)
        public = f"{PUBLIC_HOSTS[rules.id]}{path}" + (f"?{query}" if query else "")
        headers = {"User-Agent": rules.user_agent.format(contact=self._contact)}
        headers |= {name: secret.reveal() for name, secret in secret_headers.items()}
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        full = params | {name: secret.reveal() for name, secret in secret_params.items()}
        url = f"{self._base_urls[rules.id]}{path}" + (f"?{urlencode(full)}" if full else "")
        with self._lock:
            self.requests[rules.id] += 1
        started = self._monotonic()
        try:
            response = self._follow(rules, item, url, headers)
            with response:
                body = self._read(rules, item, response, started)
        except (requests.RequestException, HTTPError) as error:
            raise _Again(f"{type(error).__name__} on {path}") from None
        status = response.status_code
        if status == 429 or (status == 200 and is_busy is not None and is_busy(body)):
            wait_s = _retry_after(response.headers, self._now())
            self._paces[rules.id].slow_down(self._monotonic(), wait_s)
            raise _Again("429 Too Many Requests", wait_s)
        if status in returned_statuses or (status == 304 and (etag or last_modified)):
            pass
        elif status in RETRIED:
            raise _Again(f"HTTP {status}", _retry_after(response.headers, self._now()))
        elif status == 404:
            raise UnknownItem(rules.id, item, "404, the source does not know it")
        elif status in (401, 403):
            raise SourceUnavailable(rules.id, item, f"HTTP {status}: the source refuses us")
        elif status != 200:
            raise SourceContractChanged(rules.id, item, f"HTTP {status} on {path}")
        elif reason := _why_no_data(response, expects, body):
            raise _Again(f"{reason} with status 200")
        kept = {
            k.lower(): self.redact(v)
            for k, v in response.headers.items()
            if k.lower() in KEPT_HEADERS
        }
        return Payload(
            provider=rules.id,
            kind=kind,
            item=item,
            url=self.redact(public),
            status=status,
            headers=kept,
            body=self._redact_body(body),
            fetched_at=self._now(),
            context=context,
        )

    def _follow(
        self, rules: Provider, item: str, url: str, headers: dict[str, str]
    ) -> requests.Response:
        """GET, following at most three redirects that stay on the host."""
        host = urlsplit(url).netloc
        for _ in range(4):
            response = self._session().get(
                url,
                headers=headers,
                timeout=(rules.connect_timeout_s, rules.read_timeout_s),
                stream=True,
                allow_redirects=False,
            )
            if not response.is_redirect:
                return response
            target = requests.compat.urljoin(url, response.headers["location"])
            response.close()
            if urlsplit(target).netloc != host:
                raise SourceUnavailable(
                    rules.id, item, f"redirects to another host, {urlsplit(target).netloc}"
                )
            url = target
        raise SourceUnavailable(rules.id, item, "redirects in a circle")

    def _read(
        self, rules: Provider, item: str, response: requests.Response, started: float
    ) -> bytes:
        limit = int(rules.max_body_mb * 1024 * 1024)
        parts: list[bytes] = []
        size = 0
        for part in _parts(response):
            parts.append(part)
            size += len(part)
            if size > limit:
                # Another attempt would only download it again.
                raise SourceUnavailable(
                    rules.id, item, f"a body of more than {rules.max_body_mb:g} MB"
                )
            if self._monotonic() - started > rules.total_timeout_s:
                raise _Again(f"not finished after {rules.total_timeout_s:g} s")
        return b"".join(parts)

    def _redact_body(self, body: bytes) -> bytes:
        """Strike out a secret that the source sent back: landing keeps bodies for ever."""
        for secret in self._secrets:
            body = body.replace(secret.reveal().encode(), b"********")
        return body

    # -- plumbing -----------------------------------------------------------------------------
    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = self._adapter is None
            adapter = self._adapter or HTTPAdapter(pool_maxsize=1, max_retries=0)
            session.mount("https://", adapter)
            session.mount("http://", adapter)
            self._local.session = session
        return session

    def _drop_session(self) -> None:
        """Close this thread's connections: a retry starts on a fresh one."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is not None and self._adapter is None:
            session.close()
        self._local.session = None

    def _back_off(self, attempt: int) -> float:
        spread = 0.5 + self._rng.random()
        return min(60.0, 2.0**attempt) * spread * (1.0 if self._pacing else 0.1)


def post_json(
    url: Secret,
    document: Mapping[str, object],
    *,
    attempts: int = 3,
    timeout_s: float = 10.0,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Post a JSON document to a webhook of the user's own; the address itself is a secret.

    What helps to wait for is tried again, two and then four seconds later. Redirects are refused.

    Raises:
        SourceUnavailable: nothing took it; the message names the host alone.
    """
    host = urlsplit(url.reveal()).hostname or "no host"
    reason = ""
    for attempt in range(attempts):
        if attempt:
            sleep(2.0**attempt)
        try:
            response = requests.post(
                url.reveal(), json=document, timeout=timeout_s, allow_redirects=False, stream=True
            )
        except (requests.RequestException, ValueError) as error:
            reason = type(error).__name__
            continue
        response.close()  # its body is of no interest, however long
        if response.status_code < 300:
            return
        reason = f"HTTP {response.status_code}"
        if response.status_code not in RETRIED:
            break
    raise SourceUnavailable("webhook", host, reason)


def _parts(response: requests.Response) -> Iterator[bytes]:
    """Yield the decoded body as it arrives.

    `iter_content` waits until a whole block is full, in which a dripping server could hold us for
    hours unseen by the total timeout; `read1` returns what is there.
    """
    raw = response.raw
    if isinstance(raw, HTTPResponse):
        while part := raw.read1(1 << 16, decode_content=True):
            yield part
    else:
        yield from response.iter_content(1 << 16)


def _why_no_data(response: requests.Response, expects: Expects, body: bytes) -> str | None:
    """Say why a 200 body cannot be what was asked for; None if it may be.

    What is judged here is worth another attempt: pages, nothing, noise, a body cut in the middle.
    """
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    is_html = "html" in response.headers.get("content-type", "").lower()
    if (expects in ("json", "text") or (expects == "binary" and is_html)) and _HTML.match(text):
        return "an HTML page"
    if not text:
        return "an empty body"
    if expects == "json" and (text[:1] not in (b"{", b"[") or text[-1:] not in (b"}", b"]")):
        return "a body that is no whole JSON"
    if expects == "text" and b"\0" in body and body[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return "binary noise"
    return None


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    text = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if text:
        try:
            return max(0.0, (parsedate_to_datetime(text) - now).total_seconds())
        except (TypeError, ValueError):
            return None
    return None
