"""A relay of plain bytes between two TCP connections, with faults in between.

The two ends are independent, as TCP's are: a FIN from one side becomes a FIN to the other, and
bytes still flow the other way. Only when both have ended, or one was reset, is the relay over.
"""

from __future__ import annotations

import asyncio

from wsdiag.server.connection.channel import (
    HIGH_WATER,
    LOW_WATER,
    ConnectionOwner,
    ServerChannel,
    drop_stream,
)
from wsdiag.server.connection.upstream import connect_tcp, raw_address
from wsdiag.server.fault import DropMode, Pause
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival
from wsdiag.transport.stream.stream import Stream


class RawChannel(ServerChannel):
    """Bytes of a client on their way to the upstream and back."""

    __slots__ = ("_closed", "_task", "_upstream")

    def __init__(self, owner: ConnectionOwner, number: int, stream: Stream) -> None:
        super().__init__(owner, number, stream)
        self._upstream: Stream | None = None
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    def start(self) -> None:
        """Connect to the upstream; the client's bytes wait in the kernel until then."""
        self.stream.pause_reading()
        self.stream.start(self)
        self._task = self.loop.create_task(self._connect())

    async def _connect(self) -> None:
        assert self.owner.options.upstream is not None
        try:
            upstream = await connect_tcp(*raw_address(self.owner.options.upstream))
        except (OSError, UnicodeError) as error:
            self.emit("upstream-failed", message=str(error) or type(error).__name__)
            self.drop("upstream", "rst")
            return
        if self.finished:
            upstream.close()
            return
        self.emit("open", peer=self.stream.peer, upstream=upstream.peer)
        self.set_faults(self.owner.combine([]))
        self._upstream = upstream
        upstream.start(_UpstreamSide(self))
        self.stream.resume_reading()

    def receive(self, data: bytes) -> None:
        """Pass on bytes from the client."""
        if self._upstream is not None:
            self._upstream.write(data, stamp=False)
            if self._upstream.unsent > HIGH_WATER:
                self.pause_reading(Pause.UPSTREAM)

    def upstream_received(self, data: bytes) -> None:
        """Pass on bytes from the upstream."""
        self.send(data)
        if self._upstream is not None and self.out.buffered_bytes > HIGH_WATER:
            self._upstream.pause_reading()

    def on_drained(self) -> None:
        """Read on, from both sides."""
        super().on_drained()
        drained = self.out.buffered_bytes <= LOW_WATER and not self.finished
        if drained and self._upstream is not None:
            self._upstream.resume_reading()

    # -- endings -------------------------------------------------------------------------------

    def upstream_ended(self, end: StreamEnd) -> None:
        """The upstream's end becomes the client's, after the bytes before it."""
        if not self.finished and end.how == "rst":
            self.finished = True
            self.stream.reset()
        elif not self.finished and end.how != "local":
            self.out.write(self.stream.half_close)
        if self.stream.ended is not None:
            self._close(self.stream.ended)

    def client_ended(self, end: StreamEnd) -> None:
        """The client's end becomes the upstream's; half-closed connections stay half-closed."""
        if end.how in ("fin", "tls-eof", "tls-close") and not self.finished and self._upstream:
            self._upstream.half_close()
            if self._upstream.ended is None:
                return
        self._close(end)

    def _close(self, end: StreamEnd) -> None:
        if self._closed:
            return
        self._closed = self.finished = True
        self.end_faults()
        if self._upstream is not None:
            # It follows the client, unless a fault has ended it already (`drop_upstream`).
            if self.dropped in (None, "close"):
                drop_stream(self._upstream, "rst" if end.how == "rst" else "fin")
            elif self.dropped == "rst-on-write":
                self._upstream.reset()
        self.stream.close()
        self.owner.on_closed(self)
        self.emit(
            "close",
            how=self.dropped or end.how,
            duration_s=round(self.loop.time() - self.started_at, 3),
            bytes_in=self.stream.bytes_in,
            bytes_out=self.stream.bytes_out,
        )

    def drop_upstream(self, how: DropMode) -> None:
        """The upstream sees the same end; its writes are not answered under rst-on-write."""
        if self._upstream is not None:
            drop_stream(self._upstream, "silent" if how == "rst-on-write" else how)
        if how not in ("silent", "hang", "rst-on-write"):
            self._close_half_closed()

    def close(self, code: int | None, reason: str) -> None:
        """End TCP: there is no Close frame at this level."""
        self.finished = True
        self.end_faults()
        self.stream.close()
        self._close_half_closed()

    def _close_half_closed(self) -> None:
        # `stream_ended` comes once: if the client half-closed earlier, it has come already.
        if self.stream.ended is not None:
            self.loop.call_soon(self._close, self.stream.ended)

    def stop(self) -> None:
        """The server stops."""
        if self._task is not None:
            self._task.cancel()
        super().stop()
        if self.dropped not in ("silent", "hang"):
            self._close_half_closed()
        elif self._upstream is not None:
            self.release(self._upstream)


class _UpstreamSide:
    """What the upstream's stream reports to."""

    __slots__ = ("_channel",)

    def __init__(self, channel: RawChannel) -> None:
        self._channel = channel

    def data_received(self, data: bytes, at: Arrival) -> None:
        """Bytes from the upstream."""
        self._channel.upstream_received(data)

    def writable(self) -> None:
        """The upstream has taken all there was."""
        self._channel.resume_reading(Pause.UPSTREAM)

    def stream_ended(self, end: StreamEnd) -> None:
        """The upstream's stream is over."""
        self._channel.upstream_ended(end)
