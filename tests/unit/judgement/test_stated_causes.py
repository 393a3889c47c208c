"""A Close whose reason says why: no timeout, no restart, no lifetime, and what helps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.capture.builder import Capture, Flow
from tests.unit.judgement.recorded.test_together import verdict
from tests.unit.judgement.recorded_trials import case, idle, kept
from wsdiag.judgement.products.endpoints import token_expired
from wsdiag.judgement.verdict.judge import judge
from wsdiag.records import Drop, IdleTrial

EXPIRED = Drop("close", 60.0, code=4401, reason="token expired")


@pytest.mark.parametrize(
    ("reason", "expired"),
    [
        ("token expired", True),
        ("Token has expired", True),
        ("TokenExpiredError: jwt expired", True),
        ("jwt expired", True),
        ("expired access token", True),
        ("token_expired", True),
        ("Your session has expired", False),  # it may as well have been idle
        ("timeout waiting for token expired", False),
        ("authentication timed out", False),
        ("invalid token", False),
        ("", False),
    ],
)
def test_reasons(reason: str, expired: bool) -> None:
    assert token_expired(Drop("close", 1.0, code=4003, reason=reason)) is expired
    assert not token_expired(Drop("fin", 1.0))


def of_one_age() -> list[IdleTrial]:
    used = [
        kept("ping", 60.0, "close", received=((20.0, "pong"), (40.0, "pong"))),
        kept("pong", 60.0, "close"),
    ]
    unused = [idle(60.0, "close", connection=n, started_s=0.4 * n) for n in range(5)]
    return [replace(trial, drop=EXPIRED) for trial in (*unused, *used)]


def of_one_moment() -> list[IdleTrial]:
    unused = [idle(60.0 - 3 * n, "close", connection=n, started_s=3.0 * n) for n in range(5)]
    used = kept("ping", 45.0, "close", started_s=15.0)
    return [replace(trial, drop=EXPIRED) for trial in (*unused, used)]


@pytest.mark.parametrize("trials", [of_one_age(), of_one_age()[:5]])
def test_at_one_age(trials: Sequence[IdleTrial]) -> None:
    found = judge(trials, case())
    said = " ".join((*found.explanation, *(found.advice or ())))
    assert found.verdict == "lifetime"
    assert "token that it was opened with expires" in said
    assert "Fetch a new token" in said
    for untrue in ("--hello", "--send", "login", "Send a Ping", "would look the same"):
        assert untrue not in said
    assert ("in use or not" in said) is (len(trials) > 5)


def test_at_one_moment() -> None:
    found = judge(of_one_moment(), case())
    said = " ".join((*found.explanation, *(found.advice or ())))
    assert "expired then, as the endpoint says" in said
    assert "Fetch a new token" in said
    assert "restart" not in said
    assert "jitter" not in said


@pytest.mark.parametrize("at_one_moment", [True, False])
def test_in_a_recording(at_one_moment: bool) -> None:
    capture = Capture()
    for n in range(4):
        flow, opened_s = Flow(capture, port=40000 + n), 7.3 * n
        flow.open(opened_s)
        ended_s = 90.0 if at_one_moment else opened_s + 60.0
        flow.close(ended_s, "server", 4401, "token expired")
        flow.fin(ended_s + 0.01, "server")
    found = verdict(capture)
    said = " ".join((*found.explanation, *(found.advice or ())))
    assert found.verdict == ("event" if at_one_moment else "lifetime")
    assert "token" in said
    assert "expire" in said
    for untrue in ("Send a Ping", "restart", "maximum lifetime"):
        assert untrue not in said


@pytest.mark.parametrize("pinged", [True, False])
def test_a_keepalive_of_the_endpoint_that_got_no_answer(pinged: bool) -> None:
    """A gateway that passes no Pings on: the endpoint ends everything at one age."""
    end = Drop("close", 60.0, code=1011, reason="keepalive ping timeout")
    came = ((20.0, "ping"),) if pinged else ()
    trials = [replace(t, drop=end, received=(*t.received, *came)) for t in of_one_age()]
    found = judge(trials, case())
    said = " ".join((*found.explanation, *(found.advice or ())))
    assert found.verdict == "lifetime"
    assert ("none of them came" in said) is not pinged
    assert ("those that came were answered" in said) is pinged
    for untrue in ("maximum lifetime", "--hello", "--send", "no keepalive prevents it"):
        assert untrue not in said
