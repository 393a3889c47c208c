"""Connections that were captured twice: at both ends, or on both sides of a proxy."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pytest

from tests.capture.builder import ACK, ANSWER, KEY, PSH, REQUEST, Capture, Flow
from wsdiag.capture.explain import ExplainOptions, ExplainRun
from wsdiag.records.explain import ExplainConnection, ExplainVerdict

DELAY_S = 0.020


class _Raw(io.BytesIO, io.RawIOBase):  # type: ignore[misc]
    """Bytes as a raw stream."""


def explained(**captures: Capture) -> list[ExplainConnection]:
    """The connections of captures by their names."""
    return [event for event in events(captures) if isinstance(event, ExplainConnection)]


def verdict(**captures: Capture) -> ExplainVerdict:
    """The verdict over connections to one endpoint."""
    (found,) = (event for event in events(captures) if isinstance(event, ExplainVerdict))
    return found


def events(captures: Mapping[str, Capture]) -> Iterator[object]:
    """All that is told of captures by their names."""
    for capture in captures.values():
        capture.packets.sort(key=lambda packet: packet[0])
    return ExplainRun(
        list(captures), ExplainOptions(), lambda name: _Raw(captures[name].pcap(nanoseconds=True))
    ).events()


class BothEnds:
    """One connection, captured at the client and at the server, whose clock is `ahead_s` ahead."""

    def __init__(self, ahead_s: float) -> None:
        self.near, self.far = Capture(), Capture()
        self.ahead_s = ahead_s
        self.flow = Flow(self.near)
        self.flow.hop_limit["server"] = 60
        self.heard = {"client": 0, "server": 0}

    def packet(
        self, at_s: float, who: str, payload: bytes = b"", flags: int = ACK, *, lost: bool = False
    ) -> None:
        """A segment, sent at a moment of the client's clock; `lost`: it never arrives."""
        here, there = (self.near, self.far) if who == "client" else (self.far, self.near)
        for capture, after_s in ((here, 0.0), (there, DELAY_S))[: 1 if lost else 2]:
            self.flow.capture = capture
            shift = self.ahead_s if capture is self.far else 0.0
            self.flow.packet(at_s + after_s + shift, who, payload, flags, ack=self.heard[who])
        self.flow.seq[who] += len(payload) + bool(flags & 3)
        if not lost:
            self.heard["server" if who == "client" else "client"] = self.flow.seq[who]

    def open(self) -> None:
        """TCP's handshake, and WebSocket's."""
        self.packet(0.0, "client", flags=2)
        self.packet(DELAY_S, "server", flags=2 | ACK)
        self.packet(2 * DELAY_S, "client")
        self.packet(0.05, "client", REQUEST, PSH | ACK)
        self.packet(0.08, "server", ANSWER, PSH | ACK)
        self.packet(0.11, "client")


@pytest.mark.parametrize("ahead_s", [0.0, 3.5, -7200.25, 0.0004])
def test_the_offset_of_clocks_and_what_was_lost(ahead_s: float) -> None:
    both = BothEnds(ahead_s)
    both.open()
    frame = both.flow.frame
    from wsdiag.protocol.codes import Opcode

    both.packet(1.0, "server", frame("server", Opcode.TEXT, b"hello"), PSH | ACK)
    both.packet(1.05, "client")
    both.packet(2.0, "client", frame("client", Opcode.TEXT, b"lost"), PSH | ACK, lost=True)
    both.packet(30.0, "server", frame("server", Opcode.CLOSE, b"\x03\xf3"), PSH | ACK)
    both.packet(30.1, "server", flags=1 | ACK)
    (one,) = explained(near=both.near, far=both.far)
    assert (one.outcome, one.ended_by) == ("close", "server")
    (note,) = [note for note in one.notes if "recorded at both ends" in note]
    assert "near is nearer to the client" in note
    expected = {
        0.0: "0.00 ms ahead of",
        3.5: "3.5 s ahead of",
        -7200.25: "7200.2 s behind",
        0.0004: "0.40 ms ahead of",
    }[ahead_s]
    assert f"the clock of far is {expected}" in note
    assert "wrong by 20.00 ms at most" in note
    (lost,) = [said for said in one.evidence if "never reached" in said]
    assert "10 bytes that the client sent never reached the server (1 message)" in lost
    assert "between near and far" in lost


def test_a_reset_that_the_server_never_sent() -> None:
    both = BothEnds(-3.0)
    both.open()
    both.flow.capture = both.near
    both.flow.rst(10.0, "server")
    both.flow.capture = both.far
    both.flow.rst(9.0, "client")
    (one,) = explained(far=both.far, near=both.near)
    assert (one.outcome, one.ended_by) == ("injected-reset", "middlebox")
    assert "The RST that reached the client was never sent by the server" in one.evidence[0]
    assert "The RST that reached the server was never sent by the client" in one.evidence[1]


