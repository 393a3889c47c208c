"""Recorded connections together: a timer, a lifetime, an event, or people who leave."""

from __future__ import annotations

import io
import random

import pytest

from tests.capture.builder import ACK, PSH, REQUEST, Capture, Flow
from wsdiag.capture.reader import CaptureReader
from wsdiag.judgement.recorded.ages import ages, of_ages
from wsdiag.judgement.recorded.connection import judge_connection
from wsdiag.judgement.recorded.facts import ConnectionFacts
from wsdiag.judgement.recorded.report import connection_record
from wsdiag.judgement.recorded.together import Together
from wsdiag.judgement.recorded.trials import Recorded, recorded
from wsdiag.records.explain import ExplainVerdict


def verdict(capture: Capture) -> ExplainVerdict:
    """The verdict over all connections of a capture, which are one endpoint's."""
    capture.packets.sort(key=lambda packet: packet[0])
    together = Together(["test.pcap"])
    for number, facts in enumerate(CaptureReader(io.BytesIO(capture.pcap()), "test.pcap"), 1):
        together.add(facts, number, "ws://feed.test/feed")
    (found,) = together.verdicts()
    return found


def connections(count: int, capture: Capture) -> list[tuple[Flow, float]]:
    """Connections opened a few seconds apart, and when."""
    flows = []
    for n in range(count):
        flow = Flow(capture, port=40000 + n)
        flow.open(7.3 * n)
        flows.append((flow, 7.3 * n))
    return flows


def test_three_idle_ends_are_an_idle_timeout() -> None:
    capture = Capture()
    for n, (flow, at_s) in enumerate(connections(3, capture)):
        flow.text(at_s + 5 + 11 * n, "client", "hello")
        flow.fin(at_s + 65 + 11 * n, "server")
    found = verdict(capture)
    assert found.verdict == "idle-timeout"
    assert found.idle_timeout_s is not None
    assert found.idle_timeout_s.low <= 60.0 <= (found.idle_timeout_s.high or 0)
    assert any("nginx" in each.product for each in found.candidates)


@pytest.mark.parametrize("apart_s", [0.0, 0.3, 0.7])
def test_ages_that_differ_more_than_the_idleness_are_no_lifetime(apart_s: float) -> None:
    capture = Capture()
    for n, (flow, at_s) in enumerate(connections(3, capture)):
        flow.text(at_s + 0.5 + apart_s * n, "client", "hello")
        flow.fin(at_s + 60.5 + apart_s * n, "server")
    found = verdict(capture)
    assert found.verdict == "idle-timeout"
    said = " ".join(found.explanation)
    assert ("it is no maximum lifetime" in said) == (apart_s > 0.5)
    assert ("may as well be a maximum lifetime" in said) == (apart_s < 0.5)


@pytest.mark.parametrize("answered", [True, False])
def test_three_that_were_found_dead_are_an_idle_timeout(answered: bool) -> None:
    capture = Capture()
    for n, (flow, at_s) in enumerate(connections(3, capture)):
        flow.text(at_s + 5, "client", "hello")
        flow.text(at_s + 335 + 5 * n, "client", "still here")
        wrote_s = at_s + 335 + 5 * n + (402, 377, 360.5)[n]
        for again_s in (0,) if answered else (0, 1, 3, 7):
            flow.packet(wrote_s + again_s, "client", b"\x81\x80\0\0\0\0", ACK | PSH)
        if answered:
            flow.rst(wrote_s + 0.02, "server")
    found = verdict(capture)
    assert found.verdict == "idle-timeout"
    assert found.drop is not None
    assert found.drop.how == ("rst-on-write" if answered else "silent")
    assert found.idle_timeout_s is not None
    assert (found.idle_timeout_s.low, found.idle_timeout_s.high) == (340.0, 360.5)
    assert found.outcomes == {"idle-timeout": 3}
    assert "AWS Network Load Balancer" in {each.product for each in found.candidates}


