"""Ways to break a payload, as plain steps: bytes, lines and cells, JSON trees, packed members.

A step is a name and three numbers, so that hypothesis can shrink a list of them and the long pass
can draw millions from a seeded generator. Applying a step never fails: one that does not fit the
body (a JSON step on a CSV) changes bytes instead.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

from pipelines.sample.workbooks import zip_bytes

Step = tuple[str, int, int, int]

TOKENS = (
    b"", b"NaN", b"nan", b"-nan", b"Infinity", b"inf", b"-1e999", b"1e308", b"9" * 25, b"-0",
    b"0", b"1_000", b"0x1f", b"1,5", b"(3)", b"()", b"$", b"%", b"--", b"-", b".", b"..", b"ND",
    b"#N/A", b"0001-01-01", b"9999-12-31", b"2025-02-30", b"1677-09-20", b"202513", b"000001",
    b"13/40/2025", b"Feb 30, 2025", b"31-Xxx-2025", b"\x00", b"\r", b"\n", b"\r\n", b'"', b'""',
    b"'", b",", b",,,,", b";", b"\t", b"\xff", b"\xfe\xff", b"\xef\xbb\xbf", b"\xc2\xa0",
    b"\xe2\x80\xa8", b"\xd9\xa3", b"\xf0\x9f\x92\xa5", b"<", b">", b"&", b"&amp", b"&#0;",
    b"&#x110000;", b"]]>", b"<!DOCTYPE x [<!ENTITY a 'b'>]>&a;", b"<!DOCTYPE html>", b"</ss:Row>",
    b' ss:Index="x"', b' ss:Index="-9"', b' ss:Index="999999999"', b"{", b"}", b"[", b"]", b"[]",
    b"{}", b"null", b"true", b'{"error_code":400}', b"[" * 3000, b"A" * 2000, b"Date", b"../../x",
    b'"' + b"x" * 140_000,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, 1e308, -1e308, float("nan"), float("inf"), 10**25, -(10**25),
    1e-320, "", "x", ".", "1.5", "nan", "9999-12-31", "0001-01-01", "\x00", "\ud800", [], {}, [[]],
    [None], {"a": 1}, [1, "x"], "A" * 500, 2**63, "America/New_York", "../etc", "/", 253402300800,
)  # fmt: skip


def apply(body: bytes, steps: Sequence[Step]) -> bytes:
    """Return the body after all steps."""
    for name, first, second, third in steps:
        body = STEPS[name](body, first, second, third)
    return body


def _token(body: bytes, place: int, choice: int, _: int) -> bytes:
    at = place % (len(body) + 1)
    return body[:at] + TOKENS[choice % len(TOKENS)] + body[at:]


def _overwrite(body: bytes, place: int, choice: int, length: int) -> bytes:
    at = place % (len(body) + 1)
    return body[:at] + TOKENS[choice % len(TOKENS)] + body[at + length % 12 :]


def _flip(body: bytes, place: int, bits: int, _: int) -> bytes:
    if not body:
        return bytes([bits % 256])
    at = place % len(body)
    return body[:at] + bytes([body[at] ^ (bits % 255 + 1)]) + body[at + 1 :]


def _delete(body: bytes, place: int, length: int, _: int) -> bytes:
    at = place % (len(body) + 1)
    return body[:at] + body[at + 1 + length % 64 :]


def _repeat(body: bytes, place: int, length: int, times: int) -> bytes:
    at = place % (len(body) + 1)
    part = body[at : at + 1 + length % 64]
    return body[:at] + part * (2 + times % 3) + body[at + len(part) :]


def _cut(body: bytes, place: int, _: int, __: int) -> bytes:
    return body[: place % (len(body) + 1)]


def _line(body: bytes, place: int, other: int, what: int) -> bytes:
    """Drop, double, swap or empty a line."""
    lines = body.splitlines(keepends=True)
    if len(lines) < 2:
        return _delete(body, place, other, what)
    a, b = place % len(lines), other % len(lines)
    if what % 4 == 0:
        del lines[a]
    elif what % 4 == 1:
        lines.insert(b, lines[a])
    elif what % 4 == 2:
        lines[a], lines[b] = lines[b], lines[a]
    else:
        lines[a] = b"\n"
    return b"".join(lines)


def _cell(body: bytes, line: int, place: int, choice: int) -> bytes:
    """Put a token in the place of one cell of a line of cells."""
    lines = body.split(b"\n")
    at = line % len(lines)
    cells = lines[at].split(b",")
    cells[place % len(cells)] = TOKENS[choice % len(TOKENS)]
    lines[at] = b",".join(cells)
    return b"\n".join(lines)


def _json(body: bytes, path: int, choice: int, what: int) -> bytes:
    """Replace, drop, double or rename one node of a JSON tree."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return _token(body, path, choice, what)
    nodes = _nodes(document)
    if not nodes:
        return json.dumps(VALUES[choice % len(VALUES)]).encode()
    parent, key = nodes[path % len(nodes)]
    if what % 4 == 0 and isinstance(parent, list):
        parent.insert(key, parent[key])
    elif what % 4 == 1:
        del parent[key]
    elif what % 4 == 2 and isinstance(parent, dict):
        parent[f"{key}x"] = parent.pop(key)
    else:
        parent[key] = VALUES[choice % len(VALUES)]
    return json.dumps(document).encode()


def _nodes(document: Any) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    stack = [document] if isinstance(document, dict | list) else []
    while stack:
        node = stack.pop()
        keys = node if isinstance(node, dict) else range(len(node))
        for key in keys:
            found.append((node, key))
            if isinstance(node[key], dict | list):
                stack.append(node[key])
    return found


def _member(body: bytes, place: int, choice: int, what: int) -> bytes:
    """Break one member of a zip and pack it again."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # broken by an earlier step, in whatever way
        return _flip(body, place, choice, what)
    if not members:
        return _token(body, place, choice, what)
    name = list(members)[what % len(members)]
    inner = (_token, _overwrite, _flip, _delete, _repeat, _line, _cell)[choice % 7]
    if what % 23 == 0:
        members.pop(name)
    else:
        members[name] = inner(members[name], place, choice // 7, what)
    return zip_bytes(members)


STEPS: dict[str, Callable[[bytes, int, int, int], bytes]] = {
    "token": _token,
    "overwrite": _overwrite,
    "flip": _flip,
    "delete": _delete,
    "repeat": _repeat,
    "cut": _cut,
    "line": _line,
    "cell": _cell,
    "json": _json,
    "member": _member,
}


def fitting(body: bytes) -> tuple[str, ...]:
    """Return the steps worth trying on a body of this form, the fitting ones more than once."""
    general = ("token", "overwrite", "flip", "delete", "repeat", "cut")
    if body[:2] == b"PK":
        return (*general, *["member"] * 12)
    if body[:1] in (b"{", b"["):
        return (*general, *["json"] * 12)
    if b"\n" in body:
        return (*general, *["line", "cell"] * 4)
    return general
