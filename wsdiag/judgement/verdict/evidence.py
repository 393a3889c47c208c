"""What a verdict rests on: the recorded trials, sorted by what they say, and the circumstances."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from wsdiag.dialects.catalogue import Dialect
from wsdiag.dialects.engine import AnnouncedClock
from wsdiag.judgement.products.endpoints import limits_pings
from wsdiag.records import DialectInfo, Drop, HelloInfo, Hop, IdleTrial, TrialKind
from wsdiag.records.drops import ends_connection

AT_ONCE_S = 0.5
"""A connection that ended this soon after its upgrade was ended at once."""
TOUCH_S = 0.25
"""An end this soon after a Ping of ours, plus two round trips, may be its consequence."""
_MOMENT_S = 0.05
# The words of a dial that was given up where a server, or what queues before it, owed an answer.
_NO_ANSWER = re.compile(r"no answer within \S{1,20} s \((tcp|tls|upgrade)\)")
# Starts that lie further apart tell a common moment from a common age.
_APART_S = 0.18
# Streams hear of their connection's end in one turn of the event loop.
_TOGETHER_S = 0.1
# Connections dialled together are not accepted in the order in which they were dialled.
_REORDERED_S = 0.15


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeContext:
    """The circumstances of one URL's trials; durations in seconds, moments since the start."""

    url: str
    longest_s: float = 120.0
    """The longest idle period that was to be tried."""
    keepalive_s: float = 20.0
    answers_pings: bool | None = True
    """None: nobody knows, because no Ping was sent or the answer was still awaited."""
    ended_by_pings: int = 0
    """Connections that ended as soon as they were pinged, the control connection among them."""
    echoes: bool = False
    other_pongs: int = 0
    """Pongs that came for our first Ping with another payload than its own."""
    slow_pong_s: float = 0.0
    """The longest that a Pong took on a connection in use, where that is beyond --pong-timeout."""
    rtt_s: float | None = None
    hops: Sequence[Hop] = ()
    jumps: Sequence[tuple[float, float]] = ()
    """Suspends of this machine: when noticed, and how long."""
    lost_links: Sequence[tuple[float, str]] = ()
    """When an interface or address that the connections need was lost, and which."""
    subprotocol: str | None = None
    """What the endpoint chose."""
    first_message: str | None = None
    """The beginning of the first text that the endpoint sent on any connection."""
    greeted: bool = False
    """Whether a first message was sent on every connection."""
    back: bool | None = None
    """After everything had ended: whether a new connection could be opened."""
    ended_again: Drop | None = None
    """How that connection was ended at once, if it was."""
    repeat: int = 1
    """How often it was asked to measure."""
    shared_end_s: float | None = None
    """When the connections of unrelated URLs ended all at once, if they did."""
    error: str | None = None
    """Why nothing could be reached."""
    partial: bool = False
    recorded: bool = False
    """The trials are connections that others had: nobody planned, probed or kept open any."""
    expired: bool = False
    """With `partial`: it was --max-time that ended the probe."""
    required_s: float | None = None
    notes: Sequence[str] = ()
    hello: HelloInfo | None = None
    dialect: Dialect | None = None
    """The application protocol that the endpoint speaks."""
    recognised: DialectInfo | None = None
    """The same for a record: what it was recognised by."""
    live_again: Mapping[int, Sequence[str]] | None = None
    """Who answered at each hop on connections opened afterwards; None: nobody was asked."""
    announced: AnnouncedClock | None = None
    """The times that the endpoint announced in it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """The trials by what they say."""

    idle: tuple[IdleTrial, ...]
    """Idle trials that ran."""
    events: tuple[IdleTrial, ...]
    """Idle connections whose drop announced itself: its moment is known."""
    found_dead: tuple[IdleTrial, ...]
    """Idle connections that no longer answered when probed: dropped at any time before."""
    survivors: tuple[IdleTrial, ...]
    """Idle connections that were alive to the end."""
    kept: tuple[IdleTrial, ...]
    """Keepalive trials that ran to a result."""
    refused: tuple[IdleTrial, ...]
    broken: tuple[IdleTrial, ...]
    """Connections that we had to end because the endpoint broke the protocol."""
    turned_away: tuple[IdleTrial, ...] = ()
    """Connections that the endpoint accepted and ended at once, while others were open."""
    waited: tuple[IdleTrial, ...] = ()
    """Trials to which the endpoint had opened no connection, and refused none, when the probe was
    over."""
    cut_short: tuple[IdleTrial, ...] = ()
    """Keepalive trials that an event ended, after a timer had ended the idle ones. Among `kept`
    they are alive: nothing had ended them until then."""
    streams: tuple[IdleTrial, ...] = ()
    """Idle trials that shared an HTTP/2 connection, each by itself: where they ended with it, all
    of a round are one among the others."""
    too_often: tuple[IdleTrial, ...] = ()
    """Keepalive trials that the endpoint ended because, as it said, too many Pings came: no timer
    ended them."""

    @classmethod
    def sort(cls, trials: Iterable[IdleTrial]) -> Evidence:
        """Sort the records; those aborted say nothing."""
        trials = tuple(trials)
        ran = tuple(t for t in trials if t.outcome not in ("refused", "aborted"))
        rounds = _rounds(ran)
        turned_away = tuple(t for own in rounds for t in beyond_a_limit(own))
        ran = tuple(t for t in ran if t not in turned_away)
        too_often = tuple(
            t for t in ran if t.keepalives_sent and t.drop is not None and limits_pings(t.drop)
        )
        ran = tuple(t for t in ran if t not in too_often)
        cut_short = tuple(t for own in rounds for t in ended_with_all_that_was_left(own))
        ran = tuple(replace(t, outcome="alive", drop=None) if t in cut_short else t for t in ran)
        streams = tuple(t for t in ran if t.shared)
        ran = tuple(t for own in _rounds(ran) for t in _as_connections(own))
        idle = tuple(t for t in ran if t.trial == "idle")
        return cls(
            idle=idle,
            events=tuple(t for t in idle if t.outcome == "dropped" and not t.after_write),
            found_dead=tuple(
                t
                for t in idle
                if t.outcome == "silent" or (t.outcome == "dropped" and t.after_write)
            ),
            survivors=tuple(t for t in idle if t.outcome in ("alive", "kept-busy")),
            kept=tuple(t for t in ran if t.trial != "idle"),
            refused=tuple(t for t in trials if t.outcome == "refused"),
            broken=tuple(t for t in trials if t.violation is not None),
            turned_away=turned_away,
            waited=tuple(t for t in trials if t.outcome == "aborted" and t.age_s is None),
            cut_short=cut_short,
            streams=streams,
            too_often=too_often,
        )

    @property
    def unanswered(self) -> tuple[IdleTrial, ...]:
        """Trials whose every attempt to connect got no answer in time: they may have waited."""
        return tuple(t for t in self.refused if _NO_ANSWER.fullmatch(t.detail or ""))

    @property
    def longest_survived_s(self) -> float:
        """The longest idleness that any connection outlived; Pings leave idle times, too."""
        ran = (*self.idle, *self.of("ping"), *self.of("data"))
        survived_s = max((t.longest_idle_s or 0.0 for t in ran), default=0.0)
        # Where our Ping was what ended it, the connection had lived until then.
        asked_s = max((t.idle_s or 0.0 for t in self.idle if ended_by_our_ping(t)), default=0.0)
        return max(survived_s, asked_s)

    @property
    def oldest_end_s(self) -> float:
        """The age of the oldest idle connection whose drop announced itself."""
        return max((t.age_s or 0.0 for t in self.events), default=0.0)

    @property
    def most_open(self) -> int:
        """How many of the probe's connections were open at once, those turned away left out."""
        ran = (*self.idle, *self.kept)
        return max(
            (sum(o.started_s <= t.started_s < ended_s(o) for o in ran) for t in ran), default=0
        )

    def of(self, kind: TrialKind) -> tuple[IdleTrial, ...]:
        """The keepalive trials of one kind."""
        return tuple(t for t in self.kept if t.trial == kind)

    def dropped(self) -> tuple[IdleTrial, ...]:
        """Everything that was dropped, idle or not."""
        return tuple(t for t in (*self.idle, *self.kept) if t.outcome in ("dropped", "silent"))


