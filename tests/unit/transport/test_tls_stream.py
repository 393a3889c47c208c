"""What TLS itself answers is bounded: a peer may ask for new keys for ever and read nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from wsdiag.transport.stream.ends import end_of_tls
from wsdiag.transport.stream.stamps import now
from wsdiag.transport.stream.tls_stream import TlsStream

ANSWER = b"k" * 27


class Buffer:
    """A send buffer to a peer that reads what there is, or nothing."""

    def __init__(self, *, read: bool) -> None:
        self.read, self.unsent, self.most = read, 0, 0

    def put(self, data: bytes, _record: object = None) -> None:
        self.unsent = 0 if self.read else self.unsent + len(data)
        self.most = max(self.most, self.unsent)


@pytest.mark.parametrize("read", [True, False])
def test_answers_that_nobody_reads_end_it(read: bool) -> None:
    layer: Any = SimpleNamespace(
        established=True, failure=None, take=lambda: ANSWER, receive=lambda _data: b""
    )
    buffer: Any = Buffer(read=read)
    stream = TlsStream(layer, buffer, lambda _data: None, lambda _how: None)
    stream._finish(None)
    for _ in range(100_000):
        stream.receive(b"KeyUpdate", now())
        if layer.failure is not None:
            break
    assert (layer.failure is None) == read
    if not read:
        assert "NOT_READ" in end_of_tls(layer.failure, now()).detail
    assert buffer.most < 1 << 19
