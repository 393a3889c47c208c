"""Helpers of the protocol's tests: bytes from hex, both ends wired together, every cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from wsdiag.protocol.codes import Role
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.deflate import PerMessageDeflate
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.events import Event, Violation

ZERO_MASK = b"\x00" * 4


def raw(text: str) -> bytes:
    """Bytes from hex with blanks and `|` for the reader's sake."""
    return bytes.fromhex(text.replace("|", " "))


def cuts(data: bytes) -> Iterator[list[bytes]]:
    """The data whole, a byte at a time, and cut in two at some places."""
    yield [data]
    yield [data[at : at + 1] for at in range(len(data))]
    for at in range(1, min(len(data), 20)):
        yield [data[:at], data[at:]]


def feed(connection: Connection, chunks: Iterable[bytes]) -> list[Event]:
    """All events that these chunks give."""
    return [event for chunk in chunks for event in connection.receive_data(chunk)]


def offence(events: list[Event]) -> ProtocolViolation:
    """The violation that ends a list of events."""
    last = events[-1]
    assert isinstance(last, Violation), events
    return last.error


def pair(*, deflate: bool = False, **options: Any) -> tuple[Connection, Connection]:
    """A client and a server that agree on permessage-deflate or its absence."""
    codecs = [PerMessageDeflate(role, **options) if deflate else None for role in Role]
    client, server = codecs
    return Connection(Role.CLIENT, deflate=client), Connection(Role.SERVER, deflate=server)


def pump(source: Connection, sink: Connection) -> list[Event]:
    """Everything queued at one end, given to the other."""
    return sink.receive_data(source.data_to_send())
