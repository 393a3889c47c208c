"""The TLS half of a stream: its handshake, records both ways, and what has to wait for the peer."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from time import monotonic_ns

from wsdiag.transport.stream.ends import StreamEnd, end_of_tls
from wsdiag.transport.stream.send_buffer import SendBuffer
from wsdiag.transport.stream.stamps import Arrival, SendRecord, now
from wsdiag.transport.tls.layer import TlsLayer

HandshakeCallback = Callable[[ssl.SSLError | StreamEnd | None], None]

# OpenSSL answers every KeyUpdate and every request to renegotiate, some 30 bytes each
_MOST_ANSWERS = 1 << 18


class TlsStream:
    """A layer between a stream and its send buffer; `write` is the stream's own, for stalled data.

    `done` gets the handshake's outcome: None, the TLS error, or the end of the stream.
    """

    __slots__ = (
        "_answers",
        "_done",
        "_send_buffer",
        "_stalled",
        "_write",
        "began",
        "finished",
        "layer",
    )

    def __init__(
        self,
        layer: TlsLayer,
        send_buffer: SendBuffer,
        write: Callable[[bytes], object],
        done: HandshakeCallback,
    ) -> None:
        self.layer, self._send_buffer, self._write = layer, send_buffer, write
        self._done: HandshakeCallback | None = done
        self._stalled: list[bytes] = []
        self._answers = 0
        self.began = SendRecord(monotonic_ns())
        """When the handshake's first record left."""
        self.finished = now()
        """When the bytes came that the handshake went on with; in the end, its last ones."""

    def do_handshake(self, data: bytes, at: Arrival) -> None:
        """Go on with what came from the peer."""
        failure: ssl.SSLError | None = None
        self.finished = at
        try:
            records = self.layer.handshake(data)
            first = self.began.end == 0
            if first:
                self.began.mono_ns = monotonic_ns()
            self._send_buffer.put(records, self.began if first else None)
        except ssl.SSLError as error:
            failure = error
            with suppress(ssl.SSLError):
                self._send_buffer.put(self.layer.take())  # the alert that says why
        if failure or self.layer.established:
            self._finish(failure)

    def _finish(self, how: ssl.SSLError | StreamEnd | None) -> bool:
        done, self._done = self._done, None
        if done is not None:
            done(how)
        return done is not None

    def ended(self, end: StreamEnd) -> bool:
        """The stream is over; True when that ended the handshake, and `done` was called with it."""
        return self._finish(end)

    def receive(self, data: bytes, at: Arrival) -> bytes:
        """Plaintext of what came, b"" during the handshake; the layer's `failure` is an end."""
        if self._done is not None:
            self.do_handshake(data, at)
            if not self.layer.established:
                return b""
            data = b""
        plain = self.layer.receive(data)
        self._answer()
        return plain

    def _answer(self) -> None:
        """Send what TLS itself wants to say (key updates, alerts), and what had to wait for the
        peer."""
        stalled, self._stalled = self._stalled, []
        if self.layer.failure is None:
            for data in stalled:
                self._write(data)
        records = self.layer.take()
        self._answers = len(records) + (self._answers if self._send_buffer.unsent else 0)
        self._send_buffer.put(records)
        if self._answers > _MOST_ANSWERS and self._send_buffer.unsent:
            self.layer.failure = ssl.SSLError(1, "answers to key updates are not read")

    def encrypt(self, data: bytes) -> bytes:
        """The records that carry `data`; a failure fails the send buffer."""
        try:
            return self.layer.send(data)
        except ssl.SSLWantReadError:  # a renegotiation (TLS 1.2) has to end first
            self._stalled.append(data)
            return self.layer.take()
        except ssl.SSLError as error:
            self._send_buffer.fail(end_of_tls(error, now()))
            return b""
