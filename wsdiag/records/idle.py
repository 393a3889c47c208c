"""What `idle-probe` finds out: the fate of each connection, and the verdict over all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from wsdiag.records.base import DialectInfo, Drop, Error, HelloInfo, Hop, Url, optional

DeadKind = Literal["no-pong", "vanish", "no-read"]
"""Ways in which a client is dead without a word."""
TrialKind = Literal[
    "idle", "ping", "pong", "tcp-keepalive", "push", "data", "heartbeat", "h2-ping", DeadKind
]
Outcome = Literal["alive", "dropped", "silent", "refused", "kept-busy", "aborted"]
Verdict = Literal[
    "no-drop",
    "idle-timeout",
    "lifetime",
    "application-timeout",
    "kept-busy",
    "event",
    "inconsistent",
    "local-fault",
    "unreachable",
]
KeepaliveOutcome = Literal["holds", "drops", "untested"]


@dataclass(frozen=True, slots=True)
class TrialStarted:
    """Progress, not a record: a trial's connection is open."""

    url: Url
    connection: Annotated[int, "Number of the connection in its run, from 0"]
    trial: TrialKind
    idle_for_s: Annotated[float | None, "For `idle`: after which idle period a Ping is sent"]
    interval_s: Annotated[float | None, "Interval of its keepalives"]
    planned_s: Annotated[float, "Time from the upgrade to the trial's end, if nothing drops it"]
    target: Annotated[int | None, "In a run of several URLs: the URL's number, from 1"] = None


@dataclass(frozen=True, slots=True)
class TrialActivity:
    """Progress, not a record: bytes crossed a trial's connection, so its idle time restarted."""

    url: Url
    connection: Annotated[int, "Number of the connection in its run, from 0"]
    at_s: Annotated[float, "Time since the upgrade"]
    direction: Literal["sent", "received"]
    what: Annotated[str, "In a word: `ping`, `pong`, `text`, `keepalive`…"]
    target: Annotated[int | None, "In a run of several URLs: the URL's number, from 1"] = None


@dataclass(frozen=True, slots=True)
class TracedHop:
    """A hop of one trial's flow: who answered while it lived, and whether it did when it was dead.

    Copies of the connection's own segments asked, with small hop limits (CAP_NET_RAW).
    """

    hop: Annotated[int, "The number of the hop, 1 for the first router"]
    kind: Annotated[Literal["router", "tcp-end"], "What it is"]
    live: Annotated[Sequence[str], "Who answered right after the opening; empty if nobody did"] = ()
    asked: Annotated[int, "How often it was asked on the dead flow"] = 0
    answered: Annotated[int, "How often it answered then"] = 0
    reset: Annotated[
        bool, "Whether what asked it was answered by a RST instead, from somebody before it"
    ] = False


