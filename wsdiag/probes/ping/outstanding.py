"""Pings without an answer: in flight, overtaken, skipped or lost; and the silence they add up to.

A Ping is lost when its timeout has passed, and is remembered: an answer that comes after all is
reported as late. Long before that a missing answer can be told. It is overdue when it is later than
answers on this connection are (`overdue_after_s`), and nothing else has been answered for as long;
an endpoint whose oldest answer is overdue is silent until any answer comes. What waited with others
for that says nothing of how long answers take (`held_up`): one silence would hide the next, up to
ten times as long. What is overdue when the run ends counts as loss, for a limit's sake: on a
connection that died a moment ago Pings are in flight, and none is lost.

A Pong overtakes the Pings before its own. RFC 6455, 5.5.3 lets an endpoint that has several Pings
before it answer only the latest. So where the answered Ping left within the usual answer time (the
p99) of an earlier one, the earlier may still have been unread: it is skipped, which is no loss. If
its answer comes all the same, it was answered. Where the endpoint had that time, there is nothing
more to wait for: the Ping is overdue at once. Messages are no Pings: each of them is echoed.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from wsdiag.probes.ping.http2_ping import Http2Ping
from wsdiag.probes.ping.schedule import overdue_after_s
from wsdiag.probes.ping.tcp_observer import TcpSnapshot
from wsdiag.transport.stream.stamps import SendRecord

if TYPE_CHECKING:
    from wsdiag.probes.ping.load import LoadPhase

REMEMBERED = 1024

Fate = Literal["in-flight", "skipped", "lost"]


@dataclass(frozen=True, slots=True, eq=False)
class InFlight:
    """One Ping that has left: `sent_s` by the clock of `Outstanding`."""

    seq: int
    sent: SendRecord
    sent_s: float
    tcp: TcpSnapshot
    phase: LoadPhase
    load_before: int
    """Bytes of load that were sent before it."""
    backlog: int
    """Those of them that the endpoint may not have read yet."""
    http2: Http2Ping | None = None
    """The PING of HTTP/2 that left with it."""


Pings = OrderedDict[bytes, InFlight]


class Outstanding:
    """What has left on one connection and is unanswered; times are those of one clock, in s."""

    def __init__(
        self,
        timeout_s: float,
        interval_s: float,
        *,
        skips: bool,
        p99_ms: Callable[[], float | None],
        unheld_p99_ms: Callable[[], float | None],
    ) -> None:
        """`skips`: an endpoint may answer only the latest; `p99_ms`: of the answers so far;
        `unheld_p99_ms`: of those that were not `held_up`."""
        self._timeout_s, self._interval_s, self._skips = timeout_s, interval_s, skips
        self._p99_ms, self._unheld_p99_ms = p99_ms, unheld_p99_ms
        self._in_flight: Pings = OrderedDict()
        self._overtaken: Pings = OrderedDict()
        self._skipped: Pings = OrderedDict()
        self._lost: Pings = OrderedDict()
        self.answered_seq = 0
        """The latest Ping that was answered."""
        self.oldest: InFlight | None = None
        """The first one after that, lost or not: silence counts from it."""
        self.silent = False
        """Whether its answer is overdue."""
        self._newest_seq = 0
        self._heard_s = self._held_until_s = -math.inf
        """When the last answer came, and when a silence ended."""
        self._least_overdue_s = self._overdue_s = overdue_after_s(None, interval_s)

    def __len__(self) -> int:
        """How many may still be answered in time."""
        return len(self._in_flight) + len(self._overtaken)

    @property
    def unanswered(self) -> int:
        """How many have been sent since the last one that was answered."""
        return 0 if self.oldest is None else self._newest_seq - self.oldest.seq + 1

    @property
    def overtaken(self) -> int:
        """How many are overdue because a later one was answered that left after the usual time."""
        return len(self._overtaken)

    def add(self, key: bytes, ping: InFlight) -> None:
        """A Ping has left; its answer will have `key`."""
        self._in_flight[key] = ping
        self._newest_seq = ping.seq
        self.oldest = self.oldest or ping

    # -- answers -------------------------------------------------------------------------------

    def take(self, key: bytes) -> tuple[InFlight, Fate] | None:
        """The Ping that an answer with `key` belongs to, and what had become of it."""
        places: tuple[tuple[Pings, Fate], ...] = (
            (self._in_flight, "in-flight"),
            (self._overtaken, "in-flight"),
            (self._skipped, "skipped"),
            (self._lost, "lost"),
        )
        for pings, fate in places:
            if (ping := pings.pop(key, None)) is not None:
                return ping, fate
        return None

    def overtake(self, answered: InFlight) -> int:
        """Sort out those sent before the one that was just answered; how many are skipped."""
        self.answered_seq = max(self.answered_seq, answered.seq)
        first = next(iter(self._in_flight.values()), None)
        if first is None or first.seq > answered.seq:  # nearly always: no percentile is needed
            return 0
        usual_s, skipped = (self._p99_ms() or 0.0) / 1e3, 0
        for key, ping in list(self._in_flight.items()):
            if ping.seq > answered.seq:
                break
            if answered.sent_s - ping.sent_s > usual_s:
                self._overtaken[key] = self._in_flight.pop(key)
            elif self._skips:
                self._remember(self._skipped, key, self._in_flight.pop(key))
                skipped += 1
        return skipped

    def held_up(self, ping: InFlight) -> bool:
        """Whether its answer, which comes now, waited with others for the end of a silence."""
        return ping.sent_s < self._held_until_s or (self.silent and len(self) > 0)

    def end_silence(self, now: float) -> float | None:
        """An answer came: when the silence began that it ends; None where there was none."""
        began_s = self.oldest.sent_s if self.oldest is not None and self.silent else None
        self._heard_s = now
        self._held_until_s = self._held_until_s if began_s is None else now
        if self.silent or (self.oldest is not None and self.oldest.seq <= self.answered_seq):
            later = (ping for ping in self._in_flight.values() if ping.seq > self.answered_seq)
            self.oldest, self.silent = next(later, None), False
        return began_s

    # -- time ----------------------------------------------------------------------------------

    def falls_silent(self, now: float) -> bool:
        """Whether the oldest answer is overdue from now on: true once for each silence."""
        if self.oldest is None or self.silent:
            return False
        age_s = now - self._waits_since_s(self.oldest)
        if age_s >= self._least_overdue_s:
            self._overdue_s = overdue_after_s(self._unheld_p99_ms(), self._interval_s)
            self.silent = age_s >= self._overdue_s
        return self.silent

    def expired(self, now: float) -> Iterator[InFlight]:
        """Those whose timeout has passed, the oldest first; they are lost from then on."""
        for pings in (self._overtaken, self._in_flight):
            while pings:
                key, oldest = next(iter(pings.items()))
                if now < oldest.sent_s + self._timeout_s:
                    break
                self._remember(self._lost, key, pings.pop(key))
                yield oldest

    def due_times_s(self) -> Iterator[float]:
        """When `expired` or `falls_silent` will have something to tell."""
        for pings in (self._overtaken, self._in_flight):
            if pings:
                yield next(iter(pings.values())).sent_s + self._timeout_s
        if self.oldest is not None and not self.silent:
            limit_s = max(self._least_overdue_s, self._overdue_s)
            yield self._waits_since_s(self.oldest) + limit_s

    def overdue_now(self, now: float) -> tuple[int, float | None]:
        """How many of the unanswered are overdue, and the age of the oldest in s."""
        limit_s = overdue_after_s(self._unheld_p99_ms(), self._interval_s)
        overtaken_s = [now - ping.sent_s for ping in self._overtaken.values()]
        others_s = [now - ping.sent_s for ping in self._in_flight.values()]
        waits_s = (now - self._waits_since_s(ping) for ping in self._in_flight.values())
        overdue = len(overtaken_s) + sum(wait_s > limit_s for wait_s in waits_s)
        return overdue, max(overtaken_s + others_s, default=None)

    def _waits_since_s(self, ping: InFlight) -> float:
        return max(ping.sent_s, self._heard_s)

    def clear(self) -> list[InFlight]:
        """Give up all that may still be answered: they are returned."""
        rest = [*self._overtaken.values(), *self._in_flight.values()]
        self._overtaken.clear()
        self._in_flight.clear()
        return rest

    def _remember(self, pings: Pings, key: bytes, ping: InFlight) -> None:
        # an answer may still come, but not for ever
        pings[key] = ping
        if len(pings) > REMEMBERED:
            pings.popitem(last=False)
