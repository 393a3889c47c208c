"""What one trial knows of its connection, and which event follows from it: no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from wsdiag.dialects.heartbeat import asks_back
from wsdiag.judgement.verdict.evidence import TOUCH_S
from wsdiag.patterns import PatternTooSlow, matches
from wsdiag.probes.idle.activity import ActivityLog, IdleTimes
from wsdiag.probes.idle.context import EndpointFacts
from wsdiag.probes.idle.keepalives import KeepaliveSchedule
from wsdiag.probes.idle.phases import TrialEvent, TrialPhase
from wsdiag.probes.idle.plan import TrialPlan
from wsdiag.protocol.events import BinaryMessage, Event, Ping, Pong, TextMessage
from wsdiag.records import Drop

# An acknowledgement takes a round trip; a delayed one 40 ms more (Linux: 200 ms at most).
ACK_WAIT_S = 3.0
# So many Pings at once are a retry: an endpoint that loses Pongs answers one of them.
RETRY_PINGS = 5
# Float rounding: a deadline this close has been reached.
_GRAIN_S = 1e-4
_RETRY_WAIT_S = 5.0
# Of a message, as evidence: enough to recognise it.
_SHOWN_CHARS = 120
# Ends that only a peer which lives can make; a reset may be a device's answer to our bytes.
_PEERS_ENDS = ("close", "fin", "tls-eof")
_WORDS: dict[type, str] = {Ping: "ping", Pong: "pong", TextMessage: "text", BinaryMessage: "binary"}


@dataclass(slots=True)
class LivenessCheck:
    """One check, sent `at_s` (seconds since the upgrade) after `idle_s` without a byte."""

    at_s: float
    idle_s: float
    payload: bytes
    """The Ping's; empty: a message was sent."""
    expect: str | None = None
    """A regular expression that a message must match to be the answer; None: any."""
    retransmits_before: int | None = None
    """TCP segments sent again on this connection before the check; None where TCP does not tell."""
    answered_s: float | None = None
    retried_s: float | None = None
    first_pong_lost: bool = False
    """Whether only the retry was answered."""

    @property
    def answered_late(self) -> bool:
        """Whether the answer came, after the deadline, to the check itself and not to its retry."""
        return self.retried_s is not None and not self.first_pong_lost

    def matches(self, event: Event) -> bool:
        """Whether this event is an answer."""
        if isinstance(event, Pong):
            return bool(self.payload) and event.payload.partition(b"+")[0] == self.payload
        if isinstance(event, TextMessage):
            text = event.text
        elif isinstance(event, BinaryMessage):
            text = event.data.decode("utf-8", "replace")
        else:
            return False
        try:
            return not self.payload and (
                self.expect is None or matches(re.compile(self.expect), text)
            )
        except PatternTooSlow:
            return True  # what cannot be read must not make a connection silent that speaks

    def answered(self, event: Event, at_s: float) -> None:
        """Note an event that matches; the first one counts."""
        if self.answered_s is None:
            self.answered_s = at_s
            self.first_pong_lost = isinstance(event, Pong) and event.payload != self.payload


@dataclass(frozen=True, slots=True)
class Finish:
    """What the round asks of a trial: to end. `check`: find out first whether it still lives."""

    check: bool
    wait_s: float


