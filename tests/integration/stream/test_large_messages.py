"""Messages just below the limit: memory is bounded by what is looked into, not by what was sent."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
import zlib
from typing import Any

import pytest

from tests.attack.behaviours import NEARLY_TOO_LARGE, NEST, of_json
from tests.integration.hostile.test_hostile_servers import Reader, Writer, _upgrade
from tests.integration.stream.running import StreamRecords, in_loop, run_stream
from wsdiag.protocol.frames import encode_frame
from wsdiag.records import Error
from wsdiag.records.stream import StreamMessage
from wsdiag.transport.dial.options import LOOKED_INTO, DialOptions

MOST_BYTES = 80 * 2**20
"""What is looked into as objects of JSON, fifty times as large, and half as much beside."""
WIDE = "\N{PILE OF POO}".encode() + b"a" * NEARLY_TOO_LARGE


def packed(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


MESSAGES = {
    "text of four bytes a character": encode_frame(1, WIDE),
    "the same, packed": encode_frame(1, packed(WIDE), rsv1=True),
    "binary": encode_frame(2, bytes(NEARLY_TOO_LARGE)),
    "empty objects": encode_frame(1, of_json(b"{}", NEARLY_TOO_LARGE)),
    "empty objects that are looked into": encode_frame(1, of_json(b"{}", LOOKED_INTO)),
    "nests that are looked into": encode_frame(1, of_json(NEST, LOOKED_INTO)),
}


async def seen_of(*frames: bytes, **options: Any) -> StreamRecords:
    """What is told of a server that sends these, piece by piece: it holds little itself."""

    async def send(reader: Reader, writer: Writer) -> None:
        await _upgrade(reader, writer)
        for frame in frames:
            for at in range(0, len(frame), 65536):
                writer.write(frame[at : at + 65536])
                await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(send, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        dial = DialOptions(compression=True)
        return await run_stream(url, dial=dial, count=len(frames), **options)


@pytest.mark.parametrize("name", MESSAGES)
def test_memory_does_not_follow_what_a_peer_sends(name: str) -> None:
    frames = [MESSAGES[name]] * 2
    tracemalloc.start()
    try:
        seen = asyncio.run(seen_of(*frames, seq="$.seq", time="$.t", show="json"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MOST_BYTES
    summary = seen.summary
    looked_into = "looked into" in name
    assert summary.messages == 2
    assert summary.too_large == (None if looked_into else 2)
    assert summary.not_json == 0
    assert len(seen.of(StreamMessage)) == 2


@in_loop
async def test_of_a_message_over_a_mebibyte_its_beginning_is_shown_and_its_size_is_right() -> None:
    pad = "é" * LOOKED_INTO
    texts = [
        json.dumps({"seq": n, "pad": pad if n == 3 else ""}, ensure_ascii=False)
        for n in range(1, 6)
    ]
    seen = await seen_of(
        *(encode_frame(1, text.encode()) for text in texts), seq="$.seq", show="json"
    )
    third, *others = sorted(seen.of(StreamMessage), key=lambda message: message.number != 3)
    whole = texts[2].encode()
    assert third.text == whole[:LOOKED_INTO].decode(errors="ignore")
    assert third.bytes == len(whole)
    assert third.cut_bytes == len(whole) - len(third.text.encode())
    assert third.seq is None
    assert [(m.seq, m.value, m.cut_bytes) for m in others] == [
        (n, json.dumps({"seq": n, "pad": ""}), None) for n in (1, 2, 4, 5)
    ]
    summary = seen.summary
    assert summary.bytes == sum(len(text.encode()) for text in texts)
    assert (summary.too_large, summary.not_json) == (1, 0)
    assert summary.gaps is not None
    assert (summary.gaps.missing, summary.gaps.unnumbered) == (0, 1)
    assert not seen.named("gap")


@in_loop
async def test_at_a_field_of_a_message_too_large_nothing_is_said_to_be() -> None:
    large = encode_frame(1, b'{"a":"' + b"x" * LOOKED_INTO + b'"}')
    seen = await seen_of(large, encode_frame(1, b'{"b":1}'), show="json", field="$.a")
    first, second = seen.of(StreamMessage)
    assert (first.text, first.data, first.value) == (None, None, None)
    assert (second.value, second.cut_bytes) == ("null", None)


@in_loop
async def test_json_of_any_depth_does_no_harm() -> None:
    """Each parser and each writer has a depth of its own at which it gives up."""
    depths = range(1, 3000, 7)
    frames = [encode_frame(1, b"[" * depth + b"]" * depth) for depth in depths]
    seen = await seen_of(*frames, show="json", field="$")
    assert seen.summary.messages == len(depths)
    assert seen.of(StreamMessage)[0].value == "[]"
    assert not seen.of(Error)
