"""A connection that faults can work on, whatever flows through it: frames or plain bytes.

In. The stream hands over what came (`data_received`). Faults see how much, then the subclass takes
it: it answers messages, or passes them or the bare bytes on to an upstream.

Out. `send` writes into a chain of filters, at most one for each fault, which ends at the stream:

    send -> filter of the last fault -> ... -> filter of the first fault -> stream

A filter keeps the order of what it holds, and so does the chain; what must happen after bytes (a
FIN after an echo) is an action that is written after them. Faults count bytes to the client where
the chain ends: an idle timeout counts what the network has seen, not what a delay still holds. New
faults on an open connection make a new chain, and the old one forwards everything first.

Back-pressure. `out.buffered_bytes` is what waits in the chain and in the stream together. Above
HIGH_WATER nothing more is read from the client, until LOW_WATER: a client that does not read its
echoes meets a closed TCP window, as it would with any server, and memory stays bounded. Whoever
may have made room (the stream, a filter's timer, a fault that opens its filter) calls
`on_drained`. Reading can wait for several reasons at once (`Pause`), and goes on when the last is
gone. A relay applies the same marks to its upstream: it stops reading from the side that is ahead.

Endings. Four can end a connection: the client, a fault, a relay's upstream, the server that stops.

* In good order: a Close goes out through the filters, the client's answer or a timeout follows,
  then FIN, also through the filters (`ClientConnection.close`, `finish`).
* `drop` by a fault, except `drop=close`: the faults are taken off and what they hold is forgotten,
  because a connection that is cut loses what was under way. The upstream sees the same end, then
  the stream ends as asked.
* `silent` and `hang` end nothing: the stream is frozen, and the connection stays known to the
  server until that stops, also when the client gives up (nobody reads that). It must not be closed
  earlier: a FIN would tell the client what it is supposed to find out by itself.
* `rst-on-write` waits for the client's next byte or FIN, and answers that with RST.

`finished` is set before anything else happens: from then on `send` does nothing, and no hook can
end the connection a second time. However it ended, it is over for the server when the stream is,
and not before: `stream_ended` comes once, reports `close`, and the server forgets the connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from wsdiag.server.fault import DropMode, Fault, Pause, Sender
from wsdiag.server.filters import Item, OutputFilter, QueueFilter
from wsdiag.server.options import ServerOptions
from wsdiag.transport.stream.byte_stream import ByteStream
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival

if TYPE_CHECKING:
    from wsdiag.transport.http2.stream import Http2Stream

HIGH_WATER = 1 << 20
LOW_WATER = 1 << 18


class ServedConnection(Protocol):
    """A connection as its server sees it."""

    @property
    def stream(self) -> ByteStream:
        """What carries it."""

    def stop(self) -> None:
        """The server stops."""


class ConnectionOwner(Protocol):
    """A server as its connections see it."""

    options: ServerOptions

    def emit(self, number: int, event: str, data: dict[str, Any]) -> None:
        """Report an event of connection `number`."""

    def stats(self) -> dict[str, Any]:
        """The server's figures, as JSON values."""

    def combine(self, faults: Sequence[Fault]) -> list[Fault]:
        """A path's faults and those of every path, copied for one connection."""

    def on_opened(self, connection: ServedConnection) -> None:
        """A connection began, or an upgraded one goes on as a channel."""

    def on_closed(self, connection: ServedConnection) -> None:
        """A connection is over."""

    def hold(self, change: int) -> bool:
        """Account for bytes of unfinished messages; False: there are too many."""

    def upstream_closing(self, stream: ByteStream) -> None:
        """A relay's upstream outlives its client for the rest of its closing handshake."""

    def upstream_closed(self, stream: ByteStream) -> None:
        """Such an upstream's closing handshake has ended."""