@pytest.mark.parametrize("other", ["none", "in use", "outlives"])
@pytest.mark.parametrize("answered", [True, False])
def test_what_was_found_dead_at_one_time_may_have_been_an_event(answered: bool, other: str) -> None:
    capture = Capture()
    *flows, (last, opened_s) = connections(4, capture)
    for n, (flow, _) in enumerate(flows):
        flow.text(30, "client", "hello")
        for again_s in (0,) if answered else (0, 1, 3, 7):
            flow.packet(400 + 20 * n + again_s, "client", b"\x81\x80\0\0\0\0", ACK | PSH)
        if answered:
            flow.rst(400.02 + 20 * n, "server")
    if other == "in use":
        for n in range(45):
            last.text(opened_s + 1 + 10 * n, "server", "news")
    lived_s = {"none": 20, "in use": 441, "outlives": 201}[other]
    last.close(opened_s + lived_s, "client")
    found = verdict(capture)
    assert found.verdict == "idle-timeout"
    assert ("one event in between" in " ".join(found.explanation)) is (other == "none")


def test_very_many_are_judged_in_no_time() -> None:
    capture = Capture()
    for n in range(2500):
        flow = Flow(capture, port=10000 + n)
        flow.open(7.3 * n)
        flow.fin(7.3 * n + 60, "server")
    found = verdict(capture)
    assert (found.verdict, found.outcomes) == ("idle-timeout", {"idle-timeout": 2500})


def test_an_idleness_that_was_survived_before_explains_no_end() -> None:
    capture = Capture()
    for n, (flow, at_s) in enumerate(connections(4, capture)):
        for said_s in (5, 65, 125, 140 + 13 * n):
            flow.text(at_s + said_s, "client", "hello")
        flow.fin(at_s + 200 + 13 * n, "server")
    found = verdict(capture)
    assert (found.verdict, found.outcomes) == ("inconsistent", {"unknown": 4})
    assert "after an idle time that they had survived before" in found.explanation[0]
    assert "Idle times at the drops: 4 at 60.0 s." in found.explanation


@pytest.mark.parametrize("longest_s", [40, 110])
def test_nobody_probed_what_was_recorded(longest_s: int) -> None:
    capture = Capture()
    for n, (flow, at_s) in enumerate(connections(6, capture)):
        flow.text(at_s + 5 + 3 * n, "client", "hello")
        if n < 4:
            flow.fin(at_s + 65 + 3 * n, "server")
        else:
            flow.text(at_s + 5 + longest_s + 3 * n, "client", "hello")
            flow.close(at_s + 6 + longest_s + 3 * n, "client")
    found = verdict(capture)
    assert found.verdict == ("idle-timeout" if longest_s < 60 else "inconsistent")
    said = " ".join(found.explanation)
    assert f"{longest_s} s" in said
    assert "2 that did not end so" in said or "2 idle connections did not end so" in said
    assert "probed" not in said


def test_a_client_that_does_not_read_is_not_idle() -> None:
    capture = Capture()
    for n, (flow, at_s) in enumerate(connections(3, capture)):
        flow.text(at_s + 5 + 11 * n, "server", "news")
        flow.packet(at_s + 6 + 11 * n, "client", window=0)
        flow.fin(at_s + 65 + 11 * n, "server")
    found = verdict(capture)
    assert (found.verdict, found.outcomes, found.advice) == (None, {"unknown": 3}, ())


def test_one_or_two_are_a_hint() -> None:
    capture = Capture()
    for flow, at_s in connections(1, capture):
        flow.text(at_s + 5, "client", "hello")
        flow.fin(at_s + 65, "server")
    found = verdict(capture)
    assert found.verdict is None
    assert "hint" in found.explanation[0]
    assert "nginx" in found.explanation[0]


@pytest.mark.parametrize(
    ("times_s", "says"),
    [((60, 60), "Two connections ended after 60.0 s"), ((60, 12), "after 12.0 and 60.0 s")],
)
def test_two_that_differ_are_no_hint(times_s: tuple[int, int], says: str) -> None:
    capture = Capture()
    for (flow, at_s), idle_s in zip(connections(2, capture), times_s, strict=True):
        flow.text(at_s + 5, "client", "hello")
        flow.fin(at_s + 5 + idle_s, "server")
    (said,) = verdict(capture).explanation
    assert says in said
    assert ("hint" in said) == (times_s[0] == times_s[1])


