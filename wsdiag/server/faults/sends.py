"""What the server sends of its own accord or instead of an echo."""

from __future__ import annotations

import json
import time
from dataclasses import field
from functools import partial

from wsdiag.protocol.events import BinaryMessage, Event, TextMessage
from wsdiag.protocol.http import Request
from wsdiag.server.fault import Fault, WebSocketChannel, fault
from wsdiag.server.params import INTERVAL, RATE, SIZE, param, whole
from wsdiag.server.reply import Reply

_FLOOD_SLICE_S = 0.01
_FLOOD_PIECE = 16384
_FLOOD_QUEUE = 1 << 18


@fault("echo", "behaves", option=None)
class Echo(Fault):
    """Echoes every message, answers every Ping; so does /."""


@fault("sink", "behaves")
class Sink(Fault):
    """Takes messages and never answers them; Pings are answered."""

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """Nobody answers messages."""
        return isinstance(event, TextMessage | BinaryMessage)


@fault("push", "sends")
class Push(Fault):
    """Sends a numbered text message every so often."""

    every: float = param(1.0, INTERVAL, "from message to message")
    size: int = param(0, SIZE, "bytes to pad each message to")
    sent: int = field(default=0, init=False, repr=False)
    next_at: float = field(default=0.0, init=False, repr=False)

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
        self.sent += 1
        if channel.out.buffered_bytes < _FLOOD_QUEUE:
            channel.send_text(f"push {self.sent} {time.time():.3f}".ljust(self.size))
        self._schedule(channel)


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
        if channel.out.buffered_bytes < _FLOOD_QUEUE:
            channel.send_text(f"pushed {self.sent}")
        self.set_timer(channel, self.every, partial(self._push, channel))


@fault("flood", "sends")
class Flood(Fault):
    """Sends binary messages without end."""

    rate: int | None = param(
        None, RATE, "bytes per second; without it: as fast as the client reads"
    )
    size: int = param(_FLOOD_PIECE, SIZE, "bytes per message")
    owed: float = field(default=0.0, init=False, repr=False)

    def opened(self, channel: WebSocketChannel) -> None:
        """Begin."""
        self.set_timer(channel, 0.0, partial(self._send, channel))

    def _send(self, channel: WebSocketChannel) -> None:
        if not channel.is_open:
            return
        size = max(self.size, 1)
        self.owed = min(self.owed + (self.rate or 2**40) * _FLOOD_SLICE_S, max(size, 2**20))
        while self.owed >= size and channel.out.buffered_bytes < _FLOOD_QUEUE:
            self.owed -= size
            channel.connection.send_binary(bytes(size))
            channel.messages_out += 1
            channel.flush()
        self.set_timer(channel, _FLOOD_SLICE_S, partial(self._send, channel))


@fault("fragment", "sends")
class Fragment(Fault):
    """Echoes each message in this many fragments."""

    count: int = param(4, whole(1, 10000), "frames a message is cut into", name="frames")

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """Echo in pieces; the last ones are empty when the message is too short."""
        if not isinstance(event, TextMessage | BinaryMessage) or not channel.is_open:
            return False
        text = isinstance(event, TextMessage)
        data = event.text.encode() if isinstance(event, TextMessage) else event.data
        size = -(-len(data) // self.count)
        parts = [data[i * size : (i + 1) * size] for i in range(self.count)]
        channel.messages_out += 1
        send = channel.connection.send_text if text else channel.connection.send_binary
        send(parts[0], fin=self.count == 1)
        for number, part in enumerate(parts[1:], 2):
            channel.connection.send_continuation(part, number == self.count)
        return True


@fault("headers", "behaves")
class Headers(Fault):
    """Sends the request's headers as JSON, then echoes."""

    text: str = field(default="", init=False, repr=False)

    def answer(self, request: Request) -> Reply | None:
        """Note the headers as they arrived through all proxies."""
        self.text = json.dumps({"target": request.target, "headers": request.headers})
        return None

    def opened(self, channel: WebSocketChannel) -> None:
        """Send them."""
        channel.send_text(self.text)


@fault("stats", "behaves")
class Stats(Fault):
    """Sends the server's figures as JSON, and again for each message."""

    def opened(self, channel: WebSocketChannel) -> None:
        """Send them."""
        channel.send_text(json.dumps(channel.server_stats()))

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """Send them again."""
        if not isinstance(event, TextMessage | BinaryMessage):
            return False
        channel.send_text(json.dumps(channel.server_stats()))
        return True
