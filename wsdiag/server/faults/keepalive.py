"""Faults of Pings and Pongs: lost, late, wrong, and a server with a keepalive of its own."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import field
from functools import partial

from wsdiag.protocol.events import Event, Ping, Pong
from wsdiag.server.fault import Fault, WebSocketChannel, fault
from wsdiag.server.filters import TIMER_SLACK_S
from wsdiag.server.params import INTERVAL, SECONDS, SHARE, param

_MAX_LATE = 1024


@fault("no-pong", "keepalive", auto_pong=False)
class NoPong(Fault):
    """Never answers a Ping, echoes messages all the same."""

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """Nobody else answers Pings."""
        return type(event) is Ping


@fault("lose-pongs", "keepalive", auto_pong=False)
class LosePongs(Fault):
    """Leaves this share of Pings unanswered, at random."""

    share: float = param(0.1, SHARE, "share of Pings without a Pong")

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """Answer a Ping, or do not."""
        if type(event) is not Ping:
            return False
        if random.random() >= self.share:
            channel.send_pong(event.payload)
        return True


@fault("late-pong", "keepalive", auto_pong=False)
class LatePong(Fault):
    """Answers each Ping late, messages at once."""

    after: float = param(5.0, SECONDS, "how late", name="by")
    waiting: deque[tuple[float, bytes]] = field(
        default_factory=lambda: deque(maxlen=_MAX_LATE), init=False, repr=False
    )

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """Queue the answer; the oldest are forgotten when a thousand wait."""
        if type(event) is not Ping:
            return False
        self.waiting.append((channel.loop.time() + self.after, event.payload))
        if len(self.waiting) == 1:
            self.set_timer(channel, self.after, partial(self._answer, channel))
        return True

    def _answer(self, channel: WebSocketChannel) -> None:
        now = channel.loop.time() + TIMER_SLACK_S
        while self.waiting and self.waiting[0][0] <= now:
            channel.send_pong(self.waiting.popleft()[1])
        if self.waiting:
            self.set_timer(channel, self.waiting[0][0] - now, partial(self._answer, channel))
        channel.flush()


@fault("wrong-pong", "keepalive", auto_pong=False)
class WrongPong(Fault):
    """Answers each Ping with another payload."""

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """Turn the payload around, or invent one."""
        if type(event) is not Ping:
            return False
        channel.send_pong(bytes(byte ^ 0xFF for byte in event.payload) or b"wrong")
        return True


@fault("mute", "keepalive")
class Mute(Fault):
    """Answers Pings, but sends no message, from some second on; what falls due is lost."""

    after: float = param(0.0, SECONDS, "when it falls mute")
    lasts: float = param(0.0, SECONDS, "for how long; 0: for good", name="for")
    muted: WebSocketChannel | None = field(default=None, init=False, repr=False)

    def opened(self, channel: WebSocketChannel) -> None:
        """Fall mute at once, or later."""
        self.run_after(channel, self.after, partial(self._fall_mute, channel))

    def ended(self) -> None:
        """The fault is taken off: what is sent from here on is sent."""
        Fault.ended(self)
        if self.muted is not None:
            self.muted.set_muted(False)

    def _fall_mute(self, channel: WebSocketChannel) -> None:
        channel.set_muted(True)
        self.muted = channel
        if self.lasts:
            self.set_timer(channel, self.lasts, partial(channel.set_muted, False))


@fault("ping", "keepalive", option="ping-interval")
class ServerPing(Fault):
    """Pings the client every so often, closes with 1011 without a Pong."""

    every: float = param(20.0, INTERVAL, "from Ping to Ping")
    timeout: float = param(20.0, INTERVAL, "how long to wait for a Pong")
    sent: int = field(default=0, init=False, repr=False)
    unanswered_since: float | None = field(default=None, init=False, repr=False)
    next_at: float = field(default=0.0, init=False, repr=False)

    def opened(self, channel: WebSocketChannel) -> None:
        """Schedule the first Ping."""
        self.next_at = channel.loop.time() + self.every
        self._schedule(channel)

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """Any Pong to a Ping of ours will do."""
        if type(event) is Pong and event.payload.startswith(b"wsdiag "):
            self.unanswered_since = None
        return False

    def _schedule(self, channel: WebSocketChannel) -> None:
        due = self.next_at
        if self.unanswered_since is not None:
            due = min(due, self.unanswered_since + self.timeout)
        self.set_timer(channel, due - channel.loop.time(), partial(self._on_timer, channel))

    def _on_timer(self, channel: WebSocketChannel) -> None:
        now = channel.loop.time() + TIMER_SLACK_S
        if not channel.is_open:
            return
        if self.unanswered_since is not None and now >= self.unanswered_since + self.timeout:
            channel.emit("drop", fault=self.name, how="close")
            channel.close(1011, "no Pong in time")
            return
        if now >= self.next_at:
            self.sent += 1
            self.next_at += self.every
            if self.unanswered_since is None:
                self.unanswered_since = now
            channel.connection.ping(b"wsdiag %d" % self.sent)
            channel.flush()
        self._schedule(channel)
