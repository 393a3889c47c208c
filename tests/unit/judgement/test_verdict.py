"""Verdicts as a table: recorded trials in, the answer an expert would sign out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, get_args

import pytest

from tests.unit.judgement.recorded_trials import case, idle, kept, record
from wsdiag.judgement.verdict.judge import judge
from wsdiag.records import DeadKind, Drop, Hop, IdleTrial, Range, TracedHop, TrialKind, Verdict
from wsdiag.records.drops import ZERO_WINDOW
from wsdiag.transport.dial.failures import timed_out


def dropped(at_s: float, count: int = 8, how: Any = "fin", **facts: Any) -> list[IdleTrial]:
    """Idle connections dropped alike, started a little apart."""
    return [
        idle(at_s + 0.01 * (n % 3), how, connection=n, started_s=0.03 * n, **facts)
        for n in range(count)
    ]


PING = kept("ping", 66.0)
KEEPALIVES = [k for k in get_args(TrialKind) if k not in ("idle", *get_args(DeadKind))]
LATE_PING = kept("ping", 63.0, started_s=3.0)
PERIODS = [idle(float(s)) for s in range(30, 60, 5)]


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
        [*PERIODS, *dropped(60.0), PING, LATE_PING, kept("tcp-keepalive", 60.0, "fin")],
        "idle-timeout",
        says="dropped after 60 s (FIN",
        first=("nginx (http proxy)",),
        interval_s=20,
    ),
    "a header moves a candidate to the top": Row(
        [*PERIODS, *dropped(60.0), PING],
        "idle-timeout",
        {"hops": [Hop("Varnish (pipe)", "X-Varnish: 1")]},
        first=("Varnish (pipe)",),
        interval_s=20,
    ),
    "Pings count, although nobody answers them": Row(
        [*PERIODS, *dropped(60.0), PING, kept("pong", 60.0, "fin")],
        "idle-timeout",
        {"answers_pings": False},
        says="it counts the client's Pings, not every frame",
        interval_s=20,
    ),
    "a Close frame has no proxy behind it": Row(
        [*PERIODS, *dropped(60.0, how="close"), PING],
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
    "silence between two periods": Row(
        [
            *PERIODS,
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
            *PERIODS[:2],
            idle(40.0, "silent"),
            idle(45.0, "silent"),
            kept("ping", 40.0, "silent", gap_s=10),
        ],
        "inconsistent",
        says="went silent",
    ),
    "silent for a while, and answering again when TCP keepalive's connections were asked": Row(
        [
            *PERIODS[:2],
            idle(40.0, "silent"),
            idle(45.0, "silent"),
            kept("ping", 40.0, "silent", gap_s=10),
            kept("pong", 90.0, gap_s=10),
            kept("tcp-keepalive", 90.0, gap_s=10),
        ],
        "inconsistent",
        says="stood still for a while",
    ),
    "silent where only application messages count, which TCP keepalive does not tell": Row(
        [
            *PERIODS[:2],
            idle(40.0, "silent"),
            idle(45.0, "silent"),
            kept("ping", 40.0, "silent", gap_s=10),
            kept("tcp-keepalive", 90.0, "silent", gap_s=10),
            kept("data", 90.0, gap_s=10),
        ],
        "idle-timeout",
    ),
    "everything silent, and little time between periods and keepalives": Row(
        [
            idle(0.5),
            idle(1.02, "silent"),
            idle(1.51, "silent"),
            replace(kept("ping", 1.2, "silent", gap_s=0.45), idle_s=0.42, longest_idle_s=0.43),
            replace(kept("pong", 1.3, "silent", gap_s=0.45), idle_s=0.41),
        ],
        "inconsistent",
        says="went silent, those in use too",
    ),
    "everything reset when written to, those in use too": Row(
        [
            idle(0.5),
            idle(1.02, "rst-on-write"),
            idle(1.51, "rst-on-write"),
            replace(
                kept("ping", 1.25, "rst", gap_s=0.45),
                since_received_s=0.43,
                unanswered_s=0.01,
                longest_idle_s=0.4,
            ),
        ],
        "inconsistent",
        says="went silent, those in use too",
    ),
    "silent from the first period on, and a network that is gone": Row(
        [idle(40.0, "silent"), idle(45.0, "silent")],
        "inconsistent",
        {"back": False},
        says="no new one could be opened",
    ),
    "a silent period below one that answered": Row(
        [idle(30.0), idle(35.0, "silent"), idle(40.0), kept("ping", 60.0)], "inconsistent"
    ),
    "a late Pong": Row(
        [
            *PERIODS,
            idle(60.0, "silent", late_pong_s=12.0),
            idle(65.0, "silent", late_pong_s=11.0),
            kept("ping", 80.0),
        ],
        "idle-timeout",
        says="picked it up again",
        interval_s=20,
    ),
    "a late Pong whose Ping TCP acknowledged is no drop": Row(
        [*PERIODS, idle(60.0, late_pong_s=12.0), idle(120.0), kept("ping", 120.0)],
        "no-drop",
        says="answers slowly",
        interval_s=20,
    ),
    "slow Pongs on a connection in use": Row(
        [*PERIODS, idle(120.0), kept("ping", 120.0)],
        "no-drop",
        {"slow_pong_s": 15.0},
        says="up to 15 s, longer than --pong-timeout",
        interval_s=20,
    ),
    "lost Pongs on connections that live": Row(
        [*PERIODS, idle(120.0, lost_pongs=1), kept("ping", 120.0, lost_pongs=2)],
        "no-drop",
        says="3 Pings got no Pong",
        interval_s=20,
    ),
    "Pongs with other payloads": Row(
        [*PERIODS, idle(120.0), kept("ping", 120.0)],
        "no-drop",
        {"answers_pings": False, "other_pongs": 1},
        says="payloads of its own",
        interval_s=20,
    ),
    "nothing": Row(
        [*PERIODS, idle(120.0), kept("ping", 120.0)],
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

TOUCHED = {"unanswered_s": 0.001, "after_write": True}
PINGED = [
    idle(5.0, "fin", **TOUCHED),
    idle(10.0, "fin", **TOUCHED),
    kept("ping", 2.0, "fin", gap_s=2.0, unanswered_s=0.001),
]
HELLO_WANTED = [
    *(idle(3.0 + 0.01 * n, "close", started_s=0.03 * n) for n in range(6)),
    kept("ping", 3.0, "close", gap_s=1.0, started_s=0.3),
]
ANSWER_WANTED = [
    *(
        record(
            "idle",
            outcome="dropped",
            drop=Drop("close", 45.0 + n),
            idle_s=20.0,
            age_s=45.0 + n,
            started_s=0.1 * n,
            received=((0.01, "text"), (25.0 + n, "text")),
            last_message="2",
        )
        for n in range(4)
    ),
    kept("ping", 46.0, "close", gap_s=5.0, received=((0.01, "text"), (26.0, "text"))),
]
# The endpoint asks all at once, some within 0.6 s of their opening and the others 30 s later, and
# ends them the next time.
PINGED_BEFORE = {"idle_s": 5.0, "since_sent_s": 5.0, "keepalives_sent": 3}
ASKED_BY_ONE_CLOCK = [
    record(
        outcome="dropped",
        drop=Drop("close", asked_s + 30.0, code=4000),
        age_s=asked_s + 30.0,
        started_s=0.06 * n,
        received=((asked_s, "text"),),
        last_message="ping",
        unanswered_heartbeat_s=asked_s,
        unanswered_heartbeats=1,
        **(
            {"trial": "ping", **PINGED_BEFORE}
            if n in (3, 13)
            else {"trial": "idle", "idle_s": 30.0}
        ),
    )
    for n in range(20)
    for asked_s in [(0.6 if n < 10 else 30.6) - 0.06 * n]
]
ANSWER_WANTED_OFTEN = [
    record(
        "ping" if n > 4 else "idle",
        outcome="dropped",
        drop=Drop("fin", 3.5 + 0.02 * n),
        idle_s=0.5,
        age_s=3.5 + 0.02 * n,
        started_s=0.3 * n,
        received=((0.01, "text"), (1.0, "text"), (2.0, "text"), (3.0, "text")),
        last_message='{"type":"ping"}',
        keepalives_sent=3 if n > 4 else 0,
        gap_s=1.0 if n > 4 else None,
    )
    for n in range(7)
]
SWEPT = [
    *(idle(68.0 - 0.3 * n, "close", started_s=0.3 * n) for n in range(8)),
    idle(73.0, "close", started_s=5.0),
    kept("ping", 90.0, started_s=0.1),
]
# The endpoint pushes now and then, and counts the client's bytes only: idle times that differ, of
# connections that end a minute after their opening.
PUSHED_TO = [
    idle(
        0.1 + 0.06 * n,
        "fin",
        started_s=0.02 * n,
        age_s=60.0,
        since_sent_s=60.0,
        since_received_s=0.1 + 0.06 * n,
        received=((30.0, "text"), (59.9 - 0.06 * n, "text")),
        longest_idle_s=30.0,
    )
    for n in range(10)
]
# The same, looked at now and then: they end at one moment.
SWEPT_IN_A_FEED = [
    replace(t, started_s=0.1 * n, age_s=68.0 - 0.1 * n, since_sent_s=68.0 - 0.1 * n)
    for n, t in enumerate(PUSHED_TO)
]
# The endpoint pings, our Pongs go back, and only messages count.
PINGED_BY_IT = [
    replace(
        t,
        idle_s=5.0,
        since_sent_s=5.0,
        since_received_s=5.0,
        received=tuple((25.0 * k, "ping") for k in range(1, 12)),
        longest_idle_s=25.0,
        age_s=280.0,
        drop=Drop("close", 280.0, code=1000, reason="idle"),
    )
    for t in dropped(280.0, how="close")
]
RANDOM = [idle(at, "fin", started_s=0.03 * at) for at in (48, 55.5, 60, 64.4, 71, 75, 82)]
TABLE |= {
    "ends when pinged": Row(
        PINGED, "no-drop", {"answers_pings": None}, says="ends connections when it is pinged"
    ),
    "one connection at a time": Row(
        [
            *(idle(0.03, "close", started_s=0.03 * n, age_s=0.03) for n in range(9)),
            idle(2.8, "close", started_s=0.27, age_s=2.8),
            idle(30.0, started_s=3.05),
        ],
        "inconsistent",
        says="one connection at a time",
    ),
    "accepted and sent away beyond four": Row(
        [
            *(idle(60.0 + 0.01 * n, "fin", started_s=0.03 * n) for n in range(3)),
            kept("ping", 70.0, started_s=0.1),
            *(idle(0.01, "close", started_s=0.2 + 0.03 * n, age_s=0.01) for n in range(5)),
        ],
        "idle-timeout",
        says="5 connections were accepted and ended at once",
        first=("nginx (http proxy)",),
        interval_s=20,
    ),
    "a hello that never came": Row(
        [replace(t, drop=Drop("close", 3.0, code=4408)) for t in HELLO_WANTED],
        "application-timeout",
        says="has not sent what it wants to hear",
    ),
    "an answer that never came": Row(
        ANSWER_WANTED, "application-timeout", says='Its last message before the end: "2".'
    ),
    "an answer that never came, and a trial that was late": Row(
        [
            *ANSWER_WANTED,
            replace(
                ANSWER_WANTED[0],
                age_s=52.5,
                drop=Drop("close", 52.5),
                received=((0.01, "text"), (31.0, "text")),
                blind_s=1.5,
            ),
        ],
        "application-timeout",
        says='Its last message before the end: "2".',
    ),
    "one clock that asks all, between whose openings it fell": Row(
        ASKED_BY_ONE_CLOCK, "application-timeout", says='Its last message before the end: "ping".'
    ),
    "two of three heartbeats without an answer": Row(
        ANSWER_WANTED_OFTEN,
        "application-timeout",
        says="A maximum lifetime of 3.6 s would look the same",
    ),
    "one message each, and ends that are spread": Row(
        [
            *(
                idle(at - 3.0, "fin", age_s=at, received=((3.0, "text"),), last_message="welcome")
                for at in (8.6, 8.9, 9.0, 9.2, 9.4, 9.7, 9.9, 8.7)
            ),
            replace(
                kept("ping", 9.5, "fin", gap_s=1.0, received=((3.0, "text"),)),
                last_message="welcome",
            ),
        ],
        "application-timeout",
        says="whatever else was sent: it wants an answer, or this is a maximum lifetime.",
    ),
    "a feed at the same times": Row(
        [replace(t, last_message='{"price":3}') for t in ANSWER_WANTED_OFTEN], "lifetime"
    ),
    "a farewell at the same time before each end": Row(
        [replace(t, last_message='{"type":"session_reconnect"}') for t in ANSWER_WANTED],
        "lifetime",
        says='Its last message before the end: "{"type":"session_reconnect"}".',
    ),
    "many heartbeats that want no answer": Row(
        [
            replace(
                t,
                age_s=31.5,
                drop=Drop("fin", 31.5),
                received=tuple((float(s), "text") for s in range(1, 32)),
                keepalives_sent=31 if t.keepalives_sent else 0,
            )
            for t in ANSWER_WANTED_OFTEN
        ],
        "lifetime",
    ),
    "a feed is no question": Row(
        [
            replace(t, received=tuple((float(s), "text") for s in range(5, 26, 5)))
            for t in ANSWER_WANTED
        ],
        "lifetime",
    ),
    "a sweep": Row(SWEPT, "idle-timeout", says="all that are due at one moment", interval_s=20),
    "connections that end together, each a minute after the client's last byte": Row(
        [*PUSHED_TO, kept("ping", 70.0)],
        "idle-timeout",
        says="dropped 60 s after the client last sent something",
        interval_s=20,
    ),
    "what is ended at its first Pong": Row(
        [*dropped(60.0), PING, *(kept("pong", s, "close", gap_s=s) for s in (1.25, 20.0))],
        "idle-timeout",
        says="ended sooner than idle ones: most likely because of the Pongs",
        first=("nginx (http proxy)",),
        interval_s=20,
    ),
    "dead long before its RST": Row(
        [
            *dropped(60.0, how="rst"),
            idle(35.0),
            *(idle(s, "rst-on-write", age_s=60.0, unanswered_s=60.0 - s) for s in (40.0, 45.0)),
            PING,
        ],
        "idle-timeout",
        says="no longer answer after more than 34.9 s and at most 40 s, and are dropped only after "
        "60 s (RST",
        interval_s=17,
    ),
    "a sweep of what the client has not spoken to, in a feed": Row(
        [*SWEPT_IN_A_FEED, kept("ping", 90.0)],
        "idle-timeout",
        says="a timeout of at most 67.2 s since the client last sent something, that is looked at",
        interval_s=20,
    ),
    "only messages count, and the endpoint pings": Row(
        [
            *PINGED_BY_IT,
            kept("ping", 280.0, "close"),
            kept("pong", 280.0, "close"),
            kept("data", 330.0),
        ],
        "idle-timeout",
        says="dropped 280 s after the last message",
    ),
    "a login that never came, where messages were sent": Row(
        [
            *(
                replace(
                    idle(3.0 + 0.1 * n, "close", started_s=0.2 * n),
                    drop=Drop("close", 3.0, code=1008, reason="authentication required"),
                )
                for n in range(6)
            ),
            replace(
                kept("ping", 3.1, "close", gap_s=1.0),
                drop=Drop("close", 3.1, code=1008, reason="authentication required"),
            ),
            kept("data", 9.0, gap_s=1.0),
        ],
        "application-timeout",
        says="has not sent what it wants to hear",
    ),
    "a lifetime just above the idle timeout, by another end": Row(
        [
            *dropped(60.0),
            *(
                replace(
                    kept("ping", 66.0, "close", started_s=at), drop=Drop("close", 66.0, code=1001)
                )
                for at in (0.1, 3.0)
            ),
        ],
        "idle-timeout",
        says="until they ended after 66 s (Close frame 1001): something else ends them then",
        first=("nginx (http proxy)",),
        interval_s=20,
    ),
    "an event in the first round only": Row(
        [
            *(idle(41.0 - 0.3 * n, "rst", started_s=0.3 * n) for n in range(10)),
            kept("ping", 40.0, "rst", started_s=1.0),
            idle(120.0, round=2, started_s=50.0),
            kept("ping", 120.0, round=2, started_s=50.0),
        ],
        "event",
        says="opened afterwards lived longer: idle 120 s, and with Pings 120 s.",
    ),
    "an event among the openings, and connections opened after it": Row(
        [
            *(idle(0.43 - 0.03 * n, "fin", started_s=0.03 * n) for n in range(12)),
            kept("ping", 0.4, "fin", started_s=0.03, keepalives_sent=0),
            idle(1.74, round=2, started_s=0.44),
            kept("ping", 1.52, round=2, started_s=0.66, gap_s=0.17),
        ],
        "event",
        says="So no timer ended these.",
    ),
    "a lifetime, dead a second before its FIN": Row(
        [
            *(idle(5.0, "fin", started_s=0.1 * n) for n in range(4)),
            idle(3.5, started_s=0.2),
            *(
                idle(at, "rst-on-write", age_s=5.0, started_s=0.2, unanswered_s=5.0 - at)
                for at in (4.0, 4.5)
            ),
            kept("ping", 5.0, "rst", gap_s=0.5, since_received_s=1.2, unanswered_s=0.9),
        ],
        "lifetime",
        says="a maximum lifetime",
    ),
    "a broker that counts only messages, and looks now and then": Row(
        [
            *(idle(7.1 - 0.03 * n, "fin", started_s=0.03 * n) for n in range(8)),
            kept("ping", 7.0, "fin", gap_s=1.0, started_s=0.1),
            kept("pong", 6.95, "fin", gap_s=1.0, started_s=0.15),
            kept("heartbeat", 9.0, gap_s=1.0, started_s=0.1, received=((1.0, "binary"),)),
        ],
        "idle-timeout",
        says="all that are due at one moment",
    ),
    "an event before anything was in use": Row(
        [
            *(idle(2.55 - 0.03 * n, "fin", started_s=0.03 * n) for n in range(20)),
            kept("ping", 2.5, "fin", started_s=0.05, keepalives_sent=0),
            kept("pong", 2.4, "fin", gap_s=1.25, started_s=0.15),
            kept("ping", 120.0, gap_s=1.25, started_s=3.06),
            idle(120.0, started_s=3.09),
        ],
        "event",
        says="opened afterwards lived longer",
    ),
    "an event in one round, a timer in the other": Row(
        [
            *(idle(1.9 + 0.03 * n, "fin", started_s=0.4 - 0.03 * n) for n in range(8)),
            *(
                kept(kind, 1.8, "fin", gap_s=0.5, started_s=0.5)
                for kind in ("ping", "pong", "tcp-keepalive")
            ),
            idle(2.6, "fin", round=2, started_s=2.4),
            kept("ping", 3.9, round=2, started_s=2.7, gap_s=0.5),
        ],
        "idle-timeout",
        says="11 connections ended at one moment, 2.3 s after the probe's start: an event",
        interval_s=0.69,
    ),
    "a drain that says so, over a second": Row(
        [
            *(
                idle(1.9 + at, "close", started_s=0.05 * n, drop=Drop("close", 1.9, code=1001))
                for n, at in enumerate((0.1, 0.3, 0.0, 0.2, 0.35))
            ),
            replace(
                kept("ping", 2.0, "close", gap_s=0.5, started_s=0.1),
                drop=Drop("close", 2.0, code=1001),
            ),
        ],
        "event",
        says="going away",
    ),
    "a limit on connections, and an event soon after": Row(
        [
            idle(1.04, "fin"),
            kept("ping", 1.01, "fin", started_s=0.03, keepalives_sent=0),
            *(idle(0.001, "fin", started_s=0.12 + 0.03 * n) for n in range(24)),
        ],
        "inconsistent",
        says="most likely a limit on connections",
    ),
    "an event among the openings, and a timer for those opened after it": Row(
        [
            *(idle(0.358 - 0.03 * n, "fin", started_s=0.03 * n) for n in range(11)),
            *(idle(9.987, "fin", started_s=0.36 + 0.03 * n) for n in range(3)),
            kept("ping", 15.0, started_s=0.36, gap_s=0.125),
        ],
        "inconsistent",
        says="at times that do not agree",
    ),
    "the same moment in every round may be restarts at equal intervals": Row(
        [
            replace(t, round=n, started_s=t.started_s + 100 * n)
            for n in (1, 2)
            for t in [
                *(idle(41.0 - 0.3 * i, "rst", started_s=0.3 * i) for i in range(10)),
                kept("ping", 40.0, "rst", started_s=1.0),
            ]
        ],
        "inconsistent",
        says="at 2 moments: 141.0, 241.0 s after the probe's start",
    ),
    "one drop, which a look once a second may have made late": Row(
        [idle(60.9, "fin"), kept("ping", 75.0)],
        "idle-timeout",
        says="the range allows for a look once a second",
        interval_s=20,
    ),
    "restarts every second, while connections are opened": Row(
        [
            *(idle(0.19 - 0.03 * n, "fin", started_s=0.03 * n) for n in range(6)),
            kept("ping", 0.16, "fin", started_s=0.03, keepalives_sent=0),
            *(idle(1.05 - 0.03 * n, "fin", started_s=0.24 + 0.03 * n) for n in range(8)),
            kept("ping", 0.9, "fin", started_s=0.39, gap_s=0.125),
            idle(0.2, "fin", started_s=2.19),
        ],
        "inconsistent",
        says="restarts or failures that recur",
    ),
    "random ends soon after one another, and again": Row(
        [
            replace(t, drop=Drop("close", t.age_s or 0.0, code=1001))
            for n in (0, 1)
            for t in (
                *(
                    idle(at, "close", round=n + 1, started_s=4.0 * n + 0.1 * k)
                    for k, at in enumerate((2.3, 2.0, 2.4, 2.1))
                ),
                kept("ping", 2.2, "close", round=n + 1, gap_s=0.5, started_s=4.0 * n + 0.1),
            )
        ],
        "inconsistent",
        says="together, and again later, all 2 to 2.4 s old: restarts or failures that recur, or a "
        "maximum lifetime.",
    ),
    "an event that connections had lived to for longer than the others": Row(
        [
            idle(2.2, "fin"),
            idle(5.4, "fin", round=2, started_s=2.2),
            kept("ping", 2.4, "fin", round=2, started_s=5.2, gap_s=1.25),
        ],
        "inconsistent",
        says="Connections ended together, whatever their age",
    ),
    "an event that ended one which had not been used yet": Row(
        [
            idle(2.51, "fin"),
            idle(3.11, "fin", round=2, started_s=2.51),
            kept("ping", 0.08, "fin", round=2, started_s=5.54, keepalives_sent=0),
        ],
        "inconsistent",
        says="Connections ended together, whatever their age",
    ),
    "two connections at once in another round are more than one at a time": Row(
        [
            idle(1.536, "fin"),
            kept("ping", 0.006, "fin", started_s=1.53, keepalives_sent=0),
            idle(2.367, "fin", round=2, started_s=1.536),
            kept("ping", 0.837, "fin", round=2, started_s=3.066, gap_s=0.625),
        ],
        "inconsistent",
        says="Connections ended together, whatever their age",
    ),
    "a limit that ends what was idle for longest": Row(
        [
            *(
                replace(
                    idle(0.31, "close", started_s=0.03 * n), drop=Drop("close", 0.31, code=1013)
                )
                for n in range(12)
            ),
            kept("ping", 130.0, started_s=0.07),
            *(idle(30.0 + n, started_s=0.36 + 0.03 * n) for n in range(9)),
            *(idle(30.0 + n, round=2, started_s=200.0 + 0.03 * n) for n in range(10)),
        ],
        "inconsistent",
        says="Connections ended when others were opened: most likely the endpoint allows about 10 "
        "connections at a time",
    ),
    "some of many asked to come again later": Row(
        [
            *(
                replace(t, drop=Drop("close", 60.0, code=1013))
                for t in dropped(60.0, 4, how="close")
            ),
            *(idle(float(s)) for s in (80, 90, 100, 120)),
            kept("ping", 130.0),
        ],
        "inconsistent",
        says="survived: no single timeout explains that.",
    ),
    "two groups, and connections in use ended as well": Row(
        [*dropped(30.0, 5), *dropped(60.0, 5), kept("ping", 30.0, "fin", gap_s=10.0)],
        "inconsistent",
        says="at times that do not agree",
    ),
    "two drops that agree": Row(
        [idle(6.40, "fin"), idle(6.47, "fin", round=3), kept("ping", 7.9, round=2, gap_s=2.0)],
        "idle-timeout",
        says="So few drops may agree by chance",
        interval_s=2.5,
    ),
    "restarts, one connection at a time": Row(
        [
            idle(0.63, "fin"),
            kept("ping", 1.27, "fin", round=2, started_s=0.63, gap_s=0.25, since_received_s=0.02),
            idle(1.27, "fin", round=3, started_s=1.9),
        ],
        "idle-timeout",
        says="restarts again and again would look the same",
    ),
    "one end on three connections": Row(
        [
            idle(41.0, "fin"),
            idle(41.0, "fin", started_s=0.03),
            kept("ping", 38.0, "fin", started_s=3.0),
        ],
        "event",
    ),
    "dead before its FIN": Row(
        [
            idle(4.0),
            idle(5.5, "fin", after_write=True, unanswered_s=0.5, age_s=6.0),
            *dropped(6.0),
            kept("ping", 8.0, gap_s=1.0),
        ],
        "idle-timeout",
        interval_s=1.5,
    ),
    "two droppers": Row(
        [
            idle(4.0),
            idle(5.0, "silent"),
            idle(6.0, "silent"),
            kept("tcp-keepalive", 8.0, "fin", gap_s=1.0),
            kept("ping", 10.0, gap_s=1.0),
        ],
        "idle-timeout",
        says="TCP keepalive carried connections past that",
        interval_s=2,
    ),
    "a network gone, found out late by what was in use": Row(
        [
            idle(1.0),
            idle(2.0, "silent"),
            idle(2.5, "silent"),
            kept("tcp-keepalive", 9.0, "silent", gap_s=0.5, since_received_s=9.0),
            kept("ping", 9.0, "silent", gap_s=0.5, since_received_s=7.3),
        ],
        "inconsistent",
    ),
    "a random timer": Row(
        [*RANDOM, kept("ping", 95.0)],
        "idle-timeout",
        says="between 48 and 82 s, most likely at random",
        first=("nginx (http proxy)",),
        interval_s=16,
    ),
    "an endpoint that stopped reading": Row(
        [*PERIODS, idle(60.0, "silent", drop=Drop("silent", 60.0, None, detail=ZERO_WINDOW)), PING],
        "idle-timeout",
        says="TCP acknowledged the Ping with a zero window",
        interval_s=20,
    ),
    "one drop alone": Row(
        [idle(60.0, "fin"), PING],
        "idle-timeout",
        says="One drop alone may be chance",
        interval_s=20,
        first=("nginx (http proxy)",),
    ),
    "a restart after a timer": Row(
        [
            *dropped(60.0, 6),
            *(kept("ping", 75.0 - start, "fin", gap_s=10, started_s=start) for start in (0.1, 3.0)),
        ],
        "idle-timeout",
        says="ended at one moment, 75 s after the probe's start: an event",
        first=("nginx (http proxy)",),
        interval_s=20,
    ),
    "a limit in each of two rounds": Row(
        [
            *(
                idle(at, how, started_s=200.0 * n + 0.03 * i, round=n + 1, age_s=at)
                for n in range(2)
                for i, (at, how) in enumerate([(110.0, None), (120.0, None), (0.01, "fin")])
            )
        ],
        "no-drop",
        says="most likely a limit on connections",
        interval_s=20,
    ),
    "what RabbitMQ says at the end": Row(
        [*dropped(30.0, drop=Drop("close", 30.0, None, 1000, "STOMP died")), PING],
        "idle-timeout",
        first=("RabbitMQ (web STOMP)",),
        interval_s=14,
    ),
    "some oldest ones give way to new ones": Row(
        [
            *(idle(0.12, "close", started_s=0.03 * n, age_s=0.12) for n in range(6)),
            *(idle(30.0, started_s=0.18 + 0.03 * n) for n in range(4)),
        ],
        "inconsistent",
        says="allows 4 connections at a time",
    ),
    "a restart while connections were being opened": Row(
        [
            *(
                idle(0.4 - 0.03 * n, "fin", started_s=0.03 * n, age_s=0.4 - 0.03 * n)
                for n in range(9)
            ),
            kept("ping", 0.1, "fin", started_s=0.3),
        ],
        "event",
        says="ended at one moment",
    ),
    "too many Pings": Row(
        [
            *PERIODS,
            *(kept("ping", 30.0, "close", gap_s=10) for _ in range(2)),
            kept("pong", 30.0, "close", gap_s=10),
            kept("tcp-keepalive", 66.0),
        ],
        "no-drop",
        says="those that sent Pings or unsolicited Pongs (one way) were",
    ),
    "a broker that counts its own heartbeats": Row(
        [
            *dropped(30.0),
            kept("ping", 30.0, "fin", gap_s=10),
            kept("heartbeat", 40.0, gap_s=10, received=((10.0, "binary"),)),
        ],
        "idle-timeout",
        says="most likely the endpoint itself, or a load balancer that counts messages only",
    ),
    "an endpoint that hangs": Row(
        [
            *PERIODS[:3],
            *(
                idle(at, "silent", drop=Drop("silent", at, tcp_acknowledged=True))
                for at in (60.0, 65.0)
            ),
            *(
                replace(kept("ping", 60.0, "silent", gap_s=5), drop=Drop("silent", 60.0, True))
                for _ in range(2)
            ),
        ],
        "inconsistent",
        says="while TCP still answered",
    ),
    "a login that never came": Row(
        [
            replace(t, drop=Drop("close", 3.0, code=4401, reason="not authenticated"))
            for t in HELLO_WANTED
        ],
        "application-timeout",
        says="has not sent what it wants to hear",
    ),
    "a login that should have come first": Row(
        [
            replace(t, drop=Drop("close", 3.0, code=4401, reason="login first"))
            for t in HELLO_WANTED
        ],
        "application-timeout",
        says="has not sent what it wants to hear",
    ),
    "a login that ran out": Row(
        [
            replace(t, drop=Drop("close", 3.0, code=4401, reason="session expired"))
            for t in HELLO_WANTED
        ],
        "lifetime",
    ),
    "only messages count": Row(
        [*dropped(30.0), kept("ping", 30.0, "fin", gap_s=10), kept("data", 40.0, gap_s=10)],
        "idle-timeout",
        says="it counts messages from the client",
    ),
    "lighttpd, which looks once a second": Row(
        [*dropped(60.7), PING], "idle-timeout", first=("lighttpd (read side)",), interval_s=20
    ),
    "a product that named itself with another value": Row(
        [*dropped(42.0), kept("ping", 50.0)],
        "idle-timeout",
        {"hops": [Hop("nginx (http proxy)", "Server: nginx")]},
        first=("nginx (http proxy)",),
        interval_s=20,
    ),
    "Jetty's Close": Row(
        [
            *(replace(t, drop=Drop("close", 30.0, code=1001)) for t in dropped(30.0, how="close")),
            kept("ping", 35.0, gap_s=10),
        ],
        "idle-timeout",
        first=("Jetty 10 and later",),
        interval_s=14,
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
        ([*PERIODS, idle(60.0, "silent"), PING], {"required_s": 55.0}, True),
        ([*PERIODS, idle(60.0, "silent"), PING], {"required_s": 58.0}, False),
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


def test_messages_over_our_limit_break_no_rule() -> None:
    too_large = "the endpoint sent too large a message: message of at least 20971520 bytes"
    trials = [idle(5.0, outcome="aborted", violation=too_large) for _ in range(8)]
    verdict = judge(trials, case())
    assert verdict.explanation[0].startswith("The endpoint sent too large a message")
    assert "broke" not in " ".join(verdict.explanation)


def test_hostile_words_stay_what_they_are() -> None:
    trial = idle(60.0, "fin")
    hops = [Hop("nginx (http proxy)", "Server: \x1b[2Jnginx")]
    assert judge([trial], case(hops=hops)).hops == tuple(hops)


def test_where_no_ping_is_answered_nobody_is_told_to_wait_for_pongs() -> None:
    advice = judge([*PERIODS, idle(120.0)], case(answers_pings=False)).advice
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


@pytest.mark.parametrize("kind", KEEPALIVES)
def test_every_keepalive_is_in_the_verdict_and_in_its_sentences(kind: TrialKind) -> None:
    verdict = judge([*PERIODS, *dropped(60.0), kept(kind, 80.0)], case())
    assert list(verdict.keepalives) == KEEPALIVES
    assert any("the connection open" in sentence for sentence in verdict.explanation)


@pytest.mark.parametrize("apart_s", [0.005, 0.05, 0.3])
def test_connections_over_a_limit_are_not_displaced_by_the_next(apart_s: float) -> None:
    lived = [idle(6.0, started_s=0.0), kept("ping", 6.0, gap_s=1.0, started_s=apart_s)]
    away = [
        idle(0.0, "close", started_s=(2 + number) * apart_s, age_s=0.001) for number in range(10)
    ]
    verdict = judge([*lived, *away], case())
    assert verdict.verdict == "no-drop"
    assert any("a limit on connections" in sentence for sentence in verdict.explanation)


def test_connections_that_had_to_wait_displace_none() -> None:
    """The next is let in when one has ended, so that each ends when the next one opens."""
    ended = idle(3.0, "fin", age_s=3.0, started_s=0.1)
    let_in = kept("ping", 5.0, gap_s=1.0, started_s=3.105)
    waiting = [
        replace(idle(0.0), outcome="aborted", idle_s=None, age_s=None, started_s=8.1, connection=n)
        for n in range(2, 9)
    ]
    verdict = judge([ended, let_in, *waiting], case())
    said = " ".join(verdict.explanation)
    assert "disturbed itself" not in said
    assert "ended when the next one was opened" not in said
    assert "an idle timeout, a restart and a failure look the same" in said
    assert "7 trials got no connection, and no refusal" in said
    assert "disturbed itself" in " ".join(judge([ended, let_in], case()).explanation)
    for phase in ("tcp", "tls", "upgrade"):
        unanswered = [
            replace(t, outcome="refused", detail=timed_out(phase, 10.0).message) for t in waiting
        ]
        said = " ".join(judge([ended, let_in, *unanswered], case()).explanation)
        assert "disturbed itself" not in said
    busy = [replace(t, outcome="refused", detail="HTTP 503 Service Unavailable") for t in waiting]
    assert "disturbed itself" in " ".join(judge([ended, let_in, *busy], case()).explanation)


def test_where_only_the_last_one_lives_the_next_displaces_each() -> None:
    ended = [idle(0.0, "close", started_s=number * 0.01, age_s=0.01) for number in range(10)]
    verdict = judge([*ended, idle(6.0, started_s=0.1)], case())
    assert verdict.verdict == "inconsistent"


def silent_nat(tcp_gap_s: float = 20.0) -> list[IdleTrial]:
    """A NAT forgets flows between 30 and 60 s; the hops of those it forgot answer up to the 2nd."""
    hops = tuple(
        TracedHop(hop, "router", (f"10.9.{hop}.2",), 6, int(hop <= 2)) for hop in range(1, 5)
    )
    dead = [idle(s, "silent", hops=hops) for s in (60.0, 90.0, 120.0)]
    tcp = kept("tcp-keepalive", 60.0, "silent", gap_s=tcp_gap_s)
    return [idle(30.0), *dead, PING, LATE_PING, tcp]


NAMES_NGINX = [Hop("nginx (http proxy)", "Server: nginx")]


def test_what_died_on_the_way_was_not_dropped_by_what_terminates_tcp() -> None:
    again = {hop: [f"10.9.{hop}.2"] for hop in range(1, 5)}
    located, unlocated = judge(silent_nat(), case(live_again=again)), judge(silent_nat(), case())
    assert located.location is not None
    assert "TCP keepalive did not help" in " ".join(located.explanation)
    assert "terminates TCP" not in " ".join(located.explanation)
    assert "terminates TCP" in " ".join(unlocated.explanation)


def test_what_ends_connections_by_fin_is_no_candidate_for_silence() -> None:
    named = judge(silent_nat(), case(hops=NAMES_NGINX))
    assert "nginx (http proxy)" not in [each.product for each in named.candidates]
    fin = judge([*PERIODS, *dropped(75.0), PING, LATE_PING], case(hops=NAMES_NGINX))
    assert fin.candidates[0].product == "nginx (http proxy)"


@pytest.mark.parametrize("kind", ["idle", "lifetime"])
def test_a_named_product_that_does_otherwise_is_no_candidate(kind: str) -> None:
    """nginx's timer restarts at any byte of either direction, and so at a Pong or Ping."""
    unhelped = replace(kept("pong", 42.0, "fin", gap_s=10), since_received_s=42.0)
    held = kept("ping", 50.0) if kind == "idle" else kept("ping", 42.0, "fin", gap_s=10)
    verdict = judge([*dropped(42.0), held, unhelped], case(hops=NAMES_NGINX))
    assert verdict.verdict == ("idle-timeout" if kind == "idle" else "lifetime")
    assert "nginx" not in " ".join(c.product for c in verdict.candidates)
    assert "proxy_read_timeout" not in " ".join(verdict.advice)


