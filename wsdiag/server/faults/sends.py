"""What the server sends on its own or instead of an echo."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from wsdiag.protocol.events import BinaryMessage, Event, TextMessage
from wsdiag.server.fault import Fault, Group
from wsdiag.server.params import INTERVAL, RATE, SIZE, param, whole

if TYPE_CHECKING:
    from wsdiag.protocol.http import Request
    from wsdiag.server.peer import Peer

_FLOOD_SLICE_S = 0.01
_FLOOD_PIECE = 16384
_FLOOD_QUEUE = 1 << 18


@dataclass(slots=True, kw_only=True)
class Echo(Fault):
    """No fault at all."""

    name: ClassVar[str] = "echo"
    option: ClassVar[str | None] = None  # what serve does without any option
    group: ClassVar[Group] = "behaves"
    summary: ClassVar[str] = "echoes every message, answers every Ping; so does /"


@dataclass(slots=True, kw_only=True)
class Sink(Fault):
    """Reads and says nothing."""

    name: ClassVar[str] = "sink"
    group: ClassVar[Group] = "behaves"
    summary: ClassVar[str] = "takes messages and never answers them; Pings are answered"

    def received(self, peer: Peer, event: Event) -> bool:
        """Swallow messages."""
        if isinstance(event, TextMessage | BinaryMessage):
            peer.messages_in += 1
            return True
        return False


@dataclass(slots=True, kw_only=True)
class Push(Fault):
    """Sends a text message every so often."""

    name: ClassVar[str] = "push"
    group: ClassVar[Group] = "sends"
    summary: ClassVar[str] = "sends a numbered text message every so often"

    every: float = param(1.0, INTERVAL, "from message to message")
    size: int = param(0, SIZE, "bytes a message is filled up to")
    sent: int = field(default=0, init=False, repr=False)
    next_at: float = field(default=0.0, init=False, repr=False)

    def opened(self, peer: Peer) -> None:
        """Plan the first message."""
        self.next_at = peer.loop.time()
        self._plan(peer)

    def _plan(self, peer: Peer) -> None:
        # messages that cannot be kept up with are left out, not saved up
        self.next_at = max(self.next_at + self.every, peer.loop.time())
        self.arm(peer, self.next_at - peer.loop.time(), partial(self._push, peer))

    def _push(self, peer: Peer) -> None:
        if not peer.is_open:
            return
        self.sent += 1
        if peer.out.held < _FLOOD_QUEUE:
            peer.say(f"push {self.sent} {time.time():.3f}".ljust(self.size))
        self._plan(peer)


@dataclass(slots=True, kw_only=True)
class PushOnRequest(Fault):
    """Sends a text message when asked to."""

    name: ClassVar[str] = "push-on-request"
    group: ClassVar[Group] = "sends"
    summary: ClassVar[str] = "a text `push N` starts a message every N seconds, `push 0` ends it"
    every: float = field(default=0.0, init=False, repr=False)
    sent: int = field(default=0, init=False, repr=False)

    def received(self, peer: Peer, event: Event) -> bool:
        """Obey `push N`; anything else is echoed."""
        if not isinstance(event, TextMessage) or not event.text.startswith("push "):
            return False
        peer.messages_in += 1
        try:
            self.every = INTERVAL.parse(event.text[5:]) if event.text[5:].strip() != "0" else 0.0
        except ValueError:
            peer.say("write: push N, with N seconds between messages")
            return True
        if self.timer is not None:
            self.timer.cancel()
        if self.every:
            self.arm(peer, self.every, partial(self._push, peer))
        return True

    def _push(self, peer: Peer) -> None:
        if not peer.is_open:
            return
        self.sent += 1
        if peer.out.held < _FLOOD_QUEUE:
            peer.say(f"pushed {self.sent}")
        self.arm(peer, self.every, partial(self._push, peer))


@dataclass(slots=True, kw_only=True)
class Flood(Fault):
    """Sends binary messages as fast as asked, or as fast as the client reads."""

    name: ClassVar[str] = "flood"
    group: ClassVar[Group] = "sends"
    summary: ClassVar[str] = "sends binary messages without end"

    rate: int | None = param(None, RATE, "bytes a second; without it: as fast as the client reads")
    size: int = param(_FLOOD_PIECE, SIZE, "bytes a message")
    owed: float = field(default=0.0, init=False, repr=False)

    def opened(self, peer: Peer) -> None:
        """Begin."""
        self.arm(peer, 0.0, partial(self._send, peer))

    def _send(self, peer: Peer) -> None:
        if not peer.is_open:
            return
        size = max(self.size, 1)
        self.owed = min(self.owed + (self.rate or 2**40) * _FLOOD_SLICE_S, max(size, 2**20))
        while self.owed >= size and peer.out.held < _FLOOD_QUEUE:
            self.owed -= size
            peer.connection.send_binary(bytes(size))
            peer.messages_out += 1
            peer.flush()
        self.arm(peer, _FLOOD_SLICE_S, partial(self._send, peer))


@dataclass(slots=True, kw_only=True)
class Fragment(Fault):
    """Echoes in fragments."""

    name: ClassVar[str] = "fragment"
    group: ClassVar[Group] = "sends"
    summary: ClassVar[str] = "echoes each message in so many fragments"

    count: int = param(4, whole(1, 10000), "frames a message is cut into", name="frames")

    def received(self, peer: Peer, event: Event) -> bool:
        """Echo in pieces; the last ones are empty when the message is too short."""
        if not isinstance(event, TextMessage | BinaryMessage) or not peer.is_open:
            return False
        text = isinstance(event, TextMessage)
        data = event.text.encode() if isinstance(event, TextMessage) else event.data
        size = -(-len(data) // self.count)
        parts = [data[i * size : (i + 1) * size] for i in range(self.count)]
        peer.messages_in += 1
        peer.messages_out += 1
        send = peer.connection.send_text if text else peer.connection.send_binary
        send(parts[0], fin=self.count == 1)
        for number, part in enumerate(parts[1:], 2):
            peer.connection.send_continuation(part, number == self.count)
        return True


@dataclass(slots=True, kw_only=True)
class Headers(Fault):
    """Tells the client what it sent."""

    name: ClassVar[str] = "headers"
    group: ClassVar[Group] = "behaves"
    summary: ClassVar[str] = "sends the request's headers as JSON, then echoes"
    text: str = field(default="", init=False, repr=False)

    def answer(self, request: Request) -> bytes | None:
        """Note the headers as they came through whatever stands in between."""
        self.text = json.dumps({"target": request.target, "headers": request.headers})
        return None

    def opened(self, peer: Peer) -> None:
        """Send them."""
        peer.say(self.text)


@dataclass(slots=True, kw_only=True)
class Stats(Fault):
    """Tells the client about the server."""

    name: ClassVar[str] = "stats"
    group: ClassVar[Group] = "behaves"
    summary: ClassVar[str] = "sends the server's figures as JSON, and again for each message"

    def opened(self, peer: Peer) -> None:
        """Send them."""
        self._tell(peer)

    def received(self, peer: Peer, event: Event) -> bool:
        """Send them again."""
        if isinstance(event, TextMessage | BinaryMessage):
            peer.messages_in += 1
            self._tell(peer)
            return True
        return False

    def _tell(self, peer: Peer) -> None:
        peer.say(json.dumps(peer.server.stats()))
