"""HTTP/1 up to the upgrade: requests and their responses, until one is answered with 101.

A response to CONNECT opens a tunnel instead, behind which anything may follow. A capture that keeps
only the beginning of each packet has heads that are cut off, and one that has the packets of one
end only has a request without an answer: what follows both is frames, if it looks like them.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from wsdiag.capture.frames import plausible
from wsdiag.capture.http import Head, HeadReader
from wsdiag.capture.messages import violated
from wsdiag.capture.notebook import Notebook, header_bytes

_MOST_REQUESTS = 256
_MOST_EARLY = 1 << 16


class Outcome(Enum):
    """What HTTP led to."""

    UPGRADED = "frames follow"
    JOINED = "frames follow, somewhere"
    TUNNEL = "anything follows"
    OTHER = "no WebSocket"


class Opening:
    """The opening handshake of one conversation. `response`: the 101, once it came."""

    def __init__(self, book: Notebook) -> None:
        self._book = book
        self._requests: deque[Head] = deque()
        self._heard = False
        """Whether anything of the answering end could be read."""
        self.response: Head | None = None
        self.refused: Head | None = None
        """The answer to a request for the upgrade that was not 101 (in HTTP/2: 200)."""

    def held(self) -> int:
        """About how many bytes of memory the requests take that were not answered yet."""
        return sum(header_bytes(request.headers) for request in self._requests)

    def begin(self) -> None:
        """HTTP begins; which end asks is known."""
        for number, side in enumerate(self._book.sides):
            side.heads, side.unknown = HeadReader(requests=number == self._book.client), b""

    def data(self, number: int, time_ns: int, data: bytes) -> Outcome | None:
        """Bytes from an end; None: HTTP goes on. Where it is JOINED, they belong to the frames."""
        side = self._book.sides[number]
        reader = side.heads
        if reader is None:  # a stream of HTTP/2 that nobody has answered yet
            side.unknown = (side.unknown + data)[:_MOST_EARLY]
            return None
        if number == self._book.client and self._unanswered(reader, data):
            self._read_request(self._requests.popleft())
            return Outcome.JOINED
        self._heard = self._heard or number != self._book.client
        head = reader.feed(data)
        while head is not None:
            if number == self._book.client:
                self._requested(reader, head)
            else:
                outcome = self._responded(reader, head, time_ns)
                if outcome is not None:
                    return outcome
            head = reader.feed(b"")
        return Outcome.OTHER if reader.failed else None

    def gap(self, number: int, size: int) -> Outcome | None:
        """Bytes are missing; None: HTTP goes on."""
        reader = self._book.sides[number].heads
        if reader is None or reader.gap(size):
            return None
        head = reader.cut()
        if number == self._book.client:
            if head is not None:
                self._requests.append(head)
        elif head is not None and head.status == 101:
            if self._requests:
                self._read_request(self._requests.popleft())
            self._book.note("the opening handshake was cut off in the capture")
            return Outcome.JOINED
        elif self._book.flow.states[number].segments:
            return Outcome.OTHER
        return None

    def ask(self, request: Head) -> None:
        """A stream of HTTP/2: its request, an extended CONNECT (RFC 8441)."""
        self._read_request(request)
        self._requests.append(request)

    def answer(self, head: Head, time_ns: int) -> Outcome | None:
        """A stream of HTTP/2: its response."""
        if not self._requests:
            return None
        request = self._requests.popleft()
        if head.status != 200:
            self.refused = head
            return None
        self._upgraded(request, head, time_ns)
        return Outcome.UPGRADED

    def _requested(self, reader: HeadReader, head: Head) -> None:
        if len(self._requests) < _MOST_REQUESTS:
            self._requests.append(head)
        if head.wants_websocket() or head.first[0] == "CONNECT":
            reader.stop()
        else:
            lengths = head.has("transfer-encoding", "chunked") or head.has("content-length", "")
            reader.go_on(has_body=lengths, head=head)

    def _responded(self, reader: HeadReader, head: Head, time_ns: int) -> Outcome | None:
        status = head.status
        if 100 <= status < 200 and status != 101:
            reader.go_on(has_body=False, head=head)
            return None
        request = self._requests.popleft() if self._requests else None
        if status == 101:
            if not head.has("upgrade", "websocket"):
                return Outcome.OTHER
            self._upgraded(request, head, time_ns)
            return Outcome.UPGRADED
        if request is not None and request.first[0] == "CONNECT" and 200 <= status < 300:
            self._book.note(f"through a proxy's tunnel to {request.first[1]}")
            return Outcome.TUNNEL
        if request is not None and request.wants_websocket():
            self.refused = head
            self._read_request(request)
        none = status in (204, 304) or (request is not None and request.first[0] == "HEAD")
        reader.go_on(has_body=not none, head=head)
        requests = self._book.sides[self._book.client or 0].heads
        if requests is not None and requests.stopped and request is not None:
            requests.go_on(has_body=request.has("content-length", ""), head=request)
        return None

    def _unanswered(self, reader: HeadReader, data: bytes) -> bool:
        """Whether a client's frames follow its request, and nothing of the server's packets was
        recorded, or could be decrypted."""
        asked = bool(self._requests) and self._requests[-1].wants_websocket()
        heard = self._heard
        if self._book.facts.scheme != "wss":
            heard = self._book.flow.states[1 - (self._book.client or 0)].segments > 0
        return reader.stopped and asked and not heard and plausible(data, True)

    def _read_request(self, request: Head) -> None:
        self._book.read_request(request.first[1], request.headers)

    def _upgraded(self, request: Head | None, head: Head, time_ns: int) -> None:
        book, facts = self._book, self._book.facts
        self.response = head
        if request is not None:
            self._read_request(request)
            if head.status == 101:
                self._judge_accept(request, head)
        facts.scheme = facts.scheme or "ws"
        facts.version = head.first[0].removeprefix("HTTP/")
        facts.status, facts.reason = head.status, head.first[2]
        facts.response_headers = head.headers
        facts.subprotocol, facts.extensions = head.subprotocol(), head.extensions()
        facts.opened_s = book.since(time_ns)
        if book.tracing is not None:
            book.tracing.heads(request, head, time_ns)

    def _judge_accept(self, request: Head, head: Head) -> None:
        from wsdiag.protocol.headers import get_all
        from wsdiag.protocol.http import accept_key

        key = next(iter(get_all(request.headers, "sec-websocket-key")), "")
        accept = next(iter(get_all(head.headers, "sec-websocket-accept")), "")
        if key and accept != accept_key(key):
            violated(self._book.facts, "server", "wrong Sec-WebSocket-Accept", "RFC 6455, 4.2.2")