@dataclass(slots=True)
class TrialState:
    """The state of one trial. Times are seconds since the upgrade, where nothing else is said."""

    plan: TrialPlan
    index: int
    facts: EndpointFacts
    round: int = 1
    phase: TrialPhase = TrialPhase.DIALING
    started_s: float = 0.0
    """When the connection was upgraded, since the probe's start."""
    upgrade_s: float = 0.0
    """How long the upgrade took."""
    activity: ActivityLog = field(default_factory=ActivityLog)
    schedule: KeepaliveSchedule | None = None
    unanswered: dict[bytes, float] = field(default_factory=dict)
    """Pings of the keepalive, by payload: when each was sent."""
    heartbeats: list[float] = field(default_factory=list)
    """When heartbeats of the application protocol, or answers to the endpoint's, were sent."""
    unanswered_heartbeat_s: float | None = None
    """When the endpoint's oldest heartbeat came that wanted an answer and got none."""
    unanswered_heartbeats: int = 0
    """How many came since then, in a protocol that is not known."""
    lost_pongs: int = 0
    """Pings without a Pong on a connection that answered later ones."""
    retried_s: float | None = None
    """When unanswered Pings of the keepalive were followed by a retry."""
    touched_s: float = 0.0
    """When its hops were asked last: its idle period counts from there, for whoever saw that."""
    check: LivenessCheck | None = None
    finish: Finish | None = None
    drop: Drop | None = None
    violation: str | None = None
    part_s: float | None = None
    """When bytes of a message that was not complete came last."""
    last_message: str | None = None
    """The beginning of the last text that the peer sent."""
    stalled_s: float = 0.0
    """For how long before the drop this process had not run."""

    def __post_init__(self) -> None:
        if self.plan.gap_s is not None:
            self.schedule = KeepaliveSchedule(self.plan.gap_s, self.plan.first_gap_s)

    # -- facts ---------------------------------------------------------------------------------

    @property
    def idle_for_s(self) -> float:
        """The idle period that is wanted: the plan's, or the longest of all."""
        planned_s = self.plan.idle_for_s
        return self.facts.options.longest_s if planned_s is None else planned_s

    @property
    def waits_since_s(self) -> float | None:
        """When it began to wait for an answer: of its check, or of a Ping that never got one."""
        check = self.check
        if check is not None and (check.answered_s is not None or self.drop is not None):
            return check.at_s
        return self.unanswered_since_s if self.drop is None else None

    @property
    def unanswered_since_s(self) -> float | None:
        """When the oldest Ping or check without an answer was sent; None: all were answered."""
        check = self.check
        asked_s = [check.at_s] if check is not None and check.answered_s is None else []
        return min([*asked_s, *self.unanswered.values()], default=None)

    @property
    def outlived_check(self) -> bool:
        """Whether the peer ended this some time after a check, at an endpoint not known to answer.

        Then the missing answer says nothing, and the end shows that the connection was alive.
        """
        check, drop = self.check, self.drop
        if check is None or check.answered_s is not None or self.facts.answers_pings is True:
            return False
        if drop is None or not check.payload or drop.how not in _PEERS_ENDS:
            return False
        return self._came_later(drop.at_s, check)

    def idle_times(self, now_s: float) -> IdleTimes:
        """The idle times that count: before it began to wait for an answer, or until now."""
        waits_since_s = self.waits_since_s
        if waits_since_s is not None and not (self.plan.trial == "idle" and self.outlived_check):
            times = self.activity.before(waits_since_s)
            untouched_s = max(0.0, waits_since_s - self.touched_s)
            return replace(times, idle_s=min(times.idle_s, untouched_s))
        return self.activity.at(now_s) if self.drop is None else self.activity.at_end(now_s)

    @property
    def receiving_since_check(self) -> bool:
        """Whether a message was arriving later after the check than what was on its way then.

        That proves life, and the check's Pong cannot come before the end of that message's frame.
        """
        check, part_s = self.check, self.part_s
        return check is not None and part_s is not None and self._came_later(part_s, check)

    def _came_later(self, at_s: float, check: LivenessCheck) -> bool:
        """Whether that was not on its way when the check was sent."""
        return at_s - check.at_s > TOUCH_S + 2 * self.upgrade_s

    # -- what happens --------------------------------------------------------------------------

    def received(self, event: Event, at_s: float, *, to_hello: bool = False) -> str:
        """Note what the peer sent, other than a Close; in a word, for the timeline.

        `to_hello`: it answers what was said right after the opening.
        """
        word, check = _WORDS[type(event)], self.check
        if isinstance(event, TextMessage):
            self.last_message = event.text[:_SHOWN_CHARS]
            if self.facts.first_message is None:
                self.facts.first_message = event.text[:_SHOWN_CHARS]
        answer = check is not None and check.matches(event)
        ours = isinstance(event, Pong) and (
            self.unanswered or check is not None or event.payload.startswith(b"wsdiag")
        )
        # Any other Pong is a heartbeat of the endpoint's own (RFC 6455, 5.5.3).
        if answer or ours or to_hello:
            self.activity.add(at_s, "received")
        else:
            self.activity.add_unsolicited(at_s, word)
        if isinstance(event, Ping):
            # Any client answers a Ping, and so has our session: that is not ours to omit.
            self.activity.add(at_s, "sent", reply=True)
        if isinstance(event, Pong) and event.payload in self.unanswered:
            sent_s = self.unanswered[event.payload]
            self.facts.pong_received(at_s - sent_s, in_use=True)
            # A Pong may answer all Pings before it (RFC 6455, 5.5.3).
            self.lost_pongs += sum(at < sent_s for at in self.unanswered.values())
            self.unanswered = {p: at for p, at in self.unanswered.items() if at > sent_s}
        if answer and check is not None:
            check.answered(event, at_s)
            if isinstance(event, Pong):
                self.facts.pong_received(at_s - check.at_s)
        return word

    def part_received(self, at_s: float) -> None:
        """Note bytes of a message whose end has not come."""
        self.part_s = at_s
        self.activity.add_part(at_s)

    def asked(self, text: str, at_s: float) -> None:
        """Note a message of an unknown protocol that may want an answer."""
        if asks_back(text):
            self.unanswered_heartbeats += 1
            if self.unanswered_heartbeat_s is None:
                self.unanswered_heartbeat_s = round(at_s, 3)

    def answered(self) -> None:
        """Note that a message was sent, which may be the answer to all that was asked."""
        self.unanswered_heartbeats, self.unanswered_heartbeat_s = 0, None

    # -- what is due ---------------------------------------------------------------------------

    def event(
        self, now_s: float, last_byte_s: float, acknowledged: Callable[[], bool | None]
    ) -> TrialEvent | None:
        """What has happened, or is due now; None: nothing is.

        `last_byte_s`: when bytes last crossed, be it of a message that is still incomplete;
        `acknowledged`: whether TCP has acknowledged what should have been answered by now, None
        where it does not tell.
        """
        if self.violation is not None:
            return TrialEvent.VIOLATED
        if self.drop is not None:
            return TrialEvent.ENDED
        if self.check is not None:
            return self._check_event(self.check, now_s, acknowledged)
        if (event := self._keepalive_event(now_s, acknowledged)) is not None:
            return event
        if self.finish is not None:
            return self._check_or_not if self.finish.check else TrialEvent.STOPPED
        if self.plan.trial == "idle" and now_s - last_byte_s >= self.idle_for_s - _GRAIN_S:
            return self._check_or_not
        if self.schedule is not None and now_s >= self.schedule.due_s - _GRAIN_S:
            return TrialEvent.KEEPALIVE_DUE
        return None

    def due_s(self, last_byte_s: float) -> float | None:
        """When an event is due at the latest; None: only the peer can make one."""
        if self.check is not None:
            return self._check_deadline_s(self.check)
        dues = [] if self._pong_deadline_s is None else [self._pong_deadline_s]
        if self.schedule is not None:
            dues.append(self.schedule.due_s)
        if self.plan.trial == "idle":
            dues.append(last_byte_s + self.idle_for_s)
        return min(dues, default=None)

    @property
    def _check_or_not(self) -> TrialEvent:
        asked = self.facts.check_text is not None or not self.facts.ends_when_pinged
        waiting = self.phase is TrialPhase.WAITING
        return TrialEvent.CHECK_DUE if asked or not waiting else TrialEvent.NOT_ASKED

    def _keepalive_event(
        self, now_s: float, acknowledged: Callable[[], bool | None]
    ) -> TrialEvent | None:
        deadline_s, retrying = self._pong_deadline_s, self.phase is TrialPhase.RETRYING_KEEPALIVE
        if retrying and all(at > (self.retried_s or 0.0) for at in self.unanswered.values()):
            return TrialEvent.KEEPALIVE_ANSWERED
        if deadline_s is None or now_s < deadline_s - _GRAIN_S:
            return None
        return TrialEvent.ACKNOWLEDGED if not retrying and acknowledged() else TrialEvent.SILENT

    @property
    def _pong_deadline_s(self) -> float | None:
        """Until when a keepalive's Pong must come; a missing one means nothing at an endpoint that
        was not seen to answer any."""
        if not self.unanswered or self.facts.answers_pings is not True:
            return None
        part_s = self.part_s or 0.0  # a Pong waits for the end of a frame that is arriving
        if self.phase is TrialPhase.RETRYING_KEEPALIVE and self.retried_s is not None:
            return max(self.retried_s, part_s) + self._retry_wait_s
        return max(min(self.unanswered.values()), part_s) + self.facts.pong_timeout_s

    @property
    def _retry_wait_s(self) -> float:
        return min(_RETRY_WAIT_S, self.facts.pong_timeout_s)

    def _check_event(
        self, check: LivenessCheck, now_s: float, acknowledged: Callable[[], bool | None]
    ) -> TrialEvent | None:
        late = self.phase is TrialPhase.WAITING_FOR_LATE_PONG
        if check.answered_s is not None:
            return TrialEvent.LATE_PONG if late else TrialEvent.ANSWERED
        if now_s < self._check_deadline_s(check) - _GRAIN_S:
            return None
        if self.receiving_since_check:
            return TrialEvent.NO_PONG_EXPECTED
        if self._only_tcp_answers(check):
            # None is no proof of life, but nothing speaks against it either.
            silent = acknowledged() is False
            return TrialEvent.SILENT if silent else TrialEvent.NO_PONG_EXPECTED
        if late:
            return TrialEvent.SILENT
        if self.finish is not None and self.finish.wait_s < self.facts.pong_timeout_s:
            return TrialEvent.CUT_SHORT
        if check.retried_s is None and check.payload and acknowledged():
            return TrialEvent.ACKNOWLEDGED
        return TrialEvent.UNANSWERED if self.finish is None else TrialEvent.SILENT

    def _check_deadline_s(self, check: LivenessCheck) -> float:
        wait_s, from_s = self.facts.pong_timeout_s, check.at_s
        if check.retried_s is not None:
            wait_s, from_s = self._retry_wait_s, check.retried_s
        if self._only_tcp_answers(check):
            wait_s = min(wait_s, ACK_WAIT_S)
        if self.finish is not None:
            wait_s = min(wait_s, self.finish.wait_s)
        elif self.phase is TrialPhase.WAITING_FOR_LATE_PONG:
            wait_s += self._retry_wait_s
        return from_s + wait_s

    def _only_tcp_answers(self, check: LivenessCheck) -> bool:
        return bool(check.payload) and self.facts.answers_pings is False
