"""An idle probe's verdict: the answer in the first line, then evidence, then what to set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wsdiag.probes.results import Candidate, IdleVerdict, Range
from wsdiag.render.figures import seconds
from wsdiag.render.glyphs import UNICODE, Glyphs

_KEEPALIVE_STYLES = {"holds": "green", "drops": "bold red", "untested": "dim"}
_BAD = ("idle-timeout", "lifetime", "unreachable")


def verdict_view(verdict: IdleVerdict, glyphs: Glyphs = UNICODE, *, quiet: bool = False) -> Group:
    """The view of a cleaned verdict; `quiet`: the answer, and what was required."""
    parts: list[RenderableType] = [_answer(verdict, glyphs)]
    if verdict.required_s is not None:
        parts.append(_required(verdict, glyphs))
    if not quiet:
        parts += [_subtitle(verdict, glyphs), *_evidence(verdict, glyphs)]
        parts += [*_keepalives(verdict, glyphs), *_candidates(verdict.candidates, glyphs)]
        parts += _advice(verdict, glyphs)
    return Group(*parts)


def _answer(verdict: IdleVerdict, glyphs: Glyphs) -> RenderableType:
    if verdict.verdict == "no-drop":
        mark, style = glyphs.ok, "bold green"
    elif verdict.verdict in _BAD:
        mark, style = glyphs.bad, "bold red"
    else:
        mark, style = glyphs.warn, "bold yellow"
    said = verdict.explanation[0] if verdict.explanation else verdict.verdict
    return _hanging(Text(mark, style=style), Text(said, style=style))


def _subtitle(verdict: IdleVerdict, glyphs: Glyphs) -> RenderableType:
    facts = [verdict.url]
    if verdict.idle_timeout_s is not None:
        facts.append(f"idle timeout {_range(verdict.idle_timeout_s)}")
    if verdict.tested_up_to_s is not None:
        facts.append(f"tested up to {seconds(verdict.tested_up_to_s)}")
    if verdict.partial:
        facts.append("interrupted: the verdict so far")
    return _hanging(Text(" "), Text(f" {glyphs.dot} ".join(facts), style="dim"))


def _range(span: Range) -> str:
    if span.high is None:
        return f"over {seconds(span.low)}"
    return f"{seconds(span.low).removesuffix(' s')} to {seconds(span.high)}"


def _required(verdict: IdleVerdict, glyphs: Glyphs) -> RenderableType:
    ok = verdict.require_ok
    mark = (glyphs.ok, "green") if ok else (glyphs.bad, "bold red")
    said = "survived" if ok else "not survived" if ok is False else "not shown"
    text = f"required: {seconds(verdict.required_s)} without traffic, {said}"
    return _hanging(Text(*mark), Text(text, style=mark[1]))


def _evidence(verdict: IdleVerdict, glyphs: Glyphs) -> Iterator[RenderableType]:
    sentences = list(verdict.explanation[1:])
    sentences += [f"On the path: {hop.product} ({hop.evidence})." for hop in verdict.hops]
    if sentences:
        yield _heading("Evidence")
        yield from (_bullet(sentence, glyphs) for sentence in sentences)


def _keepalives(verdict: IdleVerdict, glyphs: Glyphs) -> Iterator[RenderableType]:
    if not verdict.keepalives:
        return
    yield _heading("What keeps it alive")
    marks = {"holds": glyphs.ok, "drops": glyphs.bad, "untested": glyphs.skip}
    grid = Table.grid(padding=(0, 2, 0, 0))
    for name, found in verdict.keepalives.items():
        grid.add_row("  " + name, Text(f"{marks[found]} {found}", style=_KEEPALIVE_STYLES[found]))
    yield grid


def _candidates(candidates: Sequence[Candidate], glyphs: Glyphs) -> Iterator[RenderableType]:
    if not candidates:
        return
    yield _heading("Candidates", "their defaults fit; nothing here proves it was one of them")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_column(style="dim", overflow="fold")
    for one in candidates:
        default = "" if one.default_s is None else seconds(one.default_s)
        grid.add_row("  " + one.product, default, one.directive or "", one.why or "")
    yield grid


def _advice(verdict: IdleVerdict, glyphs: Glyphs) -> Iterator[RenderableType]:
    interval = verdict.recommended_ping_interval_s
    if interval is None and not verdict.advice:
        return
    yield _heading("What to set")
    if interval is not None:
        said = f"  a Ping every {seconds(interval)}"
        if not any("very " in line and "Ping" in line for line in verdict.advice[:1]):
            yield Text(said, style="bold")
    yield from (_bullet(line, glyphs) for line in verdict.advice)


def _heading(title: str, remark: str = "") -> Text:
    return Text.assemble("\n", (title, "bold"), (f"  ({remark})" if remark else "", "dim"))


def _bullet(sentence: str, glyphs: Glyphs) -> RenderableType:
    return _hanging(Text(f"  {glyphs.bullet}", style="dim"), Text(sentence))


def _hanging(mark: Text, text: Text) -> RenderableType:
    """Text whose further lines stand under its first word, not under its mark."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(mark, text)
    return grid
