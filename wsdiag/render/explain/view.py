"""`explain` for people: an overview, each connection, then what they have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wsdiag.records import Error, ExplainConnection, ExplainVerdict
from wsdiag.records.drops import short_drop
from wsdiag.records.explain import Counts, ExplainSource
from wsdiag.render.base.error import print_error
from wsdiag.render.base.glyphs import Glyphs
from wsdiag.render.base.output import EventOutput
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.explain.timeline import ConnectionTimeline
from wsdiag.render.idle.verdict import bullets, candidates_view, hanging
from wsdiag.units import counted, format_ms, format_seconds, format_size

MOST_SHOWN = 50
"""Connections that are drawn one by one; -o json and csv have all, --only chooses."""
_LEAST_IDLE_S = 0.05
_BAD = ("idle-timeout", "lifetime", "application-timeout", "pong-timeout", "injected-reset")
_WARN = ("event", "size-limit", "protocol-error", "client-gone", "silent", "unknown")
WORDS = {
    "close": "closed with a Close frame",
    "idle-timeout": "idle timeout",
    "lifetime": "maximum lifetime",
    "application-timeout": "the application waited in vain",
    "event": "one event ended several",
    "pong-timeout": "a Pong did not come",
    "size-limit": "too large a message",
    "protocol-error": "a protocol error",
    "injected-reset": "a reset from in between",
    "client-gone": "the client went away",
    "silent": "silence to the end",
    "open": "open when the recording ended",
    "unknown": "ended, the cause is not known",
}
"""Outcomes for people."""


class ExplainText(EventOutput):
    """Overview, connections, verdicts. `live`: each connection as it comes, the overview last."""

    def __init__(self, terminal: Terminal, *, live: bool) -> None:
        self._terminal, self._live = terminal, live
        self._history = ExplainHistory(terminal)

    def handle(self, event: Any) -> None:
        """Take one event in; live, print a connection."""
        if isinstance(event, Error | ExplainSource):
            log_source(self._terminal, event)
        self._history.take(event)
        if self._live and isinstance(event, ExplainConnection) and not self._terminal.quiet:
            self._terminal.print(Group(*self._history.connection(event), Text()))
            self._terminal.out.file.flush()

    def finish(self) -> None:
        """Print the rest, and save everything where that was asked for."""
        history, terminal = self._history, self._terminal
        for view in history.overview(quiet=terminal.quiet):
            terminal.print(view)
        if not self._live and not terminal.quiet:
            for view in history.connections():
                terminal.print(view)
        for view in history.verdict_views(quiet=terminal.quiet):
            terminal.print(view)
        history.save()


class ExplainPicture(EventOutput):
    """The same as text, for `--save` beside an output of data."""

    def __init__(self, terminal: Terminal) -> None:
        self._history = ExplainHistory(terminal)

    def handle(self, event: Any) -> None:
        """Take one event in."""
        self._history.take(event)

    def finish(self) -> None:
        """Write the file."""
        self._history.save()


class ExplainHistory:
    """What was found, and the views of it."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._sources: list[ExplainSource] = []
        self._shown: list[ExplainConnection] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._verdicts: list[ExplainVerdict] = []

    def take(self, event: Any) -> None:
        """Take one event in."""
        if isinstance(event, ExplainSource):
            self._sources.append(event)
        elif isinstance(event, ExplainConnection):
            self._counts[event.outcome, event.ended_by] += 1
            if len(self._shown) < MOST_SHOWN:
                self._shown.append(event)
        elif isinstance(event, ExplainVerdict):
            self._verdicts.append(self._terminal.clean(event))

    def overview(self, *, quiet: bool = False) -> Iterator[RenderableType]:
        """How many connections there are, and how they ended, grouped by cause; and what the marks
        of the timelines mean, where any are drawn (`quiet`: none)."""
        total = self._counts.total()
        if not total:
            return
        held = beside(self._sources)
        line = Text(counted(total, "connection"), style="bold")
        yield line.append(f"   {held}" if held else "", style="not bold dim")
        table = Table.grid(padding=(0, 2))
        table.add_column(justify="right")
        outcomes: Counter[str] = Counter()
        for (outcome, _), count in self._counts.items():
            outcomes[outcome] += count
        for outcome, count in outcomes.most_common():
            by = Counter({b: n for (o, b), n in self._counts.items() if o == outcome})
            table.add_row(
                Text(f"  {count}"),
                Text(outcome, style=_style(outcome)),
                Text(WORDS[outcome]),
                Text(_by(by), style="dim"),
            )
        yield table
        if len(self._sources) > 1:
            for source in self._sources:
                yield hanging(Text(" "), Text(f"{source.source}: {source.kind}", style="dim"))
        if not quiet and any(_has_timeline(one) for one in self._shown):
            dot = f" {self._terminal.glyphs.dot} "
            marks = (f"{self._terminal.glyphs.sent} data", "i Ping", "o Pong", "C Close frame")
            yield Text("  " + dot.join((*marks, "F FIN", "R RST")), style="dim")

    def connections(self) -> Iterator[RenderableType]:
        """Each connection, the first few dozen."""
        for one in self._shown:
            yield Group(Text(), *self.connection(one))
        more = self._counts.total() - len(self._shown)
        if more > 0:
            yield Text(f"\n{more} more: --only chooses, -o json and -o csv have all", style="dim")

    def connection(self, one: ExplainConnection) -> Iterator[RenderableType]:
        """One connection: what it was, who ended it, by what evidence, and its timeline."""
        yield from connection_view(
            self._terminal.clean(one), self._terminal.glyphs, several=len(self._sources) > 1
        )

    def verdict_views(self, *, quiet: bool = False) -> Iterator[RenderableType]:
        """What the connections to each endpoint have in common, where they have."""
        for verdict in self._verdicts:
            if not verdict.explanation:
                continue
            yield Text()
            glyphs, verbose = self._terminal.glyphs, self._terminal.verbose
            yield Group(*verdict_view(verdict, glyphs, quiet=quiet, verbose=verbose))

    def save(self) -> None:
        """Everything into the file of `--save`, if any."""
        if not self._terminal.save_paths:
            return
        views = (*self.overview(), *self.connections(), *self.verdict_views())
        self._terminal.save(Group(*views), title="wsdiag explain")


