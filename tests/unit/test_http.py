import random
import threading
from datetime import timedelta
from email.utils import format_datetime

import pytest
import requests

from pipelines.catalog.models import load_catalog
from pipelines.sources.errors import SourceContractChanged, SourceUnavailable, UnknownItem
from pipelines.sources.http import HttpClient
from tests.fakes.http import (
    KEY,
    FakeAdapter,
    FakeClock,
    Reply,
    client_for,
    loopback_server,
    provider,
)

HTML = Reply("<!DOCTYPE html><html>Access denied</html>", headers={"Content-Type": "text/html"})


def get(client, name="fred-api", path="/x", **more):
    options = {"kind": "k", "item": "ITEM", "expects": "json"} | more
    return client.get(name, path, **options)


def test_requests_of_one_provider_start_an_interval_apart() -> None:
    clock, adapter = FakeClock(), FakeAdapter({"/x": Reply("{}")})
    client = client_for(adapter, provider("fred-api", min_interval_s=0.6), clock=clock)
    for _ in range(4):
        get(client)
    assert clock.at == pytest.approx(1000 + 3 * 0.6)
    assert client.requests == {"fred-api": 4}


def test_threads_share_one_pace() -> None:
    clock, starts, lock = FakeClock(), [], threading.Lock()

    def answer(_asked):
        with lock:
            starts.append(clock.at)
        return Reply("{}")

    rules = provider("yahoo", min_interval_s=0.15, max_parallel=4)
    client = client_for(FakeAdapter(answer), rules, clock=clock)
    items = list(client.map("yahoo", lambda i: get(client, "yahoo", item=str(i)).item, range(12)))
    assert [item for item, _ in items] == list(range(12))
    assert [name for _, name in items] == [str(i) for i in range(12)]
    assert clock.at >= 1000 + 11 * 0.15 - 1e-9


def test_both_hosts_of_the_sec_together_get_ten_requests_a_second_at_most() -> None:
    clock, starts = FakeClock(), []

    def answer(_asked):
        starts.append(clock.at)
        return Reply("{}")

    rules = [p for p in load_catalog().providers if p.id in ("sec", "sec-www")]
    client = client_for(FakeAdapter(answer), *rules, clock=clock)
    for n in range(40):
        get(client, "sec" if n % 3 else "sec-www", item=str(n))
    assert len(starts) == 40
    busiest = max(sum(start <= other < start + 1 for other in starts) for start in starts)
    assert busiest <= 10


def test_pacing_off_does_not_wait_between_requests() -> None:
    clock = FakeClock()
    rules = provider("fred-api", min_interval_s=0.6)
    client = client_for(FakeAdapter({"/x": Reply("{}")}), rules, clock=clock, pacing=False)
    get(client)
    get(client)
    assert clock.slept == []


@pytest.mark.parametrize(
    ("header", "waited"),
    [
        ("7", 7.0),
        (format_datetime(FakeClock().now() + timedelta(seconds=30), usegmt=True), 30.0),
    ],
)
def test_retry_after_is_honoured_in_seconds_and_as_a_date(header: str, waited: float) -> None:
    clock = FakeClock()
    adapter = FakeAdapter(
        {"/x": [Reply("slow down", 429, {"Retry-After": header}), Reply('{"a": 1}')]}
    )
    assert get(client_for(adapter, "fred-api", clock=clock)).body == b'{"a": 1}'
    assert waited <= clock.at - 1000 < waited + 1
    assert len(adapter.asked) == 2


def test_a_retry_after_beyond_reason_ends_the_attempts() -> None:
    adapter = FakeAdapter({"/x": Reply("busy", 503, {"Retry-After": "86400"})})
    with pytest.raises(SourceUnavailable, match="asks to wait 86400 s"):
        get(client_for(adapter, "fred-api"))
    assert len(adapter.asked) == 1


def test_a_429_inside_a_200_body_is_asked_again() -> None:
    adapter = FakeAdapter({"/x": [Reply('{"error_code": 429}'), Reply('{"ok": 1}')]})
    payload = get(client_for(adapter, "fred-api"), is_busy=lambda body: b"429" in body)
    assert payload.body == b'{"ok": 1}'
    assert len(adapter.asked) == 2


