"""One connection's side of an application protocol, without I/O: messages in, answers out.

A connection takes part in a dialect in up to three ways, and which of them is wanted differs:
saying hello (only when the user asked for this dialect, since a hello may log in or subscribe),
answering the endpoint's heartbeats (what keeps a connection that is merely watched alive), and
sending heartbeats (the trial of a keepalive). So nothing is sent from here: `hello()` and
`heartbeat()` give the messages, `hear()` says what a message is and what its answer would be, and
the caller decides. The endpoint's own clock, where it announces one, is read along the way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from wsdiag.dialects.catalogue import MATCHED, MOST_RECORDS, Dialect, Message

HeardKind = Literal["ping", "beat-answer", "hello-answer", "hello-refused", "data"]


@dataclass(frozen=True, slots=True)
class Heard:
    """What a message of the endpoint is, and the answer that it wants (None: none)."""

    kind: HeardKind
    answer: Message | None = None
    record: str = field(default="", compare=False)
    """The message, or the record of several in it, as patterns see it."""


@dataclass(frozen=True, slots=True)
class AnnouncedClock:
    """The times that the endpoint announced, in seconds; None: not announced.

    `interval_s`: between heartbeats of its own. `timeout_s`: for the answer to one. `idle_s`: the
    longest that it lets a client be silent.
    """

    interval_s: float | None = None
    timeout_s: float | None = None
    idle_s: float | None = None


class DialectSession:
    """What one connection has heard in a dialect, and the messages it may send."""

    def __init__(self, dialect: Dialect, host: str = "") -> None:
        self.dialect = dialect
        self.clock: AnnouncedClock | None = None
        """The endpoint's clock, once it was announced."""
        self.accepted: bool | None = None
        """Whether the hello was accepted; None: no answer yet."""
        self._host = host
        self._ref = 0
        self._stream = b""
        self._skip = 0

    def hello(self) -> list[Message]:
        """What to send right after the opening; none for a dialect without a hello."""
        return [self._message(text) for text in self.dialect.hello]

    def said(self, message: Message) -> None:
        """Note a hello that was sent: it may promise how long the client is silent at most."""
        data = message if isinstance(message, bytes) else message.encode()
        if self.dialect.hello_clock is not None:
            found = re.search(self.dialect.hello_clock, data[:MATCHED].hex())
            if found is not None and (seconds := int(found["idle_hex"], 16)):
                self.clock = AnnouncedClock(idle_s=1.5 * seconds)

    def heartbeat(self) -> Message | None:
        """A heartbeat of the client's own; None where the dialect has none."""
        return None if self.dialect.beat is None else self._message(self.dialect.beat)

    def hear(self, message: Message, dropped: int = 0) -> list[Heard]:
        """What a message is: one entry for each record in it, in order; `dropped`: bytes after it
        that were not kept."""
        if not self.dialect.packets:
            return [self._hear(record) for record in self.dialect.records(message)]
        data = message if isinstance(message, bytes) else message.encode()
        heard = [self._hear(packet.hex()) for packet in self._packets(data)]
        if dropped:
            self._drop(dropped)
        return heard

    def _drop(self, dropped: int) -> None:
        """Pass over bytes that were not kept: if the packet they began in ends there, where the
        next one begins is not known, and taken to be the next message."""
        begun = _packet_size(self._stream) or 0
        rest = self._skip + max(0, begun - len(self._stream))
        self._stream, self._skip = b"", max(0, rest - dropped)

    def _packets(self, data: bytes) -> Iterator[bytes]:
        """Whole packets of a byte stream, wherever messages cut it; longer ones cut short.

        Of a message with very many of them the rest is passed over: the next one is taken to begin
        with the next message.
        """
        skipped = min(self._skip, len(data))
        self._skip -= skipped
        data, at = self._stream + data[skipped:], 0
        for _ in range(MOST_RECORDS):
            size, left = _packet_size(data, at), len(data) - at
            if size is None or left < size <= MATCHED:
                break
            yield data[at : at + min(size, MATCHED)]
            self._skip = max(0, size - left)
            at += size
        else:
            at = len(data)
        self._stream = data[at:]

    def _hear(self, record: str) -> Heard:
        dialect = self.dialect
        if dialect.clock is not None and (found := re.search(dialect.clock, record)):
            self.clock = _clock(found)
        if _is(dialect.ping, record):
            pong = None if dialect.pong is None else self._message(dialect.pong)
            return Heard("ping", pong, record)
        if _is(dialect.beat_answer, record):
            return Heard("beat-answer", record=record)
        if _is(dialect.hello_answer, record):
            self.accepted = True
            return Heard("hello-answer", record=record)
        if _is(dialect.hello_refused, record):
            self.accepted = False
            return Heard("hello-refused", record=record)
        return Heard("data", record=record)

    def _message(self, template: str) -> Message:
        if "{ref}" in template:
            self._ref += 1
        text = template.replace("{ref}", str(self._ref)).replace("{host}", self._host)
        text = text.replace("{record-separator}", self.dialect.separator or "")
        return bytes.fromhex(text) if self.dialect.encoding == "hex" else text


def _packet_size(data: bytes, at: int = 0) -> int | None:
    """The size of the packet that begins at `at`, by its Remaining Length (MQTT, 2.2.3); None: more
    is needed. What cannot be one has the size of all there is."""
    length = 0
    for index, byte in enumerate(data[at + 1 : at + 5]):
        length |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return 2 + index + length
    return len(data) - at if len(data) - at >= 5 else None


def _is(pattern: str | None, record: str) -> bool:
    return pattern is not None and re.search(pattern, record) is not None


def _clock(found: re.Match[str]) -> AnnouncedClock:
    """Its named groups in seconds; 0 means "never" in the protocols that have one."""
    times: dict[str, float] = {}
    for name, value in found.groupdict().items():
        if value and int(value):
            kind, _, unit = name.rpartition("_")
            times[f"{kind}_s"] = int(value) / (1000 if unit == "ms" else 1)
    return AnnouncedClock(**times)