def test_tcp_keepalive_every_whole_second_cannot_hold_less() -> None:
    trials = [
        idle(0.5),
        *(idle(s, "silent") for s in (1.0, 1.5, 2.0)),
        kept("ping", 2.5, gap_s=0.3),
        kept("tcp-keepalive", 1.2, "silent", gap_s=0.3),
    ]
    found = judge(trials, case(longest_s=2.0))
    assert found.keepalives["ping"] == "holds"
    assert found.keepalives["tcp-keepalive"] == "untested"


def test_what_is_dead_before_its_fin_has_the_shorter_lifetime() -> None:
    row = TABLE["a lifetime, dead a second before its FIN"]
    range_ = judge(row.trials, case()).lifetime_s
    assert range_ is not None
    assert (range_.low, range_.high) == (3.7, 4.0)
    said = judge(row.trials, case()).explanation[0]
    assert said.startswith(
        "Connections, in use or not, no longer answer after more than 3.7 s and at most 4 s, and "
        "end only after 5 s (FIN"
    )


@pytest.mark.parametrize(
    ("row", "answered", "said"),
    [
        (
            "a lifetime, dead a second before its FIN",
            kept("ping", 5.0, "fin", gap_s=0.5, since_received_s=0.2),
            "Every connection ends after 5 s",
        ),
        ("dead long before its RST", idle(50.0), "Idle connections are dropped after 60 s"),
    ],
)
def test_what_was_answered_later_was_busy_and_not_dead(
    row: str, answered: IdleTrial, said: str
) -> None:
    verdict = judge([*TABLE[row].trials, answered], case())
    range_ = verdict.lifetime_s or verdict.idle_timeout_s
    assert range_ is not None
    assert range_.low < (answered.age_s or 0.0) < (range_.high or 0.0)
    assert verdict.explanation[0].startswith(said)