def test_a_429_slows_down_and_good_replies_bring_the_pace_back() -> None:
    clock = FakeClock()
    adapter = FakeAdapter({"/x": [Reply("", 429, {"Retry-After": "1"}), Reply("{}")]})
    client = client_for(adapter, provider("fred-api", min_interval_s=0.6), clock=clock)
    get(client)
    gaps = []
    for _ in range(12):
        before = clock.at
        get(client)
        gaps.append(clock.at - before)
    assert gaps[0] == pytest.approx(1.2)  # doubled when it was booked
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] == pytest.approx(0.6)


def test_retries_are_bounded_and_back_off_further_each_time() -> None:
    clock = FakeClock()
    adapter = FakeAdapter({"/x": Reply("oops", 500)})
    client = client_for(
        adapter, provider("fred-api", max_attempts=4), clock=clock, rng=random.Random(1)
    )
    with pytest.raises(SourceUnavailable, match="fred-api: ITEM: HTTP 500"):
        get(client)
    assert len(adapter.asked) == 4
    assert [0.5 * 2**n <= wait <= 1.5 * 2**n for n, wait in enumerate(clock.slept)] == [True] * 3


def test_a_reset_connection_is_asked_again() -> None:
    adapter = FakeAdapter({"/x": [requests.ConnectionError("reset"), Reply("{}")]})
    assert get(client_for(adapter, "fred-api")).status == 200


def test_an_html_page_with_200_is_no_data() -> None:
    adapter = FakeAdapter({"/x": HTML})
    with pytest.raises(SourceUnavailable, match="an HTML page with status 200"):
        get(client_for(adapter, "ishares"), "ishares", expects="binary")


@pytest.mark.parametrize(
    ("expects", "body", "reason"),
    [
        ("json", b"Too Many Requests", "no whole JSON"),
        ("json", b'{"count": 5, "observations": [', "no whole JSON"),
        ("json", b"", "an empty body"),
        ("text", b" \r\n", "an empty body"),
        ("text", b"\x93\x00\x17\xfe", "binary noise"),
        ("binary", b"", "an empty body"),
    ],
)
def test_what_cannot_be_data_is_asked_for_again(expects: str, body: bytes, reason: str) -> None:
    adapter = FakeAdapter({"/x": Reply(body)})
    with pytest.raises(SourceUnavailable, match=reason):
        get(client_for(adapter, "yahoo"), "yahoo", expects=expects)
    assert len(adapter.asked) == 4


def test_binary_bytes_and_asked_for_pages_are_data() -> None:
    client = client_for(FakeAdapter({"/x": Reply(b"PK\x03\x04\x00"), "/page": HTML}), "french")
    assert get(client, "french", expects="binary").body == b"PK\x03\x04\x00"
    assert get(client, "french", path="/page", expects="html").body.startswith(b"<!DOCTYPE")


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, UnknownItem), (403, SourceUnavailable), (400, SourceContractChanged)],
)
def test_a_refusal_is_told_by_its_type_and_not_repeated(status: int, error: type) -> None:
    adapter = FakeAdapter({"/x": Reply("no", status)})
    with pytest.raises(error):
        get(client_for(adapter, "fred-api"))
    assert len(adapter.asked) == 1


def test_a_returned_status_comes_back_for_the_connector_to_read() -> None:
    payload = get(
        client_for(FakeAdapter({"/x": Reply("why", 400)}), "fred-api"), returned_statuses={400}
    )
    assert (payload.status, payload.body) == (400, b"why")


def test_a_304_answers_a_validator_and_nothing_else() -> None:
    adapter = FakeAdapter({"/x": Reply(b"", 304)})
    client = client_for(adapter, "french")
    assert get(client, "french", etag='"e1"').status == 304
    assert adapter.asked[0].headers["if-none-match"] == '"e1"'
    with pytest.raises(SourceContractChanged):
        get(client, "french")


def test_a_provider_that_keeps_failing_is_left_alone() -> None:
    adapter = FakeAdapter({"/x": Reply("down", 500)})
    client = client_for(adapter, provider("yahoo", max_attempts=1, breaker_after=3))
    for _ in range(5):
        with pytest.raises(SourceUnavailable):
            get(client, "yahoo")
    assert len(adapter.asked) == 3
    with pytest.raises(SourceUnavailable, match="left alone after 3 failures in a row"):
        get(client, "yahoo")


