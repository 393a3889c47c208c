"""`path` for people: a live table on a terminal, the last table elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from wsdiag.records import Error, PathEvent, PathHop, PathStart, PathSummary
from wsdiag.records.drops import describe_drop
from wsdiag.render.base.error import print_error
from wsdiag.render.base.live import Lines
from wsdiag.render.base.live_view import LiveView
from wsdiag.render.base.output import EventOutput
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.path.table import table_lines
from wsdiag.units import counted, format_duration, format_percent, format_rough_ms

_TITLE_ROWS, _FOOT_ROWS = 3, 2


class PathHistory:
    """The rows of the last round, and what else there is to say."""

    def __init__(self, terminal: Terminal, url: str) -> None:
        self._terminal, self.url = terminal, terminal.text(url)
        self.start: PathStart | None = None
        self.summary: PathSummary | None = None
        self.errors: list[Error] = []
        self.rows: list[PathHop] = []
        self._coming: list[PathHop] = []

    def take(self, event: PathEvent) -> None:
        """Take one event in; a round is shown when it is complete."""
        if isinstance(event, PathStart):
            self.start = self._terminal.clean(event)
        elif isinstance(event, PathSummary):
            self.summary = self._terminal.clean(event)
        elif isinstance(event, PathHop):
            self._coming.append(self._terminal.clean(event))
            if event.kind == "endpoint":
                self.rows, self._coming = self._coming, []
        else:
            self.errors.append(event)

    @property
    def rounds(self) -> int:
        """Rounds so far."""
        return self.rows[-1].round if self.rows else 0

    def title(self) -> Text:
        """What is traced, and where to."""
        line = Text.assemble(("PATH ", "bold"), self.url)
        start = self.start
        if start is not None and start.address:
            line.append(f" ({start.address})", style="dim")
        if start is not None and start.proxy:
            line.append(f" to the proxy {start.proxy}")
        return line

    def whole(self, width: int) -> Group:
        """The answer, the table, and the notes."""
        parts: list[RenderableType] = [self.title()]
        if self.rows:
            parts += [Text(), *table_lines(self.rows, width, self._terminal.glyphs), Text()]
        parts += self.said()
        return Group(*parts)

    def said(self) -> list[RenderableType]:
        """The summary in sentences, the most important first."""
        summary = self.summary
        if summary is None:
            return []
        said = headline(summary, self.rows)
        lines = [Text(said, style="bold")] if said else []
        lines += [Text(note) for note in summary.notes]
        if summary.delay_ms:
            delay = format_rough_ms(summary.delay_ms)
            lines.append(Text(f"Each Ping that asked a hop was delayed, by up to {delay} ms."))
        if summary.drop is not None:
            after = format_duration(summary.drop.at_s)
            ended = f"The connection ended after {after}: {describe_drop(summary.drop)}."
            lines.append(Text(ended, style="red"))
        if summary.needs is not None:
            lines.append(Text.assemble(("hint: ", "bold cyan"), summary.needs))
        return list(lines)

    def save(self) -> None:
        """Table and notes into the files that `--save` names, if any."""
        from wsdiag.render.base.picture import WIDTH

        self._terminal.save(self.whole(WIDTH), title="wsdiag path")


def headline(summary: PathSummary, rows: Sequence[PathHop] = ()) -> str:
    """How many hops, and what share of a Ping's time is the network's.

    Where packets are lost, TCP sends Pings and Pongs again later: their mean is no measure of what
    is behind the network, and the best is.
    """
    if summary.method is None:
        return ""
    rounds = counted(summary.rounds, "round")
    where = "the proxy" if summary.proxy else "where TCP ends"
    hops = "hops not counted" if summary.hops is None else f"{counted(summary.hops, 'hop')}"
    if summary.fewest_hops is not None:
        hops = f"at most {hops}"
    said = f"{hops} to {where}, {rounds}"
    if summary.network_ms is None or summary.endpoint_ms is None:
        return said + "."
    network, whole, best = summary.network_ms, summary.endpoint_ms, ""
    ends = {row.kind: row for row in rows if row.received}
    end, endpoint = ends.get("tcp-end"), ends.get("endpoint")
    if end is not None and endpoint is not None and end.loss_pct:
        network, whole = end.best_ms or 0.0, endpoint.best_ms or 0.0
        best = f", at best (with {format_percent(end.loss_pct)} lost, means hold TCP's repetitions)"
    behind = max(0.0, whole - network)
    return (
        f"{said}: the network to there takes {format_rough_ms(network)} ms, what is behind it "
        f"{format_rough_ms(behind)} ms{best}."
    )


class PathLines(EventOutput):
    """The table after the last round; what is missing, at the beginning, on stderr."""

    def __init__(self, terminal: Terminal, url: str) -> None:
        self._terminal, self._history = terminal, PathHistory(terminal, url)

    def handle(self, event: PathEvent) -> None:
        """Take one event in."""
        self._history.take(event)
        if isinstance(event, PathStart) and event.method == "ping" and not self._terminal.quiet:
            self._terminal.log(f"note: {self._terminal.text(event.note or '')}")

    def finish(self) -> None:
        """Print the table and what it means; save it where that was asked for."""
        _leave(self._terminal, self._history)


class PathScreen(LiveView):
    """The live table."""

    def __init__(
        self, terminal: Terminal, url: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._history = PathHistory(terminal, url)
        super().__init__(terminal, self._history.take)
        self._clock, self._begin_s = clock, clock()
        self._paused = False

    def start(self) -> None:
        """Take the screen."""
        self._begin_s = self._clock()
        super().start()

    def press(self, key: str) -> None:
        """p pauses the picture, and goes on."""
        if key == "p":
            self._paused, self._pressed = not self._paused, True

    def _concluded(self) -> bool:
        return self._history.summary is not None

    def finish(self) -> None:
        """Leave the table and what it means on the normal screen; save it."""
        self.stop()
        self._take_queued()
        _leave(self._terminal, self._history)

    def draw(self, width: int, height: int, resized: bool) -> Lines | None:
        """The frame for a terminal of this size; None while nothing would look different."""
        changed = (not self._paused and self._take_queued()) or self._pressed
        now_s = int(self._clock() - self._begin_s)
        if not (changed or resized or now_s != self._drawn_s):
            return None
        self._drawn_s, self._pressed = now_s, False
        history, glyphs = self._history, self._terminal.glyphs
        room = max(height - _TITLE_ROWS - _FOOT_ROWS, 3)
        lines = (
            table_lines(history.rows, width, glyphs) if history.rows else [Text(_waiting(history))]
        )
        if len(lines) > room:  # the first hops give way: the answer stands at the end
            cut = len(lines) - room + 1
            lines = [lines[0], Text(f"    {glyphs.ellipsis}", style="dim"), *lines[cut + 1 :]]
        title = history.title()
        title.no_wrap, title.overflow = True, "ellipsis"
        blank = [Text()] * (room - len(lines))
        view = Group(title, self._note(), Text(), *lines, *blank, Text(), self._foot(now_s))
        return self._lines(view, width)

    def _note(self) -> Text:
        start = self._history.start
        short = "without CAP_NET_RAW: by delayed Pings, addresses by SYNs beside the flow"
        shown = short if start is not None and start.method == "ping" else ""
        return Text(shown, style="yellow", no_wrap=True, overflow="ellipsis")

    def _foot(self, now_s: int) -> Text:
        dot = f" {self._terminal.glyphs.dot} "
        took = format_duration(now_s) if now_s >= 1 else "0 s"
        facts = ["paused"] if self._paused else []
        facts += [took, counted(self._history.rounds, "round"), "times in ms"]
        keys = ["q: end", "p: pause"] if self._ending is None else [self._ending]
        text = dot.join([*facts, *keys])
        return Text(text, style="dim", no_wrap=True, overflow="ellipsis")


class PathPicture(EventOutput):
    """The table and what it means, for `--save` beside an output of data."""

    def __init__(self, terminal: Terminal, url: str) -> None:
        self._history = PathHistory(terminal, url)

    def handle(self, event: PathEvent) -> None:
        """Take one event in."""
        self._history.take(event)

    def finish(self) -> None:
        """Write the file."""
        self._history.save()


def _waiting(history: PathHistory) -> str:
    return "connecting" if history.start is None else "counting hops"


def _leave(terminal: Terminal, history: PathHistory) -> None:
    for error in history.errors:
        print_error(terminal, error)
    if history.summary is not None:
        if terminal.quiet:
            for line in history.said()[:1]:
                terminal.print(line)
        else:
            terminal.print(history.whole(terminal.width))
    history.save()