def test_a_keepalive_that_a_late_timer_may_have_spared_is_untested() -> None:
    trials = [
        *(idle(at, "fin", started_s=at / 10) for at in (46.46, 48.83, 48.94)),
        *(kept("ping", at, gap_s=5.0, started_s=at / 10) for at in (60.0, 61.0)),
        kept("tcp-keepalive", 54.3, started_s=0.1),
    ]
    verdict = judge(trials, case())
    assert verdict.verdict == "idle-timeout"
    assert verdict.keepalives["ping"] == "holds"
    assert verdict.keepalives["tcp-keepalive"] == "untested"


def test_a_keepalive_that_held_on_one_connection_only_is_untested() -> None:
    spread = [idle(16.7 + 0.2 * n, "fin", started_s=0.03 * n) for n in range(15)]
    trials = [
        *spread,
        *(kept("ping", at, gap_s=5.0, started_s=at / 10) for at in (22.8, 21.9)),
        kept("tcp-keepalive", 22.7, gap_s=10.0),
        kept("tcp-keepalive", 20.3, "fin", gap_s=9.0),
    ]
    assert judge(trials, case()).keepalives["tcp-keepalive"] == "untested"


@pytest.mark.parametrize(("age_s", "said"), [(4.0, "untested"), (45.0, "holds")])
def test_an_interval_that_was_never_reached_is_untested(age_s: float, said: str) -> None:
    # its first gaps are short ones, which say nothing about the interval
    ping = replace(kept("ping", age_s, gap_s=1.0), interval_s=20.0)
    trials = [idle(age_s), ping]
    verdict = judge(trials, case(partial=True))
    assert verdict.verdict == "no-drop"
    assert verdict.keepalives["ping"] == said