@dataclass(frozen=True, slots=True)
class IdleTrial:
    """Record `idle.trial`: what became of one connection."""

    type: ClassVar[str] = "idle.trial"
    url: Url
    trial: Annotated[
        TrialKind,
        "What was done to keep the connection open; or how the client was dead: `no-pong` answers "
        "no Ping, `no-read` reads nothing, `vanish` is not there at all for a while",
    ]
    idle_for_s: Annotated[
        float | None,
        "For `idle`: after which idle period a Ping is sent, in seconds; null if never. For "
        "`vanish`: how long it is away",
    ]
    interval_s: Annotated[
        float | None, "Interval of its keepalives, in seconds; null if it sends none"
    ]
    outcome: Annotated[Outcome, "What became of it"]
    idle_s: Annotated[
        float | None,
        "Time since the last byte in either direction, at the outcome, in seconds; null if unknown",
    ]
    drop: Annotated[Drop | None, "How the connection ended; null if it did not"]
    connection: Annotated[int, "Number of the connection in its run, from 0"] = 0
    age_s: Annotated[float | None, "Time since the upgrade, at the outcome, in seconds"] = None
    started_s: Annotated[
        float,
        "Time from the probe's start to this connection's upgrade, in seconds: aligns trials in "
        "time",
    ] = 0.0
    received: Annotated[
        Sequence[tuple[float, str]],
        "What the server sent by itself: pairs of seconds since the upgrade and `ping`, `text`, … "
        "or `part` (of a message whose end had not come); the first few dozen",
    ] = ()
    longest_idle_s: Annotated[
        float | None, "Longest time without a byte that this connection survived, in seconds"
    ] = None
    late_pong_s: Annotated[
        float | None,
        "A Pong that came after its timeout, in seconds after its Ping. On a `silent` connection a "
        "NAT picked the flow up again; on an `alive` one TCP had acknowledged the Ping",
    ] = optional()
    lost_pongs: Annotated[
        int | None, "Pings without a Pong, although later ones on this connection were answered"
    ] = optional()
    detail: Annotated[str | None, "Details for people"] = optional()
    shared: Annotated[
        bool | None,
        "With `--one-connection`: whether it was a stream of the HTTP/2 connection that idle "
        "trials share",
    ] = optional()
    round: Annotated[
        int, "Which repetition (`--repeat`) or pass (`--refine`) it belongs to, from 1"
    ] = 1
    since_sent_s: Annotated[
        float | None,
        "Time since our last byte, at the outcome, in seconds. A timer may count one direction "
        "only",
    ] = None
    since_received_s: Annotated[
        float | None,
        "Time since the peer's last byte, at the outcome, in seconds, not counting what it sent to "
        "say that it was leaving",
    ] = None
    keepalives_sent: Annotated[int, "Number of keepalives sent"] = 0
    gap_s: Annotated[
        float | None, "Longest time between two keepalives of this trial, in seconds"
    ] = optional()
    pong_s: Annotated[
        float | None, "Time until the last Ping or message was answered, in seconds"
    ] = optional()
    retransmits: Annotated[
        int | None, "TCP segments retransmitted while that answer was awaited (Linux)"
    ] = optional()
    upgrade_s: Annotated[
        float,
        "Time from the upgrade request to the 101, in seconds. The peer's timer may have started "
        "anywhere in it",
    ] = 0.0
    blind_s: Annotated[
        float,
        "How long before the outcome this process had not been running (stopped, or a busy "
        "machine), in seconds",
    ] = 0.0
    unanswered_heartbeat_s: Annotated[
        float | None,
        "When the endpoint's first heartbeat came, in its application protocol, that was left "
        "without an answer that it may want: seconds since the upgrade; absent if there was none",
    ] = optional()
    unanswered_heartbeats: Annotated[
        int | None,
        "How many of the endpoint's messages since then call themselves a heartbeat, and got no "
        "message for an answer, where its application protocol is not known",
    ] = optional()
    violation: Annotated[
        str | None,
        "What the endpoint did, so that we had to end the connection: it broke a rule, or sent a "
        "message over our limit",
    ] = optional()
    after_write: Annotated[
        bool,
        "True when the end showed only after we wrote: it may have happened at any time before",
    ] = False
    unanswered_s: Annotated[
        float | None,
        "How long before the end the oldest of our Pings or checks without an answer was sent, in "
        "seconds; absent if all were answered",
    ] = optional()
    last_message: Annotated[
        str | None, "The beginning of the endpoint's last message, whenever it came"
    ] = optional()
    hops: Annotated[
        Sequence[TracedHop] | None,
        "With `--locate`: the hops of its flow; absent if they were not learnt",
    ] = optional()
    target: Annotated[
        int | None, "In a run of several URLs: the URL's number on the command line, from 1"
    ] = optional()


@dataclass(frozen=True, slots=True)
class Location:
    """Between which hops something happened to a flow, both included."""

    after_hop: Annotated[
        int, "The last hop that still answered on the dead flow, 0 for this machine"
    ]
    before_hop: Annotated[
        int, "The first hop that answers on a live flow, and no longer did on the dead one"
    ]
    addresses: Annotated[
        Sequence[str | None],
        "Addresses of the hops from the one to the other; null where a hop never answers",
    ]
    method: Annotated[
        Literal["segment", "hop-limit"],
        "`segment`: copies of the lost segment with small hop limits; `hop-limit`: how many "
        "routers the packet passed that ended the connection, beside the others",
    ]
    evidence: Annotated[Sequence[str], "What it rests on, in sentences"] = ()


