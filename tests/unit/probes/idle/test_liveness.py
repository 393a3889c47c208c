"""A liveness check: which events answer it, and which of its Pings they answer."""

from __future__ import annotations

import pytest

from wsdiag.probes.idle.record import late_text
from wsdiag.probes.idle.state import LivenessCheck
from wsdiag.protocol.events import BinaryMessage, Event, Ping, Pong, TextMessage


def answer(check: LivenessCheck, event: Event, at_s: float) -> bool:
    """Give it an event, as a trial does."""
    matches = check.matches(event)
    if matches:
        check.answered(event, at_s)
    return matches


@pytest.mark.parametrize(("payload", "lost"), [(b"wsdiag 7", False), (b"wsdiag 7+2", True)])
def test_a_check_that_was_retried_knows_which_ping_was_answered(payload: bytes, lost: bool) -> None:
    check = LivenessCheck(1.0, 1.0, b"wsdiag 7", retried_s=2.0)
    assert not answer(check, Pong(b"wsdiag 70"), 2.1)
    assert answer(check, Pong(payload), 2.2)
    assert (check.first_pong_lost, check.answered_s) == (lost, 2.2)
    assert answer(check, Pong(b"wsdiag 7+4"), 2.3)  # one more, which changes nothing
    assert (check.first_pong_lost, check.answered_s) == (lost, 2.2)
    assert late_text(check) is not None


def test_an_answer_in_time_needs_no_words() -> None:
    check = LivenessCheck(1.0, 1.0, b"wsdiag 7")
    assert late_text(check) is None
    assert answer(check, Pong(b"wsdiag 7"), 1.2)
    assert late_text(check) is None


@pytest.mark.parametrize(
    ("payload", "expect", "event", "matches"),
    [
        (b"wsdiag 7", None, TextMessage("wsdiag 7"), False),
        (b"wsdiag 7", None, Ping(b"wsdiag 7"), False),
        (b"", None, Pong(b""), False),
        (b"", None, Ping(b""), False),
        (b"", None, TextMessage("anything"), True),
        (b"", "^hel+o$", TextMessage("hello"), True),
        (b"", "^hel+o$", BinaryMessage(b"hello"), True),
        (b"", "^hel+o$", BinaryMessage(b"\xff"), False),
        (b"", "^hel+o$", TextMessage("tick"), False),
    ],
)
def test_what_answers(payload: bytes, expect: str | None, event: Event, matches: bool) -> None:
    assert LivenessCheck(1.0, 1.0, payload, expect).matches(event) is matches