def test_an_upgrade_that_took_long_leaves_the_others_exact() -> None:
    """A timer may begin with the request or with the answer: of those upgraded at once, both."""
    slow = [idle(60.0, "fin", connection=9 + n, upgrade_s=4.0 + n) for n in range(3)]
    found = judge([*dropped(60.0), *slow, kept("ping", 70.0)], case())
    assert found.idle_timeout_s is not None
    assert found.idle_timeout_s.high == 60.07


@pytest.mark.parametrize(
    "name",
    [
        "connections that end together, each a minute after the client's last byte",
        "only messages count, and the endpoint pings",
    ],
)
def test_what_does_not_count_is_not_said_to_restart_the_idle_time(name: str) -> None:
    words = " ".join(judge(TABLE[name].trials, case()).explanation)
    assert "on its own." in words
    assert "restarts the idle time" not in words


def test_a_range_holds_the_timeout_of_what_looks_once_a_second() -> None:
    for drops in ((60.9,), (60.2, 60.95)):
        trials = [idle(at, "fin", round=n) for n, at in enumerate(drops, 1)]
        found = judge([*trials, kept("ping", 75.0)], case()).idle_timeout_s
        assert found is not None
        assert found.low <= 60.0 <= min(drops) <= (found.high or 0.0)


@pytest.mark.parametrize(
    ("ages_s", "low_s", "high_s", "says"),
    [
        ((3.0, 3.01, 3.0, 3.0, 3.02, 3.0), 2.9, 3.07, "ends after 3 s, in use"),
        ((2.6, 2.9, 2.7, 2.8, 3.0, 2.7), 2.36, 3.05, "ends after 2.6 to 3 s, in use"),
        ((60.9, 60.2, 60.5, 60.95, 60.7, 60.3), 59.97, 61.0, "ends after 60.7 s, in use"),
    ],
)
def test_the_range_of_a_lifetime_holds_what_a_look_may_have_made_late(
    ages_s: tuple[float, ...], low_s: float, high_s: float, says: str
) -> None:
    *idle_s, used_s = ages_s
    starts_s = (0.0, 0.07, 0.16, 0.31, 0.43)
    own = [idle(at, "fin", started_s=s) for at, s in zip(idle_s, starts_s, strict=True)]
    verdict = judge([*own, kept("ping", used_s, "fin", gap_s=1.0, started_s=0.2)], case())
    assert verdict.lifetime_s == Range(low_s, high_s)
    assert says in verdict.explanation[0]
    exact = max(ages_s) - min(ages_s) < 0.05
    words = " ".join(verdict.explanation)
    assert exact is ("the lifetime is shorter than this" not in words)


