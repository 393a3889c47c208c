"""Check results for GitHub Actions: annotations on stdout, a table for the step summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from wsdiag.probes.results import CheckResult, CheckSummary
from wsdiag.render.check_groups import by_endpoint, endpoint_label

_MARKS = {"pass": "✅ pass", "warn": "⚠️ warn", "fail": "❌ fail", "skip": "➖ skip"}


def annotation_lines(results: Sequence[CheckResult], summary: CheckSummary) -> list[str]:
    """Workflow commands, one a failure or warning, then a notice with the counts; cleaned input."""
    lines = [
        _command("warning" if result.status == "warn" else "error", _title(result), _told(result))
        for result in results
        if result.status in ("fail", "warn") or result.unmeasured
    ]
    return [*lines, _command("notice", "wsdiag check", _counts(summary))]


def step_summary(results: Sequence[CheckResult], summary: CheckSummary) -> str:
    """Markdown for the file that GITHUB_STEP_SUMMARY names; cleaned input."""
    lines = [f"### wsdiag check: {_counts(summary)}", ""]
    for label, rows in by_endpoint(results).items():
        lines += [f"#### {_cell(label)}", "", "| | check | found |", "|---|---|---|"]
        lines += [f"| {_mark(row)} | {_cell(row.id)} | {_cell(_said(row))} |" for row in rows]
        lines.append("")
    return "\n".join(lines) + "\n"


def _title(result: CheckResult) -> str:
    return f"{result.id}: {endpoint_label(result)}"


def _mark(result: CheckResult) -> str:
    return "⚠️ not measured" if result.unmeasured else _MARKS[result.status]


def _told(result: CheckResult) -> str:
    said = "not measured: " + _said(result) if result.unmeasured else _said(result)
    return said + (f"\n{result.why}" if result.why else "")


def _said(result: CheckResult) -> str:
    said = result.detail or ("" if result.measured is None else str(result.measured))
    return said + (f" [{result.rule}]" if result.rule else "")


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
