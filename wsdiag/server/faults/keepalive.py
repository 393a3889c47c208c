"""Faults of Pings and Pongs: lost, late, wrong, and a server with a keepalive of its own."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from wsdiag.protocol.events import Event, Ping, Pong
from wsdiag.server.fault import Fault, Group
from wsdiag.server.params import INTERVAL, SECONDS, SHARE, param

if TYPE_CHECKING:
    from wsdiag.server.peer import Peer

_MOST_LATE = 1024


@dataclass(slots=True, kw_only=True)
class NoPong(Fault):
    """Never answers a Ping."""

    name: ClassVar[str] = "no-pong"
    group: ClassVar[Group] = "keepalive"
    summary: ClassVar[str] = "never answers a Ping, echoes messages all the same"
    auto_pong: ClassVar[bool] = False

    def received(self, peer: Peer, event: Event) -> bool:
        """Swallow Pings."""
        return type(event) is Ping


@dataclass(slots=True, kw_only=True)
class LosePongs(Fault):
    """Answers some Pings only."""

    name: ClassVar[str] = "lose-pongs"
    group: ClassVar[Group] = "keepalive"
    summary: ClassVar[str] = "leaves this share of Pings unanswered, at random"
    auto_pong: ClassVar[bool] = False

    share: float = param(0.1, SHARE, "share of Pings without a Pong")

    def received(self, peer: Peer, event: Event) -> bool:
        """Swallow a Ping, or hand it on to be answered."""
        if type(event) is not Ping:
            return False
        if random.random() >= self.share:
            peer.answer_ping(event.payload)
        return True


@dataclass(slots=True, kw_only=True)
class LatePong(Fault):
    """Answers every Ping late; messages are echoed at once."""

    name: ClassVar[str] = "late-pong"
    group: ClassVar[Group] = "keepalive"
    summary: ClassVar[str] = "answers each Ping after a while, messages at once"
    auto_pong: ClassVar[bool] = False

    after: float = param(5.0, SECONDS, "how late", name="by")
    waiting: deque[tuple[float, bytes]] = field(
        default_factory=lambda: deque(maxlen=_MOST_LATE), init=False, repr=False
    )

    def received(self, peer: Peer, event: Event) -> bool:
        """Queue the answer; the oldest are forgotten when a thousand wait."""
        if type(event) is not Ping:
            return False
        self.waiting.append((peer.loop.time() + self.after, event.payload))
        if len(self.waiting) == 1:
            self.arm(peer, self.after, partial(self._answer, peer))
        return True

    def _answer(self, peer: Peer) -> None:
        now = peer.loop.time() + 0.0005
        while self.waiting and self.waiting[0][0] <= now:
            peer.answer_ping(self.waiting.popleft()[1])
        if self.waiting:
            self.arm(peer, self.waiting[0][0] - now, partial(self._answer, peer))
        peer.flush()


@dataclass(slots=True, kw_only=True)
class WrongPong(Fault):
    """Answers Pings with a payload that was not asked for."""

    name: ClassVar[str] = "wrong-pong"
    group: ClassVar[Group] = "keepalive"
    summary: ClassVar[str] = "answers each Ping with another payload"
    auto_pong: ClassVar[bool] = False

    def received(self, peer: Peer, event: Event) -> bool:
        """Turn the payload around, or invent one."""
        if type(event) is not Ping:
            return False
        peer.answer_ping(bytes(byte ^ 0xFF for byte in event.payload) or b"wrong")
        return True


@dataclass(slots=True, kw_only=True)
class ServerPing(Fault):
    """Pings on its own, as many servers do, and gives up on clients that do not answer."""

    name: ClassVar[str] = "ping"
    group: ClassVar[Group] = "keepalive"
    summary: ClassVar[str] = "pings the client every so often, closes with 1011 without a Pong"
    option: ClassVar[str | None] = "ping-interval"

    every: float = param(20.0, INTERVAL, "from Ping to Ping")
    timeout: float = param(20.0, INTERVAL, "how long to wait for a Pong")
    sent: int = field(default=0, init=False, repr=False)
    unanswered_since: float | None = field(default=None, init=False, repr=False)
    next_at: float = field(default=0.0, init=False, repr=False)

    def opened(self, peer: Peer) -> None:
        """Plan the first Ping."""
        self.next_at = peer.loop.time() + self.every
        self._plan(peer)

    def received(self, peer: Peer, event: Event) -> bool:
        """Any Pong to a Ping of ours will do."""
        if type(event) is Pong and event.payload.startswith(b"wsdiag "):
            self.unanswered_since = None
        return False

    def _plan(self, peer: Peer) -> None:
        due = self.next_at
        if self.unanswered_since is not None:
            due = min(due, self.unanswered_since + self.timeout)
        self.arm(peer, due - peer.loop.time(), partial(self._due, peer))

    def _due(self, peer: Peer) -> None:
        now = peer.loop.time() + 0.0005
        if not peer.is_open:
            return
        if self.unanswered_since is not None and now >= self.unanswered_since + self.timeout:
            peer.emit("drop", fault=self.name, how="close")
            peer.close(1011, "no Pong in time")
            return
        if now >= self.next_at:
            self._ping(peer, now)
        self._plan(peer)

    def _ping(self, peer: Peer, now: float) -> None:
        self.sent += 1
        self.next_at += self.every
        if self.unanswered_since is None:
            self.unanswered_since = now
        peer.connection.ping(b"wsdiag %d" % self.sent)
        peer.flush()
