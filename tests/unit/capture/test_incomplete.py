"""Captures that lack something: an end is then named only as far as what is left carries it."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from tests.capture.builder import ACK, RST, SYN, Capture, Flow
from wsdiag.capture.reader import CaptureReader
from wsdiag.judgement.recorded.connection import judge_connection
from wsdiag.judgement.recorded.endings import Ending
from wsdiag.judgement.recorded.facts import ConnectionFacts
from wsdiag.protocol.codes import Opcode


def opened() -> Flow:
    flow = Flow(Capture())
    flow.open()
    flow.text(1.0, "client", "hello")
    return flow


def read(flow: Flow, snap: int = 262144) -> tuple[ConnectionFacts, Ending]:
    (facts,) = CaptureReader(io.BytesIO(flow.capture.pcap(snap=snap)), "test.pcap")
    return facts, judge_connection(facts)


def outcome(flow: Flow) -> tuple[str, str]:
    _, ending = read(flow)
    return ending.outcome, ending.ended_by


def close_lost(flow: Flow) -> None:
    flow.lost("server", flow.frame("server", Opcode.CLOSE, b"\x03\xe9"))
    flow.packet(30.0, "client")
    flow.close(30.01, "client", 1001)
    flow.fin(30.1, "server")


def pong_lost(flow: Flow) -> None:
    flow.ping(10.0, "client", b"1")
    flow.lost("server", flow.frame("server", Opcode.PONG, b"1"))
    flow.packet(10.2, "client")
    flow.fin(30.0, "client")


def acknowledged_by_a_reset(flow: Flow) -> None:
    flow.lost("client", flow.frame("client", Opcode.CLOSE, b"\x03\xe9"))
    flow.packet(30.0, "server", flags=RST | ACK)


def acknowledged_by_a_forger(flow: Flow) -> None:
    flow.packet(30.0, "server", flags=RST | ACK, ack=flow.seq["client"] + (1 << 28))


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (close_lost, ("close", "unknown")),
        (pong_lost, ("unknown", "unknown")),
        (acknowledged_by_a_reset, ("unknown", "unknown")),
        (acknowledged_by_a_forger, ("unknown", "server")),
    ],
)
def test_what_may_be_an_answer_to_lost_bytes(
    ends: Callable[[Flow], None], expected: tuple[str, str]
) -> None:
    flow = opened()
    ends(flow)
    assert outcome(flow) == expected


def test_lost_bytes_are_no_idleness() -> None:
    flow = opened()
    flow.lost("server", b"x" * 500)
    flow.packet(50.0, "client")
    flow.fin(60.0, "server")
    facts, ending = read(flow)
    assert facts.idle_s == pytest.approx(10.0, abs=0.1)
    assert "without a Close frame" not in ending.evidence[0]
    assert (ending.outcome, ending.ended_by) == ("unknown", "server")


def test_a_close_behind_the_lost_bytes_is_known() -> None:
    flow = opened()
    flow.lost("server", b"x" * 500)
    flow.packet(5.0, "client")
    flow.send(6.0, "server", flow.frame("server", Opcode.PING, b"") * 2)
    flow.close(30.0, "client", 1001)
    assert outcome(flow) == ("close", "client")


def test_a_fin_that_was_acknowledged_and_not_captured() -> None:
    flow = opened()
    flow.seq["server"] += 1
    flow.fin(61.0, "client")
    facts, ending = read(flow)
    assert (ending.outcome, ending.ended_by) == ("unknown", "server")
    assert [end.by for end in facts.ends] == ["server", "client"]


def test_a_receiver_that_does_not_read_has_not_vanished() -> None:
    flow = opened()
    flow.packet(2.0, "client", window=0)
    for at_s in range(5, 35, 5):
        flow.packet(at_s, "server", b"z", seq=flow.seq["server"])
        flow.packet(at_s + 0.01, "client", window=0)
    flow.rst(40.0, "server")
    _, ending = read(flow)
    assert (ending.outcome, ending.ended_by) == ("unknown", "server")
    assert any("receive window" in said for said in ending.evidence)


def test_only_large_packets_are_lost() -> None:
    flow = opened()
    large, seq = b"\x82\xfe\x05\x00" + b"x" * 1280, flow.seq["client"]
    for number in range(7):
        flow.packet(2.0 + 2**number, "client", large, seq=seq)
        flow.send(2.1 + 2**number, "server", flow.frame("server", Opcode.PING, b"z"))
    flow.rst(120.0, "client")
    _, ending = read(flow)
    assert (ending.outcome, ending.ended_by) == ("unknown", "unknown")
    assert any("path MTU" in said for said in ending.evidence)


@pytest.mark.parametrize("snap", [96, 128])
def test_a_few_bytes_of_each_packet(snap: int) -> None:
    flow = Flow(Capture())
    flow.open()
    for number in range(6):
        flow.text(1.0 + number, ("server", "client")[number % 2], "x" * 500)
    flow.ping(8.0, "server", b"abc")
    flow.pong(8.1, "client", b"abc")
    flow.close(9.0, "server", 1001)
    flow.fin(9.1, "server")
    facts, ending = read(flow, snap)
    assert (ending.outcome, ending.ended_by) == ("close", "server")
    assert (facts.sent.messages, facts.received.messages) == (3, 3)
    assert (len(facts.rtts_ms), facts.violations) == (1, [])


def test_packets_of_the_client_only() -> None:
    flow = opened()
    flow.close(30.0, "server", 1001)
    flow.close(30.1, "client", 1001)
    flow.capture.packets = [(t, p) for t, p in flow.capture.packets if p[26:30] == b"\x0a\0\0\x01"]
    facts, ending = read(flow)
    assert (facts.path, facts.sent.messages) == ("/feed?token=secret", 1)
    assert (ending.outcome, ending.ended_by) == ("close", "unknown")


def test_a_close_at_the_recordings_end_may_yet_be_answered() -> None:
    flow = opened()
    flow.close(5.0, "server", 1001)
    assert not any("did not answer" in said for said in read(flow)[1].evidence)
    flow.packet(8.0, "client")
    assert any("did not answer" in said for said in read(flow)[1].evidence)


def test_the_beginning_of_a_status_line_is_enough() -> None:
    flow = opened()
    flow.text(2.0, "server", "news of the day")
    flow.text(3.0, "server", "and more of it")
    flow.close(9.0, "server", 1001)
    facts, ending = read(flow, 68)  # 14 bytes of each payload
    assert (ending.outcome, ending.ended_by) == ("close", "server")
    assert facts.received.messages == 2


def test_headers_alone_are_said_to_be_too_little() -> None:
    flow = opened()
    flow.close(9.0, "server", 1001)
    reader = CaptureReader(io.BytesIO(flow.capture.pcap(snap=54)), "test.pcap")
    assert list(reader) == []
    assert "1 connection was not read: the capture lacks its bytes" in reader.totals.notes[0]


@pytest.mark.parametrize(
    ("spoke_s", "at_s", "by"), [(None, 3.0, "unknown"), (1.0, 3.0, "client"), (None, 90, "client")]
)
@pytest.mark.parametrize("how", ["close", "fin"])
def test_an_end_at_the_recordings_beginning_may_be_an_answer(
    how: str, spoke_s: float | None, at_s: float, by: str
) -> None:
    flow = Flow(Capture())
    flow.text(0.0, "client", "hello")
    if spoke_s is not None:
        flow.text(spoke_s, "server", "hello")
    if how == "close":
        flow.close(at_s, "client", 1001)
    flow.fin(at_s + 0.1, "client")
    _, ending = read(flow)
    assert ending.ended_by == by
    assert ("what came before" in ending.evidence[-1]) == (by == "unknown")


@pytest.mark.parametrize(
    ("ports", "first", "by"),
    [
        ((40000, 443), "server", "server"),
        ((40000, 443), "client", "server"),
        ((2000, 443), "client", "server"),
        ((50000, 9443), "client", "server"),
        ((50000, 40000), "server", "unknown"),
        ((2000, 9443), "client", "unknown"),
    ],
)
def test_which_end_of_dark_tls_is_the_client(ports: tuple[int, int], first: str, by: str) -> None:
    """Whoever sent the first packet of a capture that begins in the middle may be either."""
    flow = Flow(Capture(), port=ports[0])
    flow.ports["server"] = ports[1]
    for at_s, who in ((0, first), (1, "client"), (2, "server"), (3, "client")):
        flow.sealed(at_s, who, 300)
    flow.fin(60.0, "server")
    facts, ending = read(flow)
    assert ending.ended_by == by
    assert facts.roles_known == (by == "server")


def test_a_recording_that_begins_with_the_answer_to_the_syn() -> None:
    flow = Flow(Capture(), port=50000)
    flow.ports["server"] = 40000
    flow.seq["client"] += 1
    flow.packet(0.0, "server", flags=SYN | ACK)
    flow.seq["server"] += 1
    flow.sealed(1.0, "client", 300, kind=22)
    flow.sealed(2.0, "server", 300, kind=22)
    flow.fin(60.0, "server")
    assert outcome(flow) == ("unknown", "server")
