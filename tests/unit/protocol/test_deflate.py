"""permessage-deflate: RFC 7692's examples, negotiation as tables, bombs, and zlib's quirks."""

import itertools
import os
import tracemalloc
import zlib

import pytest

from tests.unit.protocol.wire import ZERO_MASK, offence, pair, pump, raw
from wsdiag.protocol.codes import Opcode, Role
from wsdiag.protocol.connection import Connection
from wsdiag.protocol.deflate import (
    DeflateOffer,
    ExtensionError,
    PerMessageDeflate,
    accept_offer,
    offer_header,
    parse_response,
)
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.events import BinaryMessage, TextMessage
from wsdiag.protocol.frames import encode_frame
from wsdiag.protocol.headers import Parameters, parse_extensions

HELLO = raw("f248cdc9c90700")


def receiver() -> Connection:
    return Connection(Role.CLIENT, deflate=PerMessageDeflate(Role.CLIENT))


class TestExamplesOfRfc7692Section7_2_3:
    def test_one_block(self) -> None:
        assert receiver().receive_data(raw("c107") + HELLO) == [TextMessage("Hello")]

    def test_fragments(self) -> None:
        wire = raw("4103 f248cd | 8004 c9c90700")
        assert receiver().receive_data(wire) == [TextMessage("Hello")]

    def test_sharing_the_window(self) -> None:
        wire = raw("c107") + HELLO + raw("c105 f200110000")
        assert receiver().receive_data(wire) == [TextMessage("Hello")] * 2

    def test_no_compression_block(self) -> None:
        wire = raw("c10b 000500faff48656c6c6f00")
        assert receiver().receive_data(wire) == [TextMessage("Hello")]

    def test_final_block(self) -> None:
        wire = raw("c108 f348cdc9c9070000")
        assert receiver().receive_data(wire * 3) == [TextMessage("Hello")] * 3

    def test_two_blocks_in_one_message(self) -> None:
        wire = raw("c10d f248050000 00ffff cac9c90700")
        assert receiver().receive_data(wire) == [TextMessage("Hello")]

    def test_empty_message(self) -> None:
        assert receiver().receive_data(raw("c101 00")) == [TextMessage("")]