def test_a_recording_that_had_ended_proves_no_forgery() -> None:
    both = BothEnds(0.0)
    both.open()
    both.flow.capture = both.near
    both.flow.rst(10.0, "server", hop_limit=both.flow.hop_limit["server"])
    (one,) = explained(far=both.far, near=both.near)
    assert (one.outcome, one.ended_by) == ("unknown", "server")
    assert "made it, or the recording there had ended" in one.evidence[-1]


def legs(ends: Sequence[tuple[float, str, str]], capture: Capture, number: int = 0) -> None:
    """A connection through nginx, on both sides of it; `ends`: its FINs, as (seconds, leg, sender),
    or RSTs: `back reset`."""
    at_s, key = 7.3 * number, b"%024d" % number
    request = REQUEST.replace(KEY.encode(), key)
    front, back = Flow(capture, port=40000 + number), Flow(capture, port=50000 + number)
    back.ports["server"], back.seq = 9000, {"client": 5000 + number, "server": 777}
    front.shake(at_s)
    front.send(at_s + 0.001, "client", request)
    back.shake(at_s + 0.002)
    back.send(at_s + 0.003, "client", request.replace(b"feed.test", b"backend"))
    back.send(at_s + 0.004, "server", ANSWER)
    front.send(at_s + 0.005, "server", ANSWER.replace(b"\r\n", b"\r\nServer: nginx\r\n", 1))
    front.text(at_s + 1 + 11 * number, "client", "hello")
    back.text(at_s + 1.001 + 11 * number, "client", "hello")
    for end_s, side, who in ends:
        leg, moment_s = front if side.startswith("front") else back, at_s + 61 + 11 * number + end_s
        (leg.rst if side.endswith("reset") else leg.fin)(moment_s, who)


@pytest.mark.parametrize(
    ("ends", "by", "says"),
    [
        (
            [(0.0, "back", "server"), (0.0004, "front", "server"), (0.001, "back", "client")],
            "server",
            "The server ended it (FIN), and the proxy passed that on 0.4 ms later",
        ),
        (
            [(0.0, "front", "client"), (0.0004, "back", "client"), (0.001, "front", "server")],
            "client",
            "The client ended it (FIN), and the proxy passed that on 0.4 ms later",
        ),
        (
            [(0.0, "front", "server"), (0.0001, "back", "client")],
            "middlebox",
            "The proxy ended it on both sides by itself, after 60.0 s without a byte",
        ),
        ([(0.0, "back", "client")], "middlebox", "FIN to the server, nothing yet to the client"),
        (
            [(0.0, "back", "client"), (7.0, "front", "client")],
            "middlebox",
            "nothing yet to the client). The client's side ended it 7 s later (FIN).",
        ),
        (
            [(0.0, "front", "server"), (7.0, "back", "server")],
            "middlebox",
            "nothing yet to the server). The server's side ended it 7 s later (FIN).",
        ),
        (
            [(0.0, "back", "server")],
            "server",
            "When the recording ended, 9 s later, the proxy had not passed that on to the client",
        ),
        (
            [(0.0, "front", "client")],
            "client",
            "When the recording ended, 9 s later, the proxy had not passed that on to the server",
        ),
    ],
)
def test_both_sides_of_a_proxy(ends: Sequence[tuple[float, str, str]], by: str, says: str) -> None:
    capture = Capture()
    legs(ends, capture)
    if "When" in says:
        capture.add(70.0, b"")  # the recording goes on
    (one,) = explained(proxy=capture)
    assert one.ended_by == by
    assert says in " ".join(one.evidence)
    assert any("recorded on both sides of a proxy" in note for note in one.notes)


@pytest.mark.parametrize("side", ["front", "back"])
def test_a_proxy_that_ends_one_side_only_may_have_been_told_to(side: str) -> None:
    """Most end both at once, so a packet of the other side is more likely to be missing."""
    capture = Capture()
    legs([(0.0, side, "server" if side == "front" else "client")], capture)
    capture.add(70.0, b"")
    (one,) = explained(proxy=capture)
    assert one.ended_by == "unknown"
    assert "among packets that it lacks" in one.evidence[-1]


