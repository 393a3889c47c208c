"""The phases of one connection as a waterfall: each bar begins where the one before it ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

from wsdiag.records import Phases
from wsdiag.render.base.glyphs import UNICODE, Glyphs

_STYLES = {
    "dns": Style(color="blue"),
    "tcp": Style(color="cyan"),
    "proxy": Style(color="magenta"),
    "tls": Style(color="magenta"),
    "quic": Style(color="magenta"),
    "settings": Style(color="blue"),
    "upgrade": Style(color="green"),
    "ping": Style(color="yellow"),
    "close": Style(color="bright_black"),
}
_FAINT, _BOLD, _BAD = Style(dim=True), Style(bold=True), Style(color="red", bold=True)
_NAME, _FIGURE, _WIDEST = 10, 10, 100


@dataclass(frozen=True, slots=True)
class PhaseBar:
    """One bar; `took_ms` None: the phase began and failed."""

    name: str
    took_ms: float | None


def phase_bars(phases: Phases, failed: str | None = None) -> list[PhaseBar]:
    """The phases that happened, in their order, and the one that failed."""
    took = {field.name: getattr(phases, field.name) for field in fields(phases)}
    names = [name for name in _STYLES if took[f"{name}_ms"] is not None or name == failed]
    return [PhaseBar(name, took[f"{name}_ms"]) for name in names]


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Draws phases; `failed` names the one that ended it."""

    phases: Sequence[PhaseBar]
    failed: str | None = None
    glyphs: Glyphs = UNICODE

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = max(min(options.max_width, _WIDEST) - _NAME - _FIGURE - 5, 8)
        total = sum(phase.took_ms or 0 for phase in self.phases)
        decimals = 1 if total >= 100 else 2 if total >= 10 else 3
        begin = 0.0
        for phase in self.phases:
            yield from self._row(phase, begin / (total or 1), total or 1, room, decimals)
            begin += phase.took_ms or 0

    def _row(
        self, phase: PhaseBar, begin: float, total: float, room: int, decimals: int
    ) -> Iterator[Segment]:
        bad = phase.name == self.failed
        style = _BAD if bad else _STYLES[phase.name]
        bar = _bar(begin, (phase.took_ms or 0) / total, room, self.glyphs)
        if bad:
            bar = bar[: max(len(bar.rstrip()), 0)][: room - 1] + self.glyphs.bad
        figure = "" if phase.took_ms is None else f"{phase.took_ms:.{decimals}f} ms"
        yield Segment("  ")
        yield Segment(f"{phase.name:<{_NAME}}", _BAD if bad else _FAINT)
        yield Segment(f"{bar:<{room}}", style)
        yield Segment(f"{figure:>{_FIGURE + 2}}", _BAD if bad else None)
        yield Segment.line()


def _bar(begin: float, share: float, room: int, glyphs: Glyphs) -> str:
    """A bar of `share` of `room` columns from `begin` on; at least a sliver is seen."""
    steps = len(glyphs.bar) - 1
    first = min(round(begin * room), room - 1)
    eighths = max(round(share * room * steps), 0)
    full, part = divmod(eighths, steps)
    drawn = glyphs.bar[-1] * full + (glyphs.bar[part] if part else "")
    drawn = drawn[: room - first].rstrip()
    return " " * first + (drawn or (glyphs.bar[1] if glyphs.bar[1].strip() else glyphs.line))
