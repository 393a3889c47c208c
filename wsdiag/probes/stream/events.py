"""Events as they are told: one record and one sentence each."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple

from wsdiag.probes.stream.arrivals import Burst
from wsdiag.probes.stream.pings import PingLog
from wsdiag.probes.stream.sequence import Found
from wsdiag.probes.stream.silence import Silence
from wsdiag.probes.stream.words import gap_words, missed_words, silence_words
from wsdiag.records import Drop
from wsdiag.records.drops import short_drop
from wsdiag.records.stream import StreamEvent, StreamEventKind
from wsdiag.units import counted, format_duration, format_rough_ms

# Events of numbers that do not follow: so many are told one by one in each interval.
MOST_GAP_EVENTS = 10


class Quiet(NamedTuple):
    """A silence that is to be told; times in s, `now_s` and the silence's of one clock."""

    silence: Silence
    pings: PingLog
    now_s: float
    wall_s: float
    usual_s: float | None
    usual: str
    """The same in words."""

    def facts(self) -> dict[str, Any]:
        """Members of its record."""
        silent_s = self.now_s - self.silence.since_s
        return {"silent_s": silent_s, "usual_s": self.usual_s, "cause": self.silence.cause}


class OutageFacts(NamedTuple):
    """What is known of an outage, named as in its record; `wall_s`: when it is told."""

    wall_s: float
    down_s: float
    attempts: int
    drop: Drop | None
    first_message_s: float | None
    over: bool


class Events:
    """What happened to one URL's messages and was not taken yet; `wall_s`: seconds since 1970."""

    def __init__(self, url: str, target: int | None) -> None:
        self._url, self._target = url, target
        self.untaken: list[StreamEvent] = []
        self._gaps = 0

    def take(self) -> list[StreamEvent]:
        """The events since the last call."""
        events, self.untaken = self.untaken, []
        return events

    def _tell(self, event: StreamEventKind, message: str, wall_s: float, **facts: Any) -> None:
        self.untaken.append(
            StreamEvent(self._url, moment(wall_s), event, message, **facts, target=self._target)
        )

    def silence(self, quiet: Quiet) -> None:
        """No message for longer than is usual."""
        silent_s = quiet.now_s - quiet.silence.since_s
        words = f"no message for {format_duration(silent_s)}{quiet.usual}"
        words += silence_words(quiet.silence.cause, proxied=quiet.pings.proxied)
        self._tell("silence", words, quiet.wall_s, **quiet.facts())

    def mute(self, quiet: Quiet) -> None:
        """The same, while Pings that left meanwhile were answered."""
        pings, since_s = quiet.pings, quiet.silence.since_s
        answered, rtt_ms = pings.answered_since(since_s), pings.last_ms
        said = f"{counted(answered, 'Ping')} answered"
        said += "" if rtt_ms is None else f" ({format_rough_ms(rtt_ms)} ms)"
        words = f"connected, {said}, no data for {format_duration(quiet.now_s - since_s)}"
        facts = quiet.facts() | {"pings_answered": answered, "rtt_ms": rtt_ms}
        self._tell("mute", words + quiet.usual, quiet.wall_s, **facts)

    def resumed(self, silence: Silence, at_s: float, wall_s: float) -> None:
        """The first message after a silence."""
        silent_s = at_s - silence.since_s
        words = f"messages again after {format_duration(silent_s)} without any"
        self._tell("resumed", words, wall_s, silent_s=max(silent_s, 0.0), cause=silence.cause)

    def burst(self, burst: Burst, wall_s: float) -> None:
        """A pause that was made up for at once."""
        words = (
            f"{burst.messages} messages within {format_duration(burst.span_s)}, after "
            f"{format_duration(burst.pause_s)} without any, as many as usual"
        )
        facts = {"silent_s": burst.pause_s, "messages": burst.messages, "span_s": burst.span_s}
        self._tell("burst", words, wall_s, **facts)

    def gap(self, found: Found, key: str | None, wall_s: float) -> None:
        """A number that does not follow; of very many the first ones only."""
        self._gaps += 1
        if self._gaps > MOST_GAP_EVENTS:
            return
        words = gap_words(*found) if key is None else f"{key}: {gap_words(*found)}"
        kind, expected, got, missing = found
        facts = {"gap": kind, "key": key, "expected": expected, "got": got, "missing": missing}
        self._tell("gap", words, wall_s, **facts)

    def end_interval(self, wall_s: float, by: str | None) -> None:
        """Tell of the gaps that were not told one by one; `by`: a key that mends them."""
        untold = self._gaps - MOST_GAP_EVENTS
        if untold > 0:
            words = f"{counted(untold, 'more number')} that did not follow, not told one by one"
            words += f"; by {by} they do (--by)" if by else ""
            self._tell("gap", words, wall_s)
        self._gaps = 0

    def outage(self, outage: OutageFacts, missed: dict[str, int | None] | None) -> None:
        """Messages come again on another connection, or the run ended before."""
        drop = outage.drop
        why = "" if drop is None else f" ({short_drop(drop)})"
        words = f"away {format_duration(outage.down_s)}{why}, {counted(outage.attempts, 'attempt')}"
        if not outage.over:
            words = f"still {words}"
        if missed:
            words += ", " + missed_words(missed)
        facts = outage._asdict()
        self._tell("outage", words, facts.pop("wall_s"), **facts, missed=missed)


def moment(wall_s: float) -> datetime:
    """Seconds since 1970 as a record's time."""
    return datetime.fromtimestamp(wall_s, UTC)
