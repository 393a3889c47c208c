"""What crossed the wire, a line per phase, header or frame: for `-v` and for `--trace FILE`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from typing import TextIO

from rich.text import Text

from wsdiag.credentials import MASK, Credential
from wsdiag.render.base.escape import shorten
from wsdiag.render.base.ndjson import to_line, to_record
from wsdiag.render.base.redact import Redactor
from wsdiag.render.base.terminal import Terminal
from wsdiag.transport.trace import FrameTraced, HeadersTraced, PhaseTraced, TraceEvent
from wsdiag.units import format_ms, format_size

_OPCODES = {0: "CONT", 1: "TEXT", 2: "BINARY", 8: "CLOSE", 9: "PING", 10: "PONG"}
_MARKS = {"sent": (">", "cyan"), "received": ("<", "magenta")}
_EXCERPT_SHOWN = 64


# A read of the smallest frames has thousands: more lines than this takes would hold up the loop.
_WINDOW_S, _PRINTING_S = 0.06, 0.03


class TracePrinter:
    """A tracer for `-v`: lines on stderr, timed from the first event.

    Of a flood of frames it shows as many as it can print without holding up the measurement;
    `all_frames`: nothing is measured, so that each is shown.
    """

    def __init__(self, terminal: Terminal, *, urls: int = 1, all_frames: bool = False) -> None:
        self._terminal = terminal
        self._printing_s = float("inf") if all_frames else _PRINTING_S
        self._several = urls > 1
        self._begin: datetime | None = None
        self._window_s = self._spent_s = 0.0
        self._left_out = 0

    def __call__(self, event: TraceEvent) -> None:
        """Print one event."""
        began_s = time.monotonic()
        if began_s - self._window_s > _WINDOW_S:
            self._window_s, self._spent_s = began_s, 0.0
            self.finish()
        if isinstance(event, FrameTraced) and self._spent_s > self._printing_s:
            self._left_out += 1
            return
        self._print(event)
        self._spent_s += time.monotonic() - began_s

    def finish(self) -> None:
        """Say how many frames were left out since this was said."""
        if self._left_out:
            self._terminal.log(f"… {self._left_out:,} frames more (--trace has all)")
            self._left_out = 0

    def _print(self, event: TraceEvent) -> None:
        self._begin = self._begin or event.time
        at = Text(f"{(event.time - self._begin).total_seconds():+.6f} ", style="dim")
        if self._several:
            number = "" if event.target is None else f"{event.target} "
            at.append(f"{number}{self._terminal.text(event.url)} ")
        for line in _lines(self._terminal, event):
            self._terminal.log(Text.assemble(at, line))


def _lines(terminal: Terminal, event: TraceEvent) -> Iterator[Text]:
    if isinstance(event, PhaseTraced):
        yield _phase(terminal.clean(event))
    elif isinstance(event, HeadersTraced):
        yield from _headers(terminal.clean(event))
    else:
        yield _frame(event, terminal)


def _phase(event: PhaseTraced) -> Text:
    ended = ("done", "green") if event.ok else ("failed", "bold red")
    detail = f": {event.detail}" if event.detail else ""
    return Text.assemble(
        ("* ", "dim"), f"{event.phase} ", ended, f" in {format_ms(event.took_ms)} ms{detail}"
    )


def _headers(event: HeadersTraced) -> Iterator[Text]:
    mark, style = _MARKS[event.direction]
    yield Text.assemble((f"{mark} ", style), shorten(event.first_line))
    for name, value in event.headers:
        yield Text.assemble((f"{mark} ", style), (name, "bold"), f": {shorten(value)}")


def _frame(event: FrameTraced, terminal: Terminal) -> Text:
    mark, style = _MARKS[event.direction]
    name = _OPCODES.get(event.opcode, f"0x{event.opcode:X}")
    bits = ["fin" if event.fin else "more"]
    bits += [f"rsv{number}" for number, bit in enumerate(event.rsv, 1) if bit]
    bits += ["masked"] if event.masked else []
    line = Text.assemble((f"{mark} ", style), (f"{name:<6}", "bold"))
    line.append(f" {format_size(event.length):>8}  {' '.join(bits)}", style="dim")
    said = _payload(event, terminal)
    if said and isinstance(event.excerpt, Credential) and not terminal.redactor.show:
        said = MASK
    return line.append(f"  {said}") if said else line


def _payload(event: FrameTraced, terminal: Terminal) -> str:
    """A Close frame's code and reason, anything else's first bytes."""
    data, code = event.excerpt, ""
    if event.opcode == 8 and len(data) >= 2:
        code, data = f"{int.from_bytes(data[:2], 'big')} ", data[2:]
    # masked before it is cut: half a secret would not be found
    text = terminal.redactor.text(data.decode("utf-8", "backslashreplace"))
    more = "…" if len(text) > _EXCERPT_SHOWN or event.length > len(event.excerpt) else ""
    return (code + terminal.text(text[:_EXCERPT_SHOWN]) + more).rstrip()


class TraceWriter:
    """A tracer for `--trace FILE`: the same as NDJSON records."""

    def __init__(self, stream: TextIO, redactor: Redactor) -> None:
        self._stream = stream
        self._redactor = redactor

    def __call__(self, event: TraceEvent) -> None:
        """Write one event."""
        self._stream.write(to_line(to_record(event, self._redactor)))
        self._stream.flush()
