"""The few handshake messages of TLS that whoever only listens needs: what they chose and sent.

Lengths inside are a peer's: everything is read through `_Fields`, which raises where it is short.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

CLIENT_HELLO, SERVER_HELLO, ENCRYPTED_EXTENSIONS = 1, 2, 8
WANTED = frozenset({CLIENT_HELLO, SERVER_HELLO, ENCRYPTED_EXTENSIONS})
_SERVER_NAME, _ALPN, _SUPPORTED_VERSIONS = 0, 16, 43
_HELLO_RETRY_REQUEST = bytes.fromhex(
    "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c"
)
"""RFC 8446, 4.1.3: a ServerHello with this random asks for another ClientHello."""
TLS12, TLS13 = 0x0303, 0x0304
VERSIONS = {0x0300: "SSLv3", 0x0301: "TLSv1", 0x0302: "TLSv1.1", TLS12: "TLSv1.2", TLS13: "TLSv1.3"}
"""As Python's ssl module names them."""
ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    21: "decryption_failed",
    22: "record_overflow",
    30: "decompression_failure",
    40: "handshake_failure",
    41: "no_certificate",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    100: "no_renegotiation",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    113: "bad_certificate_status_response",
    115: "unknown_psk_identity",
    116: "certificate_required",
    120: "no_application_protocol",
}


@dataclass(slots=True)
class Hello:
    """A ClientHello or ServerHello, or EncryptedExtensions (which have `alpn` at most)."""

    random: bytes = b""
    version: int = 0
    cipher: int = 0
    """The suite that the server chose."""
    sni: str | None = None
    alpn: str | None = None
    """The protocol that the server chose."""
    retry: bool = False
    """It is a HelloRetryRequest: the client begins again."""


class _Fields:
    """Bytes that are taken from the front; ValueError where there are too few."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        """The next bytes."""
        end = self._at + size
        if end > len(self._data):
            raise ValueError("a handshake message is too short")
        found, self._at = self._data[self._at : end], end
        return found

    def number(self, size: int) -> int:
        """A number in network byte order."""
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> _Fields:
        """Bytes behind their length, which has `size` bytes."""
        return _Fields(self.take(self.number(size)))

    def text(self, size: int) -> str:
        """A name behind its length, which has `size` bytes; cut where no name is that long."""
        return self.take(self.number(size))[:255].decode("ascii", "backslashreplace")


def parse(kind: int, body: bytes) -> Hello:
    """A message of a `WANTED` type. ValueError."""
    fields, hello = _Fields(body), Hello()
    if kind != ENCRYPTED_EXTENSIONS:
        hello.version = fields.number(2)
        hello.random = fields.take(32)
        fields.vector(1)  # the session
        if kind == CLIENT_HELLO:
            fields.vector(2)
            fields.vector(1)
        else:
            hello.cipher = fields.number(2)
            fields.take(1)
        hello.retry = kind == SERVER_HELLO and hello.random == _HELLO_RETRY_REQUEST
    for number, extension in _extensions(fields):
        if number == _ALPN and kind != CLIENT_HELLO:
            hello.alpn = extension.vector(2).text(1)
        elif number == _SERVER_NAME and kind == CLIENT_HELLO:
            names = extension.vector(2)
            if names and names.number(1) == 0:
                hello.sni = names.text(2)
        elif number == _SUPPORTED_VERSIONS and kind == SERVER_HELLO:
            hello.version = extension.number(2)
    return hello


def _extensions(fields: _Fields) -> Iterator[tuple[int, _Fields]]:
    if not fields:
        return  # TLS 1.2 may leave the whole list out
    extensions = fields.vector(2)
    while extensions:
        yield extensions.number(2), extensions.vector(2)