def test_what_may_be_a_lifetime_has_advice_for_one() -> None:
    row = TABLE["one message each, and ends that are spread"]
    verdict = judge(row.trials, case())
    assert "A maximum lifetime of 8.6 to 9.9 s would look the same." in verdict.explanation
    assert verdict.advice[-1] == "If it is a lifetime, reconnect when the connection ends."


def test_streams_that_ended_with_their_connection_are_one_idle_since_the_last_byte() -> None:
    """Opened over three seconds, ended together 60 s after the last of them was opened."""
    streams = [
        idle(63.0 - later_s, "fin", age_s=63.0 - later_s, started_s=later_s, shared=True)
        for later_s in (0.0, 1.0, 3.0)
    ]
    verdict = judge([*streams, idle(55.0), idle(60.1, "fin", started_s=0.5)], case())
    assert verdict.verdict == "idle-timeout"
    assert verdict.explanation[0].startswith("Idle connections are dropped after 60.1 s")
    assert any("2 idle connections were dropped" in said for said in verdict.explanation)
    assert any("All 3 streams" in said for said in verdict.explanation)


def test_streams_that_ended_one_by_one_are_as_many() -> None:
    streams = [
        idle(60.0, "rst-stream", started_s=later_s, shared=True) for later_s in (0.0, 1.0, 3.0)
    ]
    verdict = judge([*streams, idle(55.0)], case())
    assert any("3 idle connections were dropped" in said for said in verdict.explanation)
    assert any("ended one by one" in said for said in verdict.explanation)


