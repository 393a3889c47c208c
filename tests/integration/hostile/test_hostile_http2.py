"""A client over HTTP/2 against servers that break its rules: named errors, bounded memory."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable, Iterator

import pytest
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from tests.integration.scripted import read_connect
from wsdiag.probes.connect.run import connect
from wsdiag.records import ConnectResult
from wsdiag.transport.dial.options import DialOptions

CONNECT_PROTOCOL = {SettingsFrame.ENABLE_CONNECT_PROTOCOL: 1}
MOST_BYTES = 24 * 2**20
Flood = Callable[[], Iterator[bytes]]


def frames(*made: Frame) -> bytes:
    return b"".join(each.serialize() for each in made)


def headers(*pairs: tuple[str, str], end: bool = False, stream: int = 1) -> HeadersFrame:
    flags = ["END_HEADERS", *(["END_STREAM"] if end else [])]
    return HeadersFrame(stream, Encoder().encode(pairs), flags=flags)


OPENED = headers((":status", "200"))


def repeat(data: bytes, times: int = 20_000) -> Iterator[bytes]:
    for _ in range(times // 100):
        yield data * 100


def settings_flood() -> Iterator[bytes]:
    return repeat(frames(SettingsFrame(0, settings={SettingsFrame.MAX_FRAME_SIZE: 16384})))


def ping_flood() -> Iterator[bytes]:
    return repeat(frames(PingFrame(0, b"12345678")))


def empty_data() -> Iterator[bytes]:
    yield frames(OPENED)
    yield from repeat(frames(DataFrame(1, b"")))


def window_games() -> Iterator[bytes]:
    yield frames(OPENED, WindowUpdateFrame(0, window_increment=2**31 - 1))
    yield frames(WindowUpdateFrame(0, window_increment=2**31 - 1))


def small_window_updates() -> Iterator[bytes]:
    return repeat(frames(WindowUpdateFrame(0, window_increment=1)))


def more_than_the_window() -> Iterator[bytes]:
    """Data that nobody granted: 64 MiB."""
    yield frames(OPENED)
    yield from repeat(frames(DataFrame(1, b"\x82\x7e\x3f\xfc" + bytes(16380))), 4096)


def huge_headers() -> Iterator[bytes]:
    block = Encoder().encode([(":status", "200"), *((f"x-{n}", "a" * 4000) for n in range(40))])
    yield frames(HeadersFrame(1, block[:16000]))
    for at in range(16000, len(block), 16000):
        last = at + 16000 >= len(block)
        yield frames(
            ContinuationFrame(1, block[at : at + 16000], flags=["END_HEADERS"] if last else [])
        )


def continuation_flood() -> Iterator[bytes]:
    yield frames(HeadersFrame(1, Encoder().encode([(":status", "200")])))
    yield from repeat(frames(ContinuationFrame(1, b"")))


def compression_bomb() -> Iterator[bytes]:
    """A table entry of 4 KB, and a thousand references to it."""
    block = b"\x88\x40\x01x\x7f\xa1\x1e" + b"a" * 4000 + b"\xbe" * 1000
    yield frames(HeadersFrame(1, block, flags=["END_HEADERS"]))


def resets() -> Iterator[bytes]:
    return repeat(frames(RstStreamFrame(3, error_code=8)))


def oversized_frame() -> Iterator[bytes]:
    yield b"\x01\x00\x01\x00\x00\x00\x00\x00\x01" + bytes(65537)


def bad_setting() -> Iterator[bytes]:
    yield frames(SettingsFrame(0, settings={SettingsFrame.ENABLE_CONNECT_PROTOCOL: 7}))


def push() -> Iterator[bytes]:
    yield b"\x00\x00\x05\x05\x04\x00\x00\x00\x01\x00\x00\x00\x02\x88"


def no_status() -> Iterator[bytes]:
    yield frames(headers(("x-none", "1")))


def garbage() -> Iterator[bytes]:
    yield bytes(range(256)) * 64


FLOODS: dict[str, tuple[Flood, str]] = {
    "SETTINGS flood": (settings_flood, "flood of SETTINGS"),
    "PING flood": (ping_flood, "flood of PING"),
    "empty DATA flood": (empty_data, "flood of empty DATA"),
    "WINDOW_UPDATE flood": (small_window_updates, "flood of WINDOW_UPDATE"),
    "RST_STREAM flood": (resets, "flood of RST_STREAM"),
    "window overflow": (window_games, "flow control"),
    "more than the window": (more_than_the_window, ""),
    "huge headers": (huge_headers, "64 KiB"),
    "CONTINUATION flood": (continuation_flood, "CONTINUATION"),
    "compression bomb": (compression_bomb, "64 KiB"),
    "oversized frame": (oversized_frame, "larger than was allowed"),
    "bad setting": (bad_setting, "broke HTTP/2"),
    "push": (push, "broke HTTP/2"),
    "no status": (no_status, "broke HTTP/2"),
    "garbage": (garbage, "broke HTTP/2"),
}


async def flooding(
    data: Iterator[bytes],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    preface: bytes | None = None,
) -> None:
    """A server that sends SETTINGS, or `preface`, and then `data` once it was asked."""
    try:
        own = frames(SettingsFrame(0, settings=CONNECT_PROTOCOL))
        writer.write(own if preface is None else preface)
        await read_connect(reader)
        for piece in data:
            writer.write(piece)
            await writer.drain()
        await reader.read()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def visit(flood: Flood, *, preface: bytes | None = None) -> ConnectResult:
    """`connect --http2` to a server that floods."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await flooding(flood(), reader, writer, preface)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        options = DialOptions(http_version="2", connect_timeout=10)
        return await connect(
            f"ws://127.0.0.1:{port}/", options, ping_timeout_s=2, close_timeout_s=1
        )