def connection_view(
    one: ExplainConnection, glyphs: Glyphs, *, several: bool = False
) -> Iterator[RenderableType]:
    """The view of one cleaned connection; `several`: sources, so say which."""
    number = Text(
        f"#{one.number}", style="bold"
    )  # a recorded URL is a client's: no line is its own
    yield hanging(number, Text(one.url, style="bold", overflow="fold"))
    where = f" {glyphs.dot} ".join(_facts(one, several))
    if where:
        yield hanging(Text(" "), Text(where, style="dim"))
    if one.http is not None or one.encrypted or one.joined:
        yield hanging(Text(" "), Text(_handshake(one, glyphs)))
    yield from _traffic(one, glyphs)
    yield from _troubles(one)
    if _has_timeline(one):
        yield ConnectionTimeline(one, glyphs)
    end = "" if one.drop is None else f" ({short_drop(one.drop)})"
    # other codes than 1000 and 1001 say that something went wrong
    bad = one.drop is not None and one.drop.how == "close" and one.drop.code not in (1000, 1001)
    unclean = one.outcome == "close" and bad
    style = _style("unknown" if unclean else one.outcome)
    said = Text.assemble((f"{one.outcome}{end}", style))
    if one.ended_by != "unknown":
        said.append(f", {_who(one.ended_by)}")
    if one.age_s is not None:
        said.append(f", after {format_seconds(one.age_s)}")
    mark = glyphs.warn if unclean else _mark(one.outcome, glyphs)
    yield hanging(Text("  " + mark, style=style), said)
    for sentence in one.evidence:
        yield hanging(Text("    " + glyphs.bullet, style="dim"), Text(sentence))
    for violation in one.violations:
        yield hanging(Text("    " + glyphs.bullet, style="dim"), Text(violation, style="yellow"))
    for note in one.notes:
        yield hanging(Text("    " + glyphs.bullet, style="dim"), Text(note, style="dim"))
    for at_s, way, text in one.shown or ():
        arrow = ">" if way == "sent" else "<"
        yield hanging(Text(f"  {at_s:9.3f} s {arrow}", style="dim"), Text(text))


def _has_timeline(one: ExplainConnection) -> bool:
    return bool(one.activity and one.age_s)


def verdict_view(
    verdict: ExplainVerdict, glyphs: Glyphs, *, quiet: bool = False, verbose: bool = False
) -> Iterator[RenderableType]:
    """The view of one cleaned verdict: the answer, evidence, candidates, what to set; `verbose`:
    every product's setting."""
    said = verdict.explanation[0]
    style = "bold" if verdict.verdict is None else _style(verdict.verdict)
    mark = glyphs.bullet if verdict.verdict is None else _mark(verdict.verdict, glyphs)
    yield Text(f"{verdict.url} ({counted(verdict.connections, 'connection')})", style="bold")
    yield hanging(Text(mark, style=style), Text(said, style=style))
    if quiet:
        return
    yield from bullets(None, verdict.explanation[1:], glyphs)
    yield from candidates_view(verdict.candidates, verbose=verbose)
    named = tuple(f"If it is {c.product}:" for c in verdict.candidates if c.why is not None)
    advice = [
        line
        for line in verdict.advice
        if verbose or not line.startswith("If it is ") or line.startswith(named)
    ]
    yield from bullets("what to set", advice, glyphs)