RESTARTED = [
    *(idle(41.0 - 0.3 * n, "close", started_s=0.3 * n) for n in range(10)),
    kept("ping", 40.0, "close", started_s=1.0),
    kept("ping", 38.0, "close", started_s=3.0),
]
AT_ONCE = Drop("close", 0.0, code=1011, reason="no backend")


@pytest.mark.parametrize(
    ("later", "facts", "said"),
    [
        ([], {"back": True}, "Afterwards a new connection could be opened at once, and stayed"),
        ([], {"back": False}, "Afterwards a new connection could not be opened."),
        ([], {"back": True, "ended_again": AT_ONCE}, "a new connection was accepted and ended at"),
        (
            [idle(0.01 * n, "close", started_s=42.0 + n, round=2) for n in (1, 2)],
            {"back": True},
            "new connections were accepted and ended at once (Close frame",
        ),
        ([idle(52.0, started_s=42.0, round=2)], {}, "afterwards lived longer"),
    ],
)
def test_an_event_tells_what_later_connections_met(
    later: list[IdleTrial], facts: dict[str, Any], said: str
) -> None:
    verdict = judge([*RESTARTED, *later], case(**facts))
    assert verdict.verdict == "event"
    told = [sentence for sentence in verdict.explanation if "fterwards" in sentence]
    assert len(told) == 1, verdict
    assert said in told[0]


