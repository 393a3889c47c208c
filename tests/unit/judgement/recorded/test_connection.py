"""Who ended a recorded connection, on captures made packet by packet: each story has its end."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from tests.capture.builder import ACK, ANSWER, FIN, PSH, REQUEST, RST, Capture, Flow
from wsdiag.capture.reader import CaptureReader
from wsdiag.judgement.hops import hops_away
from wsdiag.judgement.recorded.connection import judge_connection
from wsdiag.judgement.recorded.facts import ConnectionFacts
from wsdiag.judgement.recorded.report import recorded_url


def read(capture: Capture) -> list[ConnectionFacts]:
    """The connections of a capture."""
    return list(CaptureReader(io.BytesIO(capture.pcap()), "test.pcap"))


def story(tell: Callable[[Flow], None], *, opened: bool = True) -> ConnectionFacts:
    """The facts of one connection whose capture `tell` writes."""
    flow = Flow(Capture())
    if opened:
        flow.open()
    tell(flow)
    (facts,) = read(flow.capture)
    return facts


def proper_close(flow: Flow) -> None:
    flow.text(1.0, "client", "hello")
    flow.close(5.0, "client", 1000)
    flow.close(5.01, "server", 1000)
    flow.fin(5.02, "server")
    flow.fin(5.03, "client")


def server_goes_away(flow: Flow) -> None:
    flow.close(5.0, "server", 1001, "restarting")
    flow.fin(5.02, "server")


def silent_fin(flow: Flow) -> None:
    flow.text(1.0, "client", "hello")
    flow.fin(61.0, "server")


def client_leaves(flow: Flow) -> None:
    flow.text(1.0, "server", "news")
    flow.fin(9.0, "client")


def client_resets(flow: Flow) -> None:
    flow.text(1.0, "server", "news")
    flow.rst(9.0, "client")


def forged_reset(flow: Flow) -> None:
    flow.text(1.0, "server", "news")
    flow.rst(9.0, "server", hop_limit=63)


def honest_reset(flow: Flow) -> None:
    flow.text(1.0, "server", "news")
    flow.rst(9.0, "server", hop_limit=57)


def reset_of_another_start(flow: Flow) -> None:
    flow.text(1.0, "server", "news")  # hop limit 57: 7 hops from 64
    flow.rst(9.0, "server", hop_limit=248)  # 7 hops from 255


def vanished_client(flow: Flow) -> None:
    flow.text(1.0, "server", "news")
    payload = b"\x81\x04more"
    for again in (0, 0.3, 0.9, 2.1, 4.5, 9.3):
        flow.packet(10 + again, "server", payload, 24)


def forgotten_flow(flow: Flow) -> None:
    flow.text(1.0, "server", "news")
    for again in (0, 0.3, 0.9, 2.1, 4.5, 9.3):
        flow.packet(10 + again, "client", b"\x89\x80\x11\x22\x33\x44", 24)


def server_pong_timeout(flow: Flow) -> None:
    flow.ping(20.0, "server", b"1")
    flow.pong(20.1, "client", b"1")
    flow.ping(40.0, "server", b"2")
    flow.close(60.0, "server", 1011, "keepalive ping timeout")
    flow.fin(60.0, "server")


def client_pong_timeout(flow: Flow) -> None:
    flow.ping(20.0, "client", b"1")
    flow.fin(30.0, "client")


def too_big(flow: Flow) -> None:
    flow.text(1.0, "client", "x" * 70_000)
    flow.close(1.1, "server", 1009, "message too big")


def end_behind_large_frame(flow: Flow) -> None:
    flow.text(1.0, "client", "x" * 100)
    flow.send(2.0, "client", b"\x82\xff" + (2**20).to_bytes(8, "big") + b"\0" * 4 + b"x" * 4000)
    flow.rst(2.05, "server", hop_limit=57)


def leaves_with_what_it_came_for(flow: Flow) -> None:
    flow.text(1.0, "client", "get")
    flow.text(2.0, "server", "x" * 200_000)
    flow.fin(2.3, "client")


def cannot_take_so_much(flow: Flow) -> None:
    flow.text(1.0, "client", "get")
    flow.send(2.0, "server", b"\x82\x7f" + (2**20).to_bytes(8, "big") + b"x" * 4000)
    flow.fin(2.01, "client")


def answers_a_large_message_and_leaves(flow: Flow) -> None:
    flow.text(1.0, "client", "x" * 200_000)
    flow.text(1.2, "server", "stored")
    flow.fin(1.5, "server")


def behind_a_proxy(flow: Flow) -> None:
    flow.capture.packets.clear()
    flow.seq = {"client": 9000, "server": 9000}
    flow.open(request=REQUEST.replace(b"Upgrade", b"X-Forwarded-For: 192.0.2.1\r\nUpgrade", 1))
    flow.fin(60.0, "client")


def reset_that_was_ignored(flow: Flow) -> None:
    flow.rst(3.0, "server", hop_limit=40)
    flow.text(5.0, "client", "still here")
    flow.close(9.0, "client", 1000)


def unmasked(flow: Flow) -> None:
    flow.send(1.0, "client", b"\x81\x02hi")
    flow.close(1.01, "server", 1002, "masked frames only")


def unmasked_and_cut(flow: Flow) -> None:
    flow.send(1.0, "client", b"\x81\x02hi")
    flow.fin(1.01, "server")


def no_login(flow: Flow) -> None:
    flow.close(3.0, "server", 4408, "Connection initialisation timeout")


def wrong_token(flow: Flow) -> None:
    flow.close(0.2, "server", 4401, "Unauthorized")


def unanswered_heartbeat(flow: Flow) -> None:
    flow.text(0.1, "server", '0{"sid":"a","upgrades":[],"pingInterval":25000,"pingTimeout":20000}')
    flow.text(25.0, "server", "2")
    flow.close(45.0, "server", None)


def still_open(flow: Flow) -> None:
    flow.text(1.0, "client", "hello")


def dead_when_written_to(flow: Flow) -> None:
    flow.text(1.0, "client", "hello")
    flow.packet(403.0, "client", b"\x81\x80\0\0\0\0", ACK | PSH)
    flow.rst(403.02, "server")


def aborted_at_once(flow: Flow) -> None:
    flow.text(1.0, "client", "hello")
    flow.packet(403.0, "client", b"\x81\x80\0\0\0\0", ACK | PSH)
    flow.packet(403.02, "server", flags=RST | ACK)


def probed_in_vain(flow: Flow) -> None:
    flow.text(1.0, "server", "hello")
    for n in range(4):
        flow.packet(61.0 + n, "server", seq=flow.seq["server"] - 1)
    flow.packet(65.0, "server", flags=RST | ACK)


def wrote_in_vain(flow: Flow) -> None:
    flow.text(1.0, "client", "hello")
    for n in range(5):
        flow.packet(60.0 + n, "client", b"\x81\x80\0\0\0\0", ACK | PSH)
    flow.seq["client"] += 6
    flow.packet(68.0, "client", flags=FIN | ACK)


def one_reset_at_two_places(flow: Flow) -> None:
    flow.hop_limit["server"] = 64
    flow.text(1.0, "server", "hello")
    flow.packet(2.0, "server", hop_limit=62)
    flow.packet(2.1, "server", hop_limit=62)
    flow.packet(2.2, "server", hop_limit=62)
    flow.rst(3.0, "server", hop_limit=64)


STORIES = [
    (dead_when_written_to, "unknown", "unknown", "dead when the client sent bytes after 402.0 s"),
    (aborted_at_once, "unknown", "server", "TCP was ended (RST) from the server's side"),
    (probed_in_vain, "client-gone", "unknown", "4 keepalive probes of TCP for 4.0 s"),
    (wrote_in_vain, "silent", "unknown", "after 59.0 s of idleness"),
    (one_reset_at_two_places, "unknown", "server", "(RST)"),
    (proper_close, "close", "client", "first Close frame: 1000 (normal closure)"),
    (server_goes_away, "close", "server", "1001 (going away) 'restarting'"),
    (silent_fin, "unknown", "server", "after 60.0 s without a byte"),
    (client_leaves, "client-gone", "client", "(FIN)"),
    (client_resets, "client-gone", "client", "(RST)"),
    (forged_reset, "injected-reset", "middlebox", "hop limit 63, the server's packets 57"),
    (honest_reset, "unknown", "server", "(RST)"),
    (reset_of_another_start, "unknown", "server", "(RST)"),
    (vanished_client, "client-gone", "unknown", "never acknowledged"),
    (forgotten_flow, "silent", "unknown", "never acknowledged"),
    (server_pong_timeout, "pong-timeout", "server", "Ping at 40.0 s was unanswered for 20.0 s"),
    (client_pong_timeout, "pong-timeout", "client", "unanswered for 10.0 s"),
    (too_big, "size-limit", "server", "70,000 bytes"),
    (end_behind_large_frame, "size-limit", "server", "1,048,576 bytes"),
    (leaves_with_what_it_came_for, "client-gone", "client", "(FIN)"),
    (cannot_take_so_much, "size-limit", "client", "1,048,576 bytes"),
    (answers_a_large_message_and_leaves, "unknown", "server", "(FIN)"),
    (behind_a_proxy, "unknown", "client", "the proxy that passed its request on (X-Forwarded-For)"),
    (reset_that_was_ignored, "close", "client", "1000"),
    (unmasked, "protocol-error", "server", "closed with 1002"),
    (unmasked_and_cut, "protocol-error", "server", "unmasked frame from a client"),
    (no_login, "application-timeout", "server", "no message"),
    (wrong_token, "close", "server", "4401"),
    (unanswered_heartbeat, "application-timeout", "server", "Socket.IO"),
    (still_open, "open", "unknown", "when the recording ended"),
]


@pytest.mark.parametrize(
    ("tell", "outcome", "by", "says"), STORIES, ids=[each[0].__name__ for each in STORIES]
)
def test_who_ended_it(tell: Callable[[Flow], None], outcome: str, by: str, says: str) -> None:
    ending = judge_connection(story(tell))
    assert (ending.outcome, ending.ended_by) == (outcome, by), ending.evidence
    assert says in " ".join(ending.evidence)


def test_a_pong_timeout_is_told_from_the_first_ping_that_waits() -> None:
    def tell(flow: Flow) -> None:
        for n in range(3):
            flow.ping(20.0 * (n + 1), "client", b"%d" % n)
        flow.close(70.0, "client", 1011)

    ending = judge_connection(story(tell))
    assert "Ping at 20.0 s was unanswered for 50.0 s" in ending.evidence[0]


@pytest.mark.parametrize("spoke_s", [None, 30.0])
@pytest.mark.parametrize("end", ["fin", "close"])
def test_a_bare_end_behind_a_ping_may_be_an_idle_timeout(end: str, spoke_s: float | None) -> None:
    def tell(flow: Flow) -> None:
        flow.ping(20.0, "server", b"1")
        if spoke_s is not None:
            flow.text(spoke_s, "server", "news")
        if end == "fin":
            flow.fin(40.0, "server")
        else:
            flow.close(40.0, "server", 1011)

    ending = judge_connection(story(tell))
    assert (ending.outcome, ending.ended_by) == ("pong-timeout", "server")
    doubted = "would look the same" in " ".join(ending.evidence)
    assert doubted == (end == "fin" and spoke_s is None)


def only_from_the_server(flow: Flow) -> ConnectionFacts:
    server = b"\x0a\0\0\x02"
    flow.capture.packets = [(at, ip) for at, ip in flow.capture.packets if ip[26:30] == server]
    (facts,) = read(flow.capture)
    return facts


def test_one_direction_alone_does_not_tell_who_was_first() -> None:
    flow = Flow(Capture())
    flow.open()
    flow.text(1.0, "server", "hello")
    flow.close(2.0, "client")
    flow.close(2.1, "server")
    ending = judge_connection(only_from_the_server(flow))
    assert (ending.outcome, ending.ended_by) == ("close", "unknown")
    assert "only packets from the server" in ending.evidence[-1]


def test_one_direction_alone_has_no_acknowledgements_to_lack() -> None:
    flow = Flow(Capture())
    flow.open()
    flow.packet(1.0, "server", b"\x81\x02hi", PSH | ACK)
    flow.text(1.3, "server", "hi")
    flow.text(5.0, "server", "more")
    flow.fin(8.0, "server")
    ending = judge_connection(only_from_the_server(flow))
    assert (ending.outcome, ending.ended_by) == ("unknown", "unknown")
    assert "never acknowledged" not in " ".join(ending.evidence)


def test_a_pong_that_comes_after_the_end_is_too_late() -> None:
    def tell(flow: Flow) -> None:
        flow.ping(20.0, "client", b"1")
        flow.close(40.0, "client", 1011)
        flow.pong(41.0, "server", b"1")

    ending = judge_connection(story(tell))
    assert (ending.outcome, ending.ended_by) == ("pong-timeout", "client")
    assert "Ping at 20.0 s was unanswered for 20.0 s" in ending.evidence[0]


def test_data_after_the_ping_is_no_pong_timeout() -> None:
    def tell(flow: Flow) -> None:
        flow.ping(20.0, "server", b"1")
        flow.text(25.0, "client", "busy")
        flow.fin(60.0, "server")

    assert judge_connection(story(tell)).outcome == "unknown"


def test_a_reset_that_answers_a_proper_end_is_not_forged() -> None:
    def tell(flow: Flow) -> None:
        proper_close(flow)
        flow.rst(5.04, "server", hop_limit=63)

    assert judge_connection(story(tell)).outcome == "close"


def test_what_joins_in_the_middle_is_read() -> None:
    def tell(flow: Flow) -> None:
        flow.ping(20.0, "server", b"abcd")
        flow.pong(20.1, "client", b"abcd")
        flow.text(21.0, "client", "hello there")
        flow.fin(81.0, "server")

    facts = story(tell, opened=False)
    assert facts.joined
    assert (facts.sent.messages, facts.received.pings, facts.sent.pongs) == (1, 1, 1)
    assert facts.rtts_ms == [pytest.approx(100, abs=1)]


@pytest.mark.parametrize(
    ("prefix", "note"),
    [
        (
            [
                ("client", b"CONNECT feed.test:80 HTTP/1.1\r\nHost: feed.test:80\r\n\r\n"),
                ("server", b"HTTP/1.1 200 Connection established\r\n\r\n"),
            ],
            "through a proxy's tunnel to feed.test:80",
        ),
        (
            [
                ("client", b"\x05\x01\x00"),
                ("server", b"\x05\x00"),
                ("client", b"\x05\x01\x00\x03\x09feed.test\x00\x50"),
                ("server", b"\x05\x00\x00\x01\x7f\0\0\x01\x00\x50"),
            ],
            "through a SOCKS proxy",
        ),
        (
            [
                ("client", b"CONNECT feed.test:80 HTTP/1.1\r\nHost: feed.test:80\r\n\r\n"),
                ("server", b"HTTP/1.1 407 Who are you\r\nContent-Length: 2\r\n\r\nno"),
                ("client", b"CONNECT feed.test:80 HTTP/1.1\r\nHost: feed.test:80\r\n\r\n"),
                ("server", b"HTTP/1.1 200 Connection established\r\n\r\n"),
                ("client", REQUEST),
                ("server", b"HTTP/1.1 401 Who are you\r\nContent-Length: 2\r\n\r\nno"),
            ],
            "through a proxy's tunnel to feed.test:80",
        ),
        ([("client", b"PROXY TCP4 10.0.0.9 10.0.0.2 5000 8080\r\n")], "a PROXY protocol header"),
        (
            [
                ("client", b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"),
                (
                    "server",
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n",
                ),
                ("client", b"HEAD /b HTTP/1.1\r\nHost: h\r\n\r\n"),
                ("server", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
                ("client", b"POST /c HTTP/1.1\r\nContent-Length: 3\r\n\r\nxyz"),
                ("server", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"),
            ],
            "",
        ),
    ],
    ids=["CONNECT", "SOCKS 5", "asked who it is, twice", "PROXY", "plain requests first"],
)
def test_what_stands_in_front_of_the_upgrade_is_seen_through(
    prefix: list[tuple[str, bytes]], note: str
) -> None:
    flow = Flow(Capture())
    flow.shake()
    for at, (who, data) in enumerate(prefix):
        flow.send(0.01 * at, who, data)
    flow.send(0.5, "client", REQUEST)
    flow.send(0.6, "server", ANSWER)
    flow.text(1.0, "server", "news")
    (facts,) = read(flow.capture)
    assert (facts.status, facts.host, facts.received.messages) == (101, "feed.test", 1)
    assert note in " ".join(facts.notes)


def test_hops_are_counted_from_the_nearest_usual_start() -> None:
    limits = (64, 63, 52, 128, 65, 129, 255)
    assert [hops_away(limit) for limit in limits] == [0, 1, 12, 0, 63, 126, 0]


@pytest.mark.parametrize("target", ["http://feed.test:81", "ws://feed.test:81"])
def test_a_request_to_a_proxy_names_the_whole_url(target: str) -> None:
    flow = Flow(Capture())
    flow.open(request=REQUEST.replace(b"GET /", f"GET {target}/".encode()))
    flow.close(5.0, "client")
    (facts,) = read(flow.capture)
    assert recorded_url(facts) == "ws://feed.test:81/feed?token=***"