def test_an_answer_of_any_kind_closes_the_breaker_again() -> None:
    down, unknown = Reply("down", 500), Reply("who?", 404)
    adapter = FakeAdapter({"/x": [down, unknown, down, unknown, down, Reply("{}")]})
    client = client_for(adapter, provider("yahoo", max_attempts=1, breaker_after=2))
    for _ in range(5):
        with pytest.raises((SourceUnavailable, UnknownItem)):
            get(client, "yahoo")
    assert get(client, "yahoo").status == 200


def test_the_key_is_in_the_request_and_in_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    secret = KEY.reveal()
    adapter = FakeAdapter(
        {
            "/x": [
                requests.ConnectionError(f"https://api.stlouisfed.org/x?api_key={secret}"),
                Reply(f'{{"you_sent": "{secret}"}}'),
            ],
            "/bad": Reply("", 500),
        }
    )
    client = client_for(adapter, "fred-api")
    with caplog.at_level("DEBUG"):
        payload = get(client, params={"id": "A"}, secret_params={"api_key": KEY})
        with pytest.raises(SourceUnavailable) as caught:
            get(client, path="/bad", secret_params={"api_key": KEY})
    assert adapter.asked[1].query == {"id": "A", "api_key": secret}
    assert payload.url == "https://api.stlouisfed.org/x?id=A"
    assert payload.body == b'{"you_sent": "********"}'
    texts = [repr(payload), caplog.text, str(caught.value), repr(caught.value.__cause__)]
    assert [secret in text for text in texts] == [False] * 4


def test_the_public_address_is_recorded_for_a_local_stand_in() -> None:
    adapter = FakeAdapter({"/stand-in/x": Reply("{}")})
    client = client_for(
        adapter, "ecb", base_urls={"ecb": "http://127.0.0.1:1/stand-in"}, contact="a@b.test"
    )
    assert get(client, "ecb").url == "https://data-api.ecb.europa.eu/x"
    assert adapter.asked[0].host == "127.0.0.1:1"


# -- a real socket ---------------------------------------------------------------------------------
def live_client(url: str, **rules) -> HttpClient:
    limits = {"max_attempts": 1, "connect_timeout_s": 2.0, "read_timeout_s": 2.0} | rules
    return HttpClient(
        [provider("ecb", **limits)], base_urls={"ecb": url}, pacing=False, sleep=lambda _: None
    )


def test_a_body_comes_whole_and_unpacked_over_a_socket() -> None:
    import gzip

    packed = gzip.compress(b"day,value\n" * 50_000)

    def handle(connection, _head):
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nConnection: close\r\n"
            b"Content-Length: %d\r\n\r\n" % len(packed) + packed
        )

    with loopback_server(handle) as url:
        payload = get(live_client(url), "ecb", expects="text")
    assert payload.body == b"day,value\n" * 50_000


def test_a_body_shorter_than_promised_is_a_failure() -> None:
    def handle(connection, _head):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nonly this")

    with loopback_server(handle) as url, pytest.raises(SourceUnavailable, match="ecb: ITEM"):
        get(live_client(url), "ecb", expects="text")


def test_a_dripping_body_is_given_up_at_the_total_timeout() -> None:
    stop = threading.Event()

    def handle(connection, _head):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not stop.wait(0.02):
            connection.sendall(b"x")

    with (
        loopback_server(handle) as url,
        pytest.raises(SourceUnavailable, match=r"not finished after 0\.2 s"),
    ):
        try:
            get(live_client(url, total_timeout_s=0.2), "ecb", expects="text")
        finally:
            stop.set()


def test_an_oversized_body_is_dropped_and_not_fetched_again() -> None:
    served = []

    def handle(connection, _head):
        served.append(1)
        connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 300_000)

    with loopback_server(handle) as url, pytest.raises(SourceUnavailable, match=r"more than 0\.1"):
        get(live_client(url, max_body_mb=0.1, max_attempts=4), "ecb", expects="text")
    assert len(served) == 1


def test_a_redirect_to_another_host_is_refused_and_one_at_home_is_followed() -> None:
    def handle(connection, head):
        where = "/there" if head.startswith("GET /home") else "http://localhost:9/x"
        if head.startswith("GET /there"):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        else:
            connection.sendall(
                b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\n"
                b"Location: %s\r\n\r\n" % where.encode()
            )

    with loopback_server(handle) as url:
        with pytest.raises(SourceUnavailable, match="redirects to another host, localhost:9"):
            get(live_client(url), "ecb", path="/away")
        assert get(live_client(url), "ecb", path="/home").body == b"{}"
