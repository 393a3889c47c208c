"""Verdicts as a table: recorded trials in, the answer an expert would sign out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.unit.judgement.recorded_trials import case, idle, kept, record
from wsdiag.judgement.verdict.judge import judge
from wsdiag.records import Hop, IdleTrial, Verdict


def dropped(at_s: float, count: int = 8, how: Any = "fin", **facts: Any) -> list[IdleTrial]:
    """Idle connections dropped alike, started a little apart."""
    return [
        idle(at_s + 0.01 * (n % 3), how, connection=n, started_s=0.03 * n, **facts)
        for n in range(count)
    ]


PING = kept("ping", 66.0)
LATE_PING = kept("ping", 63.0, started_s=3.0)
RUNGS = [idle(float(s)) for s in range(30, 60, 5)]


@dataclass(frozen=True)
class Row:
    trials: list[IdleTrial]
    verdict: Verdict
    facts: dict[str, Any] = field(default_factory=dict)
    says: str = ""
    first: tuple[str, ...] = ()
    """The first candidates."""
    interval_s: float | None = None


TABLE: dict[str, Row] = {
    "a proxy's minute": Row(
        [*RUNGS, *dropped(60.0), PING, LATE_PING, kept("tcp-keepalive", 60.0, "fin")],
        "idle-timeout",
        says="dropped after 60 s (FIN",
        first=("nginx (http proxy)",),
        interval_s=20,
    ),
    "a header moves a candidate to the top": Row(
        [*RUNGS, *dropped(60.0), PING],
        "idle-timeout",
        {"hops": [Hop("Varnish (pipe)", "X-Varnish: 1")]},
        first=("Varnish (pipe)",),
        interval_s=20,
    ),
    "a Close frame has no proxy behind it": Row(
        [*RUNGS, *dropped(60.0, how="close"), PING],
        "idle-timeout",
        says="Close frame",
        interval_s=20,
    ),
    "Heroku's 55 s": Row(
        [*dropped(55.02), PING], "idle-timeout", first=("Heroku router",), interval_s=20
    ),
    "Google's lifetime": Row(
        [
            *dropped(30.0),
            kept("ping", 30.0, "fin", gap_s=10),
            kept("ping", 30.0, "fin", gap_s=7, started_s=3.0),
        ],
        "lifetime",
        says="lifetime",
        first=("Google external HTTP(S) load balancer",),
    ),
    "an idle timeout of 30 s is not Google's lifetime": Row(
        [*dropped(30.0), kept("ping", 34.0, gap_s=10)],
        "idle-timeout",
        first=("Azure Application Gateway (AGIC)",),
        interval_s=14,
    ),
    "a restart": Row(
        [
            *(idle(41.0 - 0.3 * n, "fin", started_s=0.3 * n) for n in range(10)),
            kept("ping", 40.0, "fin", started_s=1.0),
            kept("ping", 38.0, "fin", started_s=3.0),
        ],
        "event",
        says="at one moment",
    ),
    "one stray drop among many": Row(
        [idle(12.0, "rst"), *dropped(60.0, 12), PING],
        "idle-timeout",
        says="1 outlier excluded",
        first=("nginx (http proxy)",),
        interval_s=20,
    ),
    "two backends": Row(
        [*dropped(30.0, 5), *dropped(60.0, 5), kept("ping", 70.0)], "inconsistent", says="groups"
    ),
    "a drop that others outlived": Row(
        [*dropped(60.0, 4), *(idle(float(s)) for s in (80, 90, 100, 120)), kept("ping", 130.0)],
        "inconsistent",
        says="more than one backend",
    ),
    "the same keepalive held and did not": Row(
        [*dropped(60.0), kept("ping", 66.0), kept("ping", 47.0, "fin")],
        "inconsistent",
        says="same keepalive",
    ),
    "silence between two rungs": Row(
        [
            *RUNGS,
            idle(60.0, "silent"),
            idle(65.0, "silent"),
            kept("ping", 80.0),
            kept("tcp-keepalive", 80.0),
        ],
        "idle-timeout",
        says="more than 55 s and at most 60 s",
        interval_s=20,
    ),
    "silence of a network balancer, far out": Row(
        [
            idle(345.0),
            idle(350.5, "rst-on-write"),
            kept("tcp-keepalive", 400.0),
            kept("ping", 400.0),
        ],
        "idle-timeout",
        {"longest_s": 400.0},
        says="silent until written to, then RST",
        first=("AWS Network Load Balancer",),
        interval_s=20,
    ),
    "everything silent": Row(
        [
            *RUNGS[:2],
            idle(40.0, "silent"),
            idle(45.0, "silent"),
            kept("ping", 40.0, "silent", gap_s=10),
        ],
        "inconsistent",
        says="went silent",
    ),
    "a silent rung below one that answered": Row(
        [idle(30.0), idle(35.0, "silent"), idle(40.0), kept("ping", 60.0)], "inconsistent"
    ),
    "a late Pong": Row(
        [
            *RUNGS,
            idle(60.0, "silent", late_pong_s=12.0),
            idle(65.0, "silent", late_pong_s=11.0),
            kept("ping", 80.0),
        ],
        "idle-timeout",
        says="picked it up again",
        interval_s=20,
    ),
    "a late Pong whose Ping TCP acknowledged is no drop": Row(
        [*RUNGS, idle(60.0, late_pong_s=12.0), idle(120.0), kept("ping", 120.0)],
        "no-drop",
        says="answers slowly",
        interval_s=20,
    ),
    "slow Pongs on a connection in use": Row(
        [*RUNGS, idle(120.0), kept("ping", 120.0)],
        "no-drop",
        {"slow_pong_s": 15.0},
        says="up to 15 s, longer than --pong-timeout",
        interval_s=20,
    ),
    "lost Pongs on connections that live": Row(
        [*RUNGS, idle(120.0, lost_pongs=1), kept("ping", 120.0, lost_pongs=2)],
        "no-drop",
        says="3 Pings got no Pong",
        interval_s=20,
    ),
    "Pongs with other payloads": Row(
        [*RUNGS, idle(120.0), kept("ping", 120.0)],
        "no-drop",
        {"answers_pings": False, "other_pongs": 1},
        says="payloads of its own",
        interval_s=20,
    ),
    "nothing": Row(
        [*RUNGS, idle(120.0), kept("ping", 120.0)],
        "no-drop",
        says="not dropped within 120 s",
        interval_s=20,
    ),
    "answers only after retransmissions": Row(
        [
            *(idle(float(s), retransmits=0) for s in (30, 60)),
            *(idle(float(s), retransmits=1) for s in (90, 120)),
        ],
        "no-drop",
        says="re-created its state",
        interval_s=20,
    ),
    "interrupted": Row(
        [idle(47.0)], "no-drop", {"partial": True}, says="No drop up to 47 s", interval_s=20
    ),
    "interrupted at once": Row([], "no-drop", {"partial": True}, says="Interrupted before"),
    "kept-busy": Row(
        [
            record(
                "idle",
                outcome="kept-busy",
                idle_s=1.0,
                age_s=120.0,
                longest_idle_s=30.0,
                received=((30.0, "ping"), (60.0, "ping"), (90.0, "ping")),
            )
        ]
        * 3,
        "kept-busy",
        says="30 s",
        interval_s=20,
    ),
    "suspended": Row(
        [*dropped(60.0), PING], "local-fault", {"jumps": ((58.9, 30.0),)}, says="suspended"
    ),
    "suspended, but the drops came before": Row(
        [*dropped(60.0), PING],
        "idle-timeout",
        {"jumps": ((80.0, 30.0),)},
        first=("nginx (http proxy)",),
        interval_s=20,
    ),
    "unrelated URLs at once": Row(
        [*dropped(44.0), kept("ping", 44.0, "rst")],
        "local-fault",
        {"shared_end_s": 44.0},
        says="unrelated",
    ),
    "refused": Row(
        [record("idle", outcome="refused", detail="HTTP 503")],
        "unreachable",
        says="Nothing could be measured",
    ),
    "unreachable": Row([], "unreachable", {"error": "no such host"}, says="no such host"),
    "no keepalive trial at all": Row(
        [*dropped(60.0)],
        "idle-timeout",
        says="may as well be a maximum lifetime",
        first=("nginx (http proxy)",),
        interval_s=20,
    ),
    "the ping interval was no shorter than the timeout": Row(
        [*dropped(15.0), kept("ping", 15.0, "fin", keepalives_sent=0)],
        "idle-timeout",
        says="Not tested: whether Pings",
        interval_s=7,
    ),
    "lighttpd's one direction": Row(
        [
            idle(
                0.9 + 0.01 * n,
                "fin",
                age_s=60.4,
                since_sent_s=60.4,
                longest_idle_s=1.0,
                received=((30.0, "text"), (59.5, "text")),
            )
            for n in range(6)
        ]
        + [kept("ping", 66.0), kept("pong", 66.0)],
        "idle-timeout",
        says="client last sent",
        first=("lighttpd (read side)",),
        interval_s=20,
    ),
    "a few seconds late, as products that check now and then": Row(
        [idle(60.0 + n / 4, "fin", started_s=n / 10) for n in range(10)] + [PING],
        "idle-timeout",
        first=("nginx (http proxy)",),
        interval_s=20,
    ),
}


@pytest.mark.parametrize("name", TABLE)
def test_verdict(name: str) -> None:
    row = TABLE[name]
    verdict = judge(row.trials, case(**row.facts))
    words = " ".join(verdict.explanation)
    assert verdict.verdict == row.verdict, words
    assert row.says in words
    assert tuple(c.product for c in verdict.candidates)[: len(row.first)] == row.first
    assert verdict.recommended_ping_interval_s == row.interval_s
    assert "certainly" not in words
    assert bool(verdict.explanation[0])


@pytest.mark.parametrize("name", TABLE)
def test_every_verdict_is_one_of_the_contract_and_whole(name: str) -> None:
    row = TABLE[name]
    verdict = judge(row.trials, case(**row.facts))
    assert (verdict.idle_timeout_s is not None) == (verdict.verdict == "idle-timeout")
    assert (verdict.lifetime_s is not None) == (verdict.verdict == "lifetime")
    if verdict.verdict in ("unreachable", "local-fault"):
        assert set(verdict.keepalives.values()) <= {"untested"}
    if verdict.verdict in ("inconsistent", "local-fault", "unreachable"):
        assert verdict.candidates == ()


@pytest.mark.parametrize(
    ("trials", "facts", "ok"),
    [
        ([*dropped(60.0), PING], {"required_s": 30.0}, True),
        ([*dropped(60.0), PING], {"required_s": 60.0}, False),
        ([*dropped(60.0), PING], {"required_s": 90.0}, False),
        ([*RUNGS, idle(60.0, "silent"), PING], {"required_s": 55.0}, True),
        ([*RUNGS, idle(60.0, "silent"), PING], {"required_s": 58.0}, False),
        ([idle(120.0)], {"required_s": 120.0}, True),
        ([idle(47.0)], {"required_s": 60.0, "partial": True}, None),
        ([*dropped(30.0, 5), *dropped(60.0, 5)], {"required_s": 45.0}, False),
        ([*dropped(30.0, 5), *dropped(60.0, 5)], {"required_s": 20.0}, None),
        ([], {"required_s": 60.0, "error": "refused"}, None),
        ([*dropped(60.0)], {}, None),
    ],
)
def test_requirement(trials: list[IdleTrial], facts: dict[str, Any], ok: bool | None) -> None:
    assert judge(trials, case(**facts)).require_ok is ok


def test_a_process_that_was_stopped_widens_the_range_downwards() -> None:
    seen_late = [idle(63.0, "fin", blind_s=4.0, connection=n) for n in range(4)]
    found = judge(seen_late, case()).idle_timeout_s
    assert found is not None
    assert found.low <= 59.0


def test_hostile_words_stay_what_they_are() -> None:
    trial = idle(60.0, "fin")
    hops = [Hop("nginx (http proxy)", "Server: \x1b[2Jnginx")]
    assert judge([trial], case(hops=hops)).hops == tuple(hops)


def test_where_no_ping_is_answered_nobody_is_told_to_wait_for_pongs() -> None:
    advice = judge([*RUNGS, idle(120.0)], case(answers_pings=False)).advice
    assert any("application message every 20 s" in line for line in advice)
    assert any("ping_timeout=None" in line for line in advice)
    assert not any("ping_timeout=20;" in line or "heartbeat=20" in line for line in advice)


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ([idle(55.0), *dropped(60.0)], "1 that was probed earlier still answered"),
        ([idle(50.0), idle(55.0), *dropped(60.0)], "2 that were probed earlier still answered"),
        ([idle(120.0)], "1 idle connection was tried, and stayed open."),
    ],
)
def test_one_connection_is_told_in_the_singular(trials: list[IdleTrial], said: str) -> None:
    assert said in " ".join(judge(trials, case()).explanation)
