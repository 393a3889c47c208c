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
        ("access_token expired", True),
        ("token is expired by 5m0s", True),
        ("Unauthorized: expired token", True),
        ("Invalid or expired token", False),
        ("missing or expired token", False),
        ("invalid/expired token", False),
        ("token missing or expired", False),
        ("token not expired yet, but revoked", False),
        ("Invalid token (not expired)", False),
        ("no token within 5s, wait expired", False),
        ("waiting for token expired", False),
        ("API key valid, plan expired", False),
        ("trial expired; no credentials", False),
        ("ticket queue expired", False),
        ("jwks token cache expired", False),
        ("token service restart; expired leases", False),
        ("token bucket expired", False),
        ("session token idle, expired", False),
        ("API key session expired due to inactivity", False),
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


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013, 1014])
def test_codes_that_are_no_tokens(code: int) -> None:
    assert not token_expired(Drop("close", 1.0, code=code, reason="token expired"))


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


MAX_AGE = Drop("close", 60.0, code=1001, reason="max age")
KEEPALIVE = Drop("close", 60.0, code=1011, reason="keepalive ping timeout")


def test_the_token_of_one_is_not_that_of_all() -> None:
    trials = of_one_moment()
    for one in range(len(trials)):
        mixed = [t if n == one else replace(t, drop=MAX_AGE) for n, t in enumerate(trials)]
        found = judge(mixed, case())
        assert "token" not in " ".join((found.explanation[0], *(found.advice or ())))


@pytest.mark.parametrize("other", [EXPIRED, KEEPALIVE])
def test_the_end_of_one_is_not_why_all_end_at_one_age(other: Drop) -> None:
    trials = of_one_age()
    for one in range(len(trials)):
        mixed = [replace(t, drop=other if n == one else MAX_AGE) for n, t in enumerate(trials)]
        found = judge(mixed, case())
        said = " ".join((found.explanation[0], *(found.advice or ())))
        assert found.verdict == "lifetime"
        for untrue in ("as the endpoint says", "the endpoint says", "Fetch a new token"):
            assert untrue not in said


def test_one_connection_that_a_token_ended_is_no_moment_of_several() -> None:
    ended = replace(idle(3.0, "close", age_s=3.0, started_s=0.1), drop=EXPIRED)
    let_in = kept("ping", 5.0, gap_s=1.0, started_s=3.105)
    waiting = replace(idle(0.0), outcome="aborted", idle_s=None, age_s=None, started_s=8.1)
    said = judge([ended, let_in, waiting], case()).explanation[0]
    assert said.startswith("One connection ended, after 3 s of idleness")
    assert said.endswith("the token that it was opened with expired then, as the endpoint says.")


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


def test_what_came_last_is_not_known_where_much_came() -> None:
    many = tuple((0.5 * n, "text") for n in range(64))
    trials = [replace(t, drop=KEEPALIVE, received=many) for t in of_one_age()]
    said = " ".join(judge(trials, case()).explanation)
    assert "its Pings got no answer" in said
    assert "none of them came" not in said