@pytest.mark.parametrize(("repeat", "advised"), [(1, True), (2, False), (3, False)])
def test_rounds_that_were_run_are_not_advised(repeat: int, advised: bool) -> None:
    event = judge(RESTARTED, case(repeat=repeat))
    assert ("--repeat" in " ".join(event.advice)) is advised
    alone = judge([idle(60.0, "fin"), idle(61.0), PING], case(repeat=repeat))
    assert f"--repeat {repeat + 2}" in " ".join(alone.explanation), alone


@pytest.mark.parametrize(
    ("trials", "greeted", "said"),
    [
        ([], False, "a first one (--hello TEXT tells), or one now and then (--send TEXT)."),
        ([], True, "or an idle timer that only messages restart (--send TEXT tells)."),
        ([kept("data", 30.0, "fin", gap_s=10)], False, "other messages than those of --send."),
    ],
)
def test_what_ends_all_at_one_age_may_want_messages(
    trials: list[IdleTrial], greeted: bool, said: str
) -> None:
    ended = [*dropped(30.0), kept("ping", 30.0, "fin", gap_s=10), *trials]
    verdict = judge(ended, case(greeted=greeted))
    assert verdict.verdict == "lifetime"
    assert verdict.explanation[0].endswith(said)


def test_messages_that_held_may_have_been_wanted_once_only() -> None:
    trials = [*dropped(30.0), kept("ping", 30.0, "fin", gap_s=10), kept("data", 40.0, gap_s=10)]
    for greeted in (False, True):
        verdict = judge(trials, case(greeted=greeted))
        assert verdict.verdict == "idle-timeout"
        assert verdict.explanation[0].startswith("Idle connections are dropped after 30 s (")
        assert verdict.explanation[0].endswith("), unless the client sends messages.")
        assert ("waits for a first one" in " ".join(verdict.explanation)) is not greeted


