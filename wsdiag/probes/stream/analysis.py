"""A stream's messages, Pings and moments in; events, intervals and the summary out. No I/O.

Times ending in `_s` are seconds of one monotonic clock, the caller's; `wall_s` are seconds since
1970, for messages that carry their own time. What a message costs here is what limits a run's rate,
so `message` does for each only what cannot be done for many at once: percentiles, limits and rates
are computed when somebody asks.

Memory is bounded whatever comes: histograms instead of samples, a bounded number of keys, ranges
instead of numbers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from wsdiag.probes.stream.arrivals import Arrivals
from wsdiag.probes.stream.content import NOTHING, Content, ContentReader
from wsdiag.probes.stream.events import Events, OutageFacts, moment
from wsdiag.probes.stream.heartbeats import Heartbeats
from wsdiag.probes.stream.key_guess import KeyGuess
from wsdiag.probes.stream.keys import Keys
from wsdiag.probes.stream.lag import LagMeter
from wsdiag.probes.stream.options import StreamOptions
from wsdiag.probes.stream.pings import PingLog
from wsdiag.probes.stream.receive_queue import ReceiveQueue
from wsdiag.probes.stream.sequence import SequenceCounts, as_number
from wsdiag.probes.stream.silences import Silences
from wsdiag.probes.stream.words import explanation, guess_words, paths_without_values, thresholds
from wsdiag.records.stream import StreamEvent, StreamInterval, StreamSummary


class StreamAnalysis:
    """All that is known about one URL's messages; see the package's docstring for its use."""

    def __init__(self, url: str, options: StreamOptions, target: int | None = None) -> None:
        self.url, self.options, self.target = url, options, target
        self.arrivals = Arrivals()
        self.pings = PingLog()
        self.lag = LagMeter()
        self.text = self.binary = self.control = self.not_json = self.unnumbered = 0
        self.too_large = 0
        self.receive_queue = ReceiveQueue()
        self.last_seq: int | None = None
        self.last_lag_ms: float | None = None
        """Of the last message."""
        self._began_s: float | None = None
        self.connected = False
        self._events = Events(url, target)
        self.silences = Silences(options, self.arrivals, self.pings, self._events)
        self._keys = Keys(options)
        self._key_guess = KeyGuess() if options.seq is not None and options.by is None else None
        self._heartbeats = Heartbeats()
        self._reader = ContentReader(options) if options.reads_json else None
        self._fields = 0
        """Messages in which `field` found something."""
        self._interval_began_s = 0.0
        self._interval_messages = self._interval_bytes = 0
        self._interval_lag_ms: float | None = None

    # -- in ------------------------------------------------------------------------------------

    def opened(self, now_s: float) -> None:
        """A connection is open; messages are awaited from here on."""
        if self._began_s is None:
            self._began_s = self._interval_began_s = now_s
        else:
            self._keys.reconnected()
        self.connected = True
        self.arrivals.wait_from(now_s)
        self.silences.opened(now_s)

    def settle(self, now_s: float, wall_s: float) -> None:
        """Tell of a burst that goes on: nobody will wait for its end."""
        self._settle_burst(now_s, wall_s, over=True)

    def closed(self, now_s: float, wall_s: float) -> None:
        """The connection is over."""
        self.settle(now_s, wall_s)
        self.connected = False
        self.silences.current = None
        self.pings.forget()

    def no_data(self, message: str | bytes, *, dialect: bool) -> None:
        """Count a message that is the protocol's own; `dialect`: of a protocol that is known."""
        self.control += 1
        if not dialect:
            self._heartbeats.named(message)

    def message(
        self, message: str | bytes, at_s: float, wall_s: float, dropped: int = 0
    ) -> Content:
        """Take the next message, which arrived at `at_s`: what its paths found.

        `dropped`: bytes after it that were not kept; then it is too large to be looked into.
        """
        if isinstance(message, str):
            self.text += 1
            size = len(message) if message.isascii() else len(message.encode("utf-8", "replace"))
        else:
            self.binary += 1
            size = len(message)
        size += dropped
        self.arrivals.add(size, at_s)
        self._heartbeats.message(None if dropped else message, at_s)
        if self.silences.current is not None:
            self.silences.message(at_s, wall_s)
        self.last_seq = self.last_lag_ms = None
        if self._reader is None:
            return NOTHING
        if dropped:
            self._pass_over()
            return NOTHING
        content = self._reader.read(message)
        self._judge(content, size, at_s, wall_s)
        return content

    def _pass_over(self) -> None:
        self.too_large += 1
        if self.options.seq is not None:
            self.unnumbered += 1
            self._keys.unread()
            if self._key_guess is not None:
                self._key_guess.unread()

    def _judge(self, content: Content, size: int, at_s: float, wall_s: float) -> None:
        options = self.options
        self.not_json += not content.json
        self._fields += content.field is not None
        key = None if content.key is None else self._keys.of(content.key)
        if key is not None:
            key.add(size, at_s)
        if options.seq is not None:
            number = self.last_seq = as_number(content.seq)
            sequence = self._keys.sequence_of(key)
            if number is None or sequence is None:
                self.unnumbered += 1
            else:
                if self._key_guess is not None:
                    self._key_guess.add(content.document, number)
                if (found := sequence.add(number)) is not None:
                    self._events.gap(found, content.key, wall_s)
        if options.time is not None:
            lag_ms = self.last_lag_ms = self.lag.add(content.time, wall_s)
            if lag_ms is not None:
                self._interval_lag_ms = max(self._interval_lag_ms or lag_ms, lag_ms)
                if key is not None and key.lag is not None:
                    key.lag.add(content.time, wall_s)

    # -- silences ------------------------------------------------------------------------------

    def silent_s(self, now_s: float) -> float:
        """Time since the last message, or since waiting for the first began."""
        last_s = self.arrivals.last_s
        return 0.0 if last_s is None else max(now_s - last_s, 0.0)

    def tick(self, now_s: float, wall_s: float, stalled_s: float = 0.0) -> bool:
        """Look for silences and bursts; whether a Ping should leave at once.

        `stalled_s`: for how long since the last message this process itself did not run.
        """
        self._settle_burst(now_s, wall_s)
        return self.connected and self.silences.tick(now_s, wall_s, stalled_s)

    def _settle_burst(self, now_s: float, wall_s: float, *, over: bool = False) -> None:
        burst = self.arrivals.burst(float("inf") if over else now_s)
        if burst is not None:
            self._events.burst(burst, wall_s)

    # -- outages -------------------------------------------------------------------------------

    def awaits_numbers(self) -> bool:
        """Whether a key has not been seen since the last connection was opened."""
        return self._keys.awaits_numbers()

    def outage(self, outage: OutageFacts) -> None:
        """Tell of one, with the numbers that were missed where it is over."""
        self._events.outage(outage, self._keys.missed() if outage.over else None)

    # -- out -----------------------------------------------------------------------------------

    @property
    def has_events(self) -> bool:
        """Whether `take_events` would return any."""
        return bool(self._events.untaken)

    def take_events(self) -> list[StreamEvent]:
        """The events since the last call."""
        return self._events.take()

    def interval(self, now_s: float, wall_s: float) -> StreamInterval:
        """What came since the last interval."""
        arrivals = self.arrivals
        took_s = now_s - self._interval_began_s
        messages = arrivals.messages - self._interval_messages
        size = arrivals.bytes - self._interval_bytes
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
            self.receive_queue.now,
            self.connected,
            None if self.options.by is None else self._keys.take_interval(),
            self.target,
        )
        self._interval_began_s = now_s
        self._interval_messages, self._interval_bytes = arrivals.messages, arrivals.bytes
        arrivals.interval_longest_s = self._interval_lag_ms = None
        guess = None if self._key_guess is None else self._key_guess.found()
        self._events.end_interval(wall_s, None if guess is None else guess.path)
        return record

    def summary(self, now_s: float, **facts: Any) -> StreamSummary:
        """Everything so far; `facts`: members that only the caller knows."""
        arrivals, options = self.arrivals, self.options
        duration_s = 0.0 if self._began_s is None else max(now_s - self._began_s, 0.0)
        usable = duration_s > 0
        silent_s = self.silent_s(now_s)
        longest_s = None if self._began_s is None else max(arrivals.longest_s or 0.0, silent_s)
        counts = self.sequence_counts()
        compared = arrivals.messages - self.unnumbered - self._keys.firsts
        guess = None if self._key_guess is None else self._key_guess.found()
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
            too_large=self.too_large or None,
            control=self.control,
            sizes=arrivals.size_figures(),
            interarrival=arrivals.interarrival(),
            longest_silence_s=longest_s,
            silences=self.silences.count,
            mutes=self.silences.mutes,
            bursts=arrivals.bursts,
            causes=self.silences.causes(),
            gaps=None if options.seq is None else counts.record(self.unnumbered, compared),
            lag=self.lag.record() if timed else None,
            keys=None if options.by is None else self._keys.figures(now_s, duration_s),
            pings=self.pings.record(),
            suggested_by=None if guess is None else guess.path,
            unread_bytes_max=self.receive_queue.most,
            too_slow_pct=self.receive_queue.too_slow_pct,
            target=self.target,
        )
        summary = replace(summary, **facts)
        beside = [*self._heartbeats.words()]
        beside += [] if guess is None else [guess_words(guess)]
        beside += paths_without_values(summary, options, self._fields)
        summary = replace(summary, thresholds=thresholds(summary, options.limits()))
        said = explanation(summary, self.silences.current, now_s, silent_s, beside)
        return replace(summary, explanation=said)

    def sequence_counts(self) -> SequenceCounts:
        """What became of the sequence numbers, all keys together."""
        return self._keys.counts()
