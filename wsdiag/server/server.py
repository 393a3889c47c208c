"""The server: a listener, its connections, their limits, and an orderly end."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wsdiag.server.connection.channel import ServedConnection, ServerChannel
from wsdiag.server.connection.pending_upgrade import PendingUpgrade
from wsdiag.server.connection.raw_channel import RawChannel
from wsdiag.server.connection.upstream import check_upstream
from wsdiag.server.control import ControlRequest
from wsdiag.server.fault import Fault, SilentPhase
from wsdiag.server.options import ServerOptions
from wsdiag.transport.listen import Listener, ServerTls, listen
from wsdiag.transport.stream.byte_stream import ByteStream
from wsdiag.transport.stream.stream import Stream

if TYPE_CHECKING:
    from wsdiag.protocol.http import Headers
    from wsdiag.transport.http2.connection import Http2Connection
    from wsdiag.transport.http2.stream import Http2Stream

OnEvent = Callable[[int, str, dict[str, Any]], None]
_STOP_TIMEOUT_S = 2.0
_MAX_REFUSING = 64
_MAX_HELD_BYTES = 64 * 2**20
_LOGGED_CHARS = 2048
_FD_WARNING_INTERVAL_S = 10.0


class ControlPortError(OSError):
    """The control port is not available."""


class Server:
    """An endpoint that behaves, or misbehaves exactly as asked. It prints nothing.

    `on_event(connection, event, data)` is told what happens; connections are numbered from 1.
    """

    def __init__(self, options: ServerOptions, on_event: OnEvent | None = None) -> None:
        self.options = options
        self.faults = options.faults
        self._on_event = on_event
        self._listener: Listener | None = None
        self._connections: set[ServedConnection] = set()
        self._frozen: list[Stream] = []
        self._closing_upstreams: set[ByteStream] = set()
        self._fd_warning_due = 0.0
        self._changed = asyncio.Event()
        self._accepted = self._held_bytes = 0
        self._counts: Counter[str] = Counter()
        self._started_at = 0.0
        self._control: Listener | None = None
        self.control_token = options.control_token or secrets.token_urlsafe(16)
        """What a request to the control port must carry."""

    # -- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen.

        Raises OSError when the port is not available (ControlPortError: the control port),
        ValueError for options that make no sense, TrustError for unusable certificates.
        """
        options = self.options
        self._check(options.faults)
        if options.upstream is not None:
            check_upstream(options.upstream, raw=options.raw)
        alpn = ("h2", "http/1.1") if options.http2 else ("http/1.1",)
        tls = ServerTls(options.cert, options.key, alpn=alpn) if options.cert else None
        if options.http2:  # here: the first client is not to wait for it
            import wsdiag.server.connection.http2_front  # noqa: F401
        self._started_at = asyncio.get_running_loop().time()
        accept = self._accept_raw if options.raw else self._accept
        if options.http2:
            accept = self._accept_any
        self._listener = await listen(
            options.host,
            options.port,
            tls=tls,
            on_stream=accept,
            intercept=self._intercept,
            on_starved=self._fd_exhausted,
        )
        self._listener.set_blackhole(self._silent_phase() == "tcp")
        if options.control_port is not None:
            try:
                self._control = await listen(
                    "127.0.0.1", options.control_port, on_stream=self._accept_control
                )
            except OSError as error:
                self._listener.close()
                raise ControlPortError(error.errno, error.strerror) from None

    @property
    def host(self) -> str:
        """The address listened on."""
        return str(self._running.host)

    @property
    def port(self) -> int:
        """The port listened on."""
        return int(self._running.port)

    @property
    def url(self) -> str:
        """The URL to connect to, without a trailing slash."""
        scheme = "wss" if self.options.cert else "ws"
        host = self.host
        if host in ("0.0.0.0", "::"):
            host = "localhost"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def control_url(self) -> str | None:
        """Where faults can be changed while it runs; None: nowhere."""
        return f"http://127.0.0.1:{self._control.port}/faults" if self._control else None

    def _accept_control(self, stream: Stream) -> None:
        stream.start(
            ControlRequest(stream, self.control_token, lambda: self.faults, self.change_faults)
        )

    @property
    def _running(self) -> Listener:
        if self._listener is None:
            raise RuntimeError("the server is not started")
        return self._listener

    async def stop(self) -> None:
        """Close every connection with 1001 and wait for the clients, for two seconds at most."""
        for listener in (self._listener, self._control):
            if listener is not None:
                listener.close()
        for connection in tuple(self._connections):
            connection.stop()
        for stream in self._frozen:
            stream.reset()  # silence ends with the server
        self._frozen.clear()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                while self._connections or self._closing_upstreams:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            streams = [*(each.stream for each in self._connections), *self._closing_upstreams]
            for unfinished in streams:
                unfinished.reset()
        await asyncio.sleep(0)  # streams report their end in the loop's next round

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # -- connections ---------------------------------------------------------------------------

    def _fd_exhausted(self, error: OSError) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._fd_warning_due:
            self._fd_warning_due = now + _FD_WARNING_INTERVAL_S
            message = f"new connections wait: {error.strerror}; `ulimit -n` allows more"
            self.emit(0, "starved", {"message": message})

    def _silent_phase(self) -> SilentPhase | None:
        return next((phase for fault in self.faults if (phase := fault.silent_phase())), None)

    def _intercept(self, stream: Stream) -> bool:
        """Whether this connection hangs before its first byte, under --hang tcp or tls."""
        if self._silent_phase() is None:
            return False
        self._accepted += 1
        self.emit(self._accepted, "drop", {"fault": "hang", "how": "hang", "peer": stream.peer})
        stream.freeze()
        self._frozen.append(stream)
        return True

    def _accept(self, stream: Stream) -> None:
        full = self._admit(stream)
        if full is not None:
            pending = PendingUpgrade(self, self._accepted, stream, full=full)
            self.on_opened(pending)
            stream.start(pending)

    def _admit(self, stream: ByteStream) -> bool | None:
        """Count a connection; whether there are too many; None: far too many, and it is reset."""
        self._accepted += 1
        limit, now = self.options.max_connections, len(self._connections)
        if limit is not None and now >= 2 * limit + _MAX_REFUSING:
            stream.reset()  # even those that are answered 503 must be bounded
            return None
        return limit is not None and now >= limit

    def _accept_any(self, stream: Stream) -> None:
        """HTTP/2 or HTTP/1.1: by ALPN, or without TLS by what the client says first."""
        from wsdiag.server.connection.http2_front import Sniffer

        if stream.tls is None:
            stream.start(Sniffer(self, stream, self._accept_http2, self._accept))
        elif stream.tls.object.selected_alpn_protocol() == "h2":
            self._accept_http2(stream)
        else:
            self._accept(stream)

    def _accept_http2(self, stream: Stream) -> None:
        from wsdiag.server.connection.http2_front import Http2Front

        if self._admit(stream) is None:
            return
        advertise = all(fault.advertises_connect() for fault in self.faults)
        front = Http2Front(self, self._accepted, stream, self._accept_stream, advertise=advertise)
        self.on_opened(front)
        front.start()

    def _accept_stream(
        self, connection: Http2Connection, stream: Http2Stream, headers: Headers
    ) -> None:
        from wsdiag.server.connection.http2_front import PendingStream

        full = self._admit(stream)
        if full is not None:
            pending = PendingStream(self, self._accepted, connection, stream, full=full)
            self.on_opened(pending)
            stream.start(pending)
            pending.begin(headers)

    def _accept_raw(self, stream: Stream) -> None:
        self._accepted += 1
        channel = RawChannel(self, self._accepted, stream)
        self.on_opened(channel)
        channel.start()

    def change_faults(self, faults: list[Fault]) -> None:
        """Put these faults on every path, open connections too. Raises ValueError under --raw."""
        self._check(faults)
        old = {fault.name for fault in self.faults}
        self.faults = tuple(faults)
        self._running.set_blackhole(self._silent_phase() == "tcp")
        self.emit(0, "faults", {"faults": [fault.name for fault in faults]})
        for channel in tuple(self._connections):
            if isinstance(channel, ServerChannel) and not channel.finished:
                own = [fault for fault in channel.faults if fault.name not in old]
                channel.set_faults(self.combine(own))

    def _check(self, faults: Sequence[Fault]) -> None:
        for fault in faults:
            if self.options.raw and not fault.raw and fault.silent_phase() is None:
                raise ValueError(f"{fault.name} needs frames: it does not work with --raw")

    # -- what connections know of their server (`ConnectionOwner`) -----------------------------

    def combine(self, faults: Sequence[Fault]) -> list[Fault]:
        """A path's faults and those of every path, copied for one connection."""
        named = {fault.name for fault in faults}
        common = [replace(fault) for fault in self.faults if fault.name not in named]
        return [*common, *faults]

    def on_opened(self, connection: ServedConnection) -> None:
        """A connection began, or an upgraded one goes on as a channel."""
        self._connections.add(connection)

    def on_closed(self, connection: ServedConnection) -> None:
        """A connection is over."""
        self._connections.discard(connection)
        self._changed.set()

    def hold(self, change: int) -> bool:
        """Account for bytes of unfinished messages; False: those of all clients are too many."""
        self._held_bytes += change
        return self._held_bytes <= max(_MAX_HELD_BYTES, 2 * self.options.max_message_size)

    def upstream_closing(self, stream: ByteStream) -> None:
        """A relay's upstream outlives its client for the rest of its closing handshake."""
        self._closing_upstreams.add(stream)

    def upstream_closed(self, stream: ByteStream) -> None:
        """Such an upstream's closing handshake has ended."""
        self._closing_upstreams.discard(stream)
        self._changed.set()

    def emit(self, number: int, event: str, data: dict[str, Any]) -> None:
        """Count an event and report it."""
        self._counts[event] += 1
        if self._on_event is not None:
            self._on_event(number, event, {name: _cut(value) for name, value in data.items()})

    def stats(self) -> dict[str, Any]:
        """Figures since the start: connections and events."""
        return {
            "uptime_s": round(asyncio.get_running_loop().time() - self._started_at, 3),
            "accepted": self._accepted,
            "open": sum(isinstance(each, ServerChannel) for each in self._connections),
            "events": dict(sorted(self._counts.items())),
        }


def _cut(value: Any) -> Any:
    """What a client sent, short enough for a line of a log."""
    long = isinstance(value, str) and len(value) > _LOGGED_CHARS
    return f"{value[:_LOGGED_CHARS]}…" if long else value
