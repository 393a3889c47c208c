"""TLS over memory: records in, plaintext out, and back, so that our own stream moves the bytes."""

from __future__ import annotations

import re
import ssl

_RECORD = 65536
_AROUND = re.compile(r"^\[[^]]*\] | \(_ssl\.c:\d+\)$")


def tls_reason(error: ssl.SSLError) -> str:
    """OpenSSL's name for it, in capitals; Python's table of names lacks some."""
    named = getattr(error, "reason", None)  # an error of our own has none
    return named or _AROUND.sub("", error.strerror or str(error)).upper().replace(" ", "_")


class TlsLayer:
    """One TLS connection without a socket; `below` is the layer that carries it (TLS in TLS)."""

    __slots__ = (
        "_in",
        "_object",
        "_out",
        "below",
        "closed",
        "established",
        "failure",
        "first_bytes",
        "received",
    )

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        below: TlsLayer | None = None,
    ) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_side, server_hostname)
        self.below = below
        self.established = False
        self.closed = False
        """Whether the peer's close_notify has come."""
        self.failure: ssl.SSLError | None = None
        """What broke TLS after the handshake: a fatal alert, or what is no record of it."""
        self.first_bytes = b""
        """Where the peer's answer began: tells what spoke when it was not TLS."""
        self.received = 0
        """Bytes that the handshake has brought so far."""

    @property
    def object(self) -> ssl.SSLObject:
        """The negotiated facts live here: version, cipher, certificate."""
        return self._object

    def handshake(self, data: bytes) -> bytes:
        """Go on with the handshake; bytes to send. `established` when done. Raises SSLError."""
        if self.below is not None and data:
            data = self.below.receive(data)
        self.first_bytes = (self.first_bytes + data[:64])[:64]
        self.received += len(data)
        self._in.write(data)
        try:
            self._object.do_handshake()
            self.established = True
        except ssl.SSLWantReadError:
            if self.below is not None and self.below.failure is not None:
                raise self.below.failure from None
        return self.take()

    def receive(self, data: bytes) -> bytes:
        """Plaintext of the records in `data`, b"" when none is whole.

        What came before the end is not lost by it: `closed` or `failure` tells of that.
        """
        if self.below is not None and data:
            data = self.below.receive(data)
            self.failure = self.failure or self.below.failure
        if data:
            self._in.write(data)
        parts = []
        try:
            while not self.closed:
                part = self._object.read(_RECORD)
                if part:
                    parts.append(part)
                else:
                    self.closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.closed = True
        except ssl.SSLError as error:
            self.failure = self.failure or error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def send(self, data: bytes) -> bytes:
        """The records that carry `data`."""
        if data:
            self._object.write(data)
        return self.take()

    def close_notify(self) -> bytes:
        """The records that end our side (RFC 8446, 6.1)."""
        try:
            self._object.unwrap()
        except ssl.SSLError:
            pass  # it asks for the peer's close_notify, or the connection is broken already
        return self.take()

    def take(self) -> bytes:
        """What waits to be sent: records of the handshake, alerts, key updates."""
        records = self._out.read()
        return records if self.below is None else self.below.send(records)
