"""Hypothesis strategies: valid streams of frames, their cuts, and mutations of them."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st

from wsdiag.protocol.codes import Opcode, Role, is_sendable
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.deflate import PerMessageDeflate
from wsdiag.protocol.frames import encode_frame

keys = st.binary(min_size=4, max_size=4)
control_payloads = st.binary(max_size=125)
close_codes = st.one_of(st.sampled_from([1000, 1001, 1011]), st.integers(3000, 4999)).filter(
    is_sendable
)


@st.composite
def fragments(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """`data` cut into one to four pieces, some of them empty."""
    places = draw(st.lists(st.integers(0, len(data)), max_size=3).map(sorted))
    edges = [0, *places, len(data)]
    return [data[start:stop] for start, stop in pairwise(edges)]


@st.composite
def messages(draw: st.DrawFn, role: Role, codec: PerMessageDeflate | None) -> bytes:
    """The frames of one message sent by `role`, with control frames between its fragments."""
    text = draw(st.booleans())
    content = draw(st.text(max_size=200)).encode() if text else draw(st.binary(max_size=300))
    content *= draw(st.sampled_from([1, 1, 1, 50]))
    pieces = draw(fragments(content))
    packed = codec is not None and draw(st.booleans())
    opcode = Opcode.TEXT if text else Opcode.BINARY
    wire = b""
    for index, piece in enumerate(pieces):
        fin = index == len(pieces) - 1
        if packed and codec is not None:
            piece = codec.encode(piece, fin=fin)
        mask = draw(keys) if role is Role.CLIENT else None
        first = opcode if index == 0 else Opcode.CONT
        wire += encode_frame(first, piece, fin=fin, rsv1=packed and index == 0, mask=mask)
        wire += draw(controls(role))
    return wire


@st.composite
def controls(draw: st.DrawFn, role: Role) -> bytes:
    """No, one or two Pings and Pongs."""
    wire = b""
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        opcode = draw(st.sampled_from([Opcode.PING, Opcode.PONG]))
        mask = draw(keys) if role is Role.CLIENT else None
        wire += encode_frame(opcode, draw(control_payloads), mask=mask)
    return wire


@st.composite
def valid_streams(draw: st.DrawFn, role: Role, deflate: bool) -> bytes:
    """What a well-behaved peer in `role` may send, with or without a Close at its end."""
    codec = PerMessageDeflate(role) if deflate else None
    wire = b"".join(draw(messages(role, codec)) for _ in range(draw(st.integers(0, 4))))
    if draw(st.booleans()):
        payload = draw(close_codes).to_bytes(2, "big") + draw(st.text(max_size=30)).encode()
        mask = draw(keys) if role is Role.CLIENT else None
        wire += encode_frame(Opcode.CLOSE, payload, mask=mask)
    return wire


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """`data` in reads of any sizes, single bytes among them."""
    if draw(st.booleans()):
        size = draw(st.integers(1, 9))
        return [data[at : at + size] for at in range(0, len(data), size)]
    return draw(fragments(data))


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """`data` with some bytes changed, removed, doubled or inserted."""
    buffer = bytearray(data)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(buffer)))
        what = draw(st.sampled_from(["set", "cut", "insert", "double"]))
        if what == "set" and at < len(buffer):
            buffer[at] = draw(st.integers(0, 255))
        elif what == "cut":
            del buffer[at : at + draw(st.integers(1, 8))]
        elif what == "insert":
            buffer[at:at] = draw(st.binary(max_size=8))
        else:
            buffer[at:at] = buffer[at : at + draw(st.integers(1, 20))]
    return bytes(buffer)


def receiver(peer: Role, deflate: bool, max_message_size: int = 2**20) -> Connection:
    """The other end of a peer in `peer`'s role."""
    role = Role.SERVER if peer is Role.CLIENT else Role.CLIENT
    codec = PerMessageDeflate(role) if deflate else None
    return Connection(role, deflate=codec, max_message_size=max_message_size)
