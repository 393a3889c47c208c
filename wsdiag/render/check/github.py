"""Check results for GitHub Actions: annotations on stdout, a table for the step summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from wsdiag.records import CheckResult, CheckSummary
from wsdiag.records.check import by_endpoint

_MARKS = {"pass": "✅ pass", "warn": "⚠️ warn", "fail": "❌ fail", "skip": "➖ skip"}
# The runner drops a step's whole summary above 1 MiB; what else the step writes needs room as well.
SUMMARY_BYTES = 900_000
_HEAD = ["", "| | check | found |", "|---|---|---|"]


def annotation_lines(results: Sequence[CheckResult], summary: CheckSummary) -> list[str]:
    """Workflow commands: errors, warnings, then a notice with the counts; cleaned input.

    Errors come first, because the runner shows ten of a kind in a step and no more.
    """
    errors = [r for r in results if r.status == "fail" or r.unmeasured]
    warnings = [r for r in results if r.status == "warn"]
    return [
        *(_command("error", _title(result), _message(result)) for result in errors),
        *(_command("warning", _title(result), _message(result)) for result in warnings),
        _command("notice", "wsdiag check", _counts(summary)),
    ]


def step_summary(results: Sequence[CheckResult], summary: CheckSummary) -> str:
    """Markdown for the file that GITHUB_STEP_SUMMARY names, at most 900 kB; cleaned input.

    What needs attention comes first, everything else is folded away below.
    """
    odd = [r for r in results if r.status in ("fail", "warn") or r.unmeasured]
    lines = [f"### wsdiag check: {_counts(summary)}", "", *_tables(odd)]
    lines += ["<details><summary>All checks</summary>", "", *_tables(results), "</details>"]
    return _fitting(lines)


def _tables(results: Sequence[CheckResult]) -> Iterator[str]:
    for label, rows in by_endpoint(results).items():
        yield from [f"#### {_cell(label)}", *_HEAD]
        yield from (f"| {_mark(row)} | {_cell(row.id)} | {_cell(_said(row))} |" for row in rows)
        yield ""


def _fitting(lines: Sequence[str]) -> str:
    """The lines, as many as the summary holds, and a word on how many it does not."""
    kept, left = [], SUMMARY_BYTES
    for line in lines:
        left -= len(line.encode()) + 1
        if left < 0:
            break
        kept.append(line)
    if len(kept) < len(lines):
        more = len(lines) - len(kept)
        kept += ["", f"{more} more lines do not fit into a step summary; --junit FILE has all."]
    return "\n".join(kept) + "\n"


def _title(result: CheckResult) -> str:
    return f"{result.id}: {result.endpoint_label}"


def _mark(result: CheckResult) -> str:
    return "⚠️ not measured" if result.unmeasured else _MARKS[result.status]


def _message(result: CheckResult) -> str:
    said = "not measured: " + _said(result) if result.unmeasured else _said(result)
    return said + (f"\n{result.why}" if result.why else "")


def _said(result: CheckResult) -> str:
    said = result.detail or ("" if result.measured is None else str(result.measured))
    return said + (f" [{result.rule}]" if result.rule else "")


def _counts(summary: CheckSummary) -> str:
    missing = f", {summary.unmeasured} not measured" if summary.unmeasured else ""
    skipped = summary.skipped - (summary.unmeasured or 0)
    return (
        f"{summary.passed} passed, {summary.warned} warned, {summary.failed} failed, "
        f"{skipped} skipped{missing}"
    )


def _command(kind: Literal["error", "warning", "notice"], title: str, message: str) -> str:
    return f"::{kind} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    # a line end would end the command, and what follows could be a command of the peer's
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    """Text as a cell: neither Markdown, formulas nor HTML of a peer are rendered."""
    for plain in "\\`*_[]|~#!$":
        text = text.replace(plain, f"\\{plain}")
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("\r", " ").replace("\n", " ")