def log_source(terminal: Terminal, event: Error | ExplainSource) -> None:
    """On stderr: an error, or what a source lacks and where it broke."""
    if isinstance(event, Error):
        print_error(terminal, event)
        return
    event = terminal.clean(event)
    lines = [event.broken] if event.broken else []
    for said in (*lines, *event.notes):
        terminal.log(Text.assemble(("note: ", "bold yellow"), f"{event.source}: {said}"))
    if event.unreadable:
        said = counted(event.unreadable, "line or entry was", "lines or entries were")
        terminal.log(Text.assemble(("note: ", "bold yellow"), f"{event.source}: {said} unreadable"))


def beside(sources: Sequence[ExplainSource]) -> str:
    """What else sources held, in words."""
    packets = sum(source.packets for source in sources)
    plain = sum(source.plain_http for source in sources)
    refused = sum(source.refused for source in sources)
    other = sum(source.other for source in sources)
    parts = [f"{packets:,} packets"] if packets else []
    if refused:
        parts.append(f"{refused:,} refused upgrades")
    if plain:
        parts.append(f"{plain:,} plain HTTP")
    if other:
        parts.append(f"{other:,} other")
    return ", ".join(parts)


def _by(counts: Counter[str]) -> str:
    known = [(who, n) for who, n in counts.most_common() if who != "unknown"]
    if not known:
        return ""
    if len(known) == 1 and len(counts) == 1:
        return _who(known[0][0])
    return ", ".join(f"{n} {_who(who)}" for who, n in known)


def _who(ended_by: str) -> str:
    return "by something in between" if ended_by == "middlebox" else f"by the {ended_by}"


def _style(outcome: str) -> str:
    if outcome in _BAD:
        return "bold red"
    if outcome in _WARN or outcome == "inconsistent":
        return "bold yellow"
    return "bold green" if outcome in ("close", "no-drop") else "bold"


def _mark(outcome: str, glyphs: Glyphs) -> str:
    if outcome in _BAD:
        return glyphs.bad
    return glyphs.ok if outcome in ("close", "no-drop") else glyphs.warn


def _facts(one: ExplainConnection, several: bool) -> Iterator[str]:
    if one.client or one.server:
        ends = [end for end in (one.client, one.server) if end]
        yield " -> ".join(ends)
    if one.time:
        yield one.time[:19].replace("T", " ") + " UTC"
    if several:
        yield one.source


def _handshake(one: ExplainConnection, glyphs: Glyphs) -> str:
    parts: list[str] = []
    if one.http is not None:
        parts.append(f"{one.http.status} {one.http.reason}".strip())
        if one.opened_s:
            parts.append(f"after {format_ms(one.opened_s * 1e3)} ms")
    if one.encrypted:
        parts.append("TLS, not decrypted: perhaps a WebSocket")
    if one.joined:
        parts.append("the recording began in the middle of it")
    if one.subprotocol:
        parts.append(f"subprotocol {one.subprotocol}")
    parts += one.extensions
    return f" {glyphs.dot} ".join(parts)


def _traffic(one: ExplainConnection, glyphs: Glyphs) -> Iterator[RenderableType]:
    parts: list[str] = []
    if one.messages.sent is not None or one.messages.received is not None:
        parts.append(
            f"messages {_pair(one.messages)} ({_size(one.bytes.sent)}, {_size(one.bytes.received)})"
        )
    if any((one.pings.sent, one.pings.received)):
        lost = (one.unanswered_pings.sent or 0) + (one.unanswered_pings.received or 0)
        parts.append(f"Pings {_pair(one.pings)}" + (f", {lost} unanswered" if lost else ""))
    if one.round_trips is not None:
        trips = one.round_trips
        parts.append(f"round trip {format_ms(trips.p50_ms)} ms, at most {format_ms(trips.max_ms)}")
    if (one.longest_idle_s or 0.0) >= _LEAST_IDLE_S:
        parts.append(f"outlived {format_seconds(one.longest_idle_s)} idle")
    if parts:
        yield hanging(Text(" "), Text(f" {glyphs.dot} ".join(parts)))


def _troubles(one: ExplainConnection) -> Iterator[RenderableType]:
    """What TCP shows, where there is any; sent by the client, then by the server."""
    parts = [
        f"{name} {_pair(counts)}"
        for name, counts in (
            ("retransmissions", one.retransmits),
            ("zero windows", one.zero_windows),
            ("bytes missing in the recording", one.lost_bytes),
        )
        if counts.sent or counts.received
    ]
    if parts:
        yield hanging(Text(" "), Text(", ".join(parts), style="yellow"))


def _pair(counts: Counts) -> str:
    sent, received = (("?" if n is None else f"{n:,}") for n in (counts.sent, counts.received))
    return f"{sent} sent, {received} received"


def _size(count: int | None) -> str:
    return "?" if count is None else format_size(count)