def test_the_window_lives_on_behind_a_final_block() -> None:
    """The second message refers back to the first, which a final block ended (7.2.3.4)."""
    words = b"a phrase that is worth referring back to"
    deflater = zlib.compressobj(wbits=-15)
    first = deflater.compress(words) + deflater.flush(zlib.Z_FINISH) + b"\x00"
    deflater = zlib.compressobj(wbits=-15, zdict=words)
    second = (deflater.compress(words) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert len(second) < 15
    codec = PerMessageDeflate(Role.CLIENT)
    assert codec.decode(first) == words
    assert codec.decode(second) == words


@pytest.mark.parametrize("fin_block", [True, False])
def test_final_block_inside_a_fragmented_message(fin_block: bool) -> None:
    deflater = zlib.compressobj(wbits=-15)
    mode = zlib.Z_FINISH if fin_block else zlib.Z_SYNC_FLUSH
    first = deflater.compress(b"one") + deflater.flush(mode)
    codec = PerMessageDeflate(Role.CLIENT)
    second = zlib.compressobj(wbits=-15)
    rest = (second.compress(b"two") + second.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert codec.decode(first, fin=False) + codec.decode(rest) == b"onetwo"


def test_endless_final_blocks_are_refused_in_bounded_time() -> None:
    codec = PerMessageDeflate(Role.CLIENT)
    with pytest.raises(ProtocolViolation, match="final DEFLATE blocks") as caught:
        codec.decode(b"\x03\x00" * 500_000, limit=1000)
    assert caught.value.code == 1008


SIZES = [0, 1, 2, 125, 126, 1000, 70_000]


@pytest.mark.parametrize("bits", range(8, 16))
@pytest.mark.parametrize("forget", [False, True])
def test_every_window_and_both_takeovers_carry_every_size(bits: int, forget: bool) -> None:
    client, server = pair(
        deflate=True,
        client_max_window_bits=bits,
        server_max_window_bits=bits,
        client_no_context_takeover=forget,
        server_no_context_takeover=forget,
    )
    noise = os.urandom(70_000)
    for size, source in itertools.product(SIZES, (bytes(70_000), noise, b"abcd" * 17_500)):
        client.send_binary(source[:size])
        assert pump(client, server) == [BinaryMessage(source[:size])]
        server.send_binary(source[:size])
        assert pump(server, client) == [BinaryMessage(source[:size])]


def test_a_sender_told_8_bits_never_reaches_back_more_than_256_bytes() -> None:
    """zlib has no raw stream with 8 bits; its stream with 9 must be readable with 8."""
    codec = PerMessageDeflate(Role.CLIENT, client_max_window_bits=8)
    pattern = os.urandom(251)
    strict = zlib.decompressobj(-8)
    for distance in range(1, 252):
        data = (pattern[:distance] * 40)[:5000]
        assert strict.decompress(codec.encode(data) + raw("0000ffff")) == data


def test_context_takeover_makes_the_second_message_smaller() -> None:
    text = os.urandom(500)
    keeps = PerMessageDeflate(Role.CLIENT)
    assert len(keeps.encode(text)) > 400 > len(keeps.encode(text))
    forgets = PerMessageDeflate(Role.CLIENT, client_no_context_takeover=True)
    assert forgets.encode(text) == forgets.encode(text)


@pytest.mark.parametrize(
    "fragments", [[b""], [b"", b""], [b"x", b""], [b"", b"x"], [b"", b"", b""]]
)
def test_empty_messages_and_fragments(fragments: list[bytes]) -> None:
    client, server = pair(deflate=True)
    for _ in range(3):
        client.send_binary(fragments[0], fin=len(fragments) == 1)
        for index, fragment in enumerate(fragments[1:], 2):
            client.send_continuation(fragment, fin=index == len(fragments))
        assert pump(client, server) == [BinaryMessage(b"".join(fragments))]


def test_a_single_message_can_be_sent_uncompressed() -> None:
    client, server = pair(deflate=True)
    client.send_text("plain", compress=False)
    wire = client.data_to_send()
    assert wire[0] == 0x81
    assert server.receive_data(wire) == [TextMessage("plain")]
    client.send_text("packed")
    wire = client.data_to_send()
    assert wire[0] == 0xC1
    assert server.receive_data(wire) == [TextMessage("packed")]


@pytest.mark.parametrize("limit", [0, 1, 1000, 65536])
def test_a_message_of_exactly_the_limit_passes_and_one_byte_more_does_not(limit: int) -> None:
    for size, passes in ((limit, True), (limit + 1, False)):
        sender = Connection(Role.SERVER, deflate=PerMessageDeflate(Role.SERVER))
        codec = PerMessageDeflate(Role.CLIENT)
        client = Connection(Role.CLIENT, deflate=codec, max_message_size=limit)
        sender.send_binary(os.urandom(size))
        events = client.receive_data(sender.data_to_send())
        if passes:
            assert len(events[0].data) == limit  # type: ignore[union-attr]
        else:
            error = offence(events)
            assert error.code == 1009
            assert f"at least {limit + 1} bytes, the limit is {limit}" in error.message


@pytest.mark.parametrize("fragmented", [False, True])
def test_a_bomb_is_stopped_while_it_inflates(fragmented: bool) -> None:
    """100 MB of zeros in 100 KB: memory must stay near the limit of 1 MiB."""
    deflater = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(deflater.compress(bytes(2**20)) for _ in range(100))
    bomb += deflater.flush(zlib.Z_SYNC_FLUSH)[:-4]
    first, rest = (bomb[:500], bomb[500:]) if fragmented else (bomb, b"")
    wire = encode_frame(Opcode.BINARY, first, fin=not fragmented, rsv1=True, mask=ZERO_MASK)
    wire += encode_frame(Opcode.CONT, rest, mask=ZERO_MASK) if fragmented else b""
    codec = PerMessageDeflate(Role.SERVER)
    server = Connection(Role.SERVER, deflate=codec, max_message_size=2**20)
    tracemalloc.start()
    try:
        error = offence(server.receive_data(wire))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert error.code == 1009
    assert f"the limit is {2**20}" in error.message
    assert peak < 8 * 2**20


def test_a_limit_of_what_is_left_being_zero_is_not_no_limit() -> None:
    """A first fragment uses up the budget exactly; the second must not inflate without bound."""
    sender = PerMessageDeflate(Role.SERVER)
    codec = PerMessageDeflate(Role.CLIENT)
    assert len(codec.decode(sender.encode(bytes(1000), fin=False), fin=False, limit=1000)) == 1000
    with pytest.raises(ProtocolViolation, match="at least 1001 bytes"):
        codec.decode(sender.encode(bytes(10**7)), limit=1000)


def test_data_that_is_not_deflate_is_1007() -> None:
    error = offence(receiver().receive_data(encode_frame(1, b"\xff\xff\xff", rsv1=True)))
    assert (error.code, error.section) == (1007, "RFC 7692, 7.2.2")


def test_compressed_text_that_is_not_utf8_is_1007() -> None:
    payload = PerMessageDeflate(Role.SERVER).encode(b"\xff")
    assert offence(receiver().receive_data(encode_frame(1, payload, rsv1=True))).code == 1007


def test_compressed_text_may_split_a_code_point_over_fragments() -> None:
    client, server = pair(deflate=True)
    client.send_text(b"\xf0\x9f", fin=False)
    client.send_continuation(b"\x98\x80")
    assert pump(client, server) == [TextMessage("😀")]


# What a client writes, what a server that wants nothing of its own answers (None: it declines).
OFFERS: list[tuple[str, str | None]] = [
    ("permessage-deflate", "permessage-deflate"),
    ("permessage-deflate; client_max_window_bits", "permessage-deflate"),
    (
        "permessage-deflate; client_max_window_bits=10",
        "permessage-deflate; client_max_window_bits=10",
    ),
    (
        "permessage-deflate; server_max_window_bits=8",
        "permessage-deflate; server_max_window_bits=8",
    ),
    (
        'permessage-deflate; server_max_window_bits="9"',
        "permessage-deflate; server_max_window_bits=9",
    ),
    (
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    ),
    ("permessage-deflate; server_max_window_bits", None),
    ("permessage-deflate; server_max_window_bits=7", None),
    ("permessage-deflate; server_max_window_bits=16", None),
    ("permessage-deflate; server_max_window_bits=08", None),
    ("permessage-deflate; server_max_window_bits=Infinity", None),
    ("permessage-deflate; server_no_context_takeover=1", None),
    ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
    ("permessage-deflate; unknown", None),
    ("permessage-bzip2", None),
    ("permessage-deflate; unknown, permessage-deflate", "permessage-deflate"),
    ("", None),
]


@pytest.mark.parametrize(("offer", "answer"), OFFERS)
def test_a_server_answers_offers(offer: str, answer: str | None) -> None:
    agreed = accept_offer(parse_extensions(offer))
    assert (agreed and agreed[0]) == answer


def test_a_server_may_ask_for_more() -> None:
    wish = DeflateOffer(
        server_no_context_takeover=True, server_max_window_bits=10, client_max_window_bits=9
    )
    agreed = accept_offer(parse_extensions("permessage-deflate; client_max_window_bits"), wish)
    assert agreed is not None
    assert agreed[0] == (
        "permessage-deflate; server_no_context_takeover; "
        "server_max_window_bits=10; client_max_window_bits=9"
    )
    assert agreed[1].client_max_window_bits == 9


def test_a_server_never_tells_a_window_to_a_client_that_does_not_know_it() -> None:
    """RFC 7692, 7.1.2.2."""
    wish = DeflateOffer(client_max_window_bits=9)
    agreed = accept_offer(parse_extensions("permessage-deflate"), wish)
    assert agreed is not None
    assert agreed[0] == "permessage-deflate"
    assert agreed[1].client_max_window_bits == 15


STRICT = DeflateOffer(
    server_no_context_takeover=True, server_max_window_bits=10, client_max_window_bits=12
)
RESPONSES: list[tuple[DeflateOffer, str, str | None]] = [
    (DeflateOffer(), "", None),
    (DeflateOffer(), "; client_max_window_bits=8", None),
    (DeflateOffer(), "; server_max_window_bits=8", None),
    (DeflateOffer(), "; server_no_context_takeover", None),
    (DeflateOffer(), "; client_no_context_takeover", None),
    (DeflateOffer(), "; client_max_window_bits", "needs a value"),
    (DeflateOffer(), "; client_max_window_bits=16", "not a number from 8 to 15"),
    (DeflateOffer(), "; client_max_window_bits=9; client_max_window_bits=9", "twice"),
    (DeflateOffer(), "; server_no_context_takeover=true", "takes no value"),
    (DeflateOffer(), "; x-unknown", "unknown parameter"),
    (DeflateOffer(client_window_hint=False), "; client_max_window_bits=9", "not offered"),
    (STRICT, "; server_no_context_takeover; server_max_window_bits=10", None),
    (STRICT, "; server_no_context_takeover; server_max_window_bits=9", None),
    (STRICT, "; server_no_context_takeover; server_max_window_bits=11", "exceeds the 10"),
    (STRICT, "; server_no_context_takeover", "exceeds the 10"),
    (STRICT, "; server_max_window_bits=10", "not granted"),
    (
        STRICT,
        "; server_no_context_takeover; server_max_window_bits=10; client_max_window_bits=13",
        "exceeds the 12",
    ),
]


@pytest.mark.parametrize(("offer", "parameters", "fault"), RESPONSES)
def test_a_client_judges_answers(offer: DeflateOffer, parameters: str, fault: str | None) -> None:
    parsed: Parameters = parse_extensions(f"permessage-deflate{parameters}")[0][1]
    if fault is None:
        assert parse_response(parsed, offer).role is Role.CLIENT
        return
    with pytest.raises(ExtensionError, match=fault):
        parse_response(parsed, offer)


def test_an_offer_as_it_is_written() -> None:
    assert offer_header(DeflateOffer()) == "permessage-deflate; client_max_window_bits"
    assert offer_header(STRICT) == (
        "permessage-deflate; server_no_context_takeover; "
        "server_max_window_bits=10; client_max_window_bits=12"
    )


def test_a_client_keeps_to_the_smaller_window_it_offered_itself() -> None:
    codec = parse_response([], DeflateOffer(client_max_window_bits=9))
    assert codec.client_max_window_bits == 9
