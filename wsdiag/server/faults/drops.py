"""Faults that end a connection: after silence, after a time, in the middle of a frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from wsdiag.protocol.codes import Opcode
from wsdiag.protocol.frames import encode_frame
from wsdiag.server.fault import Direction, Fault, Group, Silence
from wsdiag.server.gates import CutGate
from wsdiag.server.link import DropMode, Link
from wsdiag.server.params import CODE, INTERVAL, SECONDS, TEXT, choice, param, whole

if TYPE_CHECKING:
    from wsdiag.protocol.http import Request
    from wsdiag.server.flow import Out
    from wsdiag.server.peer import Peer

HOWS = choice("close", "fin", "rst", "silent", "hang", "rst-on-write", "tls-eof")
# A timer that fires a little early must not wait for another round of the loop's clock.
_EARLY_S = 0.0005


@dataclass(slots=True, kw_only=True)
class Dropping(Fault):
    """The parameters of every fault that drops a connection."""

    raw: ClassVar[bool] = True

    drop: str = param("fin", HOWS, "how it ends; silent: not even TCP answers; hang: only TCP does")
    code: int = param(1001, CODE, "close code, for drop=close")
    reason: str = param("", TEXT, "close reason, for drop=close")

    def drop_now(self, link: Link) -> None:
        """Drop the connection as declared."""
        link.drop(self.name, cast(DropMode, self.drop), self.code, self.reason)


@dataclass(slots=True, kw_only=True)
class Idle(Dropping):
    """Drops a connection on which nothing was sent for a while, as a proxy's idle timeout."""

    name: ClassVar[str] = "idle"
    option: ClassVar[str | None] = "idle-timeout"
    group: ClassVar[Group] = "drops"
    summary: ClassVar[str] = "drops the connection after so long without a byte"

    after: float = param(60.0, INTERVAL, "how long nothing may be sent", name="timeout")
    counts: str = param("any", choice("any", "client", "server"), "whose bytes restart the timer")
    last: float = field(default=0.0, init=False, repr=False)

    def started(self, link: Link) -> None:
        """Start the timer: the upgrade's last byte was the last."""
        self.last = link.loop.time()
        self.arm(link, self.after, partial(self._look, link))

    def touched(self, link: Link, by: Direction, count: int) -> None:
        """A byte crossed: only note when; the timer looks at it when it fires."""
        if self.counts in ("any", by):
            self.last = link.loop.time()

    def _look(self, link: Link) -> None:
        left = self.last + self.after - link.loop.time()
        if left > _EARLY_S:
            self.arm(link, left, partial(self._look, link))
        else:
            self.drop_now(link)


@dataclass(slots=True, kw_only=True)
class Lifetime(Dropping):
    """Drops a connection at an age, however busy it is."""

    name: ClassVar[str] = "lifetime"
    group: ClassVar[Group] = "drops"
    summary: ClassVar[str] = "drops the connection at this age, busy or not"

    after: float = param(60.0, SECONDS, "the age", name="age")

    def started(self, link: Link) -> None:
        """Count from the upgrade, also when the fault is put on later."""
        age = link.loop.time() - link.started_at
        self.arm(link, self.after - age, partial(self.drop_now, link))


@dataclass(slots=True, kw_only=True)
class CloseNow(Fault):
    """Closes in good order, with a code and a reason."""

    name: ClassVar[str] = "close"
    group: ClassVar[Group] = "drops"
    summary: ClassVar[str] = "sends a Close frame with this code (0: without one)"

    code: int = param(1000, CODE, "close code; 0: an empty Close; forbidden ones are sent as well")
    reason: str = param("", TEXT, "close reason")
    after: float = param(0.0, SECONDS, "how long after the upgrade")

    def opened(self, peer: Peer) -> None:
        """Close at once, or later."""
        self.act(peer, self.after, partial(peer.close, self.code or None, self.reason))


@dataclass(slots=True, kw_only=True)
class Cut(Fault):
    """Ends TCP in the middle of a frame."""

    name: ClassVar[str] = "cut"
    group: ClassVar[Group] = "drops"
    summary: ClassVar[str] = "sends so many bytes of a frame, then ends TCP"

    bytes: int = param(3, whole(1, 2**31), "bytes of the frame that are sent")
    drop: str = param("fin", choice("fin", "rst", "tls-eof"), "how TCP ends")
    after: float = param(0.0, SECONDS, "how long after the upgrade")

    def opened(self, peer: Peer) -> None:
        """Send a piece of a frame longer than it, then drop."""
        self.act(peer, self.after, partial(self._cut, peer))

    def _cut(self, peer: Peer) -> None:
        size = min(self.bytes, 1 << 16)
        frame = encode_frame(Opcode.TEXT, b"x" * size, length=self.bytes + 16)
        peer.send(frame[: self.bytes])
        peer.drop(self.name, cast(DropMode, self.drop))


@dataclass(slots=True, kw_only=True)
class CutAfter(Fault):
    """Ends TCP once so many bytes went to the client."""

    name: ClassVar[str] = "cut-after"
    raw: ClassVar[bool] = True
    group: ClassVar[Group] = "drops"
    summary: ClassVar[str] = "ends TCP after so many bytes to the client, wherever that cuts"

    bytes: int = param(1000, whole(1, 2**31), "bytes that pass")
    drop: str = param("fin", HOWS, "how it ends")

    def gate(self, link: Link, behind: Out) -> Out:
        """Count what passes."""
        cut = partial(link.drop, self.name, cast(DropMode, self.drop), 1001)
        return CutGate(behind, self.bytes, cut)


@dataclass(slots=True, kw_only=True)
class Hang(Fault):
    """Stops answering in one phase of the connection's life."""

    name: ClassVar[str] = "hang"
    group: ClassVar[Group] = "drops"
    summary: ClassVar[str] = "never answers in this phase, and keeps the connection"

    phase: str = param(
        "upgrade",
        choice("tcp", "tls", "upgrade", "close"),
        "upgrade: no request is answered; close: no Close; --hang tcp: no SYN (Linux; elsewhere "
        "as tls); --hang tls: no byte, so no TLS handshake ends. A path is read after those two: "
        "as paths they are upgrade, and with tcp the kernel acknowledges nothing either",
    )

    def silent_from(self) -> Silence | None:
        """Phases before the request."""
        return "tcp" if self.phase == "tcp" else "tls" if self.phase == "tls" else None

    @property
    def deafens(self) -> bool:
        """As a path, tcp can only begin once the request was read."""
        return self.phase == "tcp"

    def answer(self, request: Request) -> bytes | None:
        """Never answer the request, unless only the Close is to be left unanswered."""
        return None if self.phase == "close" else b""

    def opened(self, peer: Peer) -> None:
        """Never answer a Close in phase close."""
        if self.phase == "close":
            peer.connection.auto_close = False
