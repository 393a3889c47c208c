"""Seeds of the corpus, as values: what a fuzzer should not have to find out by itself."""

from __future__ import annotations

from hpack import Encoder
from hyperframe.frame import (
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from wsdiag.protocol.client_handshake import ClientHandshake
from wsdiag.protocol.codes import Role
from wsdiag.protocol.deflate import DeflateOffer, PerMessageDeflate
from wsdiag.protocol.frames import encode_frame

KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x01\x02\x03\x04"
HEAD = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
)


def frames() -> list[bytes]:
    """Streams in both roles: fragments, control frames, long lengths, Close, deflate."""
    seeds = []
    for variant, mask in ((0, None), (1, MASK)):
        fragmented = encode_frame(1, "h€".encode(), fin=False, mask=mask)
        fragmented += encode_frame(9, b"p", mask=mask) + encode_frame(0, b"!", mask=mask)
        seeds.append(bytes((variant, 0)) + fragmented)
        seeds.append(bytes((variant, 1)) + fragmented + encode_frame(8, b"\x03\xe8bye", mask=mask))
        seeds.append(bytes((variant, 7)) + encode_frame(2, bytes(200), mask=mask))
        codec = PerMessageDeflate(Role.CLIENT if mask else Role.SERVER)
        first = codec.encode(b"Hello" * 9, fin=False)
        packed = encode_frame(1, first, fin=False, rsv1=True, mask=mask)
        packed += encode_frame(9, b"", mask=mask) + encode_frame(0, codec.encode(b"x"), mask=mask)
        seeds.append(bytes((variant | 2 | 0x38, 0)) + packed)
        final = encode_frame(1, bytes.fromhex("f348cdc9c9070000"), rsv1=True, mask=mask)
        seeds.append(bytes((variant | 2 | 0x38, 3)) + final)
    return seeds


def answers() -> list[bytes]:
    """A good 101, ones with a subprotocol, with deflate, after a 103, and refusals."""
    deflate = b"Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n"
    return [
        b"\x00\x00" + HEAD + b"\r\n\x81\x01a",
        b"\x00\x05" + HEAD + b"Sec-WebSocket-Protocol: b\r\n\r\n",
        b"\x01\x00" + HEAD + deflate + b"\r\n",
        b"\x00\x00HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD + b"\r\n",
        b"\x00\x00HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
        b"\x00\x00HTTP/1.1 400 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
    ]


def requests() -> list[bytes]:
    """What our own client asks, and a browser's plain GET."""
    offer = DeflateOffer(server_max_window_bits=9)
    client = ClientHandshake("h", "/a?b", key=KEY, subprotocols=["a"], deflate_offer=offer)
    return [b"\x01\x00" + client.request(), b"\x00\x03GET / HTTP/1.1\r\nHost: x\r\n\r\n"]


def http2_servers() -> list[bytes]:
    """SETTINGS, an answer to the CONNECT, frames in DATA, and each way in which it ends."""
    settings = SettingsFrame(0, settings={SettingsFrame.ENABLE_CONNECT_PROTOCOL: 1}).serialize()
    block = Encoder().encode([(":status", "200"), ("sec-websocket-protocol", "a")])
    opened = settings + HeadersFrame(1, block, flags=["END_HEADERS"]).serialize()
    echo = DataFrame(1, encode_frame(1, b"hello")).serialize()
    ends = [
        DataFrame(1, b"", flags=["END_STREAM"]),
        RstStreamFrame(1, error_code=8),
        GoAwayFrame(0, 0, 11, additional_data=b"calm down"),
        GoAwayFrame(0, 1, 0),
        WindowUpdateFrame(1, window_increment=2**31 - 1),
        SettingsFrame(0, settings={SettingsFrame.INITIAL_WINDOW_SIZE: 0}),
        PingFrame(0, b"12345678"),
    ]
    refused = HeadersFrame(1, Encoder().encode([(":status", "400")]), flags=["END_HEADERS"])
    return [
        *(bytes((n & 3, n)) + opened + echo + end.serialize() for n, end in enumerate(ends)),
        b"\x00\x00" + settings + refused.serialize() + DataFrame(1, b"no").serialize(),
        b"\x00\x00HTTP/1.1 400 Bad Request\r\n\r\n",
    ]


SEEDS = {
    "parser": frames,
    "connection": frames,
    "client_handshake": answers,
    "server_handshake": requests,
    "http2": http2_servers,
}
