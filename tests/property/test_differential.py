"""Our verdict on a stream beside those of `websockets` and `wsproto`, on the same bytes.

On valid streams all three tell the same messages. On broken ones each fails, or the disagreement is
one of those named below with the RFC's sentence.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode as PeerOpcode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol
from wsproto.connection import Connection as WsprotoConnection
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection
from wsproto.events import TextMessage as WsprotoText

from tests.property.streams import mutated, receiver, valid_streams
from tests.unit.protocol.wire import raw
from wsdiag.protocol.codes import Role
from wsdiag.protocol.events import BinaryMessage, Close, TextMessage, Violation

CALM = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
PingRecords = tuple[list[bytes], int | None]
"""The messages, and the close code the receiver would fail with (None: no offence seen)."""


def ours(peer: Role, wire: bytes) -> PingRecords:
    connection = receiver(peer, deflate=False)
    messages: list[bytes] = []
    for event in connection.receive_data(wire):
        if isinstance(event, TextMessage):
            messages.append(event.text.encode())
        elif isinstance(event, BinaryMessage):
            messages.append(event.data)
        elif isinstance(event, Violation):
            return messages, event.error.code
    return messages, None


def by_websockets(peer: Role, wire: bytes) -> PingRecords:
    protocol = Protocol(SERVER if peer is Role.CLIENT else CLIENT, state=OPEN, max_size=2**20)
    protocol.receive_data(wire)
    messages: list[bytes] = []
    parts, text = b"", False
    for frame in protocol.events_received():
        opcode = frame.opcode  # type: ignore[union-attr]
        if opcode in (PeerOpcode.TEXT, PeerOpcode.BINARY, PeerOpcode.CONT):
            text = opcode is PeerOpcode.TEXT if opcode is not PeerOpcode.CONT else text
            parts += frame.data  # type: ignore[union-attr]
            if frame.fin:  # type: ignore[union-attr]
                if text and not _is_utf8(parts):
                    return messages, 1007
                messages.append(parts)
                parts = b""
    failed = protocol.parser_exc is not None and not isinstance(protocol.parser_exc, EOFError)
    sent = protocol.close_sent
    return messages, (sent.code if sent is not None and failed else None)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def by_wsproto(peer: Role, wire: bytes) -> PingRecords:
    side = ConnectionType.SERVER if peer is Role.CLIENT else ConnectionType.CLIENT
    connection = WsprotoConnection(side)
    messages: list[bytes] = []
    parts: list[bytes] = []
    connection.receive_data(wire)
    for event in connection.events():
        if isinstance(event, WsprotoText | BytesMessage):
            data = event.data
            parts.append(data.encode() if isinstance(data, str) else bytes(data))
            if event.message_finished:
                messages.append(b"".join(parts))
                parts = []
        # It tells its own failure with the event of a Close; only a real one changes its state.
        elif isinstance(event, CloseConnection) and connection.state is ConnectionState.OPEN:
            return messages, int(event.code)
    return messages, None


roles = pytest.mark.parametrize("peer", list(Role))


@roles
@CALM
@given(data=st.data())
def test_valid_streams_tell_the_same_messages(peer: Role, data: st.DataObject) -> None:
    wire = data.draw(valid_streams(peer, deflate=False))
    told = ours(peer, wire)
    assert told[1] is None
    assert by_websockets(peer, wire) == told
    assert by_wsproto(peer, wire) == told


@roles
@CALM
@given(data=st.data())
def test_what_both_peers_refuse_we_refuse(peer: Role, data: st.DataObject) -> None:
    """The other way round we are stricter: see the disagreements below."""
    wire = data.draw(mutated(data.draw(valid_streams(peer, deflate=False))))
    told, theirs, others = ours(peer, wire), by_websockets(peer, wire), by_wsproto(peer, wire)
    if theirs[1] is not None and others[1] is not None:
        assert told[1] is not None
    if told[1] is None:
        assert told[0] == theirs[0]


# The stream as a client reads it, what we, websockets and wsproto fail with, and why that differs.
DISAGREEMENTS = [
    # 8.1: text "that is not valid UTF-8" fails the connection: at the first impossible byte with
    # us and wsproto, at the end of the frame with websockets.
    ("8164 e080", 1007, None, 1007),
    # 5.2: "in all cases, the minimal number of bytes MUST be used to encode the length".
    ("827e 007d" + "00" * 125, 1002, None, 1002),
    # 5.2: "the most significant bit MUST be 0"; websockets calls such a frame too big.
    ("827f 8000000000000000", 1002, 1009, 1002),
    # 5.5: "All control frames MUST have a payload length of 125 bytes or less": known from the
    # header; websockets waits for all of the length.
    ("897e 00", 1002, None, 1002),
    # 5.4: a continuation follows a frame "with the FIN bit clear and an opcode other than 0";
    # known from the header, where the others wait for the payload.
    ("007e 007e", 1002, None, None),
]


@pytest.mark.parametrize(("wire", "us", "websockets", "wsproto"), DISAGREEMENTS)
def test_disagreements_are_known(
    wire: str, us: int | None, websockets: int | None, wsproto: int | None
) -> None:
    data = raw(wire)
    told = [tell(Role.SERVER, data)[1] for tell in (ours, by_websockets, by_wsproto)]
    assert told == [us, websockets, wsproto]


def test_close_codes_are_judged_alike() -> None:
    for code in (999, 1000, 1003, 1004, 1005, 1006, 1011, 1015, 1016, 2999, 3000, 4999, 5000):
        wire = b"\x88\x02" + code.to_bytes(2, "big")
        refused = [tell(Role.SERVER, wire)[1] is not None for tell in (ours, by_websockets)]
        assert refused[0] == refused[1], code
        assert refused[0] is not isinstance(
            receiver(Role.SERVER, deflate=False).receive_data(wire)[0], Close
        )
