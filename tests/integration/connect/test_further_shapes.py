"""Further shapes of what goes wrong: each told as what it is, and as nothing that was not seen."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable

import pytest

from tests.integration.connect.test_what_was_seen import (
    PLAIN_400,
    Handler,
    connect_to,
    take_upgrade,
    told,
)
from wsdiag.protocol.frames import encode_frame
from wsdiag.protocol.http import accept_key

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


def to_a_clienthello(answer: bytes, *, then_wait: bool = False) -> Handler:
    """A port that answers a ClientHello with these bytes, and plain HTTP as a TLS port does."""

    async def serve(reader: Reader, writer: Writer) -> None:
        hello = (await reader.read(3))[:1] == b"\x16"
        writer.write(answer if hello else PLAIN_400)
        await writer.drain()
        if hello and then_wait:
            await reader.read()
            await asyncio.sleep(10)

    return serve


ALERT_UNRECOGNIZED_NAME = bytes.fromhex("15030300020270")
ALERT_UNKNOWN_CA = bytes.fromhex("15030300020230")
SERVERHELLO_BEGUN = bytes.fromhex("160303007a02000076")
# name: (what answers a ClientHello, whether it waits then, what is said, what is not)
TLS = {
    "another service": (b"220 mail.test ESMTP\r\n", False, "220 mail.test ESMTP", "ws://"),
    "HTTP/2 at once": (bytes.fromhex("000000040000000000"), False, "Another service", "ws://"),
    "plain HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", False, "use ws://", "Another service"),
    "a name it does not know": (ALERT_UNRECOGNIZED_NAME, False, "the name 127.0.0.1", "?"),
    "a CA of another's": (ALERT_UNKNOWN_CA, False, "asked for none of ours", "--cert"),
    "half a ServerHello": (SERVERHELLO_BEGUN, True, "(9 bytes)", "none for TLS"),
    "half a ServerHello, then FIN": (SERVERHELLO_BEGUN, False, "does speak TLS", "close_notify"),
}


@pytest.mark.parametrize("name", TLS)
def test_what_answers_a_clienthello_says_what_listens_there(name: str) -> None:
    answer, then_wait, said, unsaid = TLS[name]
    result = connect_to(to_a_clienthello(answer, then_wait=then_wait), "wss", connect_timeout=1.0)
    assert said in told(result)
    assert unsaid not in told(result)


def test_fin_on_a_clienthello_is_told_as_fin() -> None:
    assert "(fin)" in told(connect_to(to_a_clienthello(b""), "wss"))


PLAIN_404 = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
# name: (whether the ClientHello is answered by a reset, how that is told)
CUT = {"fin": (False, "(fin) on our ClientHello"), "rst": (True, "(rst) on our ClientHello")}


@pytest.mark.parametrize("name", CUT)
def test_plain_http_beside_tls_that_was_cut_leaves_open_what_the_port_speaks(name: str) -> None:
    by_reset, said = CUT[name]

    async def serve(reader: Reader, writer: Writer) -> None:
        if (await reader.read(3))[:1] != b"\x16":
            writer.write(PLAIN_404)
            await writer.drain()
        elif by_reset:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    words = told(connect_to(serve, "wss"))
    assert said in words
    assert "answers plain HTTP (404 Not Found)" in words
    assert "Either the port serves plain WebSockets, or it has TLS too" in words
    assert "likely" not in words
    assert "does not speak TLS" not in words


async def only_interim(reader: Reader, writer: Writer) -> None:
    await reader.readuntil(b"\r\n\r\n")
    while True:
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.1)


async def byte_by_byte(reader: Reader, writer: Writer) -> None:
    await reader.readuntil(b"\r\n\r\n")
    for byte in b"HTTP/1.1 401 Unauthorized\r\nX:":
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(0.005)
    await reader.read()


@pytest.mark.parametrize(
    ("serve", "said"),
    [(only_interim, "only interim answers"), (byte_by_byte, "HTTP/1.1 401 Unauthorized")],
)
def test_what_came_before_the_deadline_is_told(serve: Handler, said: str) -> None:
    assert said in told(connect_to(serve, connect_timeout=2.0))


@pytest.mark.parametrize(
    ("answer", "said", "unsaid"),
    [
        (b"HTTP/1.1 100 Continue\r\n\r\n", "an interim answer (100 Continue)", "its headers"),
        (
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2,
            "an interim answer (2 of them, the last 103 Early Hints)",
            "its headers",
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 40", "HTTP/1.1 40", "100 Continue"),
    ],
    ids=["one", "two", "and half an answer"],
)
def test_an_end_behind_an_interim_answer_is_told_as_that(
    answer: bytes, said: str, unsaid: str
) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()

    words = told(connect_to(serve))
    assert said in words
    assert unsaid not in words


async def _begin(reader: Reader, writer: Writer) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 403 Forbidden\r\nServer: edge\r\nSet-Coo")
    await writer.drain()


async def _begin_and_wait(reader: Reader, writer: Writer) -> None:
    await _begin(reader, writer)
    await reader.read()


@pytest.mark.parametrize("serve", [_begin, _begin_and_wait])
def test_an_answer_that_breaks_off_in_its_headers_is_told_as_far_as_it_came(serve: Handler) -> None:
    said = told(connect_to(serve, connect_timeout=0.6))
    assert "HTTP/1.1 403 Forbidden" in said
    assert "45 bytes" in said
    assert "PROXY protocol" not in said


@pytest.mark.parametrize(
    "behind",
    [
        b"<html><body>Welcome",
        b"5\r\nhello\r\n0\r\n\r\n",
        b"Notice: Undefined index: user",
        b"2\r\n\x81\x00\r\n",
        b"\r\n",
    ],
    ids=["a page", "a chunk", "debug output", "a frame in a chunk", "an empty line too many"],
)
def test_text_behind_the_101_is_told_as_text(behind: bytes) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await take_upgrade(reader, writer)
        writer.write(behind)
        await reader.read()

    result = connect_to(serve)
    assert behind[:12].decode("latin-1").encode("unicode_escape").decode() in told(result)
    assert "is text, not a frame" in told(result)


@pytest.mark.parametrize(
    ("payload", "said", "unsaid"),
    [
        (b"\x03\xe8", "handler came to its end", "and then refused"),
        (b"", "handler came to its end", "and then refused"),
        (b"\x03\xe8bad token", "and then refused", "handler"),
        (b"\x03\xf0", "and then refused", "handler"),
    ],
    ids=["1000", "no code", "1000 and a reason", "1008"],
)
def test_a_close_at_once_that_names_no_fault_is_not_called_a_refusal(
    payload: bytes, said: str, unsaid: str
) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await take_upgrade(reader, writer)
        writer.write(encode_frame(8, payload))
        await reader.read()

    result = connect_to(serve)
    assert said in told(result)
    assert unsaid not in told(result)


def test_after_a_broken_frame_nothing_is_said_of_pongs() -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await take_upgrade(reader, writer)
        writer.write(b"\xf1\x80")
        await reader.read()

    result = connect_to(serve)
    assert "broke the protocol" in told(result)
    assert "Pong" not in " ".join(result.notes), "none was waited for"


def test_a_close_that_names_a_keepalive_is_no_exception() -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await take_upgrade(reader, writer)
        reason = b"\x03\xf3keepalive ping timeout"  # 1011, as Python's websockets words it
        writer.write(encode_frame(8, reason))
        await reader.read()

    error = connect_to(serve).error
    assert error is not None
    assert "its own keepalive got no answer in time" in (error.hint or "")
    assert "exception" not in (error.hint or "")


def test_a_message_over_our_limit_is_no_broken_rule() -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await take_upgrade(reader, writer)
        writer.write(b"\x82\x7f" + (20 * 2**20).to_bytes(8))  # RFC 6455, 5.2: a 64-bit length
        await reader.read()

    result = connect_to(serve)
    said = told(result)
    assert "too large a message: message of at least 20971520 bytes" in said
    assert "--max-message-size" in said
    assert "broke" not in said


@pytest.mark.parametrize(
    ("chosen", "said"),
    [("chat, v2", "sends the client's list back"), ("Chat", "compared with their case")],
)
def test_a_subprotocol_that_was_chosen_wrongly_was_chosen(chosen: str, said: str) -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await take_upgrade(reader, writer, "1.1", f"Sec-WebSocket-Protocol: {chosen}")

    result = connect_to(serve, subprotocols=("chat", "v2"))
    assert said in told(result)
    assert not any("chose no subprotocol" in note for note in result.notes)


def test_last_words_before_a_close_without_a_reason() -> None:
    async def serve(reader: Reader, writer: Writer) -> None:
        await take_upgrade(reader, writer)
        writer.write(encode_frame(1, b'{"message":"room is full"}') + encode_frame(8, b"\x0f\xa0"))
        await writer.drain()

    assert "room is full" in told(connect_to(serve))


def answered(make: Callable[[str], bytes]) -> Handler:
    """Answers an upgrade by what `make` makes of the right Sec-WebSocket-Accept."""

    async def serve(reader: Reader, writer: Writer) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        key = head.split("Sec-WebSocket-Key: ")[1].split("\r\n")[0]
        writer.write(make(accept_key(key)))
        await writer.drain()

    return serve


def switching(accept: str, upgrade: str = "websocket") -> bytes:
    lines = ["HTTP/1.1 101 Switching Protocols", f"Upgrade: {upgrade}", "Connection: Upgrade"]
    return "\r\n".join([*lines, f"Sec-WebSocket-Accept: {accept}", "", ""]).encode()


# name: (the answer for the right Sec-WebSocket-Accept, what is said, what is not)
ALMOST: dict[str, tuple[Callable[[str], bytes], str, str]] = {
    "an empty line first": (
        lambda accept: b"\r\n" + switching(accept),
        "bytes come before the answer's status line",
        "SSH",
    ),
    "a byte order mark first": (
        lambda accept: b"\xef\xbb\xbf" + switching(accept),
        "a byte order mark",
        "SSH",
    ),
    "a page without a head": (
        lambda _: b"<html><body>Warning: mysqli_connect()</body></html>",
        "without a status line and headers",
        "SSH",
    ),
    "a value in quotes": (lambda accept: switching(f'"{accept}"'), "in its quotes", "cache"),
    "a value in lower case": (lambda accept: switching(accept.lower()), "in its case", "cache"),
    "the value of an empty key": (
        lambda _: switching(accept_key("")),
        "the one for an empty key",
        "cache",
    ),
    "the value of the RFC": (
        lambda _: switching(accept_key("dGhlIHNhbXBsZSBub25jZQ==")),
        "RFC 6455 has as its example",
        "cache",
    ),
    "another value": (lambda _: switching(accept_key("another")), "A cache replayed", "its case"),
    "another protocol": (
        lambda accept: switching(accept, "h2c"),
        "a protocol that was not asked for",
        "hop-by-hop",
    ),
}


@pytest.mark.parametrize("name", ALMOST)
def test_an_answer_that_is_almost_right_is_told_by_what_is_wrong(name: str) -> None:
    make, said, unsaid = ALMOST[name]
    words = told(connect_to(answered(make)))
    assert said in words
    assert unsaid not in words
