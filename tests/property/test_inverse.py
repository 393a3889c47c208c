"""What is written is what is read: frames, messages, header values, close payloads, handshakes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.property.streams import close_codes, fragments, keys
from wsdiag.protocol.client_handshake import ClientHandshake
from wsdiag.protocol.closing import decode_close, encode_close
from wsdiag.protocol.codes import Opcode, Role
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.deflate import DeflateOffer, PerMessageDeflate
from wsdiag.protocol.events import BinaryMessage, TextMessage
from wsdiag.protocol.frames import Frame, encode_frame
from wsdiag.protocol.headers import format_extension, parse_extensions
from wsdiag.protocol.masking import apply_mask
from wsdiag.protocol.parser import FrameParser
from wsdiag.protocol.server_handshake import ServerHandshake

bits = st.one_of(st.none(), st.integers(8, 15))
offers = st.builds(DeflateOffer, st.booleans(), st.booleans(), bits, bits, st.booleans())
tokens = st.text("abcXYZ019!#$%&'*+-.^_`|~", min_size=1, max_size=8)
parameters = st.lists(st.tuples(tokens, st.one_of(st.none(), tokens)), max_size=3)


@given(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.binary(max_size=70_000), keys)
@settings(deadline=None)
def test_frames(opcode: Opcode, payload: bytes, key: bytes) -> None:
    wire = encode_frame(opcode, payload, mask=key)
    expected = [Frame(True, opcode, payload, masked=True)]
    assert FrameParser(Role.SERVER).feed(wire) == expected


@given(st.binary(max_size=3000), keys)
def test_masking_twice_is_not_masking(data: bytes, key: bytes) -> None:
    assert apply_mask(apply_mask(data, key), key) == data


@given(close_codes, st.text(max_size=30))
def test_close_payloads(code: int, reason: str) -> None:
    assert decode_close(encode_close(code, reason)) == (code, reason)


@given(st.text())
def test_a_reason_of_any_length_reads_back_as_its_beginning(reason: str) -> None:
    assert reason.startswith(decode_close(encode_close(1000, reason))[1])


@given(st.lists(st.tuples(tokens, parameters), max_size=3))
def test_extension_headers(extensions: list[tuple[str, list[tuple[str, str | None]]]]) -> None:
    written = ", ".join(format_extension(name, given) for name, given in extensions)
    assert parse_extensions(written) == extensions


@given(st.data(), st.integers(8, 15), st.integers(8, 15), st.booleans(), st.booleans())
@settings(deadline=None)
def test_messages_through_two_connections(
    data: st.DataObject, client_bits: int, server_bits: int, client_forgets: bool, deflate: bool
) -> None:
    options = (False, client_forgets, server_bits, client_bits)
    codecs = [PerMessageDeflate(role, *options) if deflate else None for role in Role]
    client = Connection(Role.CLIENT, deflate=codecs[0])
    server = Connection(Role.SERVER, deflate=codecs[1])
    for sender, receiver in ((client, server), (server, client)) * 2:
        text = data.draw(st.text(max_size=300))
        pieces = data.draw(fragments(text.encode()))
        sender.send_text(pieces[0], fin=len(pieces) == 1)
        for index, piece in enumerate(pieces[1:], 2):
            sender.send_continuation(piece, fin=index == len(pieces))
        sender.send_binary(text.encode())
        events = receiver.receive_data(sender.data_to_send())
        assert events == [TextMessage(text), BinaryMessage(text.encode())]


@given(offers, offers, st.lists(tokens, max_size=3), st.lists(tokens, max_size=3))
@settings(deadline=None)
def test_our_client_and_our_server_always_agree(
    offer: DeflateOffer, wish: DeflateOffer, offered: list[str], known: list[str]
) -> None:
    client = ClientHandshake("h", "/", subprotocols=offered, deflate_offer=offer)
    server = ServerHandshake(subprotocols=known)
    request = server.receive(client.request())
    assert request is not None
    head, server_codec = server.accept(request, deflate=wish)
    accepted = client.receive(head)
    assert accepted is not None
    assert accepted.subprotocol == next((name for name in known if name in offered), None)
    assert server_codec is not None
    assert accepted.deflate is not None
    one = Connection(Role.SERVER, deflate=server_codec)
    other = Connection(Role.CLIENT, deflate=accepted.deflate)
    for _ in range(3):
        one.send_text("over and over " * 40)
        other.send_text("again and again " * 40)
        assert other.receive_data(one.data_to_send()) == [TextMessage("over and over " * 40)]
        assert one.receive_data(other.data_to_send()) == [TextMessage("again and again " * 40)]