def refused_pings(age_s: float, gap_s: float, count: int) -> IdleTrial:
    drop = Drop("close", age_s, code=1008, reason="too_many_pings")
    return replace(kept("ping", age_s, "close", gap_s=gap_s), drop=drop, keepalives_sent=count)


@pytest.mark.parametrize(
    ("idle_ones", "ping", "verdict", "interval_s"),
    [
        ([*PERIODS, idle(120.0)], [], "no-drop", None),
        ([*PERIODS, idle(120.0)], [kept("ping", 121.0)], "no-drop", 20),
        ([*PERIODS, *dropped(60.0)], [PING], "idle-timeout", 20),
        ([*PERIODS, *dropped(60.0)], [], "idle-timeout", None),
    ],
)
def test_pings_that_are_limited_say_nothing_of_a_timer(
    idle_ones: list[IdleTrial], ping: list[IdleTrial], verdict: str, interval_s: float | None
) -> None:
    found = judge([*idle_ones, *ping, refused_pings(5.0, 2.5, 3)], case())
    assert found.verdict == verdict, found
    assert found.keepalives["ping"] == ("holds" if ping else "drops")
    assert found.recommended_ping_interval_s == interval_s
    assert "Close frame 1008 (too_many_pings)" in " ".join(found.explanation)
    assert any("less often than every 2.5 s" in line for line in found.advice)


@pytest.mark.parametrize(
    ("first", "second", "third", "fourth"),
    [
        ((0.0, 0.514), (0.33, 0.184), (1.014, 0.213), 1.24),
        ((0.0, 0.353), (0.33, 0.023), (0.953, 0.202), 1.17),
    ],
)
def test_two_ends_near_two_openings_are_no_limit(
    first: tuple[float, float],
    second: tuple[float, float],
    third: tuple[float, float],
    fourth: float,
) -> None:
    """A restart shortly after the second was opened, and another as the fourth was."""
    facts = {"upgrade_s": 0.001}
    trials = [
        idle(first[1], "close", started_s=first[0], **facts),
        kept("ping", second[1], "close", started_s=second[0], **facts),
        idle(third[1], "close", started_s=third[0], round=2, **facts),
        kept("ping", 0.521, started_s=fourth, round=2, **facts),
    ]
    assert "one connection at a time" not in " ".join(judge(trials, case()).explanation)


def test_a_feed_whose_interval_divides_the_timeout_hides_no_clients_timer() -> None:
    """What came last varies with the network; so long it had been idle again and again before."""
    feed = tuple((float(at), "text") for at in range(1, 60))
    trials = [
        idle(
            0.95 + 0.03 * n,
            "close",
            started_s=0.03 * n,
            age_s=60.0 + 0.03 * n,
            since_sent_s=60.0 + 0.03 * n,
            longest_idle_s=1.02,
            received=feed,
        )
        for n in range(10)
    ]
    verdict = judge([*trials, kept("ping", 70.0), kept("pong", 70.0)], case())
    assert verdict.verdict == "idle-timeout"
    assert "after the client last sent something" in verdict.explanation[0]


def test_what_only_some_connections_meet_at_once_is_no_idle_time() -> None:
    refused = [idle(0.01, "close", started_s=0.06 * n) for n in range(8)]
    lived = [idle(30.0 + 10 * n, started_s=0.03 + 0.06 * n) for n in range(8)]
    verdict = judge([*refused, *lived, kept("ping", 120.0)], case())
    assert verdict.verdict == "inconsistent"
    assert "one of several backends does not serve" in verdict.explanation[0]
    assert set(verdict.keepalives.values()) == {"untested"}


@pytest.mark.parametrize("reason", ["Unauthorized", "not authenticated", "unauthorised client"])
def test_who_says_that_nobody_logged_in_wanted_a_first_message(reason: str) -> None:
    drop = Drop("close", 30.0, code=1008, reason=reason)
    trials = [*dropped(30.0, how="close"), kept("ping", 30.0, "close", gap_s=10)]
    verdict = judge([replace(trial, drop=drop) for trial in trials], case())
    assert verdict.verdict == "application-timeout"


def test_a_moment_that_not_all_shared_is_not_told_of_all() -> None:
    together = [idle(41.0 - 0.3 * n, "fin", started_s=0.3 * n) for n in range(10)]
    before = [idle(12.0, "rst", started_s=1.0), kept("pong", 20.0, "fin", started_s=1.0)]
    verdict = judge([*together, *before, idle(20.0), idle(25.0)], case())
    assert verdict.explanation[0].startswith("10 connections ended at one moment")


def test_a_lifetime_of_less_than_its_doubt_was_met_in_use() -> None:
    trials = [
        *(idle(0.8 + 0.01 * n, "fin", started_s=0.03 * n) for n in range(10)),
        kept("ping", 0.82, "fin", gap_s=0.38, keepalives_sent=3),
    ]
    verdict = judge(trials, case())
    assert verdict.verdict == "lifetime"
    assert verdict.keepalives["ping"] == "drops"


@pytest.mark.parametrize("later_s", [0.3, 4.5])
def test_what_ends_only_the_oldest_is_no_restart(later_s: float) -> None:
    """A lifetime that is looked at now and then; a restart of one process of two spares any."""
    lived = [idle(45.0 + n, started_s=later_s + 0.05 * n) for n in range(3)]
    verdict = judge([*RESTARTED, *lived], case())
    assert verdict.verdict == ("event" if later_s < 1 else "inconsistent"), verdict


@pytest.mark.parametrize(
    "trials",
    [
        [idle(1.2 + n / 10, "fin", started_s=0.4 - n / 10, blind_s=n / 10) for n in range(5)],
        [idle(1.2 - n / 10, "fin", started_s=n / 10, upgrade_s=n / 10 + 0.001) for n in range(5)],
    ],
    ids=["saw the ends late", "read the answers late"],
)
def test_a_process_that_did_not_run_makes_no_common_moment(trials: list[IdleTrial]) -> None:
    assert judge([*trials, idle(1.0)], case()).verdict == "idle-timeout"


def test_a_timer_may_have_started_when_the_hello_came_and_not_with_its_answer() -> None:
    """A broker whose answer came 0.07 s later, and more, and that ended idle clients after 3 s."""
    late = [idle(2.93 - n / 100, "close", since_sent_s=3.0, age_s=3.1) for n in range(4)]
    found = judge([*late, kept("ping", 6.0, gap_s=0.8)], case(greeted=True)).idle_timeout_s
    assert found is not None
    assert found.low < 2.9 < 3.0 <= (found.high or 0.0)
    by_itself = [replace(trial, received=((0.17, "text"),)) for trial in late]
    found = judge([*by_itself, kept("ping", 6.0, gap_s=0.8)], case(greeted=True)).idle_timeout_s
    assert found is not None
    assert found.high == pytest.approx(2.98)
