"""A mail server on loopback that speaks just enough SMTP to take a message."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Mailbox:
    """What arrived: raw messages, and who logged in with what."""

    port: int = 0
    messages: list[str] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)


@contextlib.contextmanager
def mail_server(*, refuses: bool = False) -> Iterator[Mailbox]:
    """Serve SMTP on 127.0.0.1 until the block ends; `refuses` says 554 to every message."""
    listener = socket.create_server(("127.0.0.1", 0))
    box = Mailbox(port=listener.getsockname()[1])

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as stream, contextlib.suppress(OSError):
                _talk(stream, box, refuses)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield box
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(timeout=5)


def _talk(stream, box: Mailbox, refuses: bool) -> None:
    def say(text: str) -> None:
        stream.write(text.encode() + b"\r\n")
        stream.flush()

    say("220 ready")
    while line := stream.readline():
        word = line.decode().strip()
        command = word[:4].upper()
        if command == "EHLO":
            say("250-localhost\r\n250 AUTH PLAIN")
        elif command == "AUTH":
            box.logins.append(
                base64.b64decode(word.split()[-1]).decode().replace("\0", " ").strip()
            )
            say("235 ok")
        elif command == "DATA":
            say("354 go on")
            lines = []
            while (part := stream.readline().rstrip(b"\r\n")) != b".":
                lines.append(part.decode())
            box.messages.append("\n".join(lines))
            say("250 taken")
        elif command == "MAIL" and refuses:
            say("554 not here")
        elif command == "QUIT":
            say("221 bye")
            return
        else:
            say("250 ok")