class ServerChannel:
    """A stream, the faults on it, and the filters that outgoing bytes pass.

    `finished`: dropped or closing, nothing is sent any more. Subclasses say what flows.
    """

    __slots__ = (
        *("dropped", "faults", "finished", "loop", "number", "out", "owner", "started_at"),
        *("http2", "stream", "_filters", "_pauses", "_reset_on_input", "_transferred"),
    )

    def __init__(self, owner: ConnectionOwner, number: int, stream: ByteStream) -> None:
        self.owner, self.number, self.stream = owner, number, stream
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.started_at = self.loop.time()
        self.finished = self._reset_on_input = False
        self.dropped: DropMode | None = None
        self.http2: Http2Stream | None = None
        """The stream of HTTP/2 that carries it."""
        self.faults: tuple[Fault, ...] = ()
        self._transferred: tuple[Callable[[ServerChannel, Sender, int], None], ...] = ()
        self._filters: tuple[QueueFilter, ...] = ()
        self._pauses = Pause(0)
        self.out: OutputFilter = _StreamOutput(self)

    # -- faults --------------------------------------------------------------------------------

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """Work under these faults from now on; what older ones held back leaves first."""
        for old in reversed(self._filters):
            old.release()
        self.end_faults()
        self.faults = tuple(faults)
        self._transferred = tuple(f.transferred for f in self.faults if f.overrides("transferred"))
        out: OutputFilter = _StreamOutput(self)
        filters = []
        for fault in self.faults:
            out = fault.output_filter(self, out)
            if isinstance(out, QueueFilter) and out not in filters:
                filters.append(out)
        self.out, self._filters = out, tuple(filters)
        for fault in self.faults:
            fault.started(self)

    def end_faults(self) -> None:
        """Take all faults off: timers cancelled, held bytes forgotten, reading resumed."""
        for each in self._filters:
            each.discard()
        for fault in self.faults:
            fault.ended()
        self.faults, self._transferred = (), ()
        self.resume_reading(Pause.FAULT)

    def emit(self, event: str, **data: Any) -> None:
        """Report an event of this connection."""
        self.owner.emit(self.number, event, data)

    # -- bytes ---------------------------------------------------------------------------------

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes from the client; once finished they are dropped: unread they would cause a RST."""
        if self.finished:
            if self._reset_on_input:
                self.stream.reset()
            return
        for hook in self._transferred:
            hook(self, "client", len(data))
        self.receive(data)

    def receive(self, data: bytes) -> None:
        """Do what this kind of connection does with bytes from the client."""
        raise NotImplementedError

    def send(self, data: bytes) -> None:
        """Send bytes through the filters; reading waits while too many are on their way."""
        if self.finished or not data:
            return
        self.out.write(data)
        if self.out.buffered_bytes > HIGH_WATER:
            self.pause_reading(Pause.QUEUE)

    def writable(self) -> None:
        """The stream has sent all it had."""
        self.on_drained()

    def on_drained(self) -> None:
        """Read on when few enough bytes wait."""
        if self._pauses and self.out.buffered_bytes <= LOW_WATER:
            self.resume_reading(Pause.QUEUE)

    def pause_reading(self, reason: Pause) -> None:
        """Read nothing from the client, for a reason."""
        if not self._pauses:
            self.stream.pause_reading()
        self._pauses |= reason

    def resume_reading(self, reason: Pause) -> None:
        """Read again once the last reason is gone."""
        if reason in self._pauses:
            self._pauses &= ~reason
            if not self._pauses and not self.finished:
                self.stream.resume_reading()

    # -- endings -------------------------------------------------------------------------------

    def drop(self, by: str, how: DropMode, code: int | None = None, reason: str = "") -> None:
        """End the connection as the fault `by` wants it."""
        if self.finished:
            return
        self.dropped = how
        if how == "close":
            self.close(code, reason)
        else:
            self.finished = True
            self.end_faults()
            self.drop_upstream(how)
            if how == "rst-on-write":
                self._reset_on_input = True
                self.stream.resume_reading()
            else:
                self.dropped = drop_stream(self.stream, how)
        # Emitted after the drop, so that listeners see the final state.
        self.emit("drop", fault=by, how=self.dropped)

    def drop_upstream(self, how: DropMode) -> None:
        """A relay's upstream sees the same end as the client; others have none."""

    def close(self, code: int | None, reason: str) -> None:
        """End in good order."""
        raise NotImplementedError

    def stop(self) -> None:
        """The server stops: frozen streams are released, others closed."""
        if self.dropped in ("silent", "hang"):
            self.release(self.stream)
        else:
            self.stream.close()

    def release(self, stream: ByteStream) -> None:
        """Let go of a stream that was kept silent: without a word if the kernel allows that."""
        if self.dropped == "silent":
            stream.close_silently()
        else:
            stream.reset()

    def stream_ended(self, end: StreamEnd) -> None:
        """The client's stream is over."""
        if self._reset_on_input and end.how != "local":
            self.stream.reset()  # and its end comes next
            return
        self.client_ended(end)

    def client_ended(self, end: StreamEnd) -> None:
        """Take the connection down, and report it."""
        raise NotImplementedError


def drop_stream(stream: ByteStream, how: DropMode) -> DropMode:
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


class _StreamOutput:
    """The end of the chain of filters: the stream itself."""

    __slots__ = ("_channel",)

    def __init__(self, channel: ServerChannel) -> None:
        self._channel = channel

    @property
    def buffered_bytes(self) -> int:
        """Bytes that the kernel has not taken yet."""
        return self._channel.stream.unsent

    def write(self, item: Item) -> None:
        """Hand bytes to the stream; an action runs at once, for all bytes before it have left."""
        channel = self._channel
        if not isinstance(item, bytes):
            item()
            return
        channel.stream.write(item, stamp=False)
        for hook in channel._transferred:
            hook(channel, "server", len(item))