@pytest.mark.parametrize("name", FLOODS)
def test_each_has_a_name_and_bounded_memory(name: str) -> None:
    flood, words = FLOODS[name]
    tracemalloc.start()
    try:
        result = asyncio.run(visit(flood))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    said = "" if result.error is None else result.error.message
    if words:
        assert result.error is not None, result.notes
        assert result.error.kind in ("protocol", "closed", "upgrade")
        assert words in said, said
    assert peak < MOST_BYTES, f"{name}: {peak / 2**20:.0f} MiB ({said})"


@pytest.mark.parametrize(
    ("preface", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak HTTP/2"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP/2"),
        (frames(GoAwayFrame(0, error_code=11)), "does not speak HTTP/2"),
        (b"\x00", "does not speak HTTP/2"),
        (b"", "before the server's SETTINGS"),
    ],
)
def test_what_is_no_http2_is_named(preface: bytes, words: str) -> None:
    async def short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(preface)
        await asyncio.sleep(0.05)
        writer.close()

    async def go() -> ConnectResult:
        server = await asyncio.start_server(short, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await connect(f"ws://127.0.0.1:{port}/", DialOptions(http_version="2"))

    result = asyncio.run(go())
    assert result.error is not None
    assert words in result.error.message, result.error.message


OPEN_ANSWERS = {
    "Content-Length, which a CONNECT's success does not have": [
        headers((":status", "200"), ("content-length", "0"))
    ],
    "interim answers": [headers((":status", "103")), headers((":status", "100")), OPENED],
    "the setting in SETTINGS of their own": [SettingsFrame(0, settings=CONNECT_PROTOCOL), OPENED],
}


@pytest.mark.parametrize("name", OPEN_ANSWERS)
def test_what_is_legal_opens(name: str) -> None:
    close = DataFrame(1, b"\x88\x02\x03\xe8")

    def answer() -> Iterator[bytes]:
        yield frames(*OPEN_ANSWERS[name], close)

    preface = frames(SettingsFrame(0)) if "SETTINGS" in name else None
    result = asyncio.run(visit(answer, preface=preface))
    assert result.error is not None
    assert "the server closed with 1000" in result.error.message, result.error


REFUSALS: dict[str, tuple[list[Frame], str]] = {
    "101": ([headers((":status", "101"))], "as an HTTP/1.1 upgrade: 101"),
    "425": ([headers((":status", "425"), end=True)], "did not accept the request: 425 Too Early"),
    "END_STREAM": ([headers((":status", "200"), end=True)], "without a Close frame (END_STREAM)"),
    "a GOAWAY that leaves it out": ([GoAwayFrame(0, last_stream_id=0)], "GOAWAY NO_ERROR"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_are_told_in_the_words_of_http2(name: str) -> None:
    answer, words = REFUSALS[name]
    result = asyncio.run(visit(lambda: iter([frames(*answer)])))
    assert result.error is not None
    assert words in result.error.message


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (
            [
                SettingsFrame(
                    0, settings={**CONNECT_PROTOCOL, SettingsFrame.MAX_CONCURRENT_STREAMS: 0}
                )
            ],
            "allow 0 streams at once",
        ),
        (
            [SettingsFrame(0, settings=CONNECT_PROTOCOL), GoAwayFrame(0, additional_data=b"bye")],
            "GOAWAY NO_ERROR ('bye')",
        ),
    ],
)
def test_what_may_not_be_asked_is_not(first: list[Frame], words: str) -> None:
    result = asyncio.run(visit(lambda: iter(()), preface=frames(*first)))
    assert result.error is not None
    assert words in result.error.message


def test_a_goaway_that_ends_nothing_is_told_where_no_answer_comes() -> None:
    goaway = GoAwayFrame(0, last_stream_id=1, error_code=11, additional_data=b"calm down")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frames(SettingsFrame(0, settings=CONNECT_PROTOCOL)))
        kind = None
        await reader.readuntil(b"SM\r\n\r\n")
        while kind != HeadersFrame.type:
            head = await reader.readexactly(9)
            await reader.readexactly(int.from_bytes(head[:3], "big"))
            kind = head[3]
        writer.write(frames(goaway))
        while await reader.read(4096):
            pass
        writer.close()

    async def go() -> ConnectResult:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            options = DialOptions(http_version="2", connect_timeout=0.5)
            return await connect(f"ws://127.0.0.1:{port}/", options)

    result = asyncio.run(go())
    assert result.error is not None
    assert "GOAWAY ENHANCE_YOUR_CALM ('calm down')" in result.error.message