@pytest.mark.parametrize("later_s", [0.0001, 1.0])
def test_a_proxys_idle_timeout(later_s: float) -> None:
    """Envoy tells the client a second later."""
    capture = Capture()
    for number in range(3):
        legs([(0.0, "back", "client"), (later_s, "front", "server")], capture, number)
    found = explained(proxy=capture)
    assert {(one.outcome, one.ended_by) for one in found} == {("idle-timeout", "middlebox")}
    assert {round(one.idle_s or 0.0, 2) for one in found} == {60.0}
    assert all("after 60.0 s without a byte" in one.evidence[0] for one in found)


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_proxy_that_passed_an_end_on_did_not_cause_it(how: str) -> None:
    capture = Capture()
    begun = "back reset" if how == "rst" else "back"
    for number in range(3):
        legs([(0.0, begun, "server"), (0.001, "front", "server")], capture, number)
    found = verdict(proxy=capture)
    assert found.verdict == "idle-timeout"
    assert found.drop is not None
    assert found.drop.how == how, "as it began, not as nginx passed it on"
    assert all(each.why is None for each in found.candidates), "nginx's Server header names nginx"
    assert how == "fin" or not any("nginx" in each.product for each in found.candidates)


def test_a_proxy_that_ended_it_is_a_candidate() -> None:
    capture = Capture()
    for number in range(3):
        legs([(0.0, "front", "server"), (0.001, "back", "client")], capture, number)
    found = verdict(proxy=capture)
    assert found.candidates[0].product.startswith("nginx")
    assert "Server header" in (found.candidates[0].why or "")


def test_a_proxy_that_gives_up_a_client_which_does_not_read_has_no_idle_timeout() -> None:
    capture = Capture()
    for number in range(3):
        legs([(0.0, "back", "client")], capture, number)
        front = Flow(capture, port=40000 + number)
        front.seq = {
            "client": 1000 + len(REQUEST) + 12,
            "server": (0xFFFFFF01 + len(ANSWER)) % 2**32,
        }
        front.packet(7.3 * number + 3 + 11 * number, "client", window=0)
    found = explained(proxy=capture)
    assert {(one.outcome, one.ended_by) for one in found} == {("unknown", "middlebox")}
    assert all("it no longer read" in one.evidence[-1] for one in found)


@pytest.mark.parametrize(
    ("by", "ends", "says"),
    [
        (
            "server",
            [(2, "server"), (1, "server"), (0, "server"), (0, "client")],
            "The server ended",
        ),
        (
            "client",
            [(0, "client"), (1, "client"), (2, "client"), (2, "server")],
            "The client ended",
        ),
        (
            "middlebox",
            [(1, "server"), (0, "server"), (2, "client"), (2, "server")],
            "The proxy at 10.0.0.2:8081 ended it on both sides by itself, after 59.8 s",
        ),
        (
            "middlebox",
            [(0, "server"), (1, "client"), (2, "client")],
            "The proxy at 10.0.0.2:8080 ended it on both sides by itself",
        ),
    ],
    ids=["server", "client", "inner proxy", "outer proxy"],
)
def test_proxies_in_a_row(by: str, ends: Sequence[tuple[int, str]], says: str) -> None:
    """One connection, whose three legs are no three connections that agree."""
    capture = Capture()
    flows = [Flow(capture, port=40000 + n) for n in range(3)]
    for n, flow in enumerate(flows):
        flow.ports["server"], flow.seq = 8080 + n, {"client": 999 * n + 1, "server": 70 * n + 7}
        flow.shake(0.001 * n)
        flow.send(0.1 + 0.001 * n, "client", REQUEST)
    for n, flow in enumerate(reversed(flows)):
        flow.send(0.2 + 0.001 * n, "server", ANSWER)
    for n, (leg, who) in enumerate(ends):
        flows[leg].fin(60 + 0.0004 * n, who)
    capture.packets.sort(key=lambda packet: packet[0])
    (one,) = explained(proxies=capture)
    assert (one.outcome, one.ended_by) == ("client-gone" if by == "client" else "unknown", by)
    assert says in " ".join(one.evidence)
    assert any("recorded on all sides of 2 proxies in a row" in note for note in one.notes)


def test_clients_that_use_one_key_for_all_are_not_one() -> None:
    capture = Capture()
    for number in range(2):
        flow = Flow(capture, port=40000 + number)
        flow.seq["client"] += number
        flow.seq["server"] += number
        flow.open(0.001 * number)
        flow.close(9.0, "client")
    assert len(explained(one=capture)) == 2


def test_a_capture_of_every_interface_has_packets_twice() -> None:
    capture = Capture()
    flow = Flow(capture)
    flow.open()
    for number in range(5):
        flow.text(1.0 + number, "client", "hello")
    flow.fin(70.0, "server")
    once = explained(c=capture)[0]
    twice = Capture(packets=[(at + n * 3000, data) for at, data in capture.packets for n in (0, 1)])
    (one,) = explained(c=twice)
    assert replace(one, evidence=(), age_s=0) == replace(once, evidence=(), age_s=0)


