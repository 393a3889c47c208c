"""The open connection of one trial: what it heard, what it says, when bytes last crossed it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wsdiag.probes.idle.activity import ActivityLog, Direction, IdleTimes
from wsdiag.probes.idle.context import RoundContext
from wsdiag.probes.idle.liveness import RETRY_PINGS, LivenessCheck
from wsdiag.probes.idle.reading import drop_of_end, kind_of
from wsdiag.protocol.events import BinaryMessage, Close, Event, Ping, Pong, TextMessage, Violation
from wsdiag.records import Drop, TrialActivity, TrialKind
from wsdiag.transport.session import Session, SessionEnded
from wsdiag.transport.stream.ends import StreamEnd

# A server that sends without pause must not flood the timeline: one remark in so many seconds.
_REMARK_EVERY_S = 0.05


class TrialConnection:
    """A session, listened to. Times are seconds since the upgrade; `wake` is called on news."""

    def __init__(
        self, session: Session, lane: int, context: RoundContext, wake: Callable[[], None]
    ) -> None:
        self.session = session
        self.notes = ActivityLog()
        self.question: LivenessCheck | None = None
        self.unanswered: dict[bytes, float] = {}
        """Pings of the keepalive, by payload: when each was sent."""
        self.lost_pongs = 0
        """Pings without a Pong on a connection that answered later ones."""
        self.drop: Drop | None = None
        self.violation: str | None = None
        self.blind_s = 0.0
        self._lane, self._context, self._wake = lane, context, wake
        self._cut: str | None = None
        self._remarked_s = -1.0
        self._pump = asyncio.create_task(self._listen())

    def now_s(self) -> float:
        """The connection's age."""
        return self._since(self._context.clock.mono_ns())

    def quiet_since_s(self) -> float:
        """When the last byte crossed, be it of a message that is still incomplete."""
        return max(self.notes.last_byte_s, self._since(self.session.stream.last_activity))

    def quiet(self) -> IdleTimes:
        """How quiet it is now, or was when it ended."""
        if self.drop is not None:
            return self.notes.at_end(self.drop.at_s)
        return self.notes.at(self.now_s())

    def stop(self) -> None:
        """Listen no longer."""
        self._pump.cancel()

    # -- saying --------------------------------------------------------------------------------

    def ask(self) -> None:
        """Ask for a sign of life. LocalProtocolError when the connection is closing."""
        options, now_s = self._context.options, self.now_s()
        idle_s = now_s - self.quiet_since_s()
        self.question = LivenessCheck.ask(
            self.session,
            self._context.method(),
            now_s,
            idle_s,
            f"wsdiag {self._lane}",
            options.send,
            options.expect,
        )
        self._said("ping" if self.question.payload else "text")

    def keep_alive(self, kind: TrialKind, number: int) -> None:
        """Send one keepalive. LocalProtocolError when the connection is closing."""
        if kind == "ping":
            payload = f"wsdiag {self._lane}.{number}".encode("ascii")
            self.session.ping(payload)
            self.unanswered[payload] = self.now_s()
        elif kind == "pong":
            self.session.pong(b"wsdiag")
        self._said(kind)

    def retry(self) -> None:
        """Ping several times at once. LocalProtocolError when the connection is closing."""
        now_s = self.now_s()
        if self.question is not None:
            self.question.again(self.session, now_s)
        else:
            for number in range(RETRY_PINGS):
                payload = f"wsdiag {self._lane}.{now_s:.3f}+{number}".encode("ascii")
                self.session.ping(payload)
                self.unanswered[payload] = now_s
        self._said("ping")

    def say(self, text: str) -> None:
        """Send a text message. LocalProtocolError when the connection is closing."""
        self.session.send_text(text, stamp=False)
        self._said("text")

    def _said(self, what: str) -> None:
        now_s = self.now_s()
        self.notes.mark(now_s, "sent", what)
        self.remark(now_s, "sent", what)

    def remark(self, at_s: float, direction: Direction, what: str) -> None:
        """Tell the timeline."""
        if direction == "received" and at_s < self._remarked_s + _REMARK_EVERY_S:
            return
        self._remarked_s = at_s
        context = self._context
        context.emit(TrialActivity(context.url, self._lane, round(at_s, 3), direction, what))

    # -- hearing -------------------------------------------------------------------------------

    async def _listen(self) -> None:
        try:
            while True:
                received = await self.session.receive(None)
                if received is not None:
                    self._hear(received.event, self._since(received.at.mono_ns))
                    self._wake()
        except SessionEnded as over:
            self._hear_end(over.end)
            self._wake()

    def _hear(self, event: Event, at_s: float) -> None:
        if isinstance(event, Close):
            self._dropped(Drop("close", round(at_s, 3), code=event.code, reason=event.reason))
        elif isinstance(event, Violation):
            self._hear_violation(event)
        elif isinstance(event, Pong):
            self._hear_pong(event, at_s)
        elif isinstance(event, Ping):
            self._unasked(event, at_s)
            # Any client answers a Ping, and so has our session: that is not ours to omit.
            self.notes.mark(at_s, "sent", "pong", answer=True)
        else:
            self._hear_message(event, at_s)

    def _hear_pong(self, pong: Pong, at_s: float) -> None:
        if not (self.unanswered or self.question or pong.payload.startswith(b"wsdiag")):
            self._unasked(pong, at_s)  # a heartbeat of the endpoint's own (RFC 6455, 5.5.3)
            return
        self.notes.mark(at_s, "received", "pong")
        self.remark(at_s, "received", "pong")
        asked_s = self.unanswered.get(pong.payload)
        if asked_s is not None:
            self._context.pong_seen(at_s - asked_s, in_use=True)
            # A Pong may speak for all Pings before it (RFC 6455, 5.5.3).
            self.lost_pongs += sum(at < asked_s for at in self.unanswered.values())
            self.unanswered = {p: at for p, at in self.unanswered.items() if at > asked_s}
        if self.question is not None and self.question.hears(pong, at_s):
            self._context.pong_seen(at_s - self.question.at_s)

    def _hear_message(self, event: TextMessage | BinaryMessage, at_s: float) -> None:
        if self.question is not None and self.question.hears(event, at_s):
            self.notes.mark(at_s, "received", "text")
        else:
            self._unasked(event, at_s)

    def _unasked(self, event: Event, at_s: float) -> None:
        self.notes.unasked(at_s, kind_of(event))
        self.remark(at_s, "received", kind_of(event))

    def _hear_violation(self, event: Violation) -> None:
        if self.session.stream.ended is not None:
            self._cut = "a frame was cut off in the middle"
        else:
            self.violation = event.error.message

    def _hear_end(self, end: StreamEnd) -> None:
        if end.how == "local" or self.drop is not None:
            return
        asked = self.question is not None and self.question.answered_s is None
        self._dropped(drop_of_end(end, self._since(end.at.mono_ns), asked=asked, cut=self._cut))

    def _dropped(self, drop: Drop) -> None:
        if self.drop is None:
            self.drop = drop
            clock = self._context.clock
            self.blind_s = clock.blind_before_s(clock.mono_ns())
            clock.look()

    def _since(self, mono_ns: int) -> float:
        return max(0.0, (mono_ns - self.session.opened.mono_ns) / 1e9)