def test_ends_at_one_moment_are_an_event() -> None:
    capture = Capture()
    for n, (flow, at_s) in enumerate(connections(6, capture)):
        flow.text(at_s + 1 + n, "client", "hello")
        flow.close(100.0 + 0.05 * n, "server", 1001)
    found = verdict(capture)
    assert found.verdict == "event"
    assert found.outcomes == {"event": 6}
    assert "6 connections of different ages ended within one second" in found.explanation[0]


def test_clients_that_leave_support_no_verdict() -> None:
    capture, chance = Capture(), random.Random(1)
    for flow, at_s in connections(8, capture):
        flow.text(at_s + 1, "server", "news")
        flow.close(at_s + chance.uniform(5, 90), "client", 1001)
    found = verdict(capture)
    assert (found.verdict, found.outcomes) == (None, {"close": 8})


def test_ages_of_a_log_show_their_clock() -> None:
    chance = random.Random(2)
    people = [chance.uniform(1, 900) for _ in range(150)]
    timed = [60 + chance.uniform(0, 0.2) for _ in range(400)]
    ((low, high, count),) = ages(people + timed)
    assert 59.5 < low <= 60.01
    assert 60.1 < high < 61
    assert 400 <= count < 405


def test_what_ends_at_once_has_no_clock() -> None:
    entries = [
        Recorded("u", number, "unknown", 1000.0 * number, 0.01, None, logged=True)
        for number in range(30)
    ]
    base = ExplainVerdict(url="u", source="x", connections=30, outcomes={})
    found = of_ages(base, entries, {})
    assert found.explanation == (
        "30 of 30 ended as soon as they were open: refused, or left at once.",
    )
    assert found.advice == ()


def test_people_have_no_clock() -> None:
    clusters = 0
    for seed in range(100):
        chance = random.Random(seed)
        clusters += len(ages([chance.expovariate(1 / 120) for _ in range(200)]))
    assert clusters == 0


def test_two_clocks_are_told_apart() -> None:
    chance = random.Random(3)
    ended = [60 + chance.gauss(0, 0.02) for _ in range(50)]
    ended += [300 + chance.gauss(0, 0.5) for _ in range(30)]
    ended += [chance.uniform(1, 600) for _ in range(60)]
    assert [round(low) for low, _, _ in ages(ended)] == [60, 299]


PROXIED = REQUEST.replace(b"Upgrade", b"Via: 1.1 edge\r\nUpgrade", 1)


def left_by_clients(idle_s: list[float], request: bytes) -> ExplainVerdict:
    """The verdict over connections that their clients' side ended by FIN."""
    capture = Capture()
    for n, after_s in enumerate(idle_s):
        flow, at_s = Flow(capture, port=40000 + n), 7.3 * n
        flow.open(at_s, request=request)
        flow.text(at_s + 5 + 11 * n, "server", "hello")
        flow.fin(at_s + 5 + 11 * n + after_s, "client")
        flow.fin(at_s + 5 + 11 * n + after_s + 0.001, "server")
    return verdict(capture)


def test_a_proxy_before_the_server_may_be_the_one_that_ends_them() -> None:
    found = left_by_clients([60.0] * 4 + [3.0], PROXIED)
    assert (found.verdict, found.outcomes) == ("idle-timeout", {"idle-timeout": 4, "unknown": 1})
    assert "from the client's side, by a proxy" in " ".join(found.explanation)


def test_a_timer_on_the_clients_side_is_said_where_no_proxy_shows() -> None:
    found = left_by_clients([60.0] * 4 + [3.0], REQUEST)
    assert (found.verdict, found.outcomes) == (None, {"client-gone": 5})
    assert "4 connections were ended from the client's side" in found.explanation[0]


@pytest.mark.parametrize("request_", [REQUEST, PROXIED], ids=["direct", "proxied"])
def test_people_leave_through_a_proxy_too(request_: bytes) -> None:
    rng = random.Random(3)
    found = left_by_clients([rng.uniform(1, 200) for _ in range(12)], request_)
    assert (found.verdict, found.explanation) == (None, ())


