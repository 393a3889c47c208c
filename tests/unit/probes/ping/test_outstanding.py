"""What becomes of Pings without an answer: overdue, skipped, lost; and what silence is."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from wsdiag.probes.ping.outstanding import InFlight, Outstanding
from wsdiag.probes.ping.schedule import overdue_after_s
from wsdiag.probes.ping.tcp_observer import TcpSnapshot
from wsdiag.transport.stream.stamps import SendRecord

NOTHING_KNOWN = TcpSnapshot(None, None, None, None, None)


def ping(seq: int, sent_s: float) -> InFlight:
    return InFlight(seq, SendRecord(0), sent_s, NOTHING_KNOWN, "idle", 0, 0)


def sent_at(
    *times_s: float, usual_ms: float = 20.0, interval_s: float = 1.0, skips: bool = True
) -> Outstanding:
    """Pings 1, 2... that left at these times and have the keys b"1", b"2"..."""
    pings = Outstanding(
        20.0, interval_s, skips=skips, p99_ms=lambda: usual_ms, unheld_p99_ms=lambda: usual_ms
    )
    for seq, sent_s in enumerate(times_s, 1):
        pings.add(b"%d" % seq, ping(seq, sent_s))
    return pings


def answer(pings: Outstanding, seq: int) -> int:
    """Answer one; how many are skipped by that."""
    found = pings.take(b"%d" % seq)
    assert found is not None
    return pings.overtake(found[0])


def test_an_answer_is_overdue_by_the_largest_of_three_measures() -> None:
    assert overdue_after_s(None, 0.01) == 1.0
    assert overdue_after_s(40.0, 0.2) == 1.0
    assert overdue_after_s(300.0, 1.0) == 3.0
    assert overdue_after_s(300.0, 5.0) == 10.0


def test_silence_is_told_once_and_any_answer_ends_it() -> None:
    pings = sent_at(0.0, 1.0, 2.0, 3.0)
    assert not pings.falls_silent(1.9)
    assert pings.falls_silent(2.0)
    assert not pings.falls_silent(2.5), "once for each silence"
    assert pings.unanswered == 4
    answer(pings, 4)
    assert pings.end_silence(4.0) == 0.0
    assert pings.oldest is None
    assert not pings.falls_silent(60.0)


def test_answers_that_a_silence_held_up_are_not_usual_ones() -> None:
    pings = sent_at(0.0, 1.0, 2.0)
    assert pings.falls_silent(2.5)
    held = [pings.take(key) for key in (b"1", b"2", b"3")]
    for found in held:
        assert found is not None
        pings.add(b"4", ping(4, 4.5))
        assert pings.held_up(found[0])
        pings.overtake(found[0])
        pings.end_silence(4.0)
    assert not pings.held_up(ping(4, 4.5))


def test_what_is_answered_slowly_and_alone_is_usual() -> None:
    pings = sent_at(0.0, interval_s=0.0)
    assert pings.falls_silent(1.0)
    found = pings.take(b"1")
    assert found is not None
    assert not pings.held_up(found[0])


def test_an_endpoint_whose_answers_all_come_late_is_not_silent() -> None:
    pings = sent_at(*range(5))
    assert pings.falls_silent(2.0)
    answer(pings, 1)
    pings.end_silence(5.0)
    assert not pings.falls_silent(6.0)
    assert pings.overdue_now(6.0) == (0, 5.0)
    assert pings.falls_silent(7.0)


def test_what_was_lost_belongs_to_the_silence() -> None:
    pings = Outstanding(0.2, 1.0, skips=True, p99_ms=lambda: None, unheld_p99_ms=lambda: None)
    pings.add(b"1", ping(1, 0.0))
    assert [one.seq for one in pings.expired(0.3)] == [1]
    pings.add(b"2", ping(2, 1.0))
    assert pings.falls_silent(2.0)
    assert pings.unanswered == 2


def test_an_overtaken_ping_is_skipped_where_the_later_one_left_within_the_usual_time() -> None:
    pings = sent_at(0.0, 0.01, 0.02)
    assert answer(pings, 3) == 2
    assert len(pings) == 0
    assert pings.overdue_now(0.03) == (0, None)


def test_an_overtaken_ping_is_overdue_at_once_where_the_endpoint_had_the_time() -> None:
    pings = sent_at(0.0, 1.0, 1.01)
    assert answer(pings, 3) == 1, "the second one left 10 ms before, the first a second"
    overdue, oldest_s = pings.overdue_now(1.02)
    assert overdue == len(pings) == 1
    assert oldest_s == 1.02
    pings.end_silence(1.02)
    assert not pings.falls_silent(19.0), "the endpoint does answer"
    assert [one.seq for one in pings.expired(20.0)] == [1]


def test_a_skipped_ping_that_is_answered_after_all_was_answered() -> None:
    pings = sent_at(0.0, 0.01)
    assert answer(pings, 2) == 1
    found = pings.take(b"1")
    assert found is not None
    assert found[1] == "skipped"


def test_messages_are_not_skipped() -> None:
    pings = sent_at(0.0, 0.01, skips=False)
    assert answer(pings, 2) == 0
    assert len(pings) == 1


def test_in_flight_is_not_overdue_before_its_time() -> None:
    pings = sent_at(0.0, 1.0, 2.0, 3.0)
    assert pings.overdue_now(3.5) == (2, 3.5)


@given(st.lists(st.tuples(st.floats(0, 0.5), st.booleans()), max_size=60), st.floats(0.1, 400))
def test_every_ping_has_one_fate(course: Sequence[tuple[float, bool]], usual_ms: float) -> None:
    pings = Outstanding(
        2.0, 0.1, skips=True, p99_ms=lambda: usual_ms, unheld_p99_ms=lambda: usual_ms
    )
    now, answered, skipped, lost = 0.0, 0, 0, 0
    for seq, (pause_s, is_answered) in enumerate(course, 1):
        now += pause_s
        lost += len(list(pings.expired(now)))
        pings.add(b"%d" % seq, ping(seq, now))
        if is_answered:
            answered += 1
            skipped += answer(pings, seq)
            pings.end_silence(now)
        assert seq == answered + skipped + lost + len(pings)