def tls_and_clear(capture: Capture, number: int = 0) -> tuple[Flow, Flow, float]:
    """A connection to a proxy in TLS, and on in the clear; and when both fell idle."""
    at_s = 7.3 * number
    front, back = Flow(capture, port=40000 + number), Flow(capture, port=50000 + number)
    front.ports["server"], back.ports["server"] = 443, 9000
    back.addresses = {"client": front.addresses["server"], "server": b"\x0a\0\0\x03"}
    back.seq = {"client": 5000 + number, "server": 777 + 9 * number}
    front.shake(at_s)
    front.sealed(at_s + 0.01, "client", 300, 22)
    front.sealed(at_s + 0.02, "server", 2000, 22)
    front.sealed(at_s + 0.03, "client", 250)
    back.open(at_s + 0.031, request=REQUEST.replace(KEY.encode(), b"%024d" % number))
    front.sealed(at_s + 0.04, "server", 180)
    front.sealed(at_s + 1 + 11 * number, "client", 30)
    back.text(at_s + 1.001 + 11 * number, "client", "hello")
    return front, back, at_s + 1 + 11 * number


def test_a_proxy_that_ends_tls_and_idle_connections() -> None:
    capture = Capture()
    for number in range(3):
        front, back, idle_s = tls_and_clear(capture, number)
        front.sealed(idle_s + 60, "server", 26, 21)
        front.fin(idle_s + 60.001, "server")
        back.fin(idle_s + 60.001, "client")
    found = explained(proxy=capture)
    assert [(one.outcome, one.ended_by) for one in found] == [("idle-timeout", "middlebox")] * 3
    assert "The proxy ended it on both sides by itself" in found[0].evidence[0]
    assert found[0].messages.sent == 1
    assert "not decrypted; matched by their times" in " ".join(found[0].notes)


@pytest.mark.parametrize("who", ["client", "server"])
def test_a_close_frame_goes_through_a_proxy_that_ends_tls(who: str) -> None:
    capture = Capture()
    front, back, idle_s = tls_and_clear(capture)
    other = "server" if who == "client" else "client"
    first, then = (front, back) if who == "client" else (back, front)
    for flow, at_s in ((first, 9.0), (then, 9.001)):
        if flow is back:
            flow.close(idle_s + at_s, who)
        else:
            flow.sealed(idle_s + at_s, who, 32)
    back.close(idle_s + 9.01, other)
    front.sealed(idle_s + 9.01, other, 32)
    front.fin(idle_s + 9.02, "server")
    back.fin(idle_s + 9.02, "client")
    (one,) = explained(proxy=capture)
    assert (one.outcome, one.ended_by) == ("close", who)


def test_the_answer_to_a_close_frame_in_tls_may_come_first() -> None:
    """The client's Close frame and a message look alike in TLS: nobody is named."""
    capture = Capture()
    front = Flow(capture)
    front.ports["server"] = 443
    front.shake()
    front.sealed(0.01, "client", 300, 22)
    front.sealed(0.02, "server", 2000, 22)
    front.sealed(9.0, "client", 32)
    front.sealed(9.001, "server", 28)
    front.sealed(9.002, "server", 26, 21)
    front.fin(9.003, "server")
    (one,) = explained(dark=capture)
    assert (one.outcome, one.ended_by) == ("unknown", "unknown")
    assert "The client had sent 37 bytes of TLS 2 ms before" in " ".join(one.evidence)


def test_several_that_may_be_the_front_of_one_are_none() -> None:
    capture = Capture()
    fronts = []
    for number in range(2):
        front, back, _ = tls_and_clear(capture, number)
        fronts.append((front, back))
    for front, back in fronts:
        front.fin(70.0, "server")
        back.fin(70.001, "client")
    found = explained(proxy=capture)
    assert len(found) == 4


def test_a_server_behind_address_translation_is_recorded_twice() -> None:
    """Packets to a published port, before and after: only the server's address differs."""
    capture = Capture()
    for last, at_s in ((b"\x02", 0.0), (b"\x09", 0.00001)):
        flow = Flow(capture)
        flow.addresses["server"] = b"\xac\x11\0" + last
        flow.open(at_s)
        flow.text(at_s + 1, "client", "hello")
        flow.fin(at_s + 30, "server")
    (one,) = explained(any=capture)
    assert (one.outcome, one.ended_by) == ("unknown", "server")
    assert any("before and after address translation" in note for note in one.notes)
