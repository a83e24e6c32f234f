"""Every fault that is injected, as a change to one honest answer of one source.

Three kinds: what goes wrong on the way (`WIRE`), what is wrong with the bytes (`BODIES`), and what
is wrong inside a well-formed document (`TABLES`). A fault says nothing about its outcome.
"""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import requests
from requests import PreparedRequest, Response
from urllib3 import HTTPResponse

from tests.faults.forms import Form, Table, later

PAGE = b"<!DOCTYPE html>\n<html><body><h1>Access Denied</h1><p>Reference #18.2</p></body></html>"
LARGEST_BODY_MB = 6
"""Limit of the suite's client: above the largest honest document, small enough to pass quickly."""


class Clock:
    """Time that passes only when somebody waits or drips."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def answer_with(
    request: PreparedRequest,
    body: bytes | io.RawIOBase | io.BufferedIOBase,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    length: int | None = None,
) -> Response:
    """Return an answer that urllib3 itself reads: lengths, encodings and resets behave as live."""
    sent = dict(headers or {})
    if isinstance(body, bytes):
        sent.setdefault("Content-Length", str(len(body) if length is None else length))
    response = Response()
    response.status_code = status
    response.headers.update(sent)
    response.raw = HTTPResponse(
        body=io.BytesIO(body) if isinstance(body, bytes) else body,
        headers=sent,
        status=status,
        preload_content=False,
        enforce_content_length=True,
    )
    response.url, response.request = str(request.url), request
    return response


Wire = Callable[[PreparedRequest, Response, Clock], Response | None]


class _Dripping(io.BytesIO):
    """A body that gives one byte a second for ever."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def read1(self, size: int | None = -1, /) -> bytes:
        self.clock.seconds += 1
        return b"x"

    def read(self, size: int | None = -1, /) -> bytes:
        return self.read1(size)


class _Endless(io.BytesIO):
    """A body that does not end."""

    def read1(self, size: int | None = -1, /) -> bytes:
        return b"1,2\n" * 16_384

    def read(self, size: int | None = -1, /) -> bytes:
        return self.read1(size)


