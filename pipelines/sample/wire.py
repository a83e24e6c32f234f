"""Requests and replies of the sample world, independent of any HTTP library."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from email.utils import format_datetime, parsedate_to_datetime

TEXT_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Ask:
    """One GET: path (unquoted), query, lower-case headers, and the clock's day."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    now: date


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over the wire."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


def html_page(status: int, title: str, text: str) -> Answer:
    """Return a small HTML page, the form in which most web servers say no."""
    body = (
        f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n"
        f"<body><h1>{title}</h1><p>{text}</p></body></html>\n"
    )
    return Answer(status, body.encode(), TEXT_HTML)


def http_date(day: date, at: time = time(20, 30)) -> str:
    """Return a day and time (UTC) as an HTTP date."""
    return format_datetime(datetime.combine(day, at, UTC), usegmt=True)


def validated(ask: Ask, body: bytes, content_type: str, modified: str) -> Answer:
    """Return the body with ETag and Last-Modified, or 304 where the caller has it already."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:14]}:0"'
    headers = {"ETag": tag, "Last-Modified": modified, "Accept-Ranges": "bytes"}
    if "if-none-match" in ask.headers:
        known = ask.headers["if-none-match"] == tag
    else:
        since = ask.headers.get("if-modified-since")
        known = since is not None and parsedate_to_datetime(since) >= parsedate_to_datetime(
            modified
        )
    return Answer(304, b"", "", headers) if known else Answer(200, body, content_type, headers)
