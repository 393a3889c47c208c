"""What a stream of HTTP/2 or HTTP/3 holds is handed out a callback's share at a time.

A peer may send a whole window before anybody reads it, and in it half a million frames.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aioquic.h3.events import DataReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import StreamDataReceived

from wsdiag.transport.http2.stream import Http2Stream
from wsdiag.transport.http3.connection import Http3Stream
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival, now
from wsdiag.transport.stream.stream import CHUNK

WINDOW = 1 << 20
DATA = bytes(range(256)) * (WINDOW // 256)


class Handler:
    def __init__(self, pause: Callable[[], None] | None = None) -> None:
        self.pieces: list[bytes] = []
        self.turns: list[int] = []
        """How many bytes each turn of the loop brought."""
        self.ended: list[int] = []
        """How many bytes had come when the end was told."""
        self._pause = pause

    def data_received(self, data: bytes, _at: Arrival) -> None:
        self.pieces.append(data)
        self.turns[-1] += len(data)
        if self._pause is not None:
            self._pause()

    def stream_ended(self, _end: StreamEnd) -> None:
        self.ended.append(sum(map(len, self.pieces)))


def of_http2() -> Any:
    tcp = SimpleNamespace(read_size=CHUNK, peer="")
    granted: list[int] = []
    carrier: Any = SimpleNamespace(
        stream=tcp, streams={}, ended=None, acknowledge=lambda _id, size: granted.append(size)
    )
    stream: Any = Http2Stream(carrier, 1)
    carrier.changed = lambda: None
    stream.data_received(DATA[:100], now(), 100)
    for at in range(100, WINDOW, 16384):
        stream.data_received(DATA[at : at + 16384], now(), len(DATA[at : at + 16384]))
    stream.peer_ended(StreamEnd("fin", "END_STREAM", now()))
    return stream, granted


def of_http3() -> Any:
    stream: Any = Http3Stream(QuicConfiguration(), (2, ("127.0.0.1", 1)))  # type: ignore[arg-type]
    stream._stream_id = 0
    stream._handle_http(DataReceived(data=DATA, stream_id=0, stream_ended=True))
    return stream, None


@pytest.mark.parametrize("made", [of_http2, of_http3])
def test_a_turn_hands_out_a_chunk(made: Callable[[], Any]) -> None:
    async def go() -> tuple[Handler, list[int] | None]:
        stream, granted = made()
        handler = Handler()
        handler.turns.append(0)
        stream.start(handler)
        for _ in range(2 * WINDOW // CHUNK):
            handler.turns.append(0)
            await asyncio.sleep(0)
        return handler, granted

    handler, granted = asyncio.run(go())
    assert max(handler.turns) <= CHUNK
    assert b"".join(handler.pieces) == DATA
    assert handler.ended == [WINDOW]
    assert granted is None or sum(granted) == WINDOW


@pytest.mark.parametrize("made", [of_http2, of_http3])
def test_the_end_waits_for_what_is_held(made: Callable[[], Any]) -> None:
    async def go() -> Handler:
        stream, _ = made()
        handler = Handler(stream.pause_reading)
        handler.turns.append(0)
        stream.start(handler)
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(handler.pieces) == 1
        assert handler.ended == []
        for _ in range(4 * WINDOW // CHUNK):
            stream.resume_reading()
            await asyncio.sleep(0)
        return handler

    handler = asyncio.run(go())
    assert b"".join(handler.pieces) == DATA
    assert handler.ended == [WINDOW]


def test_a_datagram_that_closes_a_gap_hands_out_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [DataReceived(DATA[at : at + 8192], 0, False) for at in range(0, WINDOW, 8192)]

    async def go() -> Handler:
        stream: Any = Http3Stream(QuicConfiguration(), (2, ("127.0.0.1", 1)))  # type: ignore[arg-type]
        stream._stream_id = 0
        handler = Handler()
        handler.turns.append(0)
        stream.start(handler)
        events: list[object | None] = [StreamDataReceived(b"", False, 0), None]
        monkeypatch.setattr(stream._quic, "next_event", lambda: events.pop(0))
        monkeypatch.setattr(stream._http, "handle_event", lambda _event: frames)
        stream._take_events()
        for _ in range(2 * WINDOW // CHUNK):
            handler.turns.append(0)
            await asyncio.sleep(0)
        return handler

    handler = asyncio.run(go())
    assert max(handler.turns) <= CHUNK
    assert b"".join(handler.pieces) == DATA
