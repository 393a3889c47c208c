"""What a stream's view knows: rates over time in bounded memory, marks, events, latest figures."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from wsdiag.records import Error, utc_now
from wsdiag.records.stream import (
    StreamClosed,
    StreamDialling,
    StreamEvent,
    StreamProgress,
    StreamRecord,
    StreamStart,
    StreamSummary,
)
from wsdiag.render.base.error import error_lines
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.stream.lines import event_line

SLOT_S = 0.25
_FINE_SLOTS = 4 * 3600  # the last hour
_COARSE_SLOTS = 1024
_MOST_MARKS = 500


@dataclass(slots=True)
class Slot:
    """A stretch of time: when it ended, how long it was, what came in it; `up`: connected."""

    end_s: float
    span_s: float
    messages: int
    up: bool


@dataclass(slots=True)
class Mark:
    """Something that happened at a moment: `mute`, `gap`, `closed`…"""

    at_s: float
    kind: str


class StreamHistory:
    """One stream's past. `take` is called for each record, in order."""

    def __init__(
        self, terminal: Terminal, url: str, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.url, self._terminal, self._clock = url, terminal, clock
        self._begin = clock()
        self.fine: deque[Slot] = deque(maxlen=_FINE_SLOTS)
        self.coarse: list[Slot] = []
        """The whole run, in slots that grow with it."""
        self.marks: deque[Mark] = deque(maxlen=_MOST_MARKS)
        self.notes: deque[Text] = deque(maxlen=50)
        self.starts: list[StreamStart] = []
        self.progress: StreamProgress | None = None
        self.figures: StreamSummary | None = None
        """The latest, perhaps partial."""
        self.summaries: list[StreamSummary] = []
        self.errors: list[Error] = []
        self.down: StreamDialling | None = None
        self._coarse_s = SLOT_S

    def start(self) -> None:
        """Time counts from here."""
        self._begin = self._clock()

    @property
    def now_s(self) -> float:
        """Seconds since the beginning."""
        return (self._clock() - self._begin).total_seconds()

    def take(self, event: StreamRecord) -> None:
        """Take one record in."""
        match event:
            case StreamProgress():
                self._progress(event)
                return
            case StreamStart():
                self.starts = [self._terminal.clean(event)]
                self.down = None
            case StreamDialling():
                self.down = event
                return
            case StreamSummary():
                self.figures = self._terminal.clean(event)
                if not event.partial:
                    self.summaries.append(self.figures)
                return
            case Error():
                self.errors = [event]
                self.notes.extend(error_lines(self._terminal.clean(event))[:1])
                return
            case StreamEvent():
                self.marks.append(Mark(self._since(event.time), event.event))
            case StreamClosed():
                self.marks.append(Mark(self._since(event.time), "closed"))
            case _:
                return
        line = event_line(self._terminal.clean(event))
        if line is not None:
            line.no_wrap, line.overflow = True, "ellipsis"
            self.notes.append(line)

    def _since(self, when: datetime) -> float:
        return (when - self._begin).total_seconds()

    def _progress(self, event: StreamProgress) -> None:
        before, self.progress = self.progress, event
        if event.summary is not None:
            self.figures = self._terminal.clean(event.summary)
        at_s = self._since(event.time)
        if before is not None:
            span_s = at_s - self._since(before.time)
            count = event.messages - before.messages
            if span_s > 0:
                slot = Slot(at_s, span_s, count, event.connected)
                self.fine.append(slot)
                self._coarsen(slot)

    def _coarsen(self, slot: Slot) -> None:
        last = self.coarse[-1] if self.coarse else None
        if last is not None and last.span_s + slot.span_s <= self._coarse_s * 1.01:
            last.end_s, last.span_s = slot.end_s, last.span_s + slot.span_s
            last.messages += slot.messages
            last.up = last.up and slot.up
        else:
            self.coarse.append(Slot(slot.end_s, slot.span_s, slot.messages, slot.up))
        if len(self.coarse) >= _COARSE_SLOTS:
            self._coarse_s *= 2
            pairs = zip(self.coarse[::2], self.coarse[1::2], strict=False)
            self.coarse = [
                Slot(b.end_s, a.span_s + b.span_s, a.messages + b.messages, a.up and b.up)
                for a, b in pairs
            ]

    def reset(self) -> None:
        """Bars and marks begin anew."""
        self.fine.clear()
        self.coarse.clear()
        self.marks.clear()
        self.notes.clear()
