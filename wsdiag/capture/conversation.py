"""A flow's bytes to the facts of a WebSocket connection: tunnel, upgrade, frames, ends.

A conversation goes through stages: it begins unknown; its first bytes tell TLS, SOCKS, HTTP or
something else. A proxy's tunnel (SOCKS, CONNECT) ends in "unknown" again, because anything may
follow it. HTTP goes on, request by request, until one is answered with 101 and `Upgrade:
websocket`; from there each direction is read as frames. What begins in the middle is unknown until
a direction's bytes make plausible frames. The flow listener's `number` (0: who sent the first
packet) becomes client or server as soon as the bytes tell.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from wsdiag.capture.flows import Flow
from wsdiag.capture.frames import plausible
from wsdiag.capture.http import (
    Head,
    HeadReader,
    begins_request,
    begins_response,
    deflate_parameters,
)
from wsdiag.capture.http2 import NEEDS_HPACK, PREFACE, Http2Flow, begins_settings, error_name
from wsdiag.capture.messages import MOST_ACTIVITY, Direction, Messages, sized, violated, words_of
from wsdiag.capture.tls.flow import TlsFlow, is_tls
from wsdiag.capture.tls.key_log import KeyLog
from wsdiag.capture.tracing import Tracing, address_of
from wsdiag.capture.tunnels import proxy_header, socks_answer
from wsdiag.judgement.recorded.facts import (
    END_WORDS,
    ConnectionFacts,
    DirectionFacts,
    EndKind,
    PingSeen,
    Side,
    TcpEnd,
    TlsAlert,
)
from wsdiag.transport.trace import Tracer

_MOST_UNKNOWN = 1 << 16
_MANY_STREAMS = 2048
"""Streams of HTTP/2 from which on those that are over are judged before their connection ends."""
_A_HEADER, _AN_EVENT, _A_STREAM = 200, 150, 6144
"""About how many bytes they take beside their text."""
_BURST_NS = 200_000_000
_LAST_WORD = 160
"""Bytes of TLS records: a Close frame or a close_notify and its answer are no more."""
_LEAST_WORD = 31
"""Bytes of one record that says no more than that the end comes."""
_AT_ONCE_NS = 1_000_000_000
_WAKE_NS = 1_000_000_000
"""Idleness after which a connection may be dead without anybody knowing."""

OnStreamOver = Callable[["Conversation", int], None]
"""Called with a stream of HTTP/2 that has ended, and until when the recording knows of it."""


class Stage(Enum):
    """How far the reading of a conversation has come."""

    UNKNOWN = "nothing is known of it yet"
    SOCKS = "a SOCKS greeting"
    HTTP = "HTTP requests and responses"
    HTTP2 = "HTTP/2, whose streams are conversations of their own"
    WEBSOCKET = "frames"
    TLS = "TLS"
    OTHER = "no WebSocket"


class _Burst:
    """What crossed a TLS flow lately without a pause, and what was known before it."""

    def __init__(self, number: int, time_ns: int, idle_ns: int, longest_s: float | None) -> None:
        self.number, self.time_ns, self.idle_ns = number, time_ns, idle_ns
        self.longest_s = longest_s
        self.size = self.first_size = 0
        self.before_ns: int | None = None


class _Wake(NamedTuple):
    """Bytes after some idleness: whose, when, after how long, and how many packets the other end
    had sent by then; and the longest idleness before that, in seconds."""

    number: int
    time_ns: int
    idle_ns: int
    heard: int
    longest_s: float | None


class _Plaintext:
    """What a layer of TLS tells its conversation: plaintext, read by the next layer or as HTTP."""

    def __init__(self, conversation: Conversation, layer: int) -> None:
        self._conversation, self._layer = conversation, layer

    def data(self, number: int, time_ns: int, data: bytes) -> None:
        """Plaintext from an end."""
        self._conversation.plaintext(self._layer, number, time_ns, data)

    def gap(self, number: int, time_ns: int, size: int) -> None:
        """Plaintext that is missing."""
        self._conversation.plaintext_gap(self._layer, number, time_ns, size)


class Conversation:
    """One flow, listened to. `facts` is complete once `finish` was called.

    `show`: keep the first messages' payloads. `key_log`: opens TLS; None: TLS stays dark.
    `tracer` is told of the handshake and of every frame. `stopped`: whether what was read is
    enough; a megabyte may wait behind a hole, and be half a million frames.
    """

    def __init__(
        self,
        flow: Flow,
        source: str,
        *,
        show: bool = False,
        key_log: KeyLog | None = None,
        tracer: Tracer | None = None,
        began_ns: int | None = None,
        most_activity: int = MOST_ACTIVITY,
        on_stream_over: OnStreamOver | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.flow = flow
        self._stopped = stopped
        self._on_stream_over = on_stream_over
        self._most_activity = most_activity
        self.stage = Stage.UNKNOWN
        self._began_ns = flow.began_ns if began_ns is None else began_ns
        self.facts = ConnectionFacts(source)
        self.facts.began = self._began_ns / 1e9
        self.streams: list[Conversation] = []
        """Of HTTP/2: its WebSockets, but for those that were over when very many had come."""
        self.had_streams = False
        self.refused: Head | None = None
        """The answer to a request for the upgrade that was not 101 (in HTTP/2: 200)."""
        self.unread: str | None = None
        """Why it was not read, although it may hold WebSockets."""
        self._http2: Http2Flow | None = None
        self._client: int | None = None
        self._sides = (Direction(DirectionFacts()), Direction(DirectionFacts()))
        self._requests: deque[Head] = deque()
        self._last_ns = self._began_ns
        self._idle_before_ns = 0
        self._longest_ns = -1
        self._wake: _Wake | None = None
        self._alerted: int | None = None
        """Whose TLS alert seems to have ended it."""
        self._show, self._key_log, self._tracer = show, key_log, tracer
        self._tracing = None if tracer is None else Tracing(tracer, flow, self.facts, show=show)
        self._messages = Messages(
            self.facts,
            self._sides,
            self._began_ns,
            self._close_seen,
            show=show,
            tracing=self._tracing,
            most_activity=most_activity,
        )
        self._layers: list[TlsFlow] = []
        """TLS, and TLS within it (a tunnel through a proxy that is spoken to in TLS)."""
        self._burst: _Burst | None = None
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
        facts = self.facts
        heads = [*facts.request_headers, *facts.response_headers]
        heads += [pair for request in self._requests for pair in request.headers]
        total = sum(len(name) + len(value) + _A_HEADER for name, value in heads)
        total += len(facts.activity) * _AN_EVENT + sum(len(text) for _, _, text in facts.shown)
        total += sum(side.held() for side in self._sides)
        total += sum(layer.held() for layer in self._layers)
        if self._http2 is not None:
            total += self._http2.held()
        return total + sum(_A_STREAM + stream.held() for stream in self.streams)

    # -- what the flow tells -----------------------------------------------------------------

    def data(self, number: int, time_ns: int, data: bytes) -> None:
        """Bytes, in order, from an end."""
        if self._stopped():
            return
        side = self._sides[number]
        before_ns = side.before_ns = side.last_ns
        self._idle_before_ns = idle_ns = time_ns - self._last_ns
        if self.facts.ended_s is None:
            self._last_ns = side.last_ns = time_ns
        self._messages.spoke = False
        if self._layers:
            self._encrypted(number, time_ns, data, idle_ns)
        elif self.stage is Stage.WEBSOCKET and side.frames is not None:
            side.frames.data(time_ns, data)
        else:
            self._read(number, time_ns, data)
        if (  # nearly no byte comes after the longest pause so far
            idle_ns > self._longest_ns
            or idle_ns > _WAKE_NS
            or (before_ns is not None and time_ns - before_ns > side.longest_ns)
        ):
            self._idled(number, time_ns, before_ns, idle_ns)

    def _idled(self, number: int, time_ns: int, before_ns: int | None, idle_ns: int) -> None:
        """An end sent something: how long it, and both, had sent nothing."""
        side, facts = self._sides[number], self.facts
        if facts.ended_s is None and (self.stage is Stage.WEBSOCKET or self._layers):
            if before_ns is not None and time_ns - before_ns > side.longest_ns:
                side.longest_ns = time_ns - before_ns
            if idle_ns > _WAKE_NS:
                heard = self.flow.states[1 - number].segments
                self._wake = _Wake(number, time_ns, idle_ns, heard, facts.longest_idle_s)
            if idle_ns > self._longest_ns:
                self._longest_ns = idle_ns
                facts.longest_idle_s = idle_ns / 1e9

    def _read(self, number: int, time_ns: int, data: bytes) -> None:
        """Bytes that are not TLS, or are no longer."""
        stage = self.stage
        if stage is Stage.WEBSOCKET:
            frames = self._sides[number].frames
            assert frames is not None
            frames.data(time_ns, data)
        elif stage is Stage.HTTP:
            self._http(number, time_ns, data)
        elif stage is Stage.HTTP2:
            assert self._http2 is not None
            self._http2.data(number, time_ns, data)
        elif stage is not Stage.OTHER:
            self._unknown(number, time_ns, data)

    def gap(self, number: int, time_ns: int, size: int) -> None:
        """Bytes that an end sent and the capture lacks."""
        side = self._sides[number]
        before_ns, idle_ns = side.last_ns, time_ns - self._last_ns
        if self.facts.ended_s is None:
            self._last_ns = side.last_ns = time_ns
        self._idled(number, time_ns, before_ns, idle_ns)
        if self._layers:
            self._layers[0].gap(number, time_ns, size)
        else:
            self._missed(number, time_ns, size)

    def _missed(self, number: int, time_ns: int, size: int) -> None:
        side = self._sides[number]
        if self._http2 is not None:
            self._http2.gap(number, time_ns, size)
        elif self.stage is Stage.WEBSOCKET and side.frames is not None:
            side.frames.gap(size)
            if side.inflate is not None:
                side.inflate = None
                self._note("compressed messages after a gap in the capture cannot be read")
        elif self.stage is Stage.HTTP and side.heads is not None and not side.heads.gap(size):
            self._cut_head(number, side.heads, time_ns)

    def fin(self, number: int, time_ns: int, hop_limit: int | None) -> None:
        """An end has sent everything."""
        if hop_limit is None:
            who = self._side(number)
            self._note(f"the {who}'s FIN was acknowledged before it was recorded, if it was")
        self._tcp_end("fin", number, time_ns, hop_limit)

    def rst(self, number: int, time_ns: int, hop_limit: int) -> None:
        """A reset, with an end's address as its source."""
        self._tcp_end("rst", number, time_ns, hop_limit)

    # -- before the upgrade ------------------------------------------------------------------

    def _unknown(self, number: int, time_ns: int, data: bytes) -> None:
        side = self._sides[number]
        if self.stage is Stage.SOCKS:
            self._socks_reply(number, time_ns, data)
            return
        start = side.unknown + data
        if _begins_tls(start) or (is_tls(start) and not self.flow.states[0].syn):
            self.stage, self.facts.encrypted, self.facts.scheme = Stage.TLS, True, "wss"
            self._set_client(0 if self.flow.states[0].syn or start[5:6] != b"\x02" else 1)
            self.facts.joined = not _begins_tls(start)
            self._layers.append(TlsFlow(self._key_log, _Plaintext(self, len(self._layers) + 1)))
            self._encrypted(number, time_ns, start, self._idle_before_ns)
        elif start.startswith(PREFACE[: max(len(start), 3)]) and start[:1] == b"P":
            self._begin_http2(number, time_ns, start)
        elif begins_request(start) or begins_response(start):
            self._set_client(number if begins_request(start) else 1 - number)
            self._begin_http()
            self._http(number, time_ns, start)
        elif start[:6] == b"PROXY " or start[:12] == b"\r\n\r\n\x00\r\nQUIT\n":
            self._proxy_header(number, time_ns, start)
        elif start[:1] in (b"\x05", b"\x04") and self.flow.states[number].syn and number == 0:
            self.stage = Stage.SOCKS
            self._socks_reply(number, time_ns, start)
        elif begins_settings(start):
            side.unknown = start[:_MOST_UNKNOWN]
        elif not self._joins(number, time_ns, data):
            side.unknown = start[:24]
            if self.flow.states[0].syn and len(start) >= 24:
                self.stage = Stage.OTHER

    def _proxy_header(self, number: int, time_ns: int, start: bytes) -> None:
        """The PROXY protocol's header, in front of whatever the connection carries."""
        complete, rest = proxy_header(start)
        side = self._sides[number]
        side.unknown = b"" if complete else start[:_MOST_UNKNOWN]
        if complete:
            self._note("a PROXY protocol header came first")
            if rest:
                self._unknown(number, time_ns, rest)

    def _joins(self, number: int, time_ns: int, data: bytes) -> bool:
        """A capture that begins in the middle: do these bytes make frames?"""
        if self.flow.states[0].syn:
            return False
        for from_client in (True, False):
            if plausible(data, from_client):
                self._set_client(number if from_client else 1 - number)
                self.facts.joined, self.facts.scheme = True, "ws"
                self._begin_frames(None, synchronized=False)
                reader = self._sides[number].frames
                assert reader is not None
                reader.data(time_ns, data)
                return True
        return False

    def _socks_reply(self, number: int, time_ns: int, data: bytes) -> None:
        """SOCKS 4 and 5 (RFC 1928): passed over until the proxy says that it is connected."""
        self._socks[number] = (self._socks[number] + data)[:2048]
        granted, rest = socks_answer(*self._socks)
        if granted is None:
            return
        if not granted:
            self.stage = Stage.OTHER
            return
        self._note("through a SOCKS proxy")
        self.stage = Stage.UNKNOWN
        if rest:
            self._unknown(1, time_ns, rest)

    def _begin_http2(self, number: int, time_ns: int, start: bytes) -> None:
        """HTTP/2 by its client's preface; what the server sent before it waits in `unknown`."""
        self._set_client(number)
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

    def _open_stream(self, request: Head, time_ns: int) -> Conversation:
        stream = Conversation(
            self.flow, self.facts.source, show=self._show, tracer=self._tracer, began_ns=time_ns
        )
        stream.ask(request, self._client or 0, encrypted=bool(self._layers))
        self.had_streams = True
        if len(self.streams) >= _MANY_STREAMS and self._on_stream_over is not None:
            assert self._http2 is not None
            opened = {id(each) for each in self._http2.open()}
            for each in self.streams:
                if id(each) not in opened:
                    self._on_stream_over(each, time_ns)
            self.streams = [each for each in self.streams if id(each) in opened]
        self.streams.append(stream)
        return stream

    def ask(self, request: Head, client: int, *, encrypted: bool) -> None:
        """A stream of HTTP/2: its request, an extended CONNECT (RFC 8441)."""
        self.stage = Stage.HTTP
        self._set_client(client)
        self.facts.scheme = "wss" if encrypted else "ws"
        self._read_request(request)
        self._requests.append(request)

    def answered(self, head: Head, time_ns: int) -> None:
        """A stream of HTTP/2: its response."""
        if self.stage is Stage.HTTP and self._requests:
            request = self._requests.popleft()
            if head.status == 200:
                self._upgraded(request, head, time_ns)
            else:
                self.refused = head

    def ended(self, number: int, time_ns: int, how: EndKind, code: int | None) -> None:
        """A stream of HTTP/2: END_STREAM, or an error code that ends it."""
        if code is not None:
            who, name = self._side(number), END_WORDS[how]
            self._note(f"HTTP/2: {name} with {error_name(code)} from the {who}")
        self._tcp_end(how, number, time_ns, None, code)

    def _begin_http(self) -> None:
        self.stage = Stage.HTTP
        for number, side in enumerate(self._sides):
            side.heads, side.unknown = HeadReader(requests=number == self._client), b""

    def _http(self, number: int, time_ns: int, data: bytes) -> None:
        side = self._sides[number]
        if side.heads is None:  # a stream of HTTP/2 that nobody has answered yet
            side.unknown = (side.unknown + data)[:_MOST_UNKNOWN]
            return
        if number == self._client and self._unanswered(side.heads, data):
            self._read_request(self._requests.popleft())
            self._join(time_ns)
            self._read(number, time_ns, data)
            return
        head = side.heads.feed(data)
        while head is not None:
            if number == self._client:
                self._requested(side.heads, head)
            else:
                self._responded(side.heads, head, time_ns)
            if self.stage is not Stage.HTTP:
                return
            head = side.heads.feed(b"")
        if side.heads.failed:
            self.stage = Stage.OTHER

    def _requested(self, reader: HeadReader, head: Head) -> None:
        if len(self._requests) < 256:
            self._requests.append(head)
        if head.wants_websocket() or head.first[0] == "CONNECT":
            reader.stop()
        else:
            lengths = head.has("transfer-encoding", "chunked") or head.has("content-length", "")
            reader.go_on(has_body=lengths, head=head)

    def _responded(self, reader: HeadReader, head: Head, time_ns: int) -> None:
        status = head.status
        if 100 <= status < 200 and status != 101:
            reader.go_on(has_body=False, head=head)
            return
        request = self._requests.popleft() if self._requests else None
        if status == 101:
            if head.has("upgrade", "websocket"):
                self._upgraded(request, head, time_ns)
            else:
                self.stage = Stage.OTHER
            return
        if request is not None and request.first[0] == "CONNECT" and 200 <= status < 300:
            self._note(f"through a proxy's tunnel to {request.first[1]}")
            self._restart(time_ns)
            return
        if request is not None and request.wants_websocket():
            self.refused = head
            self._read_request(request)
        none = status in (204, 304) or (request is not None and request.first[0] == "HEAD")
        reader.go_on(has_body=not none, head=head)
        requests = self._sides[1 - self._number(reader)].heads
        if requests is not None and requests.stopped and request is not None:
            requests.go_on(has_body=request.has("content-length", ""), head=request)

    def _cut_head(self, number: int, reader: HeadReader, time_ns: int) -> None:
        """A head of which the capture has only the beginning: it keeps so much of each packet."""
        head = reader.cut()
        if number == self._client and head is not None:
            self._requests.append(head)
        elif number != self._client and head is not None and head.status == 101:
            if self._requests:
                self._read_request(self._requests.popleft())
            self._join(time_ns)
            self._note("the opening handshake was cut off in the capture")
        elif self.flow.states[number].segments:
            self.stage = Stage.OTHER

    def _unanswered(self, reader: HeadReader, data: bytes) -> bool:
        """Whether a client's frames follow its request, and the capture has nothing of the server's
        packets."""
        asked = bool(self._requests) and self._requests[-1].wants_websocket()
        heard = self.flow.states[1 - self._number(reader)].segments
        return reader.stopped and asked and not heard and plausible(data, True)

    def _join(self, time_ns: int) -> None:
        """Frames begin somewhere here, by an upgrade that was not recorded."""
        facts = self.facts
        facts.joined, facts.scheme = True, facts.scheme or "ws"
        facts.opened_s = self._since(time_ns)
        self._begin_frames(None, synchronized=False)

    def _restart(self, time_ns: int) -> None:
        """Behind a tunnel's opening: anything may follow, in both directions."""
        rests = [side.heads.held if side.heads is not None else b"" for side in self._sides]
        self.stage = Stage.UNKNOWN
        for side in self._sides:
            side.heads = None
        for number, rest in enumerate(rests):
            if rest:
                self.data(number, time_ns, rest)

    def _number(self, reader: HeadReader) -> int:
        return 0 if self._sides[0].heads is reader else 1

    def _read_request(self, request: Head) -> None:
        facts = self.facts
        facts.path, facts.request_headers = request.first[1], request.headers
        facts.host = next((v for n, v in request.headers if n.lower() == "host"), None)

    def _upgraded(self, request: Head | None, head: Head, time_ns: int) -> None:
        facts = self.facts
        if request is not None:
            self._read_request(request)
            if head.status == 101:
                self._judge_accept(request, head)
        facts.scheme = facts.scheme or "ws"
        facts.version = head.first[0].removeprefix("HTTP/")
        facts.status, facts.reason = head.status, head.first[2]
        facts.response_headers = head.headers
        facts.subprotocol, facts.extensions = head.subprotocol(), head.extensions()
        facts.opened_s = self._since(time_ns)
        if self._tracing is not None:
            self._tracing.heads(request, head, time_ns)
        rests = [
            side.heads.held if side.heads is not None else side.unknown for side in self._sides
        ]
        self._begin_frames(deflate_parameters(head), synchronized=True)
        self._last_ns = time_ns
        for number, rest in enumerate(rests):
            self._sides[number].last_ns = time_ns
            if rest:
                self.data(number, time_ns, rest)

    def _judge_accept(self, request: Head, head: Head) -> None:
        from wsdiag.protocol.headers import get_all
        from wsdiag.protocol.http import accept_key

        key = next(iter(get_all(request.headers, "sec-websocket-key")), "")
        accept = next(iter(get_all(head.headers, "sec-websocket-accept")), "")
        if key and accept != accept_key(key):
            violated(self.facts, "server", "wrong Sec-WebSocket-Accept", "RFC 6455, 4.2.2")

    def _begin_frames(self, deflate: dict[str, str | None] | None, *, synchronized: bool) -> None:
        self.stage = Stage.WEBSOCKET
        self._messages.begin(self._client, deflate, synchronized=synchronized)

    # -- TLS ---------------------------------------------------------------------------------

    def _encrypted(self, number: int, time_ns: int, data: bytes, idle_ns: int) -> None:
        """Bytes of TLS. Where it stays dark, lengths, times and directions are all there is: a few
        bytes right before the end are then taken for a Close frame or an alert, not for traffic."""
        facts, burst = self.facts, self._burst
        if facts.ended_s is None:
            if burst is None or idle_ns > _BURST_NS:
                burst = self._burst = _Burst(number, time_ns, idle_ns, facts.longest_idle_s)
                burst.before_ns = self._sides[number].before_ns
            burst.size += len(data)
            burst.first_size = burst.first_size or len(data)
        layer = self._layers[0]
        alerts = len(layer.alerts)
        layer.data(number, time_ns, data)
        if len(layer.alerts) > alerts:
            self._said_goodbye(number)
            if facts.ended_s is None:
                self._alerted = number
            self._ended(time_ns)
        elif self._alerted == number and facts.encrypted and not facts.ends:
            # it was no close_notify: who sends one sends nothing behind it
            self._alerted, facts.ended_s = None, None
            layer.alerts.clear()

    def plaintext(self, layer: int, number: int, time_ns: int, data: bytes) -> None:
        """What a layer of TLS opened."""
        if layer < len(self._layers):
            self._layers[layer].data(number, time_ns, data)
            return
        if self.stage is Stage.TLS:
            self.stage, self.facts.encrypted = Stage.UNKNOWN, False
        self._read(number, time_ns, data)

    def plaintext_gap(self, layer: int, number: int, time_ns: int, size: int) -> None:
        """What a layer of TLS could not open."""
        if layer < len(self._layers):
            self._layers[layer].gap(number, time_ns, size)
        else:
            self._missed(number, time_ns, size)

    def _finish_tls(self) -> None:
        facts = self.facts
        for layer in self._layers:
            layer.finish()
            facts.tls.update(layer.facts)
            for alert in layer.alerts[: 8 - len(facts.alerts)]:
                at_s = self._since(alert.time_ns)
                facts.alerts.append(TlsAlert(self._side(alert.number), at_s, alert.name))
            if layer.dark is not None:
                kept = "not decrypted" if facts.encrypted else "not decrypted from some point on"
                self._note(f"{kept}: {layer.dark}")

    # -- ends --------------------------------------------------------------------------------

    def _tcp_end(
        self,
        kind: EndKind,
        number: int,
        time_ns: int,
        hop_limit: int | None,
        code: int | None = None,
    ) -> None:
        if self._http2 is not None:
            goaway = self._http2.goaways.get(number)
            for stream in self.streams:  # GOAWAY lets streams go on, up to the end of TCP
                if goaway is None:
                    stream._tcp_end(kind, number, time_ns, hop_limit)
                elif stream.facts.ended_s is None:
                    stream.ended(number, time_ns, "goaway", goaway)
        if self.facts.ended_s is None:
            self._idle_before_ns = time_ns - self._last_ns
            self._last_word(number, time_ns)
            bare = kind == "rst" and not self.flow.reset_acks  # RFC 9293, 3.5.2: no socket there
            if bare and self._side(number) == "server":
                self._found_dead()
        self._ended(time_ns)
        if len(self.facts.ends) < 8:
            at_s = self._since(time_ns)
            # Stored with the number until it is known which one the client is.
            name = None if code is None else error_name(code)
            self.facts.ends.append(TcpEnd(kind, self._side(number), at_s, hop_limit, code, name))

    def _found_dead(self) -> None:
        """The client's last bytes after some idleness got no answer: it was dead before them."""
        wake, facts = self._wake, self.facts
        if wake is None or self._side(wake.number) != "client":
            return
        state, peer = self.flow.states[wake.number], self.flow.states[1 - wake.number]
        if peer.segments == wake.heard and peer.acknowledged != state.position:
            facts.dead_after_s, facts.asked_s = wake.idle_ns / 1e9, self._since(wake.time_ns)
            facts.longest_idle_s = wake.longest_s

    def _last_word(self, number: int, time_ns: int) -> None:
        """Whether a few bytes of dark TLS right before the end belong to it."""
        burst, facts = self._burst, self.facts
        if (
            burst is None
            or not facts.encrypted
            or (burst.number != number and burst.first_size > _LEAST_WORD)
            or burst.size > _LAST_WORD
            or time_ns - burst.time_ns > _AT_ONCE_NS
        ):
            return
        self._idle_before_ns = burst.idle_ns
        facts.longest_idle_s = burst.longest_s
        self._sides[burst.number].last_ns = burst.before_ns
        facts.ended_s = self._since(burst.time_ns)
        facts.idle_s = burst.idle_ns / 1e9
        facts.alerts.append(TlsAlert(self._side(burst.number), facts.ended_s, "encrypted"))
        self._note(
            f"the last {burst.size} bytes, right before the end, were taken for a Close frame or "
            "a TLS alert"
        )

    def _close_seen(self, number: int, time_ns: int) -> None:
        if self._messages.spoke:  # in the same segment: it came after no idleness
            self._idle_before_ns = 0
        self._said_goodbye(number)
        self._ended(time_ns)

    def _said_goodbye(self, number: int) -> None:
        """The bytes that are being read say that the end comes: they are no traffic."""
        side = self._sides[number]
        if self.facts.ended_s is None and self._idle_before_ns:
            side.last_ns = side.before_ns

    def _ended(self, time_ns: int) -> None:
        """The first sign of the end: idleness is counted up to here."""
        facts = self.facts
        if facts.ended_s is not None:
            return
        facts.ended_s = self._since(time_ns)
        facts.idle_s = self._idle_before_ns / 1e9
        for side in self._sides:
            side.facts.missed_at_end = side.frames is not None and side.frames.missed

    def _side(self, number: int) -> Side:
        return "client" if number == (self._client or 0) else "server"

    def _set_client(self, number: int) -> None:
        self._client = number
        if self._tracing is not None:
            self._tracing.client = number

    def _since(self, time_ns: int) -> float:
        return (time_ns - self._began_ns) / 1e9

    def _note(self, text: str) -> None:
        if text not in self.facts.notes and len(self.facts.notes) < 16:
            self.facts.notes.append(text)

    # -- the facts ---------------------------------------------------------------------------

    def finish(self, until_ns: int) -> ConnectionFacts:
        """Everything that is known; `until_ns`: when the recording of this flow ended."""
        facts, client = self.facts, self._client or 0
        flow = self.flow
        facts.client_address, facts.server_address = (
            address_of(flow.ends[client]),
            address_of(flow.ends[1 - client]),
        )
        facts.sent, facts.received = self._sides[client].facts, self._sides[1 - client].facts
        for number, side in enumerate(self._sides):
            self._finish_direction(number, side, until_ns)
        self._finish_tls()
        if self.stage is Stage.UNKNOWN:
            facts.joined = True
            self._note("it began before the recording, and its bytes are neither HTTP nor frames")
        facts.recorded_s = self._since(until_ns)
        for layer in self._layers:
            for stream in self.streams:
                stream.facts.tls.update(layer.facts)
        if facts.ended_s is None:
            facts.idle_s = (until_ns - self._last_ns) / 1e9
        if facts.sent.unacknowledged_s is not None and facts.dead_after_s is None:
            self._found_dead()
        return facts

    def _finish_direction(self, number: int, side: Direction, until_ns: int) -> None:
        state, facts = self.flow.states[number], side.facts
        who = self._side(number)
        facts.tcp_bytes, facts.segments = state.bytes, state.segments
        facts.longest_idle_s = side.longest_ns / 1e9
        if side.last_text:
            facts.last_message = words_of(side.last_text)
        facts.retransmits, facts.lost_bytes = state.retransmits, state.lost_bytes
        facts.zero_windows, facts.keepalive_probes = state.zero_windows, state.keepalive_probes
        facts.hop_limits, facts.window_closed = state.hop_limits, state.window_closed
        if state.heard_ns is not None:
            facts.heard_s = self._since(state.heard_ns)
        if state.probed_at == self.flow.states[1 - number].segments:
            facts.probes_unanswered = state.probes_open
            facts.probing_since_s = self._since(state.probing_since_ns or 0)
        if state.first_ns is not None:
            facts.first_byte_s = self._since(state.first_ns)
        if side.last_ns is not None:
            facts.last_byte_s = self._since(side.last_ns)
        if state.syn_ns is not None:
            facts.syn_s = self._since(state.syn_ns)
        facts.reached, facts.first_seq = state.reached, state.first_seq
        facts.marks = [(offset, time_ns / 1e9) for offset, time_ns in state.marks]
        if state.resent_since_ns is not None:
            facts.unacknowledged_s = self._since(state.resent_since_ns)
        if side.frames is not None:
            facts.missed = side.frames.missed
            if side.frames.unfinished:
                sized(facts, side.frames.unfinished)
        self.facts.unanswered[who] = side.unanswered + len(side.pings)
        self.facts.open_pings += [PingSeen(who, at_s) for _, at_s in list(side.pings)[:4]]


def _begins_tls(data: bytes) -> bool:
    """A TLS record that carries a handshake message (RFC 8446, 5.1)."""
    return len(data) >= 3 and data[0] == 22 and data[1] == 3 and data[2] < 5
