"""`check` for people: aligned lines, what failed last where the eye is, then the counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from wsdiag.records import CheckResult, CheckSummary, Status
from wsdiag.records.check import by_endpoint
from wsdiag.render.base.escape import shorten
from wsdiag.render.base.glyphs import UNICODE, Glyphs
from wsdiag.render.base.terminal import Terminal
from wsdiag.units import counted, format_duration, format_number

_STYLES: dict[Status, str] = {"pass": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}
_ORDER: tuple[Status | None, ...] = ("skip", "pass", "warn", None, "fail")
_UNMEASURED = _ORDER.index(None)


def print_checks(terminal: Terminal, results: Sequence[CheckResult], summary: CheckSummary) -> None:
    """Print all results and the counts; `-q`: what keeps the code from being 0, and counts."""
    clean = [terminal.clean(result) for result in results]
    shown = [r for r in clean if r.status == "fail" or r.unmeasured] if terminal.quiet else clean
    terminal.print(checks_view(shown, summary, terminal.glyphs))


def save_checks(terminal: Terminal, results: Sequence[CheckResult], summary: CheckSummary) -> None:
    """Save all results as a picture where `--save` asked for one."""
    clean = [terminal.clean(result) for result in results]
    terminal.save(checks_view(clean, summary, terminal.glyphs))


def checks_view(
    results: Sequence[CheckResult], summary: CheckSummary, glyphs: Glyphs = UNICODE
) -> Group:
    """The view of cleaned results: of each endpoint, skips and passes first, failures last.

    Of several endpoints those without a failure come first, otherwise in the order given.
    """
    groups = by_endpoint(results)
    # sorted() is stable: endpoints and checks keep their order within a rank
    endpoints = sorted(
        groups, key=lambda label: max(_rank(r) for r in groups[label]) >= _UNMEASURED
    )
    parts: list[RenderableType] = []
    for label in endpoints:
        parts += [*_endpoint(label, groups[label], glyphs), Text()]
    return Group(*parts, _counts(summary, glyphs))


def _rank(result: CheckResult) -> int:
    return _UNMEASURED if result.unmeasured else _ORDER.index(result.status)


def _endpoint(
    label: str, results: Sequence[CheckResult], glyphs: Glyphs
) -> Iterator[RenderableType]:
    yield Text(shorten(label), style="bold")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for result in sorted(results, key=_rank):
        table.add_row(_mark(result, glyphs), _name(result), _found(result))
    yield table


def _mark(result: CheckResult, glyphs: Glyphs) -> Text:
    if result.unmeasured:
        return Text(f"  {glyphs.warn} none", style="bold yellow")
    marks = {"pass": glyphs.ok, "warn": glyphs.warn, "fail": glyphs.bad, "skip": glyphs.skip}
    return Text(f"  {marks[result.status]} {result.status}", style=_STYLES[result.status])


def _name(result: CheckResult) -> Text:
    return Text(result.id, style="bold" if result.status == "fail" else "")


def _found(result: CheckResult) -> Text:
    text = Text("not measured: " if result.unmeasured else "")
    seen = result.measured
    shown = format_number(seen) if isinstance(seen, float) else "" if seen is None else str(seen)
    text.append(result.detail or shown)
    if result.status in ("pass", "skip"):
        return text
    if result.rule:
        text.append(f"  {result.rule}", style="dim")
    if result.why and result.status in ("warn", "fail"):
        text.append(f"\n{result.why}", style="dim italic")
    return text


def _counts(summary: CheckSummary, glyphs: Glyphs) -> Text:
    skipped = summary.skipped - (summary.unmeasured or 0)
    rest = [f"{summary.passed} passed"]
    rest += [f"{summary.warned} warned"] if summary.warned else []
    rest += [f"{skipped} skipped"] if skipped else []
    said = f"{', '.join(rest)} in {format_duration(summary.duration_s)}"
    wrong = _wrong(summary)
    between = "\n  " if len(wrong) > 1 else "; "  # of several things the line would not hold more
    return Text.assemble(_verdict(summary, wrong, glyphs), between, said)


def _wrong(summary: CheckSummary) -> list[str]:
    """What keeps the exit code from being 0."""
    missing, mute = summary.unmeasured or 0, summary.unreachable or 0
    wrong = [f"{counted(mute, 'endpoint')} did not open"] if mute else []
    wrong += [f"{counted(summary.failed, 'check')} failed"] if summary.failed else []
    return wrong + ([f"{counted(missing, 'check')} not measured"] if missing else [])


def _verdict(summary: CheckSummary, wrong: Sequence[str], glyphs: Glyphs) -> tuple[str, str]:
    """The answer and its style."""
    if summary.unreachable or summary.failed:
        return f"{glyphs.bad} {', '.join(wrong)}", "bold red"
    if wrong:
        return f"{glyphs.warn} {', '.join(wrong)}", "bold yellow"
    if not summary.passed + summary.warned:
        return f"{glyphs.warn} nothing was checked", "bold yellow"
    said = "no check failed" if summary.warned else "all checks passed"
    return f"{glyphs.ok} {said}", "bold green"
