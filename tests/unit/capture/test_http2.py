"""HTTP/2 in a capture: each extended CONNECT is a WebSocket of its own."""

from __future__ import annotations

import builtins
import io
from typing import Any
from unittest.mock import ANY

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.settings import SettingCodes

from tests.capture.builder import Capture, Flow
from wsdiag.capture.reader import CaptureReader
from wsdiag.capture.totals import CaptureTotals
from wsdiag.judgement.recorded.connection import judge_connection
from wsdiag.judgement.recorded.facts import ConnectionFacts
from wsdiag.judgement.recorded.report import connection_record
from wsdiag.judgement.recorded.trials import drop_of
from wsdiag.protocol.codes import Opcode
from wsdiag.records import Drop
from wsdiag.records.connect import HttpInfo

REQUEST = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "http"),
    (":path", "/feed?token=secret"),
    (":authority", "feed.test"),
    ("sec-websocket-version", "13"),
]


class Connection:
    """Both ends of an HTTP/2 connection, and the capture of it."""

    def __init__(self) -> None:
        self.capture = Capture()
        self.flow = Flow(self.capture)
        self.flow.shake()
        self.ends = {
            "client": H2Connection(H2Configuration(client_side=True)),
            "server": H2Connection(H2Configuration(client_side=False)),
        }
        self.ends["server"].local_settings[SettingCodes.ENABLE_CONNECT_PROTOCOL] = 1
        for who in ("client", "server"):
            self.ends[who].initiate_connection()
        self.cross(0.001, "client")
        self.cross(0.002, "server")
        self.cross(0.003, "client")

    def cross(self, at_s: float, who: str, size: int = 1400) -> None:
        """What one end has to send reaches the other, and the capture."""
        data = self.ends[who].data_to_send()
        self.ends["server" if who == "client" else "client"].receive_data(data)
        self.flow.send(at_s, who, data, size=size)

    def open(self, at_s: float, status: str = "200", **more: Any) -> int:
        """A stream that is a WebSocket once it is answered."""
        client = self.ends["client"]
        stream: int = client.get_next_available_stream_id()
        client.send_headers(stream, [*REQUEST, *more.items()])
        self.cross(at_s, "client")
        self.ends["server"].send_headers(stream, [(":status", status), ("server", "test")])
        self.cross(at_s + 0.01, "server")
        return stream

    def frame(self, at_s: float, who: str, stream: int, opcode: Opcode, payload: bytes) -> None:
        """A WebSocket frame in a DATA frame."""
        self.ends[who].send_data(stream, self.flow.frame(who, opcode, payload))
        self.cross(at_s, who, size=7)

    def read(self) -> tuple[list[ConnectionFacts], CaptureTotals]:
        """The facts of each WebSocket, in the order of their streams."""
        reader = CaptureReader(io.BytesIO(self.capture.pcap()), "test.pcap")
        return list(reader), reader.totals


def test_streams_are_connections() -> None:
    made = Connection()
    first, second = made.open(1.0), made.open(2.0)
    made.frame(3.0, "client", first, Opcode.TEXT, b"hello")
    made.frame(3.1, "server", second, Opcode.PING, b"1")
    made.frame(3.2, "client", second, Opcode.PONG, b"1")
    made.frame(63.0, "server", first, Opcode.CLOSE, b"\x03\xe9")
    made.ends["server"].end_stream(second)
    made.cross(80.0, "server")
    made.flow.fin(90.0, "client")
    (one, two), totals = made.read()
    assert (totals.plain_http, totals.other) == (0, 0)
    assert (one.host, one.path, one.version, one.status) == (
        "feed.test",
        "/feed?token=secret",
        "2",
        200,
    )
    assert (one.sent.messages, two.received.pings) == (1, 1)
    assert two.rtts_ms == [pytest.approx(100, abs=1)]
    ended, left = judge_connection(one), judge_connection(two)
    assert (ended.outcome, ended.ended_by) == ("close", "server")
    assert (left.outcome, left.ended_by) == ("unknown", "server")
    assert two.idle_s == pytest.approx(76.8, abs=0.1)


def test_what_ends_a_stream() -> None:
    made = Connection()
    reset = made.open(1.0)
    made.ends["server"].reset_stream(reset, ErrorCodes.INTERNAL_ERROR)
    made.cross(5.0, "server")
    refused = made.open(6.0, "403")
    assert refused
    found, totals = made.read()
    assert totals.refused == 1
    (one,) = found
    assert one.ended_s == pytest.approx(4.0, abs=0.1)
    assert "HTTP/2: RST_STREAM with INTERNAL_ERROR from the server" in one.notes
    assert drop_of(one) == Drop("rst-stream", ANY, code=2, reason="INTERNAL_ERROR")
    assert "reset (RST_STREAM)" in judge_connection(one).evidence[0]


def test_goaway_and_the_end_of_the_connection() -> None:
    made = Connection()
    stream = made.open(1.0)
    made.ends["server"].close_connection(ErrorCodes.NO_ERROR, last_stream_id=stream)
    made.cross(5.0, "server")
    made.flow.fin(6.0, "server")
    (one,), _ = made.read()
    assert drop_of(one) == Drop("goaway", ANY, code=0, reason="NO_ERROR")
    assert judge_connection(one).ended_by == "server"
    assert connection_record(one, 1, judge_connection(one)).http == HttpInfo(
        200, "", [("server", "test")], version="2"
    )


def test_an_orderly_end_of_a_stream() -> None:
    made = Connection()
    stream = made.open(1.0)
    made.ends["server"].end_stream(stream)
    made.cross(5.0, "server")
    (one,), _ = made.read()
    assert drop_of(one) == Drop("fin", ANY, detail="END_STREAM")


def test_bytes_that_are_missing() -> None:
    made = Connection()
    stream = made.open(1.0)
    made.frame(3.0, "client", stream, Opcode.TEXT, b"hello")
    made.flow.lost("client", b"x" * 20)
    made.flow.send(4.0, "client", b"y" * 50)
    (one,), _ = made.read()
    assert (one.status, one.sent.messages) == (200, 1)


def test_without_hpack_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Connection()
    made.open(1.0)
    real = builtins.__import__

    def absent(name: str, *more: Any, **named: Any) -> Any:
        if name == "hpack":
            raise ImportError(name)
        return real(name, *more, **named)

    monkeypatch.setattr(builtins, "__import__", absent)
    found, totals = made.read()
    assert found == []
    assert "HTTP/2 was not read" in totals.notes[0]


def test_plain_http2_is_only_counted() -> None:
    made = Connection()
    client = made.ends["client"]
    client.send_headers(
        1,
        [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")],
        end_stream=True,
    )
    made.cross(1.0, "client")
    found, totals = made.read()
    assert (found, totals.plain_http) == ([], 1)
