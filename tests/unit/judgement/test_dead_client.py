"""What the trials of dead clients add to a verdict: whether they were noticed, and no more."""

from __future__ import annotations

import pytest

from wsdiag.judgement.verdict.dead_client import with_dead_clients
from wsdiag.records import Drop, IdleTrial, IdleVerdict, Outcome, Range, TrialKind

URL = "wss://a.example/ws"
VERDICT = IdleVerdict(URL, "no-drop", explanation=("Fine.",))


def trial(
    kind: TrialKind,
    outcome: Outcome = "alive",
    at_s: float = 120.0,
    away_s: float | None = None,
    *,
    late: bool = False,
) -> IdleTrial:
    drop = Drop("close", at_s, None, 1011, "ping timeout") if outcome == "dropped" else None
    return IdleTrial(
        url=URL,
        trial=kind,
        idle_for_s=away_s,
        interval_s=None,
        outcome=outcome,
        idle_s=None,
        drop=drop,
        connection=0,
        age_s=at_s,
        started_s=0.0,
        after_write=late,
    )


def test_without_such_trials_the_verdict_is_as_it_was() -> None:
    assert with_dead_clients(VERDICT, [trial("idle"), trial("ping")]) is VERDICT


def test_what_was_not_noticed_has_no_time() -> None:
    found = with_dead_clients(VERDICT, [trial("no-pong"), trial("vanish", away_s=120.0)])
    assert found.dead_client is not None
    assert [one.noticed_s for one in found.dead_client.values()] == [None, None]
    assert found.explanation == (
        "Fine.",
        "A client that answers no Ping was not noticed in 120 s.",
        "A client that is gone without a word was not noticed in 120 s.",
    )


def test_the_moment_of_an_end_that_was_seen() -> None:
    found = with_dead_clients(VERDICT, [trial("no-pong", "dropped", 40.0)])
    assert found.dead_client is not None
    assert found.dead_client["no-pong"].noticed_s == Range(40.0, 40.0)
    said = "A client that answers no Ping was dropped after 40 s (Close frame 1011 (ping timeout))."
    assert found.explanation[-1] == said


@pytest.mark.parametrize(("late", "low_s"), [(False, 39.9), (True, 0.0)])
def test_an_end_that_nobody_read_lies_before_it_was_looked_for(late: bool, low_s: float) -> None:
    found = with_dead_clients(VERDICT, [trial("no-read", "dropped", 40.0, late=late)])
    assert found.dead_client is not None
    assert found.dead_client["no-read"].noticed_s == Range(low_s, 40.0)


def test_a_vanished_client_was_noticed_between_two_returns() -> None:
    trials = [
        trial("vanish", "dropped", 91.0, 90.0, late=True),
        trial("vanish", "alive", 30.0, 30.0),
        trial("vanish", "dropped", 61.0, 60.0, late=True),
        trial("vanish", "aborted", 120.0, 120.0),
    ]
    found = with_dead_clients(VERDICT, trials)
    assert found.dead_client is not None
    assert found.dead_client["vanish"].noticed_s == Range(30.0, 60.0)
    assert "between 30 s and 60 s after its death" in found.explanation[-1]


def test_what_ends_idle_connections_needs_no_death() -> None:
    idle = IdleVerdict(URL, "idle-timeout", Range(59.9, 60.1))
    found = with_dead_clients(idle, [trial("no-pong", "dropped", 60.0)])
    assert found.explanation[-1].endswith(", as idle connections are.")
    found = with_dead_clients(idle, [trial("no-pong", "dropped", 40.0)])
    assert not found.explanation[-1].endswith(", as idle connections are.")


def test_a_lifetime_needs_no_death() -> None:
    aged = IdleVerdict(URL, "lifetime", lifetime_s=Range(59.9, 60.1))
    found = with_dead_clients(aged, [trial("no-pong", "dropped", 60.0)])
    assert found.explanation[-1].endswith(", as all connections are.")
    found = with_dead_clients(aged, [trial("no-pong", "dropped", 40.0)])
    assert not found.explanation[-1].endswith(", as all connections are.")


def test_what_could_not_be_tried_is_said() -> None:
    one = IdleTrial(
        url=URL,
        trial="vanish",
        idle_for_s=30.0,
        interval_s=None,
        outcome="aborted",
        idle_s=None,
        drop=None,
        connection=0,
        started_s=0.0,
        detail="no permission",
    )
    found = with_dead_clients(VERDICT, [one])
    assert found.dead_client is None
    assert found.explanation[-1].endswith("is not known: no permission.")


def test_an_event_needs_no_death() -> None:
    event = IdleVerdict(URL, "event")
    others = [trial("idle", "dropped", 40.2), trial("ping", "dropped", 40.3)]
    found = with_dead_clients(event, [trial("no-pong", "dropped", 40.0)], others)
    assert found.dead_client is not None
    assert found.dead_client["no-pong"].noticed_s == Range(40.0, 40.0)
    assert found.explanation[-1].endswith(": its death was no reason.")
    found = with_dead_clients(event, [trial("vanish", "dropped", 90.0, 90.0)], others)
    assert found.explanation[-1].endswith(": its death was no reason.")
    for at_s in (20.0, 60.0):
        found = with_dead_clients(event, [trial("no-pong", "dropped", at_s)], others)
        assert found.explanation[-1].endswith("(Close frame 1011 (ping timeout)).")