class _Torn(io.BytesIO):
    """A connection that is reset in the middle of the body."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body[: len(body) // 2])

    def read1(self, size: int | None = -1, /) -> bytes:
        part = super().read(1 << 16)
        if not part:
            raise ConnectionResetError("Connection reset by peer")
        return part

    def read(self, size: int | None = -1, /) -> bytes:
        return self.read1(size)


def _status(code: int, **headers: str) -> Callable[[], Wire]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def make() -> Wire:
        return lambda request, _answer, _clock: answer_with(
            request, b"Too busy" if code != 403 else PAGE, status=code, headers=named
        )

    return make


def _once(make: Callable[[], Wire]) -> Callable[[], Wire]:
    """The fault at the first request for an address only."""

    def make_once() -> Wire:
        fault, seen = make(), set[str]()

        def wire(request: PreparedRequest, answer: Response, clock: Clock) -> Response | None:
            if request.url in seen:
                return None
            seen.add(str(request.url))
            return fault(request, answer, clock)

        return wire

    return make_once


def _raising(error: type[Exception]) -> Callable[[], Wire]:
    def make() -> Wire:
        def wire(request: PreparedRequest, _answer: Response, _clock: Clock) -> Response:
            raise error("Connection reset by peer")

        return wire

    return make


def _body_of(change: Callable[[bytes], bytes]) -> Callable[[], Wire]:
    def make() -> Wire:
        return lambda request, answer, _clock: answer_with(request, change(answer.content))

    return make


def _with_length_of_whole(share: float) -> Callable[[], Wire]:
    def make() -> Wire:
        def wire(request: PreparedRequest, answer: Response, _clock: Clock) -> Response:
            whole = answer.content
            return answer_with(request, whole[: int(len(whole) * share)], length=len(whole))

        return wire

    return make


def _redirect(request: PreparedRequest, _answer: Response, _clock: Clock) -> Response:
    elsewhere = {"Location": "https://data.elsewhere.example/file"}
    return answer_with(request, b"", status=302, headers=elsewhere)


def _gzip_bomb(request: PreparedRequest, _answer: Response, _clock: Clock) -> Response:
    packed = gzip.compress(b"1,2\n" * (LARGEST_BODY_MB << 20), compresslevel=1)
    return answer_with(request, packed, headers={"Content-Encoding": "gzip"})


WIRE: dict[str, Callable[[], Wire]] = {
    "429 once, Retry-After 7": _once(_status(429, Retry_After="7")),
    "429 always, no Retry-After": _status(429),
    "429, Retry-After 3600": _status(429, Retry_After="3600"),
    "500 once": _once(_status(500)),
    "500 always": _status(500),
    "503 always": _status(503),
    "403 with an HTML page": _status(403, Content_Type="text/html"),
    "404": _status(404),
    "reset before the answer": _raising(requests.ConnectionError),
    "read timeout": _raising(requests.ReadTimeout),
    "reset once in the middle": _once(
        lambda: (
            lambda request, answer, _: answer_with(
                request, _Torn(answer.content), headers={"Content-Length": str(len(answer.content))}
            )
        )
    ),
    "reset always in the middle": lambda: (
        lambda request, answer, _: answer_with(
            request, _Torn(answer.content), headers={"Content-Length": str(len(answer.content))}
        )
    ),
    "slow drip past the timeout": lambda: (
        lambda request, _, clock: answer_with(request, _Dripping(clock))
    ),
    "truncated, length of the whole": _with_length_of_whole(0.6),
    "a body without end": lambda: lambda request, _answer, _clock: answer_with(request, _Endless()),
    "gzip bomb": lambda: _gzip_bomb,
    "redirect to another host": lambda: _redirect,
}
"""Fault to a maker of a fresh one: some remember what they were asked."""
WIRE_CORE = (
    "429 once, Retry-After 7",
    "503 always",
    "404",
    "truncated, length of the whole",
    "redirect to another host",
)
"""What is tried at every source. One client serves them all, so the rest is tried at one source of
each kind of body."""


# -- bytes ----------------------------------------------------------------------------------------
def _zip_bomb(_body: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        packed.writestr("bomb.csv", b"0" * (34 << 20))
    return out.getvalue()


def _repack(body: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return a workbook whose sheet is changed."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(body)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as new,
    ):
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, change(content) if name.endswith("sheet1.xml") else content)
    return out.getvalue()


_ENTITIES = b"<!DOCTYPE b [<!ENTITY a '1111111111'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]>"


def _entity_bomb_xlsx(body: bytes) -> bytes:
    def change(sheet: bytes) -> bytes:
        head, mark, rest = sheet.partition(b"<worksheet")
        return head + _ENTITIES + mark + rest.replace(b"</v>", b"&b;</v>", 3)

    return _repack(body, change)


def _entity_bomb_ml(body: bytes) -> bytes:
    head, mark, rest = body.partition(b"<ss:Workbook")
    before, sheet, after = rest.partition(b'ss:Name="Historical"')
    after = after.replace(b"</ss:Data>", b"&b;</ss:Data>").replace(b"As Of&b;", b"As Of", 1)
    return head + _ENTITIES + mark + before + sheet + after


def _cut_last_number(body: bytes) -> bytes:
    """Cut inside the last number, as a full buffer does: no line end, a digit short."""
    return body.rstrip()[:-2]


BODIES: dict[str, Callable[[], Wire]] = {
    "an HTML page with 200": _body_of(lambda _: PAGE),
    "an empty body": _body_of(lambda _: b""),
    "truncated, its own length": _body_of(lambda body: body[: int(len(body) * 0.6)]),
    "cut inside the last number": _body_of(_cut_last_number),
    "another encoding (UTF-16)": _body_of(lambda body: body.decode("latin-1").encode("utf-16")),
    "random bytes": _body_of(lambda _: random.Random(7).randbytes(4096)),
    "zip bomb": _body_of(_zip_bomb),
    "workbook that unpacks to 30 MB": _body_of(
        lambda b: _repack(b, lambda s: s + b" " * 30_000_000)
    ),
    "entity bomb (xlsx)": _body_of(_entity_bomb_xlsx),
    "entity bomb (SpreadsheetML)": _body_of(_entity_bomb_ml),
}
ONLY_FOR: Mapping[str, tuple[str, ...]] = {
    "cut inside the last number": ("fred-graph", "treasury", "fed-board", "ecb"),
    "zip bomb": ("french", "ssga"),
    "workbook that unpacks to 30 MB": ("ssga",),
    "entity bomb (xlsx)": ("ssga",),
    "entity bomb (SpreadsheetML)": ("ishares-workbook",),
    "split without its event": ("yahoo",),
}
"""Faults that only some sources can have."""


# -- documents ------------------------------------------------------------------------------------
Change = Callable[[Table, Form], None]


def _at(table: Table, name: str) -> int:
    return next(n for n, c in enumerate(table.columns) if c.strip() == name)


def _times(cell: Any, factor: float) -> Any:
    if isinstance(cell, str):
        try:
            number = float(cell.replace(",", "")) * factor
        except ValueError:
            return cell
        return f"{number:,.2f}" if "," in cell else f"{number:.4f}"
    return None if cell is None else cell * factor


def _scale(table: Table, form: Form, rows: list[list[Any]], factor: float) -> None:
    for name in form.scaled or (form.value,):
        place = _at(table, name)
        for row in rows:
            row[place] = _times(row[place], factor)


def _rename(table: Table, form: Form) -> None:
    table.columns[_at(table, form.value)] = "Renamed"


def _drop(table: Table, form: Form) -> None:
    place = _at(table, form.value)
    for row in (table.columns, *table.rows):
        del row[place]


def _add(table: Table, form: Form) -> None:
    table.columns.append("Added")
    for row in table.rows:
        row.append("1" if isinstance(row[0], str) else 1.0)


def _reorder(table: Table, form: Form) -> None:
    """Swap the value's column with its left neighbour, the date's where there is none other."""
    place = _at(table, form.value)
    other = place - 1 if place > 1 else len(table.columns) - 1
    if other in (0, place):
        other = 0
    for row in (table.columns, *table.rows):
        row[place], row[other] = row[other], row[place]


def _repeat(table: Table, form: Form) -> None:
    table.rows.append(list(table.rows[-1]))


def _contradict(table: Table, form: Form) -> None:
    table.rows.append(list(table.rows[-1]))
    _scale(table, form, table.rows[-1:], 1.01)


def _newest_times_ten(table: Table, form: Form) -> None:
    _scale(table, form, table.rows[:1] if table.file_day else table.rows[-1:], 10.0)


def _all_times_ten(table: Table, form: Form) -> None:
    _scale(table, form, table.rows, 10.0)


def _split(table: Table, form: Form) -> None:
    """The newest close is a half, on a quiet day, and no event says why."""
    before, newest = table.rows[-2], table.rows[-1]
    for name in form.scaled:
        newest[_at(table, name)] = before[_at(table, "close")] / 2.0
    newest[_at(table, "volume")] = before[_at(table, "volume")]


def _shrink(table: Table, form: Form) -> None:
    del table.rows[: len(table.rows) // 2]


def _yesterday(table: Table, form: Form) -> None:
    if table.file_day:
        table.file_day = later(form, table.file_day, -1)
    else:
        table.rows.pop()


def _gap(table: Table, form: Form) -> None:
    del table.rows[-7:-2]


def _future(table: Table, form: Form) -> None:
    if table.file_day:
        table.file_day = later(form, table.file_day, 30)
        return
    place = _at(table, form.day)
    row = list(table.rows[-1])
    row[place] = form.spell_day(later(form, form.parse_day(row[place]), 30))
    table.rows.append(row)


def _sunday(table: Table, form: Form) -> None:
    if table.file_day:
        table.file_day -= timedelta(days=table.file_day.isoweekday() % 7)
        return
    place = _at(table, form.day)
    row = list(table.rows[-1])
    day = form.parse_day(row[place])
    row[place] = form.spell_day(day - timedelta(days=day.isoweekday() % 7))
    after = next(
        n for n, r in enumerate(table.rows) if form.parse_day(r[place]) > form.parse_day(row[place])
    )
    table.rows.insert(after, row)


def _newest_says(cell: Any) -> Change:
    def change(table: Table, form: Form) -> None:
        row = table.rows[0] if table.file_day else table.rows[-1]
        row[_at(table, form.value)] = cell

    return change


TABLES: dict[str, Change] = {
    "renamed column": _rename,
    "missing column": _drop,
    "added column": _add,
    "reordered columns": _reorder,
    "a row twice": _repeat,
    "two rows of one day that differ": _contradict,
    "newest value × 10": _newest_times_ten,
    "every value × 10": _all_times_ten,
    "split without its event": _split,
    "shrunk history": _shrink,
    "yesterday's file": _yesterday,
    "gap of five days": _gap,
    "a date in the future": _future,
    "a Sunday row": _sunday,
    "newest value NaN": _newest_says("NaN"),
    "newest value Infinity": _newest_says("Infinity"),
    "newest value `-`": _newest_says("-"),
    "newest value `--`": _newest_says("--"),
    "newest value `.`": _newest_says("."),
    "newest value empty": _newest_says(""),
}
NEED_A_DATE = ("a date in the future", "a Sunday row")
OTHERS = "another item's document"
"""The answer to another question: another fund's file, another series' values."""
