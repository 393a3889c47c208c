"""One HTTP exchange that becomes a WebSocket: the opening handshake, then frames, then an end.

Bytes come in the clear, from a flow (`conversation.py`) or from a stream of HTTP/2.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from wsdiag.capture.ends import WAKE_NS, Ends
from wsdiag.capture.http import Head, deflate_parameters
from wsdiag.capture.messages import MOST_ACTIVITY, Messages
from wsdiag.capture.notebook import Notebook
from wsdiag.capture.opening import Opening, Outcome
from wsdiag.judgement.recorded.facts import END_WORDS, ConnectionFacts, EndKind

if TYPE_CHECKING:
    from wsdiag.capture.flow import Flow
    from wsdiag.transport.trace import Tracer


class Stage(Enum):
    """How far the reading of a conversation has come."""

    UNKNOWN = "nothing is known of it yet"
    SOCKS = "a SOCKS greeting"
    HTTP = "HTTP requests and responses"
    HTTP2 = "HTTP/2, whose streams are conversations of their own"
    WEBSOCKET = "frames"
    TLS = "TLS"
    OTHER = "no WebSocket"


class Exchange:
    """`facts` is complete once `finish` was called.

    `show`: keep the first messages' payloads. `tracer` is told of the handshake and of every frame.
    `stopped`: whether what was read is enough; a megabyte may wait behind a hole, and be half a
    million frames.
    """

    def __init__(
        self,
        flow: Flow,
        source: str,
        *,
        began_ns: int,
        show: bool = False,
        tracer: Tracer | None = None,
        most_activity: int = MOST_ACTIVITY,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.flow = flow
        self._stopped = stopped
        self.stage = Stage.UNKNOWN
        self.book = book = Notebook(flow, source, began_ns)
        self.facts = book.facts
        self._sides = book.sides
        if tracer is not None:
            from wsdiag.capture.tracing import Tracing

            book.tracing = Tracing(tracer, flow, self.facts, show=show)
        self.ends = Ends(book)
        self._messages = Messages(book, self._close_seen, show=show, most_activity=most_activity)
        self._opening = Opening(book)
        self._sealed = False
        """Whether its bytes are TLS's."""

    @property
    def listed(self) -> bool:
        """Whether it became a WebSocket."""
        return self.stage is Stage.WEBSOCKET

    @property
    def refused(self) -> Head | None:
        """The answer to a request for the upgrade that was not 101 (in HTTP/2: 200)."""
        return self._opening.refused

    def held(self) -> int:
        """About how many bytes of memory it holds."""
        return self.book.held() + self._opening.held()

    def data(self, number: int, time_ns: int, data: bytes) -> None:
        """Bytes, in order, from an end."""
        if self._stopped():
            return
        side, ends = self._sides[number], self.ends
        before_ns = side.before_ns = side.last_ns
        ends.idle_before_ns = idle_ns = time_ns - ends.last_ns
        if self.facts.ended_s is None:
            ends.last_ns = side.last_ns = time_ns
        self._messages.spoke = False
        if side.frames is not None and not self._sealed:
            side.frames.data(time_ns, data)
        else:
            self._take(number, time_ns, data)
        if (  # nearly no byte comes after the longest pause so far
            idle_ns > ends.longest_ns
            or idle_ns > WAKE_NS
            or (before_ns is not None and time_ns - before_ns > side.longest_ns)
        ):
            self._idled(number, time_ns, before_ns, idle_ns)

    def gap(self, number: int, time_ns: int, size: int) -> None:
        """Bytes that an end sent and the capture lacks; 0: nobody knows how many."""
        side, ends = self._sides[number], self.ends
        before_ns, idle_ns = side.last_ns, time_ns - ends.last_ns
        if self.facts.ended_s is None:
            ends.last_ns = side.last_ns = time_ns
        self._idled(number, time_ns, before_ns, idle_ns)
        self._miss(number, time_ns, size)

    def survived(self, time_ns: int) -> None:
        """Bytes were sent and acknowledged behind a reset: whoever got it ignored it."""
        self.ends.survived(time_ns)

    def _idled(self, number: int, time_ns: int, before_ns: int | None, idle_ns: int) -> None:
        if self.stage is Stage.WEBSOCKET or self._sealed:
            self.ends.idled(number, time_ns, before_ns, idle_ns)

    def _take(self, number: int, time_ns: int, data: bytes) -> None:
        self.plaintext(number, time_ns, data)

    def _miss(self, number: int, time_ns: int, size: int) -> None:
        self.missed(number, time_ns, size)

    def plaintext(self, number: int, time_ns: int, data: bytes) -> None:
        """Bytes in the clear, in order, from an end."""
        if self.stage is Stage.WEBSOCKET:
            frames = self._sides[number].frames
            assert frames is not None
            frames.data(time_ns, data)
        elif self.stage is Stage.HTTP:
            outcome = self._opening.data(number, time_ns, data)
            self._leads_to(outcome, time_ns)
            if outcome is Outcome.JOINED:
                self.plaintext(number, time_ns, data)

    def missed(self, number: int, time_ns: int, size: int) -> None:
        """Bytes in the clear are missing."""
        side = self._sides[number]
        if self.stage is Stage.WEBSOCKET and side.frames is not None:
            side.frames.gap(size)
            if side.inflate is not None:
                side.inflate = None
                self.book.note("compressed messages after a gap in the capture cannot be read")
        elif self.stage is Stage.HTTP:
            self._leads_to(self._opening.gap(number, size), time_ns)

    def _leads_to(self, outcome: Outcome | None, time_ns: int) -> None:
        if outcome is Outcome.OTHER:
            self.stage = Stage.OTHER
        elif outcome is Outcome.JOINED:  # by an upgrade that was not recorded
            facts = self.facts
            facts.joined, facts.scheme = True, facts.scheme or "ws"
            facts.opened_s = self.book.since(time_ns)
            self._begin_frames(synchronized=False)
            self._half_dark()
        elif outcome is not None:
            rests = [
                side.heads.held if side.heads is not None else side.unknown for side in self._sides
            ]
            for side in self._sides:
                side.heads, side.unknown = None, b""
            if outcome is Outcome.UPGRADED:
                self._begin_frames(synchronized=True)
                self.ends.last_ns = self._sides[0].last_ns = self._sides[1].last_ns = time_ns
            else:
                self.stage = Stage.UNKNOWN
            for number, rest in enumerate(rests):
                if rest:
                    self.plaintext(number, time_ns, rest)

    def _begin_frames(self, *, synchronized: bool) -> None:
        self.stage = Stage.WEBSOCKET
        response = self._opening.response
        deflate = None if response is None else deflate_parameters(response)
        self._messages.begin(deflate, synchronized=synchronized)

    def _half_dark(self) -> None:
        """Where the client's frames follow its request and the server's half is there, it could not
        be decrypted: what it says is not known, which is not nothing."""
        server = 1 - (self.book.client or 0)
        side = self._sides[server]
        if self.facts.scheme == "wss" and side.frames is not None:
            side.frames.missed = True
            side.facts.messages = side.facts.bytes = side.facts.pings = side.facts.pongs = None
            self.book.note("what the server sent was not decrypted: a secret is missing")

    def _close_seen(self, number: int, time_ns: int) -> None:
        if self._messages.spoke:  # in the same segment: it came after no idleness
            self.ends.idle_before_ns = 0
        self.ends.said_goodbye(number)
        self.ends.ended(time_ns)

    def finish(self, until_ns: int) -> ConnectionFacts:
        """Everything that is known; `until_ns`: when the recording of this flow ended."""
        facts, ends = self.facts, self.ends
        self.book.finish()
        facts.recorded_s = self.book.since(until_ns)
        if facts.ended_s is None:
            facts.idle_s = (until_ns - ends.last_ns) / 1e9
        if facts.sent.unacknowledged_s is not None and facts.dead_after_s is None:
            ends.found_dead()
        return facts


class StreamExchange(Exchange):
    """A stream of HTTP/2 that asks to be a WebSocket (RFC 8441)."""

    def ask(self, request: Head, client: int, *, encrypted: bool) -> None:
        """Its request, an extended CONNECT."""
        self.stage = Stage.HTTP
        self.book.is_client(client)
        self.facts.scheme = "wss" if encrypted else "ws"
        self._opening.ask(request)

    def answered(self, head: Head, time_ns: int) -> None:
        """Its response."""
        if self.stage is Stage.HTTP:
            self._leads_to(self._opening.answer(head, time_ns), time_ns)

    def ended(self, number: int, time_ns: int, how: EndKind, code: int | None) -> None:
        """END_STREAM, or an error code that ends it."""
        from wsdiag.transport.stream.ends import error_name

        said = None if code is None else (code, error_name(code))
        if said is not None:
            who, name = self.book.side(number), END_WORDS[how]
            self.book.note(f"HTTP/2: {name} with {said[1]} from the {who}")
        self.ends.closed(how, number, time_ns, None, said)
