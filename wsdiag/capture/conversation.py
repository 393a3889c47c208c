"""A flow's bytes to the facts of a WebSocket connection: tunnel, upgrade, frames, ends.

A conversation goes through stages: it begins unknown; its first bytes tell TLS, SOCKS, HTTP or
something else. A proxy's tunnel (SOCKS, CONNECT) ends in "unknown" again, because anything may
follow it. HTTP goes on, request by request, until one is answered with 101 and `Upgrade:
websocket` (`opening.py`); from there each direction is read as frames (`messages.py`). What begins
in the middle is unknown until a direction's bytes make plausible frames. The flow listener's
`number` (0: who sent the first packet) becomes client or server as soon as the bytes tell. How long
it was idle and what ended it is counted beside all of that (`ends.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wsdiag.capture.exchange import Exchange, Stage, StreamExchange
from wsdiag.capture.frames import plausible
from wsdiag.capture.http import Head, begins_request, begins_response
from wsdiag.capture.messages import MOST_ACTIVITY
from wsdiag.capture.tunnels import proxy_header, socks_answer
from wsdiag.judgement.recorded.facts import ConnectionFacts, EndKind

if TYPE_CHECKING:
    from wsdiag.capture.flow import Flow
    from wsdiag.capture.http2 import Http2Flow
    from wsdiag.capture.layers import TlsLayers
    from wsdiag.capture.tls.key_log import KeyLog
    from wsdiag.transport.trace import Tracer

_MOST_UNKNOWN = 1 << 16
_MOST_SOCKS = 2048
_TOLD = 24
"""Bytes of a conversation that was recorded from its first one on, after which it is no WebSocket
if they begin nothing that leads to one."""
_MANY_STREAMS = 2048
"""Streams of HTTP/2 from which on those that are over are judged before their connection ends."""
_A_STREAM = 6144
"""About how many bytes a stream takes beside what it holds."""
OnStreamOver = Callable[[StreamExchange, int], None]
"""Called with a stream of HTTP/2 that has ended, and until when the recording knows of it."""


class Conversation(Exchange):
    """One flow, listened to. `key_log`: opens TLS; None: TLS stays dark."""

    def __init__(
        self,
        flow: Flow,
        source: str,
        *,
        show: bool = False,
        key_log: KeyLog | None = None,
        tracer: Tracer | None = None,
        most_activity: int = MOST_ACTIVITY,
        on_stream_over: OnStreamOver | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        super().__init__(
            flow,
            source,
            began_ns=flow.began_ns,
            show=show,
            tracer=tracer,
            most_activity=most_activity,
            stopped=stopped,
        )
        self._on_stream_over = on_stream_over
        self.streams: list[StreamExchange] = []
        """Of HTTP/2: its WebSockets, but for those that were over when very many had come."""
        self.had_streams = False
        self.unread: str | None = None
        """Why it was not read, although it may hold WebSockets."""
        self._show, self._key_log, self._tracer = show, key_log, tracer
        self._http2: Http2Flow | None = None
        self._tls: TlsLayers | None = None
        self._socks: list[bytes] = [b"", b""]

    @property
    def listed(self) -> bool:
        """Whether it is, or may be, a WebSocket: it upgraded, or is TLS, or began before the
        recording and cannot be read."""
        if self.stage is Stage.UNKNOWN:
            states = self.flow.states
            return not states[0].syn and not states[1].syn and any(s.bytes for s in states)
        return self.stage in (Stage.WEBSOCKET, Stage.TLS)

    def held(self) -> int:
        """About how many bytes of memory it holds, its streams included."""
        total = super().held() + sum(_A_STREAM + stream.held() for stream in self.streams)
        total += 0 if self._tls is None else self._tls.held()
        return total + (0 if self._http2 is None else self._http2.held())

    # -- what the flow tells -----------------------------------------------------------------

    def fin(self, number: int, time_ns: int, hop_limit: int | None) -> None:
        """An end has sent everything."""
        if hop_limit is None:
            who = self.book.side(number)
            self.book.note(f"the {who}'s FIN was acknowledged before it was recorded, if it was")
        self._closed("fin", number, time_ns, hop_limit)

    def rst(self, number: int, time_ns: int, hop_limit: int) -> None:
        """A reset, with an end's address as its source."""
        self._closed("rst", number, time_ns, hop_limit)

    def survived(self, time_ns: int) -> None:
        """Bytes were sent and acknowledged behind a reset: whoever got it ignored it."""
        for stream in self.streams:
            stream.survived(time_ns)
        super().survived(time_ns)

    def _closed(self, kind: EndKind, number: int, time_ns: int, hop_limit: int | None) -> None:
        if self._http2 is not None:
            goaway = self._http2.goaways.get(number)
            for stream in self.streams:  # GOAWAY lets streams go on, up to the end of TCP
                if goaway is None:
                    stream.ends.closed(kind, number, time_ns, hop_limit)
                elif stream.facts.ended_s is None:
                    stream.ended(number, time_ns, "goaway", goaway)
        self.ends.closed(kind, number, time_ns, hop_limit)

    # -- bytes that are not TLS, or are no longer --------------------------------------------

    def _take(self, number: int, time_ns: int, data: bytes) -> None:
        if self._tls is not None:
            self._tls.data(number, time_ns, data)
        else:
            self.plaintext(number, time_ns, data)

    def _miss(self, number: int, time_ns: int, size: int) -> None:
        if self._tls is not None:
            self._tls.gap(number, time_ns, size)
        else:
            self.missed(number, time_ns, size)

    def plaintext(self, number: int, time_ns: int, data: bytes) -> None:
        """Bytes in the clear, in order, from an end."""
        if self.stage is Stage.TLS:
            self.stage, self.facts.encrypted = Stage.UNKNOWN, False
        if self.stage is Stage.UNKNOWN:
            self._unknown(number, time_ns, data)
        elif self.stage is Stage.SOCKS:
            self._socks_reply(number, time_ns, data)
        elif self._http2 is not None:
            self._http2.data(number, time_ns, data)
        else:
            super().plaintext(number, time_ns, data)

    def missed(self, number: int, time_ns: int, size: int) -> None:
        """Bytes in the clear are missing."""
        if self._http2 is not None:
            self._http2.gap(number, time_ns, size)
        else:
            super().missed(number, time_ns, size)

    def _unknown(self, number: int, time_ns: int, data: bytes) -> None:
        side, book, recorded = self._sides[number], self.book, self.flow.states[0].syn
        start = side.unknown + data
        if _begins_tls(start) or (not recorded and _is_tls(start)):
            self._begin_tls(number, time_ns, start)
        elif start[:1] == b"P" and self._is_http2(start):
            self._begin_http2(number, time_ns, start)
        elif begins_request(start) or begins_response(start):
            book.is_client(number if begins_request(start) else 1 - number)
            self.stage = Stage.HTTP
            self._opening.begin()
            self.plaintext(number, time_ns, start)
        elif start[:6] == b"PROXY " or start[:12] == b"\r\n\r\n\x00\r\nQUIT\n":
            complete, rest = proxy_header(start)
            side.unknown = b"" if complete else start[:_MOST_UNKNOWN]
            if complete:
                book.note("a PROXY protocol header came first")
                if rest:
                    self._unknown(number, time_ns, rest)
        elif start[:1] in (b"\x05", b"\x04") and self.flow.states[number].syn and number == 0:
            self.stage = Stage.SOCKS
            self._socks_reply(number, time_ns, start)
        elif _may_be_settings(start):
            side.unknown = start[:_MOST_UNKNOWN]
        elif not self._joins(number, time_ns, data):
            side.unknown = start[:_TOLD]
            if recorded and len(start) >= _TOLD:
                self.stage = Stage.OTHER

    def _joins(self, number: int, time_ns: int, data: bytes) -> bool:
        """A capture that begins in the middle: do these bytes make frames?"""
        if self.flow.states[0].syn:
            return False
        for from_client in (True, False):
            if plausible(data, from_client):
                self.book.is_client(number if from_client else 1 - number)
                self.facts.joined, self.facts.scheme = True, "ws"
                self._begin_frames(synchronized=False)
                self.plaintext(number, time_ns, data)
                return True
        return False

    def _socks_reply(self, number: int, time_ns: int, data: bytes) -> None:
        """SOCKS 4 and 5 (RFC 1928): passed over until the proxy says that it is connected."""
        self._socks[number] = (self._socks[number] + data)[:_MOST_SOCKS]
        granted, rest = socks_answer(*self._socks)
        if granted is None:
            return
        if not granted:
            self.stage = Stage.OTHER
            return
        self.book.note("through a SOCKS proxy")
        self.stage = Stage.UNKNOWN
        if rest:
            self._unknown(1, time_ns, rest)

    # -- TLS ---------------------------------------------------------------------------------

    def _begin_tls(self, number: int, time_ns: int, start: bytes) -> None:
        """TLS, or TLS within TLS."""
        from wsdiag.capture.layers import TlsLayers

        self.stage, self.facts.encrypted, self.facts.scheme = Stage.TLS, True, "wss"
        self.facts.joined = not _begins_tls(start)
        if not self.facts.joined and start[5:6] in (b"\x01", b"\x02"):  # a hello
            self.book.is_client(number if start[5:6] == b"\x01" else 1 - number)
        if self._tls is None:
            self._sealed = True
            self._tls = TlsLayers(self.book, self.ends, self._key_log, _Plaintext(self))
        self._tls.add()
        self._tls.first(number, time_ns, start)

    # -- HTTP/2 ------------------------------------------------------------------------------

    def _is_http2(self, start: bytes) -> bool:
        from wsdiag.capture.http2 import PREFACE

        return start.startswith(PREFACE[: max(len(start), 3)])

    def _begin_http2(self, number: int, time_ns: int, start: bytes) -> None:
        """HTTP/2 by its client's preface; what the server sent before it waits in `unknown`."""
        from wsdiag.capture.http2 import NEEDS_HPACK, Http2Flow

        self.book.is_client(number)
        early, self._sides[1 - number].unknown = self._sides[1 - number].unknown, b""
        try:
            self._http2 = Http2Flow(number, self._open_stream)
        except ImportError:
            self.stage, self.unread = Stage.OTHER, NEEDS_HPACK
            return
        self.stage = Stage.HTTP2
        if early:
            self._http2.data(1 - number, time_ns, early)
        self._http2.data(number, time_ns, start)

    def _open_stream(self, request: Head, time_ns: int) -> StreamExchange:
        """A conversation of its own for one extended CONNECT (RFC 8441)."""
        stream = StreamExchange(
            self.flow, self.facts.source, began_ns=time_ns, show=self._show, tracer=self._tracer
        )
        stream.ask(request, self.book.client or 0, encrypted=self._sealed)
        self.had_streams = True
        if len(self.streams) >= _MANY_STREAMS:
            self._finish_streams(time_ns)
        self.streams.append(stream)
        return stream

    def _finish_streams(self, time_ns: int) -> None:
        """Those that are over wait no longer for the end of their connection."""
        if self._http2 is None or self._on_stream_over is None:
            return
        opened = {id(each) for each in self._http2.open()}
        over = [each for each in self.streams if id(each) not in opened]
        self.streams = [each for each in self.streams if id(each) in opened]
        for each in over:
            self._on_stream_over(each, time_ns)

    # -- the facts ---------------------------------------------------------------------------

    def finish(self, until_ns: int) -> ConnectionFacts:
        """Everything that is known; `until_ns`: when the recording of this flow ended."""
        facts = super().finish(until_ns)
        if self._tls is not None:
            self._tls.finish()
            for stream in self.streams:
                stream.facts.tls.update(facts.tls)
        if self.stage is Stage.UNKNOWN:
            facts.joined = True
            self.book.note(
                "it began before the recording, and its bytes are neither HTTP nor frames"
            )
        return facts


class _Plaintext:
    """Where what comes out of TLS goes to."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    def data(self, number: int, time_ns: int, data: bytes) -> None:
        """Plaintext from an end."""
        self._conversation.plaintext(number, time_ns, data)

    def gap(self, number: int, time_ns: int, size: int) -> None:
        """Plaintext that is missing."""
        self._conversation.missed(number, time_ns, size)


def _begins_tls(data: bytes) -> bool:
    """A TLS record that carries a handshake message (RFC 8446, 5.1)."""
    return len(data) >= 3 and data[0] == 22 and data[1] == 3 and data[2] < 5


def _is_tls(data: bytes) -> bool:
    if not 20 <= data[0] <= 23:  # no record begins so: TLS is not imported to say it
        return False
    from wsdiag.capture.tls.flow import is_tls

    return is_tls(data)


def _may_be_settings(data: bytes) -> bool:
    if data[:2] != b"\0\0":
        return False
    from wsdiag.capture.http2 import begins_settings

    return begins_settings(data)
