"""What the server sends of its own accord: numbered messages, their mishaps, and floods."""

from __future__ import annotations

import time
from dataclasses import field
from functools import partial
from typing import Literal

from wsdiag.protocol.events import Event, TextMessage
from wsdiag.server.fault import Fault, WebSocketChannel, fault
from wsdiag.server.params import INTERVAL, RATE, SECONDS, SIZE, choice, param, whole

_FLOOD_SLICE_S = 0.01
_FLOOD_PIECE = 16384
_QUEUE = 1 << 18
_MOST = 1_000_000
DOWNLOAD_MARK = "wsdiag-download: "
"""How a message begins by which a client asks for a flood: a rate follows, `max`, or 0."""


@fault("push", "sends")
class Push(Fault):
    """Sends a numbered text message with its time every so often.

    As JSON (`format=json`, and with `keys` or a mishap) it is `{"key": "k1", "seq": 1, "time":
    1767225600.123}`; each key has numbers of its own.
    """

    every: float = param(1.0, INTERVAL, "from message to message")
    size: int = param(0, SIZE, "bytes to pad each message to")
    format: Literal["text", "json"] | None = param(
        None, choice("text", "json"), "what a message looks like; text unless another asks for JSON"
    )
    count: int = param(1, whole(1, 10_000), "messages each time")
    keys: int = param(0, whole(0, 10_000), "keys that take turns, with numbers of their own")
    skip: int = param(0, whole(0, _MOST), "leave out every Nth number")
    repeat: int = param(0, whole(0, _MOST), "send every Nth message twice")
    reorder: int = param(0, whole(0, _MOST), "send every Nth message after its successor")
    burst: int = param(0, whole(0, _MOST), "hold N messages back, then send them at once")
    sent: int = field(default=0, init=False, repr=False)
    next_at: float = field(default=0.0, init=False, repr=False)
    numbers: dict[int, int] = field(default_factory=dict, init=False, repr=False)
    late: dict[int, str] = field(default_factory=dict, init=False, repr=False)
    held: list[str] = field(default_factory=list, init=False, repr=False)

    def opened(self, channel: WebSocketChannel) -> None:
        """Schedule the first message."""
        self.next_at = channel.loop.time()
        self._schedule(channel)

    def _schedule(self, channel: WebSocketChannel) -> None:
        # Messages that are overdue are left out, not sent all at once.
        self.next_at = max(self.next_at + self.every, channel.loop.time())
        self.set_timer(channel, self.next_at - channel.loop.time(), partial(self._push, channel))

    def _push(self, channel: WebSocketChannel) -> None:
        if not channel.is_open:
            return
        room = channel.out.buffered_bytes < _QUEUE
        for _ in range(self.count):
            self._push_one(channel, room=room)
        channel.flush()
        self._schedule(channel)

    def _push_one(self, channel: WebSocketChannel, *, room: bool) -> None:
        key = self.sent % (self.keys or 1)
        self.sent += 1
        number = self.numbers[key] = self.numbers.get(key, 0) + 1
        if not room:  # a client that does not read: what it is too slow for is left out
            return
        if self.skip and number % self.skip == 0:
            return
        messages = [self._message(key, number).ljust(self.size)]
        if self.repeat and number % self.repeat == 0:
            messages *= 2
        if self.reorder and number % self.reorder == 0:
            self.late[key] = messages.pop(0)
        elif (late := self.late.pop(key, None)) is not None:
            messages.append(late)
        if self.burst:
            self.held += messages
            if len(self.held) < self.burst:
                return
            messages, self.held = self.held, []
        for message in messages:
            channel.connection.send_text(message)
            channel.messages_out += 1

    def _message(self, key: int, number: int) -> str:
        mishaps = self.keys or self.skip or self.repeat or self.reorder or self.burst
        if self.format == "text" or (self.format is None and not mishaps):
            return f"push {number} {time.time():.3f}"
        return f'{{"key":"k{key + 1}","seq":{number},"time":{time.time():.6f}}}'


@fault("push-on-request", "sends")
class PushOnRequest(Fault):
    """A text `push N` starts a message every N seconds, `push 0` stops it."""

    every: float = field(default=0.0, init=False, repr=False)
    sent: int = field(default=0, init=False, repr=False)

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """Start or stop on `push N`; anything else is echoed."""
        if not isinstance(event, TextMessage) or not event.text.startswith("push "):
            return False
        try:
            self.every = INTERVAL.parse(event.text[5:]) if event.text[5:].strip() != "0" else 0.0
        except ValueError:
            channel.send_text("usage: push N, with N seconds between messages")
            return True
        if self.timer is not None:
            self.timer.cancel()
        if self.every:
            self.set_timer(channel, self.every, partial(self._push, channel))
        return True

    def _push(self, channel: WebSocketChannel) -> None:
        if not channel.is_open:
            return
        self.sent += 1
        if channel.out.buffered_bytes < _QUEUE:
            channel.send_text(f"pushed {self.sent}")
        self.set_timer(channel, self.every, partial(self._push, channel))


@fault("flood", "sends")
class Flood(Fault):
    """Sends binary messages without end, or a while at a time."""

    rate: int | None = param(
        None, RATE, "bytes per second; without it: as fast as the client reads"
    )
    size: int = param(_FLOOD_PIECE, SIZE, "bytes per message")
    lasts: float = param(0.0, SECONDS, "how long it lasts at a time; 0: without end", name="for")
    pause: float = param(1.0, SECONDS, "how long it pauses then")
    after: float = param(0.0, SECONDS, "when it begins")
    queue: int = param(_QUEUE, SIZE, "bytes that it lets wait on the server's side")
    owed: float = field(default=0.0, init=False, repr=False)
    until: float | None = field(default=None, init=False, repr=False)

    def opened(self, channel: WebSocketChannel) -> None:
        """Begin."""
        self.set_timer(channel, self.after, partial(self._begin, channel))

    def _begin(self, channel: WebSocketChannel) -> None:
        self.until = channel.loop.time() + self.lasts if self.lasts else None
        self._send(channel)

    def _send(self, channel: WebSocketChannel) -> None:
        if not channel.is_open:
            return
        if self.until is not None and channel.loop.time() >= self.until:
            self.owed = 0.0
            self.set_timer(channel, self.pause, partial(self._begin, channel))
            return
        size = max(self.size, 1)
        most = max(size, 2**20, self.queue)
        self.owed = min(self.owed + (self.rate or 2**40) * _FLOOD_SLICE_S, most)
        while self.owed >= size and channel.out.buffered_bytes < self.queue:
            self.owed -= size
            channel.connection.send_binary(bytes(size))
            channel.messages_out += 1
            channel.flush()
        self.set_timer(channel, _FLOOD_SLICE_S, partial(self._send, channel))