def _rounds(ran: Sequence[IdleTrial]) -> list[tuple[IdleTrial, ...]]:
    return [tuple(t for t in ran if t.round == n) for n in sorted({t.round for t in ran})]


def ended_with_connection(own: Sequence[IdleTrial]) -> tuple[IdleTrial, ...]:
    """Of a round's trials, the streams of one HTTP/2 connection that all ended with it."""
    ended = tuple(t for t in own if t.shared and t.drop is not None and ends_connection(t.drop))
    return ended if ended and _span(ended_s(t) for t in ended) <= _TOGETHER_S else ()


def _as_connections(own: Sequence[IdleTrial]) -> list[IdleTrial]:
    """A round's trials, with one for a connection that ended with the streams that shared it.

    It was opened with the first of them, and idle since the last byte on any.
    """
    ended = ended_with_connection(own)
    if len(ended) < 2:
        return list(own)
    first = min(ended, key=lambda t: t.started_s)
    one = replace(
        first,
        idle_s=_least(t.idle_s for t in ended),
        since_sent_s=_least(t.since_sent_s for t in ended),
        since_received_s=_least(t.since_received_s for t in ended),
    )
    return [one if t is first else t for t in own if t is first or t not in ended]


def _least(times: Iterable[float | None]) -> float | None:
    return min((each for each in times if each is not None), default=None)


