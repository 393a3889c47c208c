"""One connection that faults can work on, whatever flows through it: frames or plain bytes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from wsdiag.server.fault import Direction, Fault, overrides
from wsdiag.server.flow import Action, Out, Queue
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream

if TYPE_CHECKING:
    from wsdiag.server.server import Server

DropMode = Literal["close", "fin", "tls-eof", "rst", "silent", "hang", "rst-on-write"]

QUEUE_HIGH = 1 << 20
QUEUE_LOW = 1 << 18
HOLD_QUEUE, HOLD_FAULT = 1, 2


class Link:
    """A stream, the faults on it, and the gates that outgoing bytes pass.

    `over`: dropped or closing; nothing is sent any more. Subclasses say what flows.
    """

    __slots__ = (
        "_gates",
        "_holds",
        "_touched",
        "armed",
        "dropped",
        "faults",
        "loop",
        "number",
        "out",
        "over",
        "server",
        "started_at",
        "stream",
    )

    def __init__(self, server: Server, number: int, stream: Stream) -> None:
        self.server, self.number, self.stream = server, number, stream
        self.loop = asyncio.get_running_loop()
        self.started_at = self.loop.time()
        self.over = self.armed = False
        self.dropped: DropMode | None = None
        self.faults: tuple[Fault, ...] = ()
        self._touched: tuple[Callable[[Link, Direction, int], None], ...] = ()
        self._gates: tuple[Queue, ...] = ()
        self._holds = 0
        self.out: Out = _Direct(self)

    # -- faults --------------------------------------------------------------------------------

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """Work under these faults from now on; what older ones held back leaves first."""
        for gate in reversed(self._gates):
            gate.release()
        self.end_faults()
        self.faults = tuple(faults)
        self._touched = tuple(f.touched for f in self.faults if overrides(f, "touched"))
        out: Out = _Direct(self)
        gates = []
        for fault in self.faults:
            front = fault.gate(self, out)
            if isinstance(front, Queue):
                gates.append(front)
            out = front
        self.out, self._gates = out, tuple(gates)
        for fault in self.faults:
            fault.started(self)

    def end_faults(self) -> None:
        """Take all faults off: timers cancelled, held bytes forgotten, reading resumed."""
        for gate in self._gates:
            gate.discard()
        for fault in self.faults:
            fault.ended()
        self.faults, self._touched = (), ()
        self.release(HOLD_FAULT)

    def emit(self, event: str, **data: Any) -> None:
        """Tell the server's listener what happened here."""
        self.server.emit(self.number, event, data)

    # -- bytes ---------------------------------------------------------------------------------

    def arrived(self, count: int) -> None:
        """Tell the faults that the client sent bytes."""
        for touched in self._touched:
            touched(self, "client", count)

    def left(self, count: int) -> None:
        """Tell the faults that bytes went to the client."""
        for touched in self._touched:
            touched(self, "server", count)

    def send(self, data: bytes) -> None:
        """Send bytes through the gates; reading waits while too many are on their way."""
        if self.over or not data:
            return
        self.out.write(data)
        if not self._holds & HOLD_QUEUE and self.out.held > QUEUE_HIGH:
            self.hold(HOLD_QUEUE)

    def writable(self) -> None:
        """The stream's queue is empty."""
        self.eased()

    def eased(self) -> None:
        """Read on when few enough bytes wait."""
        if self._holds & HOLD_QUEUE and self.out.held <= QUEUE_LOW:
            self.release(HOLD_QUEUE)

    def hold(self, reason: int) -> None:
        """Stop reading for a reason."""
        if not self._holds:
            self.stream.pause_reading()
        self._holds |= reason

    def release(self, reason: int) -> None:
        """Read again once the last reason is gone."""
        if self._holds & reason:
            self._holds &= ~reason
            if not self._holds and not self.over:
                self.stream.resume_reading()

    # -- endings -------------------------------------------------------------------------------

    def drop(self, by: str, how: DropMode, code: int | None = None, reason: str = "") -> None:
        """End the connection as a fault wants it."""
        if self.over:
            return
        self.dropped = how
        if how == "close":
            self.close(code, reason)
        else:
            self._cut(how)
        # told last: whoever hears it finds the connection dropped
        self.emit("drop", fault=by, how=self.dropped)

    def _cut(self, how: DropMode) -> None:
        self.over = True
        self.end_faults()
        self.abandon(how)
        if how == "rst-on-write":
            self.armed = True
            self.stream.resume_reading()
        else:
            self.dropped = drop_stream(self.stream, how)

    def let_go(self, stream: Stream) -> None:
        """The server ends, and with it a stream that it kept silent: without a word if it can."""
        if self.dropped == "silent":
            stream.close_silently()
        else:
            stream.reset()

    def abandon(self, how: DropMode) -> None:
        """What else hangs on this connection must follow; nothing does here."""

    def close(self, code: int | None, reason: str) -> None:
        """Close in good order."""
        raise NotImplementedError

    def stop(self) -> None:
        """The server goes away."""
        raise NotImplementedError

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes from the client."""
        raise NotImplementedError

    def stream_ended(self, end: StreamEnd) -> None:
        """The client's stream is over."""
        raise NotImplementedError


def drop_stream(stream: Stream, how: DropMode) -> DropMode:
    """End a stream without a word: by FIN, FIN without close_notify, RST, or nothing at all.

    `hang`: this endpoint does nothing any more, but its kernel still acknowledges; returned for
    `silent` where the kernel cannot be silenced.
    """
    if how == "rst":
        stream.reset()
    elif how in ("silent", "hang"):
        return "silent" if stream.freeze(blackholed=how == "silent") else "hang"
    else:
        stream.close(close_notify=how != "tls-eof")
    return how


class _Direct:
    """The last gate: the stream itself."""

    __slots__ = ("_link",)

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def held(self) -> int:
        """Bytes that wait in the stream's queue."""
        return self._link.stream.unsent

    def write(self, data: bytes) -> None:
        """Hand bytes to the kernel."""
        link = self._link
        link.stream.write(data, stamp=False)
        if link._touched:
            link.left(len(data))

    def end(self, action: Action) -> None:
        """All bytes before are the stream's by now."""
        action()
