"""The idle probe's verdict: the answer first, then evidence, candidates, and what to set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wsdiag.records import Candidate, IdleVerdict
from wsdiag.render.base.glyphs import UNICODE, Glyphs
from wsdiag.units import format_duration

_STYLES = {
    "no-drop": "bold green",
    "idle-timeout": "bold red",
    "lifetime": "bold red",
    "application-timeout": "bold red",
    "kept-busy": "bold yellow",
    "inconsistent": "bold yellow",
    "local-fault": "bold yellow",
    "unreachable": "bold red",
}


def verdict_view(
    verdict: IdleVerdict, glyphs: Glyphs = UNICODE, *, quiet: bool = False, name: bool = False
) -> Group:
    """The view of one cleaned verdict; `name`: several URLs, so say which; `quiet`: the answer."""
    parts: list[RenderableType] = []
    if name:
        parts.append(Text(verdict.url, style="bold"))
    parts += _answer(verdict, glyphs)
    if not quiet:
        parts += _bullets(None, verdict.explanation[1:], glyphs)
        parts += _keepalives(verdict, glyphs)
        parts += _candidates(verdict.candidates)
        parts += _bullets("what to set", verdict.advice, glyphs)
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
    style = _STYLES[verdict.verdict]
    yield _hanging(Text(mark, style=style), Text(said, style=style))
    if verdict.required_s is not None:
        yield _requirement(verdict, glyphs)


def _requirement(verdict: IdleVerdict, glyphs: Glyphs) -> RenderableType:
    wanted = f"{format_duration(verdict.required_s or 0.0)} without traffic"
    if verdict.require_ok is None:
        said = f"not measured whether it survives {wanted}, as required"
        return _hanging(Text(glyphs.warn, style="yellow"), Text(said))
    if verdict.require_ok:
        return _hanging(Text(glyphs.ok, style="green"), Text(f"survives {wanted}, as required"))
    said = f"does not survive {wanted}, as required"
    return _hanging(Text(glyphs.bad, style="bold red"), Text(said, style="bold red"))


def _bullets(
    title: str | None, sentences: Sequence[str], glyphs: Glyphs
) -> Iterator[RenderableType]:
    if not sentences:
        return
    yield Text()
    if title is not None:
        yield Text(title, style="bold")
    for sentence in sentences:
        yield _hanging(Text(glyphs.bullet, style="dim"), Text(sentence))


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


def _candidates(candidates: Sequence[Candidate]) -> Iterator[RenderableType]:
    if not candidates:
        return
    yield Text()
    yield Text("candidates", style="bold")
    table = Table.grid(padding=(0, 2))
    for _ in range(4):
        table.add_column(overflow="fold")
    for candidate in candidates:
        # in seconds, as the products' own documentation has it
        default = "" if candidate.default_s is None else f"{candidate.default_s:g} s"
        table.add_row(
            Text(candidate.product),
            Text(candidate.directive or "", style="cyan"),
            Text(default, style="dim"),
            Text(candidate.why or "", style="dim"),
        )
    yield Padding(table, (0, 0, 0, 2))


def _hanging(mark: Text, text: Text) -> Table:
    """A mark, and text that wraps beside it instead of under it."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=len(mark))
    grid.add_column()
    grid.add_row(mark, text)
    return grid