def ended_s(trial: IdleTrial) -> float:
    """When a trial's connection ended, in seconds since the probe's start."""
    return trial.started_s + (trial.age_s or 0.0)


def ended_by_our_ping(trial: IdleTrial) -> bool:
    """Whether the end followed an unanswered Ping (or check) of ours at once."""
    if trial.outcome != "dropped" or trial.unanswered_s is None:
        return False
    return trial.unanswered_s <= TOUCH_S + 2 * trial.upgrade_s


def idle_when_asked_s(trial: IdleTrial) -> float:
    """For how long it had been idle when we sent the first of what got no answer; infinite where
    everything was answered."""
    if trial.outcome == "silent":
        return trial.idle_s or 0.0
    if trial.unanswered_s is None:
        return math.inf
    return max(0.0, (trial.since_received_s or 0.0) - trial.unanswered_s)


def beyond_a_limit(ran: Sequence[IdleTrial]) -> tuple[IdleTrial, ...]:
    """Connections ended at once that were opened while as many as ever lived were open.

    Those that lived were opened before each of these, or after one of them had ended: an endpoint
    that allows so many, and ends what comes on top.
    """
    at_once = [
        t
        for t in ran
        if t.outcome == "dropped" and (t.age_s or 0.0) <= AT_ONCE_S and not t.keepalives_sent
    ]
    if not at_once:
        return ()
    # Ends that each came at once after an opening of their own share no moment with later ones.
    quick_s = max(t.age_s or 0.0 for t in at_once)
    apart = quick_s <= 0.5 * _span(t.started_s for t in at_once)
    later_s, least_s = (2 * quick_s + _MOMENT_S, 0.1) if apart else (AT_ONCE_S, 2 * AT_ONCE_S)
    over_s = max(ended_s(t) for t in at_once) + later_s
    # Those that ended with them met the same cause, which was no limit.
    lived = [t for t in ran if t not in at_once and ended_s(t) > over_s]
    if len(lived) + len(at_once) < len(ran) or not lived:
        return ()
    if min(t.age_s or 0.0 for t in lived) < quick_s + least_s:
        return ()
    opened_s = sorted(t.started_s for t in lived)
    first_away_s = min(t.started_s for t in at_once)
    before = [s for s in opened_s if s <= first_away_s + _REORDERED_S]
    # Where most of those that lived came later, no limit explains the early ends.
    return tuple(at_once) if 2 * len(before) > len(lived) else ()


def ended_with_all_that_was_left(ran: Sequence[IdleTrial]) -> tuple[IdleTrial, ...]:
    """Keepalive trials of one round that ended at one moment, after a timer had ended idle ones.

    Two at least, and begun apart: a lifetime would have ended them apart, and what drops idle
    connections and ignores keepalives would have ended them at the idle ones' age. Nothing lived
    on; those that were idle until then belong to it as well.
    """
    ended = [t for t in ran if t.outcome == "dropped" and not t.after_write]
    last_s = max((ended_s(t) for t in ended), default=0.0)
    together = [t for t in ended if ended_s(t) >= last_s - _MOMENT_S]
    before = [t for t in ended if t not in together and t.trial == "idle"]
    if any(ended_s(t) > last_s for t in ran) or len(before) < 3:
        return ()
    used = [t for t in together if t.trial != "idle"]
    if len(used) < 2:
        return ()
    ages = [t.age_s or 0.0 for t in before]
    starts_s = [t.started_s for t in used]
    timed = max(ages) - min(ages) < 0.5 * _span(ended_s(t) for t in before)
    return tuple(together) if timed and max(starts_s) - min(starts_s) >= _APART_S else ()


def _span(values: Iterable[float]) -> float:
    ordered = sorted(values)
    return ordered[-1] - ordered[0]


def two_way(trial: IdleTrial, context: ProbeContext) -> bool:
    """Whether this keepalive makes bytes flow in both directions."""
    if trial.trial == "ping":
        return context.answers_pings is not False
    if trial.trial == "heartbeat":
        return bool(trial.received)
    return trial.trial == "data" and context.echoes
