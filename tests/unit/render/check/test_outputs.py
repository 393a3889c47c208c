"""Check results as JUnit, workflow annotations and text: valid, complete, safe from the peer."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml
from lxml import etree

from wsdiag.probes.check.summary import summarize
from wsdiag.records import CheckResult, CheckSummary
from wsdiag.render.base.terminal import Terminal
from wsdiag.render.check.github import annotation_lines, step_summary
from wsdiag.render.check.junit import junit_xml
from wsdiag.render.check.view import checks_view

XSD = etree.XMLSchema(etree.parse(str(Path(__file__).with_name("junit.xsd"))))


def result(id: str, status: str, detail: str = "seen", **more: object) -> CheckResult:
    return CheckResult(
        id,
        "wss://a.example/",
        "fitness",
        status,
        detail=detail,  # type: ignore[arg-type]
        took_ms=1.5,
        why="It matters.",
        **more,
    )  # type: ignore[arg-type]


ALL = [
    result("connect", "pass"),
    result("ping", "fail", "no Pong", rule="RFC 6455, 5.5.2"),
    result("idle", "warn", "not idle"),
    result("certificate", "skip", "no TLS"),
    result("close", "skip", "interrupted", unmeasured=True),
    result("connect", "pass", endpoint="chat"),
]


BEGAN = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)


def junit(results: list[CheckResult]) -> str:
    return junit_xml(results, began=BEGAN, hostname="ci")


def parsed(results: list[CheckResult]) -> etree._Element:
    document = etree.fromstring(junit(results).encode())
    XSD.assertValid(document)
    return document


def test_junit_is_valid_and_counts_right() -> None:
    first, second = parsed(ALL)
    assert (first.get("tests"), first.get("failures")) == ("5", "1")
    assert (first.get("errors"), first.get("skipped")) == ("1", "1")
    assert second.get("name") == "chat (wss://a.example/)"
    kinds = [case[0].tag if len(case) else "" for case in first.iter("testcase")]
    assert kinds == ["", "failure", "", "skipped", "error"]
    assert (first.get("timestamp"), first.get("hostname")) == ("2026-01-02T03:04:05", "ci")
    assert "idle: warning: not idle" in (first.findtext("system-out") or "")


def test_an_independent_reader_understands_the_report(tmp_path: Path) -> None:
    path = tmp_path / "report.xml"
    path.write_text(junit(ALL), encoding="utf-8")
    first, second = JUnitXml.fromfile(str(path))
    read = {case.name: [type(r).__name__ for r in case.result] for case in first}
    assert read == {
        "connect": [],
        "ping": ["Failure"],
        "idle": [],
        "certificate": ["Skipped"],
        "close": ["Error"],
    }
    assert (first.tests, first.failures, first.errors, first.skipped) == (5, 1, 1, 1)
    (failure,) = next(case for case in first if case.name == "ping").result
    assert failure.message == "no Pong"
    assert "RFC 6455, 5.5.2" in failure.text
    assert second.name == "chat (wss://a.example/)"


@given(
    st.lists(st.tuples(st.text(), st.sampled_from(["pass", "warn", "fail", "skip"])), max_size=5)
)
def test_junit_is_valid_whatever_the_peer_says(details: list[tuple[str, str]]) -> None:
    terminal = Terminal(stdout=io.StringIO(), stderr=io.StringIO(), environ={})
    parsed([terminal.clean(result("x", status, said)) for said, status in details])


def test_the_schema_can_refuse() -> None:
    for part in ('classname="wsdiag.fitness" ', 'package="wsdiag" ', "<system-err />"):
        broken = junit(ALL).replace(part, "")
        assert broken != junit(ALL)
        assert not XSD.validate(etree.fromstring(broken.encode()))


def test_annotations_one_for_each_that_needs_attention() -> None:
    lines = annotation_lines(ALL, summarize(ALL, 1.0))
    kinds = [line.partition(" ")[0] for line in lines]
    assert kinds == ["::error", "::error", "::warning", "::notice"]
    assert "not measured: interrupted" in lines[1]


def test_a_peer_cannot_write_a_workflow_command() -> None:
    lines = annotation_lines([result("x", "fail", "a\n::set-output name=b::c")], summarize([], 0.0))
    assert all(line.count("\n") == 0 and line.startswith("::") for line in lines)


def test_step_summary_has_a_row_for_each() -> None:
    rows = [
        line for line in step_summary(ALL, summarize(ALL, 1.0)).splitlines() if "connect" in line
    ]
    assert len(rows) == 2


def test_step_summary_begins_with_what_needs_attention() -> None:
    odd, _, everything = step_summary(ALL, summarize(ALL, 1.0)).partition("<details>")
    assert [word in odd for word in ("no Pong", "not idle", "interrupted", "no TLS")] == [
        True,
        True,
        True,
        False,
    ]
    assert "no TLS" in everything


def test_step_summary_keeps_below_what_the_runner_drops() -> None:
    many = [result(f"r{n}", "fail", "x" * 500, endpoint=f"e{n}") for n in range(3000)]
    text = step_summary(many, summarize(many, 1.0))
    assert len(text.encode()) < 1024 * 1024
    assert "more lines do not fit" in text
    assert "3000 failed" in text


def test_step_summary_renders_nothing_of_a_peers() -> None:
    nasty = "<b>x</b> **y** [z](http://q) $a$ | `c`\n# h"
    text = step_summary([result("x", "fail", nasty)], summarize([], 0.0))
    assert "<b>" not in text
    assert "\\*\\*y\\*\\*" in text
    assert "\\$a\\$" in text
    assert "\n# h" not in text


def text_of(results: list[CheckResult], summary: CheckSummary) -> str:
    out = io.StringIO()
    terminal = Terminal(stdout=out, stderr=io.StringIO(), environ={"LC_ALL": "C.UTF-8"}, width=100)
    terminal.print(checks_view(results, summary, terminal.glyphs))
    return out.getvalue()


def test_failures_come_last_and_the_verdict_at_the_end() -> None:
    text = text_of(ALL, summarize(ALL, 1.0))
    order = [text.index(word) for word in ("no TLS", "not idle", "no Pong", "1 check failed")]
    assert order == sorted(order)


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([result("a", "pass")], "all checks passed"),
        ([result("a", "pass"), result("b", "skip", unmeasured=True)], "1 check not measured"),
        ([result("a", "fail"), result("b", "pass")], "1 check failed; 1 passed in"),
        ([result("a", "warn")], "no check failed; 0 passed, 1 warned in"),
        ([], "nothing was checked"),
    ],
)
def test_never_all_passed_when_something_was_not_measured(
    results: list[CheckResult], said: str
) -> None:
    assert said in text_of(results, summarize(results, 1.0))


def test_an_endpoint_that_did_not_open_stands_in_the_last_lines() -> None:
    results = [result("ping", "skip", "did not open", unmeasured=True), result("a", "pass")]
    summary = summarize(results, 1.0, unreachable=1)
    assert summary.unreachable == 1
    assert "1 endpoint did not open, 1 check not measured\n  1 passed in" in text_of(
        results, summary
    )


def test_what_was_not_measured_stands_before_what_failed() -> None:
    results = [result("ping", "fail", "no Pong"), result("p95", "skip", "no RTT", unmeasured=True)]
    text = text_of(results, summarize(results, 1.0))
    assert text.index("no RTT") < text.index("no Pong")