def test_a_goaway_in_the_closing_handshake_is_no_silence() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(frames(SettingsFrame(0, settings=CONNECT_PROTOCOL)))
        await reader.readuntil(b"SM\r\n\r\n")
        try:
            while True:
                head = await reader.readexactly(9)
                body = await reader.readexactly(int.from_bytes(head[:3], "big"))
                if head[3] == HeadersFrame.type:
                    writer.write(frames(OPENED))
                elif head[3] == DataFrame.type and body[0] == 0x89:
                    mask, masked = body[2:6], body[6:]
                    payload = bytes(c ^ mask[n % 4] for n, c in enumerate(masked))
                    pong = bytes([0x8A, len(payload)]) + payload
                    writer.write(frames(DataFrame(1, pong)))
                elif head[3] == DataFrame.type:
                    writer.write(frames(GoAwayFrame(0, last_stream_id=1, error_code=2)))
                    break
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def go() -> ConnectResult:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await connect(f"ws://127.0.0.1:{port}/", DialOptions(http_version="2"))

    result = asyncio.run(go())
    assert any("(GOAWAY) with INTERNAL_ERROR" in note for note in result.notes), result.notes
    assert not any("within" in note for note in result.notes)


def test_a_refusal_blames_no_header_of_ours() -> None:
    refusal = frames(headers((":status", "404"), end=True))
    result = asyncio.run(visit(lambda: iter([refusal])))
    assert result.error is not None
    assert "-H replaced" not in (result.error.hint or "")
