"""Frames that break one rule of RFC 6455 each, by the rule's name."""

from __future__ import annotations

import zlib
from functools import cache, partial

from wsdiag.protocol.frames import encode_frame
from wsdiag.server.fault import Fault, WebSocketChannel, fault
from wsdiag.server.params import SECONDS, choice, param

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

# Rule: (the section that a client must enforce, the bytes that break it).
RULES: dict[str, tuple[str, bytes]] = {
    "masked": ("5.1", encode_frame(TEXT, b"masked", mask=b"\x11\x22\x33\x44")),
    "rsv1": ("5.2", encode_frame(TEXT, b"rsv1", rsv1=True)),
    "rsv2": ("5.2", encode_frame(TEXT, b"rsv2", rsv2=True)),
    "rsv3": ("5.2", encode_frame(TEXT, b"rsv3", rsv3=True)),
    "rsv-control": ("5.2", encode_frame(PING, b"rsv", rsv2=True)),
    **{f"opcode-{n}": ("5.2", encode_frame(n, b"x")) for n in (*range(3, 8), *range(11, 16))},
    "length-16": ("5.2", encode_frame(TEXT, b"short", length_bits=16)),
    "length-64": ("5.2", encode_frame(TEXT, b"short", length_bits=64)),
    "length-top-bit": ("5.2", encode_frame(BINARY, b"", length=1 << 63, length_bits=64)),
    "length-huge": ("10.4", encode_frame(BINARY, b"", length=(1 << 63) - 1, length_bits=64)),
    "orphan-continuation": ("5.4", encode_frame(CONT, b"of nothing")),
    "interleaved": ("5.4", encode_frame(TEXT, b"a", fin=False) + encode_frame(TEXT, b"b")),
    "control-fragmented": ("5.5", encode_frame(PING, b"a", fin=False) + encode_frame(CONT, b"b")),
    "control-long": ("5.5", encode_frame(PING, b"x" * 126)),
    "close-long": ("5.5", encode_frame(CLOSE, b"\x03\xe8" + b"x" * 124)),
    "close-one-byte": ("5.5.1", encode_frame(CLOSE, b"\x03")),
    "close-reason-utf8": ("5.5.1", encode_frame(CLOSE, b"\x03\xe8\xff\xfe")),
    "close-code-0": ("7.4.2", encode_frame(CLOSE, b"\x00\x00")),
    "close-code-999": ("7.4.2", encode_frame(CLOSE, b"\x03\xe7")),
    "close-code-1004": ("7.4.1", encode_frame(CLOSE, b"\x03\xec")),
    "close-code-1005": ("7.4.1", encode_frame(CLOSE, b"\x03\xed")),
    "close-code-1006": ("7.4.1", encode_frame(CLOSE, b"\x03\xee")),
    "close-code-1015": ("7.4.1", encode_frame(CLOSE, b"\x03\xf7")),
    "close-code-1016": ("7.4.2", encode_frame(CLOSE, b"\x03\xf8")),
    "close-code-2999": ("7.4.2", encode_frame(CLOSE, b"\x0b\xb7")),
    "close-code-5000": ("7.4.2", encode_frame(CLOSE, b"\x13\x88")),
    "data-after-close": (
        "5.5.1",
        encode_frame(CLOSE, b"\x03\xe8") + encode_frame(TEXT, b"after the Close"),
    ),
}

# Invalid UTF-8, by where it is: the first impossible byte decides (8.1).
UTF8: dict[str, bytes] = {
    "byte": encode_frame(TEXT, b"caf\xe9"),
    "overlong": encode_frame(TEXT, b"\xc0\xaf"),
    "surrogate": encode_frame(TEXT, b"\xed\xa0\x80"),
    "beyond": encode_frame(TEXT, b"\xf4\x90\x80\x80"),
    "truncated": encode_frame(TEXT, b"caf\xc3"),
    "fragment": encode_frame(TEXT, b"caf\xc3", fin=False) + encode_frame(CONT, b"\x28"),
}


@fault("bad/frame", "breaks rules")
class BadFrame(Fault):
    """Breaks this rule of RFC 6455 once, right after the upgrade."""

    rule: str = param("masked", choice(*RULES), "the rule")
    after: float = param(0.0, SECONDS, "how long after the upgrade")

    def opened(self, channel: WebSocketChannel) -> None:
        """Send it; on messages RSV1 is legal under permessage-deflate, on a Ping it never is."""
        data = RULES[self.rule][1]
        if self.rule == "rsv1" and channel.connection.deflate is not None:
            data = encode_frame(PING, b"rsv1", rsv1=True)
        self.run_after(channel, self.after, partial(channel.send, data))


@fault("bad/utf8", "breaks rules")
class BadUtf8(Fault):
    """A text message that is not UTF-8 (RFC 6455, 8.1)."""

    kind: str = param("byte", choice(*UTF8), "what is wrong with it")
    after: float = param(0.0, SECONDS, "how long after the upgrade")

    def opened(self, channel: WebSocketChannel) -> None:
        """Send it at once, or later."""
        self.run_after(channel, self.after, partial(channel.send, UTF8[self.kind]))


@fault("bad/deflate", "breaks rules")
class BadDeflate(Fault):
    """Garbage or a bomb as a compressed message (RFC 7692)."""

    kind: str = param("garbage", choice("garbage", "bomb"), "garbage: not DEFLATE; bomb: 256 MiB")

    def opened(self, channel: WebSocketChannel) -> None:
        """Send it, also where permessage-deflate was not agreed on: then RSV1 is the violation."""
        payload = _bomb() if self.kind == "bomb" else b"\xff" * 32
        channel.send(encode_frame(BINARY, payload, rsv1=True))


@cache
def _bomb() -> bytes:
    """256 MiB of zeros: a full flush makes each piece stand alone, so one is enough to repeat.

    Compressing all of them would hold up every other connection for a second.
    """
    compressor = zlib.compressobj(9, wbits=-15)
    piece = compressor.compress(bytes(1 << 20)) + compressor.flush(zlib.Z_FULL_FLUSH)
    return (piece * 256)[:-4]