@dataclass(frozen=True, slots=True)
class Range:
    """A closed interval."""

    low: Annotated[float, "Lower bound, in seconds"]
    high: Annotated[float | None, "Upper bound, in seconds; null if unknown"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A product whose known default fits what was measured. A candidate, not a culprit."""

    product: Annotated[str, "The product's name"]
    directive: Annotated[
        str | None, "The setting in the product's configuration; null if there is none"
    ]
    default_s: Annotated[float | None, "The setting's default, in seconds; null if there is none"]
    why: Annotated[str | None, "Why it is in the list, beyond its default"] = optional()


@dataclass(frozen=True, slots=True)
class DeadClient:
    """Whether the endpoint, or what stands before it, noticed that a client was dead."""

    noticed_s: Annotated[
        Range | None,
        "How long after the client's death the connection was ended, in seconds; null: it was "
        "still open at the end",
    ] = None
    drop: Annotated[Drop | None, "How it was ended; null if it was not"] = None


@dataclass(frozen=True, slots=True)
class IdleVerdict:
    """Record `idle.verdict`: the answer for one URL.

    `explanation[0]` is the verdict in one sentence, the rest is evidence.
    """

    type: ClassVar[str] = "idle.verdict"
    url: Url
    verdict: Annotated[Verdict, "The answer"]
    idle_timeout_s: Annotated[
        Range | None,
        "For `idle-timeout`: the range in which the timeout is, in seconds; null otherwise",
    ] = None
    lifetime_s: Annotated[
        Range | None, "For `lifetime`: the age at which every connection ended, in seconds"
    ] = optional()
    application_timeout_s: Annotated[
        Range | None,
        "For `application-timeout`: after what time connections ended, in seconds, from the "
        "endpoint's unanswered message, or from the opening where it wanted a first one",
    ] = optional()
    tested_up_to_s: Annotated[
        float | None,
        "Longest idle period that a connection survived, in seconds; null if there was none",
    ] = None
    drop: Annotated[Drop | None, "How idle connections end; null if they do not"] = None
    hello: Annotated[
        HelloInfo | None, "With `--hello` or `--dialect NAME`: what was said after the opening"
    ] = optional()
    dialect: Annotated[
        DialectInfo | None, "The application protocol that was recognised, or asked for"
    ] = optional()
    keepalives: Annotated[
        dict[TrialKind, KeepaliveOutcome], "For each keepalive, whether it keeps a connection open"
    ] = field(default_factory=dict)
    dead_client: Annotated[
        dict[DeadKind, DeadClient] | None,
        "For each way of being dead that was tried (`--trials`), whether that was noticed",
    ] = optional()
    recommended_ping_interval_s: Annotated[
        float | None, "A safe interval for Pings, in seconds; null if none is needed or none helps"
    ] = None
    location: Annotated[
        Location | None, "Where on the way idle connections died; absent if that is not known"
    ] = optional()
    candidates: Annotated[
        Sequence[Candidate], "Products whose known default fits, at most eight"
    ] = ()
    explanation: Annotated[Sequence[str], "Sentences for people, the most important first"] = ()
    advice: Annotated[Sequence[str], "What to set or change, in sentences"] = ()
    library_settings: Annotated[
        Sequence[str], "How libraries are told to send the recommended Pings, one each"
    ] = ()
    hops: Annotated[Sequence[Hop], "Products on the path that named themselves"] = ()
    partial: Annotated[
        bool, "True when the probe was interrupted; the verdict covers the time until then"
    ] = False
    required_s: Annotated[
        float | None, "With `--require`: the idle time to survive, in seconds"
    ] = optional()
    require_ok: Annotated[
        bool | None, "Whether it was survived; absent if neither could be shown"
    ] = optional()
    target: Annotated[
        int | None, "In a run of several URLs: the URL's number on the command line, from 1"
    ] = optional()


IdleEvent = TrialStarted | TrialActivity | IdleTrial | IdleVerdict | Error
