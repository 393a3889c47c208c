"""Faults that end a connection: after silence, after a time, in the middle of a frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from wsdiag.protocol.codes import Opcode
from wsdiag.protocol.events import BinaryMessage, Event, Ping, Pong, TextMessage
from wsdiag.protocol.frames import encode_frame
from wsdiag.protocol.http import Request
from wsdiag.server.fault import (
    Channel,
    DropMode,
    Fault,
    Sender,
    SilentPhase,
    WebSocketChannel,
    fault,
)
from wsdiag.server.filters import TIMER_SLACK_S, CutFilter, OutputFilter
from wsdiag.server.params import CODE, INTERVAL, SECONDS, TEXT, choice, param, whole
from wsdiag.server.reply import Hang

DROP_MODE = choice("close", "fin", "rst", "silent", "hang", "rst-on-write", "tls-eof")

_COUNTED: dict[str, tuple[type[Event], ...]] = {
    "messages": (TextMessage, BinaryMessage),
    "pings": (Ping, Pong),
    "any": (TextMessage, BinaryMessage, Ping, Pong),
}


@dataclass(slots=True, kw_only=True)
class DroppingFault(Fault):
    """The parameters of every fault that drops a connection."""

    raw = True

    drop: DropMode = param(  # noqa: RUF009 (it makes a field)
        "fin", DROP_MODE, "how it ends; silent: not even TCP answers; hang: only TCP does"
    )
    code: int = param(1001, CODE, "close code, for drop=close")
    reason: str = param("", TEXT, "close reason, for drop=close")

    def drop_now(self, channel: Channel) -> None:
        """Drop the connection as declared."""
        channel.drop(self.name, self.drop, self.code, self.reason)


@fault("idle", "drops", option="idle-timeout", raw=True)
class Idle(DroppingFault):
    """Drops the connection after this long without a byte."""

    after: float = param(60.0, INTERVAL, "how long nothing may be sent", name="timeout")
    counts: str = param("any", choice("any", "client", "server"), "whose bytes restart the timer")
    last: float = field(default=0.0, init=False, repr=False)

    def started(self, channel: Channel) -> None:
        """Start the timer: the upgrade's last byte was the last."""
        self.last = channel.loop.time()
        self.set_timer(channel, self.after, partial(self._on_timer, channel))

    def transferred(self, channel: Channel, sender: Sender, count: int) -> None:
        """Note the time only: the timer looks at it when it fires."""
        if self.counts in ("any", sender):
            self.last = channel.loop.time()

    def _on_timer(self, channel: Channel) -> None:
        left = self.last + self.after - channel.loop.time()
        if left > TIMER_SLACK_S:
            self.set_timer(channel, left, partial(self._on_timer, channel))
        else:
            self.drop_now(channel)


@fault("lifetime", "drops", raw=True)
class Lifetime(DroppingFault):
    """Drops the connection at this age, busy or not."""

    after: float = param(60.0, SECONDS, "the age", name="age")

    def started(self, channel: Channel) -> None:
        """Count from the upgrade, also when the fault is put on later."""
        age = channel.loop.time() - channel.started_at
        self.set_timer(channel, self.after - age, partial(self.drop_now, channel))


@fault("close", "drops")
class CloseNow(Fault):
    """Sends a Close frame with this code (0: without one)."""

    code: int = param(1000, CODE, "close code; 0: an empty Close; forbidden ones are sent as well")
    reason: str = param("", TEXT, "close reason")
    after: float = param(0.0, SECONDS, "how long after the upgrade")

    def opened(self, channel: WebSocketChannel) -> None:
        """Close at once, or later."""
        self.run_after(channel, self.after, partial(channel.close, self.code or None, self.reason))


@fault("cut", "drops")
class Cut(Fault):
    """Sends this many bytes of a frame, then ends TCP."""

    bytes: int = param(3, whole(1, 2**31), "bytes of the frame that are sent")
    drop: DropMode = param("fin", choice("fin", "rst", "tls-eof"), "how TCP ends")
    after: float = param(0.0, SECONDS, "how long after the upgrade")

    def opened(self, channel: WebSocketChannel) -> None:
        """Send a piece of a frame longer than it, then drop."""
        self.run_after(channel, self.after, partial(self._cut, channel))

    def _cut(self, channel: WebSocketChannel) -> None:
        size = min(self.bytes, 1 << 16)
        frame = encode_frame(Opcode.TEXT, b"x" * size, length=self.bytes + 16)
        channel.send(frame[: self.bytes])
        channel.drop(self.name, self.drop)


@fault("cut-after", "drops", raw=True)
class CutAfter(Fault):
    """Ends TCP after this many bytes to the client, wherever that cuts."""

    bytes: int = param(1000, whole(1, 2**31), "bytes that pass")
    drop: DropMode = param("fin", DROP_MODE, "how it ends")

    def output_filter(self, channel: Channel, next_filter: OutputFilter) -> OutputFilter:
        """Count what passes."""
        cut = partial(channel.drop, self.name, self.drop, 1001)
        return CutFilter(next_filter, self.bytes, cut)


@fault("hang", "drops")
class HangForever(Fault):
    """Never answers in this phase, and keeps the connection."""

    phase: str = param(
        "upgrade",
        choice("tcp", "tls", "upgrade", "close"),
        "upgrade: no request is answered; close: no Close; --hang tcp: no SYN (Linux; elsewhere "
        "as tls); --hang tls: no byte, so no TLS handshake ends. A path is read after those two: "
        "as paths they are upgrade, and with tcp the kernel acknowledges nothing either",
    )

    def silent_phase(self) -> SilentPhase | None:
        """Phases before the request."""
        return "tcp" if self.phase == "tcp" else "tls" if self.phase == "tls" else None

    def answer(self, request: Request) -> Hang | None:
        """Never answer the request; as a path, tcp can only begin once that was read."""
        if self.phase == "close":
            return None
        return Hang.BLACKHOLED if self.phase == "tcp" else Hang.ACKNOWLEDGED

    def opened(self, channel: WebSocketChannel) -> None:
        """Never answer a Close in phase close."""
        if self.phase == "close":
            channel.connection.auto_close = False


@fault("rate-limit", "drops")
class RateLimit(Fault):
    """Closes once the client sends more than this many messages per second."""

    most: int = param(
        10, whole(1, 10**6), "messages per second (also the burst size)", name="messages"
    )
    counts: str = param(
        "messages", choice(*_COUNTED), "what is counted; pings: Pongs too", name="of"
    )
    code: int = param(1008, CODE, "close code")
    reason: str = param("rate limit exceeded", TEXT, "close reason")
    left: float | None = field(default=None, init=False, repr=False)
    counted_at: float = field(default=0.0, init=False, repr=False)

    def received(self, channel: WebSocketChannel, event: Event) -> bool:
        """Take from a bucket that fills at the rate and holds a second's worth."""
        if not isinstance(event, _COUNTED[self.counts]):
            return False
        now = channel.loop.time()
        filled = self.most if self.left is None else self.left + (now - self.counted_at) * self.most
        self.left, self.counted_at = min(filled, self.most) - 1, now
        if self.left >= 0:
            return False
        channel.close(self.code, self.reason)
        return True
