"""A stream's messages, Pings and moments in; events, intervals and the summary out. No I/O.

Times ending in `_s` are seconds of one monotonic clock, the caller's; `wall_s` are seconds since
1970, for messages that carry their own time. What a message costs here is what limits a run's rate,
so `message` does for each only what cannot be done for many at once: percentiles, limits and rates
are computed when somebody asks.

Memory is bounded whatever comes: histograms instead of samples, `most_keys` keys (the rest is one
key, `others`, whose sequence numbers nobody could check), ranges instead of numbers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from wsdiag.probes.stream.arrivals import Arrivals
from wsdiag.probes.stream.content import NOTHING, Content, ContentReader
from wsdiag.probes.stream.lag import LagMeter
from wsdiag.probes.stream.options import StreamOptions
from wsdiag.probes.stream.pings import PingLog
from wsdiag.probes.stream.sequence import Found, SequenceCheck, SequenceCounts, as_number
from wsdiag.probes.stream.silence import Silence
from wsdiag.probes.stream.words import (
    DURING,
    OTHERS,
    explanation,
    gap_words,
    missed_words,
    paths_without_values,
    thresholds,
)
from wsdiag.records import Drop
from wsdiag.records.drops import short_drop
from wsdiag.records.stream import (
    KeyFigures,
    SilenceCause,
    StreamEvent,
    StreamInterval,
    StreamSummary,
)
from wsdiag.units import counted, format_duration, format_rough_ms

# Events of numbers that do not follow: so many are told one by one in each interval.
MOST_GAP_EVENTS = 10
# Looks at our own receive queue, ten a second, before anything is said of it.
FEWEST_LOOKS = 5


class _Key:
    """The messages of one key."""

    __slots__ = ("bytes", "interval", "lag", "last_s", "longest_s", "messages", "sequence")

    def __init__(self, *, numbered: bool, timed: bool) -> None:
        self.messages = self.bytes = self.interval = 0
        self.last_s: float | None = None
        self.longest_s: float | None = None
        self.sequence = SequenceCheck() if numbered else None
        self.lag = LagMeter() if timed else None


class StreamAnalysis:
    """All that is known about one URL's messages; see the package's docstring for its use."""

    def __init__(self, url: str, options: StreamOptions, target: int | None = None) -> None:
        self.url, self.options, self.target = url, options, target
        self.arrivals = Arrivals()
        self.pings = PingLog()
        self.lag = LagMeter()
        self.text = self.binary = self.control = self.not_json = self.unnumbered = 0
        self.silences = self.mutes = 0
        self.causes: Counter[SilenceCause] = Counter()
        self.silence: Silence | None = None
        """The one that goes on, or is suspected."""
        self.last_content: Content = NOTHING
        self.last_seq: int | None = None
        self.last_lag_ms: float | None = None
        """What the last message's paths found."""
        self.unread_max: int | None = None
        self._began_s: float | None = None
        self.connected = False
        self.events: list[StreamEvent] = []
        """Those that `take_events` has not taken yet."""
        self._keys: dict[str, _Key] = {}
        self._others: _Key | None = None
        self._whole = SequenceCheck()
        self._reader = ContentReader(options) if options.reads_json else None
        self._fields = 0
        """Messages in which `field` found something."""
        self._looked = self._too_slow = 0
        self._interval_began_s = 0.0
        self._interval_messages = self._interval_bytes = 0
        self._interval_lag_ms: float | None = None
        self._gap_events = 0
        self._unread: int | None = None
        self._waits_from_s = 0.0

    # -- in ------------------------------------------------------------------------------------

    def opened(self, now_s: float) -> None:
        """A connection is open; messages are awaited from here on."""
        if self._began_s is None:
            self._began_s = self._interval_began_s = now_s
        else:
            self._whole.reconnected = True
            for key in self._keys.values():
                if key.sequence is not None:
                    key.sequence.reconnected = True
        self.connected = True
        self.arrivals.wait_from(now_s)
        self.silence = None
        self._waits_from_s = now_s

    def settle(self, now_s: float, wall_s: float) -> None:
        """Tell of a burst that goes on: nobody will wait for its end."""
        self._settle_burst(now_s, wall_s, over=True)

    def closed(self, now_s: float, wall_s: float) -> None:
        """The connection is over."""
        self.settle(now_s, wall_s)
        self.connected = False
        self.silence = None
        self.pings.forget()

    def message(self, message: str | bytes, at_s: float, wall_s: float) -> None:
        """Take the next message, which arrived at `at_s`."""
        if isinstance(message, str):
            self.text += 1
            size = len(message) if message.isascii() else len(message.encode("utf-8", "replace"))
        else:
            self.binary += 1
            size = len(message)
        gap_s = self.arrivals.add(size, at_s)
        if self.silence is not None:
            self._resume(gap_s, at_s, wall_s)
        if self._reader is not None:
            self._read(message, size, at_s, wall_s)

    def _read(self, message: str | bytes, size: int, at_s: float, wall_s: float) -> None:
        assert self._reader is not None
        options = self.options
        content = self.last_content = self._reader.read(message)
        self.not_json += not content.json
        self._fields += content.field is not None
        self.last_seq = self.last_lag_ms = None
        key = None if options.by is None or content.key is None else self._key_of(content.key)
        if key is not None:
            key.messages += 1
            key.bytes += size
            key.interval += 1
            if key.last_s is not None:
                key.longest_s = max(key.longest_s or 0.0, at_s - key.last_s)
            key.last_s = at_s
        if options.seq is not None:
            number = self.last_seq = as_number(content.seq)
            sequence = self._whole if options.by is None else None if key is None else key.sequence
            if number is None or sequence is None:
                self.unnumbered += 1
            elif (found := sequence.add(number)) is not None:
                self._tell_gap(found, content.key if options.by is not None else None, wall_s)
        if options.time is not None:
            lag_ms = self.last_lag_ms = self.lag.add(content.time, wall_s)
            if lag_ms is not None:
                self._interval_lag_ms = max(self._interval_lag_ms or lag_ms, lag_ms)
                if key is not None and key.lag is not None:
                    key.lag.add(content.time, wall_s)

    def _key_of(self, name: str) -> _Key:
        found = self._keys.get(name)
        if found is not None:
            return found
        options = self.options
        numbered, timed = options.seq is not None, options.time is not None
        if len(self._keys) < options.most_keys:
            found = self._keys[name] = _Key(numbered=numbered, timed=timed)
            return found
        if self._others is None:
            self._others = _Key(numbered=False, timed=timed)
        return self._others

    def looked_at_queue(self, unread_bytes: int | None, room_bytes: int | None) -> None:
        """Note how full our own receive queue is now; half of its room is too full."""
        self._unread = unread_bytes
        if unread_bytes is None:
            return
        self.unread_max = max(self.unread_max or 0, unread_bytes)
        self._looked += 1
        self._too_slow += bool(room_bytes) and unread_bytes >= (room_bytes or 0) / 2

    # -- silences ------------------------------------------------------------------------------

    def silence_limit_s(self) -> float:
        """A time without messages that is told as a silence, in s."""
        options = self.options
        return options.silence_s or options.max_silence_s or self.arrivals.silence_limit_s()

    def silent_s(self, now_s: float) -> float:
        """Time since the last message, or since waiting for the first began."""
        last_s = self.arrivals.last_s
        return 0.0 if last_s is None else max(now_s - last_s, 0.0)

    def tick(self, now_s: float, wall_s: float, stalled_s: float = 0.0) -> bool:
        """Look for silences and bursts; whether a Ping should leave at once.

        `stalled_s`: for how long since the last message this process itself did not run.
        """
        self._settle_burst(now_s, wall_s)
        last_s = self.arrivals.last_s
        if not self.connected or last_s is None:
            return False
        if self.silence is None:
            # waiting goes on from the connection's opening where that came after the last message
            since_s = max(last_s, self._waits_from_s)
            limit_s = self.silence_limit_s()
            if now_s - since_s < limit_s:
                return False
            self.silence = Silence(since_s, limit_s)
        silence = self.silence
        wants = silence.wants_ping(now_s)
        while (step := silence.next(now_s, self.pings, stalled_s)) is not None:
            self._tell_silence(silence, step, now_s, wall_s)
        return wants

    def _tell_silence(self, silence: Silence, step: str, now_s: float, wall_s: float) -> None:
        silent_s = now_s - silence.since_s
        usual_ms = self.arrivals.gaps.percentile(99)
        usual = " (what is usual is not known yet)" if self.arrivals.messages else ""
        if usual_ms is not None:
            usual = f" (usual: up to {format_duration(usual_ms / 1e3)})"
        said = format_duration(silent_s)
        facts: dict[str, Any] = {
            "silent_s": silent_s,
            "usual_s": None if usual_ms is None else usual_ms / 1e3,
            "cause": silence.cause,
        }
        if step == "silence":
            self.silences += 1
            words = DURING[silence.cause]
            self._tell("silence", f"no message for {said}{usual}{words}", wall_s, **facts)
            return
        self.mutes += 1
        answered, rtt_ms = self.pings.answered_since(silence.since_s), self.pings.last_ms
        pings = f"{counted(answered, 'Ping')} answered"
        pings += "" if rtt_ms is None else f" ({format_rough_ms(rtt_ms)} ms)"
        words = f"connected, {pings}, no data for {said}{usual}"
        self._tell("mute", words, wall_s, **facts, pings_answered=answered, rtt_ms=rtt_ms)

    def _resume(self, gap_s: float, at_s: float, wall_s: float) -> None:
        silence, self.silence = self.silence, None
        if silence is None or not silence.told:
            return
        if silence.cause is not None:
            self.causes[silence.cause] += 1
        words = f"messages again after {format_duration(at_s - silence.since_s)} without any"
        self._tell(
            "resumed", words, wall_s, silent_s=max(at_s - silence.since_s, 0.0), cause=silence.cause
        )

    def _settle_burst(self, now_s: float, wall_s: float, *, over: bool = False) -> None:
        burst = self.arrivals.burst(float("inf") if over else now_s)
        if burst is not None:
            words = (
                f"{burst.messages} messages within {format_duration(burst.span_s)}, after "
                f"{format_duration(burst.pause_s)} without any, as many as usual"
            )
            self._tell(
                "burst",
                words,
                wall_s,
                silent_s=burst.pause_s,
                messages=burst.messages,
                span_s=burst.span_s,
            )

    def _tell(self, event: Any, message: str, wall_s: float, **facts: Any) -> None:
        self.events.append(
            StreamEvent(self.url, moment(wall_s), event, message, **facts, target=self.target)
        )

    def _tell_gap(self, found: Found, key: str | None, wall_s: float) -> None:
        self._gap_events += 1
        if self._gap_events > MOST_GAP_EVENTS:
            return
        words = gap_words(*found)
        whose = "" if key is None else f"{key}: "
        self._tell(
            "gap",
            whose + words,
            wall_s,
            gap=found.kind,
            key=key,
            expected=found.expected,
            got=found.got,
            missing=found.missing,
        )

    def outage(
        self,
        wall_s: float,
        down_s: float,
        attempts: int,
        drop: Drop | None,
        first_message_s: float | None,
        *,
        over: bool = True,
    ) -> None:
        """Messages come again on another connection, or the run ended before (not `over`)."""
        missed = self._missed() if over else None
        why = "" if drop is None else f" ({short_drop(drop)})"
        words = f"away {format_duration(down_s)}{why}, {counted(attempts, 'attempt')}"
        if not over:
            words = f"still {words}"
        if missed:
            words += ", " + missed_words(missed)
        self._tell(
            "outage",
            words,
            wall_s,
            down_s=down_s,
            attempts=attempts,
            first_message_s=first_message_s,
            missed=missed,
            drop=drop,
            over=over,
        )

    def awaits_numbers(self) -> bool:
        """Whether a key has not been seen since the last connection was opened."""
        if self.options.seq is None:
            return False
        return any(sequence.reconnected for _, sequence in self._sequences())

    def _sequences(self) -> list[tuple[str, SequenceCheck]]:
        if self.options.by is None:
            return [("", self._whole)] if self._whole.highest is not None else []
        return [
            (name, key.sequence) for name, key in self._keys.items() if key.sequence is not None
        ]

    def _missed(self) -> dict[str, int | None] | None:
        if self.options.seq is None:
            return None
        return {
            name: sequence.missed
            for name, sequence in self._sequences()
            if not sequence.reconnected and sequence.highest is not None
        }

    # -- out -----------------------------------------------------------------------------------

    def take_events(self) -> list[StreamEvent]:
        """The events since the last call."""
        events, self.events = self.events, []
        return events

    def interval(self, now_s: float, wall_s: float) -> StreamInterval:
        """What came since the last interval."""
        arrivals = self.arrivals
        took_s = now_s - self._interval_began_s
        messages = arrivals.messages - self._interval_messages
        size = arrivals.bytes - self._interval_bytes
        keys = None
        if self.options.by is not None:
            named = [*self._keys.items()]
            named += [] if self._others is None else [(OTHERS, self._others)]
            keys = {name: key.interval for name, key in named if key.interval}
            for _, key in named:
                key.interval = 0
        record = StreamInterval(
            self.url,
            moment(wall_s),
            took_s,
            messages,
            size,
            messages / took_s if took_s > 0 else 0.0,
            size / took_s if took_s > 0 else 0.0,
            arrivals.interval_longest_s,
            self.silent_s(now_s),
            self.pings.last_ms,
            self._interval_lag_ms,
            self._unread,
            self.connected,
            keys,
            self.target,
        )
        self._interval_began_s = now_s
        self._interval_messages, self._interval_bytes = arrivals.messages, arrivals.bytes
        arrivals.interval_longest_s = self._interval_lag_ms = None
        untold = self._gap_events - MOST_GAP_EVENTS
        if untold > 0:
            words = f"{counted(untold, 'more number')} that did not follow, not told one by one"
            self._tell("gap", words, wall_s)
        self._gap_events = 0
        return record

    def summary(self, now_s: float, **facts: Any) -> StreamSummary:
        """Everything so far; `facts`: members that only the caller knows."""
        arrivals, options = self.arrivals, self.options
        duration_s = 0.0 if self._began_s is None else max(now_s - self._began_s, 0.0)
        usable = duration_s > 0
        silent_s = self.silent_s(now_s)
        longest_s = None if self._began_s is None else max(arrivals.longest_s or 0.0, silent_s)
        causes = Counter(self.causes)
        if self.silence is not None and self.silence.told and self.silence.cause is not None:
            causes[self.silence.cause] += 1
        counts = self.sequence_counts()
        timed = options.time is not None
        summary = StreamSummary(
            self.url,
            arrivals.messages,
            arrivals.bytes,
            arrivals.messages / duration_s if usable else None,
            arrivals.bytes / duration_s if usable else None,
            duration_s,
            self.text,
            self.binary,
            self.not_json if options.reads_json else None,
            control=self.control,
            sizes=arrivals.size_figures(),
            interarrival=arrivals.interarrival(),
            longest_silence_s=longest_s,
            silences=self.silences,
            mutes=self.mutes,
            bursts=arrivals.bursts,
            causes=dict(causes),
            gaps=None if options.seq is None else counts.record(self.unnumbered),
            lag=self.lag.record() if timed else None,
            keys=None if options.by is None else self._key_figures(now_s, duration_s),
            pings=self.pings.record(),
            unread_bytes_max=self.unread_max,
            too_slow_pct=(
                100.0 * self._too_slow / self._looked if self._looked >= FEWEST_LOOKS else None
            ),
            target=self.target,
        )
        summary = replace(summary, **facts)
        unfound = paths_without_values(summary, options, self._fields)
        return replace(
            summary,
            thresholds=thresholds(summary, options.limits()),
            explanation=explanation(summary, self.silence, now_s, unfound),
        )

    def sequence_counts(self) -> SequenceCounts:
        """What became of the sequence numbers, all keys together."""
        counts = SequenceCounts()
        for _, sequence in self._sequences():
            counts.add(sequence.counts)
        return counts

    def _key_figures(self, now_s: float, duration_s: float) -> list[KeyFigures]:
        named = sorted(self._keys.items(), key=lambda item: -item[1].messages)
        named += [] if self._others is None else [(OTHERS, self._others)]
        return [self._figures_of(name, key, now_s, duration_s) for name, key in named]

    def _figures_of(self, name: str, key: _Key, now_s: float, duration_s: float) -> KeyFigures:
        silent_s = 0.0 if key.last_s is None else max(now_s - key.last_s, 0.0)
        lag, sequence = None if key.lag is None else key.lag.figures, key.sequence
        return KeyFigures(
            name,
            key.messages,
            key.bytes,
            key.messages / duration_s if duration_s > 0 else 0.0,
            max(key.longest_s or 0.0, silent_s),
            None if sequence is None or sequence.highest is None else sequence.counts.record(),
            None if lag is None else lag.percentile(50),
            None if lag is None else lag.maximum,
        )


def moment(wall_s: float) -> datetime:
    """Seconds since 1970 as a record's time."""
    return datetime.fromtimestamp(wall_s, UTC)
