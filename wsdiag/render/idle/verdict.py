"""The idle probe's verdict: the answer first, then evidence, candidates, and what to set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wsdiag.records import Candidate, IdleVerdict
from wsdiag.render.base.escape import shorten
from wsdiag.render.base.glyphs import UNICODE, Glyphs
from wsdiag.units import format_duration

_STYLES = {
    "no-drop": "bold green",
    "idle-timeout": "bold red",
    "lifetime": "bold red",
    "application-timeout": "bold red",
    "event": "bold yellow",
    "kept-busy": "bold yellow",
    "inconsistent": "bold yellow",
    "local-fault": "bold yellow",
    "unreachable": "bold red",
}


def verdict_view(
    verdict: IdleVerdict,
    glyphs: Glyphs = UNICODE,
    *,
    quiet: bool = False,
    name: bool = False,
    verbose: bool = False,
) -> Group:
    """The view of one cleaned verdict; `name`: several URLs, so say which; `quiet`: the answer.

    The product that named itself stands first and alone, and other candidates in a line; with
    `verbose` all have their directives, and every library its setting.
    """
    parts: list[RenderableType] = []
    if name:
        number = "" if verdict.target is None else f"{verdict.target}  "
        parts.append(Text(number + shorten(verdict.url), style="bold"))
    parts += _answer(verdict, glyphs)
    if not quiet:
        parts += bullets(None, verdict.explanation[1:], glyphs)
        parts += _keepalives(verdict, glyphs)
        parts += candidates_view(verdict.candidates, verbose=verbose)
        parts += bullets("what to set", _to_set(verdict, verbose=verbose), glyphs)
    return Group(*parts)


def _answer(verdict: IdleVerdict, glyphs: Glyphs) -> Iterator[RenderableType]:
    mark = {
        "no-drop": glyphs.ok,
        "idle-timeout": glyphs.bad,
        "lifetime": glyphs.bad,
        "application-timeout": glyphs.bad,
        "unreachable": glyphs.bad,
    }.get(verdict.verdict, glyphs.warn)
    said = verdict.explanation[0] if verdict.explanation else verdict.verdict
    style = _STYLES.get(verdict.verdict, "bold yellow")
    unknown = verdict.tested_up_to_s is None
    if verdict.verdict == "no-drop" and (verdict.drop is not None or unknown):
        # Idle connections live, but not everything is well, or nothing was seen so far.
        mark, style = glyphs.warn, "bold yellow"
    yield hanging(Text(mark, style=style), Text(said, style=style))
    if verdict.required_s is not None:
        yield _requirement(verdict, glyphs)


def _requirement(verdict: IdleVerdict, glyphs: Glyphs) -> RenderableType:
    wanted = f"{format_duration(verdict.required_s or 0.0)} without traffic"
    if verdict.require_ok is None:
        said = f"not measured whether it survives {wanted}, as required"
        return hanging(Text(glyphs.warn, style="yellow"), Text(said))
    if verdict.require_ok:
        return hanging(Text(glyphs.ok, style="green"), Text(f"survives {wanted}, as required"))
    said = f"does not survive {wanted}, as required"
    return hanging(Text(glyphs.bad, style="bold red"), Text(said, style="bold red"))


def bullets(
    title: str | None, sentences: Sequence[str], glyphs: Glyphs
) -> Iterator[RenderableType]:
    """Sentences under a title (None: without one), each with a bullet."""
    if not sentences:
        return
    yield Text()
    if title is not None:
        yield Text(title, style="bold")
    for sentence in sentences:
        yield hanging(Text(glyphs.bullet, style="dim"), Text(sentence))


def _keepalives(verdict: IdleVerdict, glyphs: Glyphs) -> Iterator[RenderableType]:
    tried = {trial: state for trial, state in verdict.keepalives.items() if state != "untested"}
    if not tried:
        return
    line = Text("keepalives  ", style="bold")
    for trial, state in tried.items():
        mark, style = (glyphs.ok, "green") if state == "holds" else (glyphs.bad, "red")
        line.append(f"{mark} ", style=style).append(f"{trial} {state}   ")
    yield Text()
    yield line


def _to_set(verdict: IdleVerdict, *, verbose: bool) -> list[str]:
    """The advice: of the directives, without `verbose`, only those of products that named
    themselves."""
    named = tuple(f"If it is {c.product}:" for c in verdict.candidates if c.why is not None)
    advice = [
        line
        for line in verdict.advice
        if verbose or not line.startswith("If it is ") or line.startswith(named)
    ]
    return [*advice, *(verdict.library_settings if verbose else ())]


def candidates_view(
    candidates: Sequence[Candidate], *, verbose: bool = False
) -> Iterator[RenderableType]:
    """Products and their settings, in columns; without `verbose`, all but the named in one line."""
    if not candidates:
        return
    shown = [c for c in candidates if verbose or c.why is not None]
    others = [c for c in candidates if c not in shown]
    yield Text()
    yield Text("candidates", style="bold")
    for candidate in shown:
        yield Padding(_candidate(candidate), (0, 0, 0, 2))
    if others:
        names = [
            c.product if c.default_s is None else f"{c.product} ({c.default_s:g} s)" for c in others
        ]
        also = "by default also: " if shown else "by default: "
        yield Padding(Text(also + ", ".join(names) + " (-v: their settings)"), (0, 0, 0, 2))


def _candidate(candidate: Candidate) -> Text:
    """Product, directive and default on a line of their own, so that no key is broken."""
    text = Text(candidate.product)
    if candidate.directive is not None:
        text.append("  ").append(candidate.directive, style="cyan")
    if candidate.default_s is not None:
        # in seconds, as the products' own documentation has it
        text.append(f"  {candidate.default_s:g} s", style="dim")
    if candidate.why is not None:
        text.append(f"  {candidate.why}", style="dim")
    return text


def hanging(mark: Text, text: Text) -> Table:
    """A mark, and text that wraps beside it instead of under it."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=len(mark))
    grid.add_column()
    grid.add_row(mark, text)
    return grid
