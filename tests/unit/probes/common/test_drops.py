"""Every way in which a stream ends, and the errno that lies behind it, as one drop."""

from __future__ import annotations

import errno
from typing import get_args

import pytest

from wsdiag.probes.common.drops import drop_of_end
from wsdiag.records import DropHow
from wsdiag.transport.stream.ends import EndKind, StreamEnd, end_of
from wsdiag.transport.stream.stamps import Arrival

KINDS: dict[EndKind, DropHow] = {
    "fin": "fin",
    "tls-close": "fin",
    "rst": "rst",
    "tls-eof": "tls-eof",
    "tls-error": "tls-eof",
    "rst-stream": "rst-stream",
    "goaway": "goaway",
    "http2-error": "goaway",
    "timeout": "timeout",
    "error": "timeout",
    "local": "timeout",
}


def test_the_table_is_complete() -> None:
    assert set(KINDS) == set(get_args(EndKind))


@pytest.mark.parametrize(("kind", "how"), KINDS.items())
def test_every_kind(kind: EndKind, how: DropHow) -> None:
    drop = drop_of_end(StreamEnd(kind, "why", Arrival(0)), 1.5)
    assert (drop.how, drop.at_s, drop.detail) == (how, 1.5, "why")


@pytest.mark.parametrize(
    ("number", "how"),
    [
        (errno.ECONNRESET, "rst"),
        (errno.EPIPE, "rst"),
        (errno.ETIMEDOUT, "timeout"),
        (errno.EHOSTUNREACH, "timeout"),
        (errno.ENETUNREACH, "timeout"),
        (errno.ECONNREFUSED, "timeout"),
        (errno.EHOSTDOWN, "timeout"),
        (errno.ENOPROTOOPT, "timeout"),
        (errno.EPROTO, "timeout"),
        (errno.ECONNABORTED, "timeout"),
        (errno.ENETDOWN, "timeout"),
    ],
    ids=errno.errorcode.get,
)
def test_every_error_of_a_socket(number: int, how: DropHow) -> None:
    assert drop_of_end(end_of(OSError(number, "")), 0.0).how == how


def test_a_cut_frame_is_told() -> None:
    end = StreamEnd("fin", "", Arrival(0))
    assert drop_of_end(end, 0.0).detail is None
    assert drop_of_end(end, 0.0, truncated=True).detail == "a frame was cut off in the middle"
    cut = drop_of_end(StreamEnd("rst", "reset", Arrival(0)), 0.0, truncated=True)
    assert cut.detail == "reset; a frame was cut off in the middle"


@pytest.mark.parametrize(
    ("code", "reason", "said"),
    [(0x1, "PROTOCOL_ERROR", "HTTP/2"), (0x105, "H3_FRAME_UNEXPECTED", "HTTP/3")],
)
def test_a_violation_names_its_http(code: int, reason: str, said: str) -> None:
    drop = drop_of_end(StreamEnd("http2-error", "why", Arrival(0), code), 0.0)
    assert (drop.reason, drop.detail) == (reason, f"the peer broke {said}: why; we closed")
