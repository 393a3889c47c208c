"""The silences of a run: when one begins, what is told of it, how many there were and whose."""

from __future__ import annotations

from collections import Counter

from wsdiag.probes.stream.arrivals import Arrivals
from wsdiag.probes.stream.events import Events, Quiet
from wsdiag.probes.stream.options import StreamOptions
from wsdiag.probes.stream.pings import PingLog
from wsdiag.probes.stream.silence import Silence, Step
from wsdiag.records.stream import SilenceCause
from wsdiag.units import format_duration


class Silences:
    """Told as `events`, by what `arrivals` and `pings` know; times in s of one monotonic clock."""

    def __init__(
        self, options: StreamOptions, arrivals: Arrivals, pings: PingLog, events: Events
    ) -> None:
        self._limit_s = options.silence_s or options.max_silence_s
        self._arrivals, self._pings, self._events = arrivals, pings, events
        self.count = self.mutes = 0
        self.current: Silence | None = None
        """The one that goes on, or is suspected."""
        self._over: Counter[SilenceCause] = Counter()
        self._waits_from_s = 0.0

    def opened(self, now_s: float) -> None:
        """A connection is open; messages are awaited from here on."""
        self.current, self._waits_from_s = None, now_s

    def tick(self, now_s: float, wall_s: float, stalled_s: float) -> bool:
        """Look for one on an open connection; whether a Ping should leave at once."""
        last_s = self._arrivals.last_s
        if last_s is None:
            return False
        if self.current is None:
            # waiting goes on from the connection's opening where that came after the last message
            since_s = max(last_s, self._waits_from_s)
            limit_s = self._limit_s or self._arrivals.silence_limit_s()
            if now_s - since_s < limit_s:
                return False
            self.current = Silence(since_s, limit_s)
        silence = self.current
        wants = silence.wants_ping(now_s)
        while (step := silence.next(now_s, self._pings, stalled_s)) is not None:
            self._tell(silence, step, now_s, wall_s)
        return wants

    def _tell(self, silence: Silence, step: Step, now_s: float, wall_s: float) -> None:
        usual_ms = self._arrivals.gaps.percentile(99)
        usual = " (what is usual is not known yet)" if self._arrivals.messages else ""
        if usual_ms is not None:
            usual = f" (usual: up to {format_duration(usual_ms / 1e3)})"
        usual_s = None if usual_ms is None else usual_ms / 1e3
        if step == "silence":
            self.count += 1
            tell = self._events.silence
        else:
            self.mutes += 1
            tell = self._events.mute
        tell(Quiet(silence, self._pings, now_s, wall_s, usual_s, usual))

    def message(self, at_s: float, wall_s: float) -> None:
        """A message came: so one that went on is over."""
        silence, self.current = self.current, None
        if silence is None or not silence.told:
            return
        if silence.cause is not None:
            self._over[silence.cause] += 1
        self._events.resumed(silence, at_s, wall_s)

    def causes(self) -> dict[SilenceCause, int]:
        """Silences by their cause, the one that goes on included."""
        causes = self._over.copy()
        if self.current is not None and self.current.told and self.current.cause is not None:
            causes[self.current.cause] += 1
        return dict(causes)