def busy_until(age_s: float, code: int | None, silent: str = "") -> ExplainVerdict:
    """The verdict over connections in use that the server ends at an age."""
    capture = Capture()
    for n, (flow, at_s) in enumerate(connections(4, capture)):
        for second in range(1, int(age_s), 3):
            for who, later_s in (("client", 0.11 * n), ("server", 0.2 + 0.1 * n)):
                if who != silent:
                    flow.text(at_s + second + later_s, who, "hello")
        if code is not None:
            flow.close(at_s + age_s, "server", code)
        flow.fin(at_s + age_s + 0.01, "server")
    return verdict(capture)


@pytest.mark.parametrize("code", [None, 1001, 4001])
def test_ends_at_one_age_while_in_use_are_a_lifetime(code: int | None) -> None:
    found = busy_until(120.0, code)
    assert (found.verdict, found.outcomes) == ("lifetime", {"lifetime": 4})
    assert found.lifetime_s is not None
    assert found.lifetime_s.low == pytest.approx(120.0, abs=0.1)
    assert "a maximum lifetime, or a timer" in found.explanation[0]


def test_a_server_that_is_done_has_no_lifetime() -> None:
    assert busy_until(120.0, 1000).verdict != "lifetime"


def test_silence_of_one_direction_is_no_use() -> None:
    assert busy_until(60.0, None, silent="server").verdict != "lifetime"


def test_six_hundred_connections_of_a_log() -> None:
    chance, together = random.Random(7), Together(["access.log"])
    reload_at = 1_700_010_007.0
    ended = [(60.0 + chance.uniform(0, 0.2), None) for _ in range(412)]
    ended += [(chance.uniform(30, 4000), reload_at) for _ in range(83)]
    ended += [(chance.expovariate(1 / 400), None) for _ in range(105)]
    for number, (age_s, moment) in enumerate(ended):
        end = moment or 1_700_000_000 + chance.uniform(0, 20000)
        facts = ConnectionFacts("access.log", began=end - age_s, opened_s=0.0)
        facts.ended_s = facts.recorded_s = age_s
        together.add(facts, number, "ws://log.test/")
    (found,) = together.verdicts()
    timer, event, rest = found.explanation
    assert timer.startswith("41")
    assert "of 600 ended at 60.0 to 60.2 s: a timer" in timer
    assert "83 ended within one second at" in event
    assert "as people leave" in rest
    assert any("nginx" in one.product for one in found.candidates)
    assert found.outcomes["event"] in (82, 83)


@pytest.mark.parametrize("asked", [True, False])
def test_a_pong_that_answers_is_nothing_that_the_server_sent_on_its_own(asked: bool) -> None:
    capture = Capture()
    for n, (flow, at_s) in enumerate(connections(3, capture)):
        last_s = at_s + 5 + 11 * n
        for said_s in (at_s + 1, last_s):
            if asked:
                flow.ping(said_s, "client", b"alive?")
            flow.pong(said_s + 0.01, "server", b"alive?")
        flow.close(last_s + 60.01, "server", 1001)
    found = verdict(capture)
    assert found.verdict == "idle-timeout"
    said = [text for text in found.explanation if "on its own" in text]
    kept = "The endpoint sent Pongs on its own; each restarts the idle time."
    assert said == ([] if asked else [kept])


def test_what_the_server_sent_on_its_own() -> None:
    flow = Flow(Capture())
    flow.open()
    flow.ping(1, "client", b"1")
    flow.ping(2, "client", b"2")
    flow.pong(3, "server", b"2")  # for both
    flow.pong(4, "server", b"1")
    flow.pong(5, "server", b"")
    flow.ping(6, "server", b"1")
    flow.text(7, "server", "news")
    flow.close(70, "server")
    (facts,) = CaptureReader(io.BytesIO(flow.capture.pcap()), "test.pcap")
    trial = recorded(facts, 1, judge_connection(facts), "ws://feed.test/feed").trial
    assert trial is not None
    assert [what for _, what in trial.received] == ["pong", "pong", "ping", "text"]
    shown = connection_record(facts, 1, judge_connection(facts)).activity
    assert [what for _, way, what in shown if way == "received"].count("pong") == 3
