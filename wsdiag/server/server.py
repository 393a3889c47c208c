"""The server: a listener, its connections, their limits, and an orderly end."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from wsdiag.server.control import Control
from wsdiag.server.fault import Fault, Silence
from wsdiag.server.link import Link
from wsdiag.server.opening import Opening
from wsdiag.server.options import ServerOptions
from wsdiag.server.raw import RawLink, connect_tcp, raw_address
from wsdiag.transport.dial.target import Target
from wsdiag.transport.listen import Listener, ServerTls, listen
from wsdiag.transport.stream.stream import Stream

OnEvent = Callable[[int, str, dict[str, Any]], None]
_STOP_TIMEOUT_S = 2.0
_REFUSED_AT_ONCE = 64
_REMIND_S = 10.0


class ControlPortError(OSError):
    """The control port cannot be had."""


class Server:
    """An endpoint that behaves, or misbehaves exactly as asked. Prints nothing: `on_event` hears.

    `on_event(connection, event, data)`; connections are numbered from 1.
    """

    def __init__(self, options: ServerOptions, on_event: OnEvent | None = None) -> None:
        self.options = options
        self.faults = options.faults
        self._on_event = on_event
        self._listener: Listener | None = None
        self._links: set[Opening | Link] = set()
        self._frozen: list[Stream] = []
        self._parting: set[Stream] = set()
        self._starved_until = 0.0
        self._emptied = asyncio.Event()
        self._accepted = 0
        self._counts: Counter[str] = Counter()
        self._started_at = 0.0
        self._joining: set[asyncio.Task[None]] = set()
        self._control: Listener | None = None
        self.control_token = options.control_token or secrets.token_urlsafe(16)
        """What a request to the control port must carry."""

    # -- life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen. OSError when the port cannot be had (ControlPortError: the control port),
        ValueError for options that make no sense, TrustError for unusable certificates.
        """
        options = self.options
        self._check(options.faults)
        if options.upstream is not None:
            raw_address(options.upstream) if options.raw else Target.parse(options.upstream)
        tls = ServerTls(options.cert, options.key) if options.cert else None
        self._started_at = asyncio.get_running_loop().time()
        accept = self._raw if options.raw else self._accept
        self._listener = await listen(
            options.host,
            options.port,
            tls=tls,
            on_stream=accept,
            intercept=self._swallow,
            on_starved=self._starved,
        )
        self._listener.set_blackhole(self._silence() == "tcp")
        if options.control_port is not None:
            try:
                self._control = await listen(
                    "127.0.0.1", options.control_port, on_stream=self._take_control
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

    def _take_control(self, stream: Stream) -> None:
        stream.start(Control(stream, self.control_token, lambda: self.faults, self.change_faults))

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
        for task in tuple(self._joining):
            task.cancel()
        for link in tuple(self._links):
            link.stop()
        for stream in self._frozen:
            stream.reset()  # silence ends with the server
        self._frozen.clear()
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                while self._links or self._parting:
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            for stream in (*(link.stream for link in self._links), *self._parting):
                stream.reset()
        await asyncio.sleep(0)  # streams tell of their end in the loop's next round

    async def __aenter__(self) -> Server:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # -- connections ---------------------------------------------------------------------------

    def _starved(self, error: OSError) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._starved_until:
            self._starved_until = now + _REMIND_S
            message = f"new connections wait: {error.strerror}; `ulimit -n` allows more"
            self.emit(0, "starved", {"message": message})

    def _silence(self) -> Silence | None:
        return next((where for fault in self.faults if (where := fault.silent_from())), None)

    def _swallow(self, stream: Stream) -> bool:
        """Whether this connection hangs before its first byte, under --hang tcp or tls."""
        if self._silence() is None:
            return False
        self._accepted += 1
        self.emit(self._accepted, "drop", {"fault": "hang", "how": "hang", "peer": stream.peer})
        stream.freeze()
        self._frozen.append(stream)
        return True

    def _accept(self, stream: Stream) -> None:
        self._accepted += 1
        most, now = self.options.max_connections, len(self._links)
        if most is not None and now >= 2 * most + _REFUSED_AT_ONCE:
            stream.reset()  # not even those that are told 503 may be without number
            return
        opening = Opening(self, self._accepted, stream, full=most is not None and now >= most)
        self._links.add(opening)
        stream.start(opening)

    def _raw(self, stream: Stream) -> None:
        self._accepted += 1
        link = RawLink(self, self._accepted, stream)
        self._links.add(link)
        stream.pause_reading()
        stream.start(link)
        task = asyncio.get_running_loop().create_task(self._join(link))
        self._joining.add(task)
        task.add_done_callback(self._joining.discard)

    async def _join(self, link: RawLink) -> None:
        assert self.options.upstream is not None
        try:
            upstream = await connect_tcp(*raw_address(self.options.upstream))
        except (OSError, UnicodeError) as error:
            link.emit("upstream-failed", message=str(error) or type(error).__name__)
            link.drop("upstream", "rst")
            return
        if link.over:
            upstream.close()
            return
        link.emit("open", peer=link.stream.peer, upstream=upstream.peer)
        link.set_faults(self.combine([]))
        link.join(upstream)
        link.stream.resume_reading()

    def change_faults(self, faults: list[Fault]) -> None:
        """Put these faults on every path from now on, open connections included. ValueError."""
        self._check(faults)
        old = {fault.name for fault in self.faults}
        self.faults = tuple(faults)
        self._running.set_blackhole(self._silence() == "tcp")
        self.emit(0, "faults", {"faults": [fault.name for fault in faults]})
        for link in tuple(self._links):
            if isinstance(link, Link) and not link.over:
                own = [fault for fault in link.faults if fault.name not in old]
                link.set_faults(self.combine(own))

    def _check(self, faults: Sequence[Fault]) -> None:
        for fault in faults:
            if self.options.raw and not fault.raw and fault.silent_from() is None:
                raise ValueError(f"{fault.name} needs frames: it does not work with --raw")

    def combine(self, faults: list[Fault]) -> list[Fault]:
        """A path's faults and those that hold for every path, each a copy of its own."""
        named = {fault.name for fault in faults}
        common = [replace(fault) for fault in self.faults if fault.name not in named]
        return [*common, *faults]

    def replace(self, opening: Opening, link: Link) -> None:
        """An opening handshake became a connection."""
        self._links.discard(opening)
        self._links.add(link)

    def gone(self, link: Opening | Link) -> None:
        """A connection is over."""
        self._links.discard(link)
        self._emptied.set()

    def parting(self, stream: Stream) -> None:
        """A relay's upstream outlives its client for the rest of its closing handshake."""
        self._parting.add(stream)

    def parted(self, stream: Stream) -> None:
        """That is over too."""
        self._parting.discard(stream)
        self._emptied.set()

    def emit(self, number: int, event: str, data: dict[str, Any]) -> None:
        """Count an event and tell the listener."""
        self._counts[event] += 1
        if self._on_event is not None:
            self._on_event(number, event, data)

    def stats(self) -> dict[str, Any]:
        """Figures since the start: connections and events."""
        open_links = [link for link in self._links if isinstance(link, Link)]
        return {
            "uptime_s": round(asyncio.get_running_loop().time() - self._started_at, 3),
            "accepted": self._accepted,
            "open": len(open_links),
            "events": dict(sorted(self._counts.items())),
        }
