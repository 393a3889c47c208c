"""Check results for GitHub Actions: annotations on stdout, a table for the step summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from wsdiag.probes.results import CheckResult, CheckSummary, Error

_MARKS = {"pass": "✅ pass", "warn": "⚠️ warn", "fail": "❌ fail", "skip": "➖ skip"}


def annotation_lines(results: Sequence[CheckResult], summary: CheckSummary) -> list[str]:
    """Workflow commands, one a failure or warning, then a notice with the counts; cleaned input."""
    lines = [
        _command("error" if result.status == "fail" else "warning", _title(result), _said(result))
        for result in results
        if result.status in ("fail", "warn")
    ]
    return [*lines, _command("notice", "wsdiag check", _counts(summary))]


def error_annotation(error: Error) -> str:
    """The annotation of an endpoint that could not be checked at all; cleaned input."""
    said = error.message + (f"\nhint: {error.hint}" if error.hint else "")
    return _command("error", f"{error.url}: {error.phase}", said)


def step_summary(results: Sequence[CheckResult], summary: CheckSummary) -> str:
    """Markdown for the file that GITHUB_STEP_SUMMARY names; cleaned input."""
    lines = [f"### wsdiag check: {_counts(summary)}", ""]
    for url in dict.fromkeys(result.url for result in results):
        lines += [f"#### {_cell(url)}", "", "| | check | found |", "|---|---|---|"]
        rows = [result for result in results if result.url == url]
        lines += [
            f"| {_MARKS[row.status]} | {_cell(row.id)} | {_cell(_said(row))} |" for row in rows
        ]
        lines.append("")
    return "\n".join(lines) + "\n"


def _title(result: CheckResult) -> str:
    return f"{result.id}: {result.url}"


def _said(result: CheckResult) -> str:
    said = result.detail or ("" if result.measured is None else str(result.measured))
    limit = "" if result.limit is None else f" (limit {result.limit})"
    return said + limit + (f" [{result.rule}]" if result.rule else "")


def _counts(summary: CheckSummary) -> str:
    return (
        f"{summary.passed} passed, {summary.warned} warned, {summary.failed} failed, "
        f"{summary.skipped} skipped"
    )


def _command(kind: Literal["error", "warning", "notice"], title: str, message: str) -> str:
    return f"::{kind} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    # a line end would end the command, and what follows could be a command of the peer's
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _cell(text: str) -> str:
    """Text as a cell: neither Markdown nor HTML of a peer is rendered."""
    for plain in "\\`*_[]|~#!":
        text = text.replace(plain, f"\\{plain}")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")
