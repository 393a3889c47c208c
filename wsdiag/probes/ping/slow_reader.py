"""--read-rate: what does the endpoint do with a client that is too slow for what it sends?

It can wait (its own sends block, or a bounded queue holds its source back), leave messages out, or
close. The first two look alike on the wire; what tells them apart is in the messages: numbers that
follow each other until some are left out. So a number is looked for that grows by one from message
to message; without one, "waited" means that nothing else was seen.
"""

from __future__ import annotations

import re
from typing import Literal

from wsdiag.records import Drop, SlowReader
from wsdiag.records.drops import drop_predicate
from wsdiag.units import counted, format_duration, format_size

SlowOutcome = Literal["waited", "dropped-messages", "closed", "not-slow"]

_LOOKED_AT = 300
_NUMBERS = re.compile(r"(?<![\w.])\d{1,15}(?![\w.])")
_COLUMNS = 4
_PROVEN = 8
_QUEUED = 16 * 1024


class NumberedMessages:
    """Looks for a number that grows by one from message to message, and for what it skips."""

    def __init__(self) -> None:
        self._last: list[int] = []
        self._runs = [0] * _COLUMNS
        self.missing = 0

    @property
    def numbered(self) -> bool:
        """Whether there is such a number."""
        return max(self._runs) >= _PROVEN

    def add(self, text: str) -> None:
        """Take the next message."""
        found = _NUMBERS.findall(text[:_LOOKED_AT])[:_COLUMNS]
        numbers = [int(each) for each in found]
        for column, (last, number) in enumerate(zip(self._last, numbers, strict=False)):
            if number == last + 1:
                self._runs[column] += 1
            elif self._runs[column] < _PROVEN:
                self._runs[column] = 0
            elif number > last and column == self._runs.index(max(self._runs)):
                self.missing += number - last - 1
        self._last = numbers


class SlowReaderMeter:
    """What became of one slow connection."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.messages = NumberedMessages()
        self.received = 0
        self.queued_max = 0
        """The most that a Pong waited behind, or that lay unread when a Ping left, in bytes."""

    def result(self, drop: Drop | None, duration_s: float) -> SlowReader:
        """The record of it."""
        messages = self.messages
        missing = messages.missing if messages.numbered else None
        pace = f"Read at {format_size(int(self.rate))}/s"
        queued = format_size(self.queued_max)
        outcome: SlowOutcome
        if drop is not None:
            said = f"{pace}, the endpoint {drop_predicate(drop)} after {format_duration(drop.at_s)}"
            said += f" ({drop.reason})" if drop.reason else ""
            end = f"{said}; up to {queued} stood before a Pong."
            outcome, after_s = "closed", drop.at_s
        elif missing:
            noun = counted(missing, "message")
            end = f"{pace}, the endpoint left out {noun} and kept the connection."
            outcome, after_s = "dropped-messages", duration_s
        elif self.queued_max >= _QUEUED or self.received >= self.rate * duration_s / 2:
            numbers = ", and left out none of what was read" if messages.numbered else ""
            end = (
                f"{pace} for {format_duration(duration_s)}, the endpoint waited{numbers} "
                f"({format_size(self.received)}): up to {queued} stood before a Pong."
            )
            outcome, after_s = "waited", duration_s
        else:
            end = f"{pace}, which was fast enough: the endpoint sent less than that."
            outcome, after_s = "not-slow", duration_s
        return SlowReader(
            self.rate, self.received, outcome, after_s, missing, self.queued_max, drop, end
        )
