"""Check results as JUnit, workflow annotations and text: valid, complete, safe from the peer."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from wsdiag.probes.check.decision import summarize
from wsdiag.probes.results import CheckResult, CheckSummary
from wsdiag.render.check import checks_view
from wsdiag.render.github import annotation_lines, step_summary
from wsdiag.render.junit import junit_xml
from wsdiag.render.terminal import Terminal

XSD = etree.XMLSchema(etree.parse(str(Path(__file__).with_name("junit.xsd"))))


def result(id: str, status: str, detail: str = "seen", **more: object) -> CheckResult:
    return CheckResult(id, "wss://a.example/", "fitness", status, detail=detail,  # type: ignore[arg-type]
                       took_ms=1.5, why="It matters.", **more)  # type: ignore[arg-type]  # fmt: skip


ALL = [
    result("connect", "pass"),
    result("ping", "fail", "no Pong", rule="RFC 6455, 5.5.2"),
    result("idle", "warn", "not idle"),
    result("certificate", "skip", "no TLS"),
    result("close", "skip", "interrupted", unmeasured=True),
    result("connect", "pass", endpoint="chat"),
]


def parsed(results: list[CheckResult]) -> etree._Element:
    document = etree.fromstring(junit_xml(results, summarize(results, 1.0)).encode())
    XSD.assertValid(document)
    return document


def test_junit_is_valid_and_counts_right() -> None:
    first, second = parsed(ALL)
    assert (first.get("tests"), first.get("failures")) == ("5", "1")
    assert (first.get("errors"), first.get("skipped")) == ("1", "1")
    assert second.get("name") == "chat (wss://a.example/)"
    kinds = [case[0].tag if len(case) else "" for case in first]
    assert kinds == ["", "failure", "system-out", "skipped", "error"]


@given(
    st.lists(st.tuples(st.text(), st.sampled_from(["pass", "warn", "fail", "skip"])), max_size=5)
)
def test_junit_is_valid_whatever_the_peer_says(details: list[tuple[str, str]]) -> None:
    terminal = Terminal(stdout=io.StringIO(), stderr=io.StringIO(), environ={})
    parsed([terminal.clean(result("x", status, said)) for said, status in details])


def test_the_schema_can_refuse() -> None:
    broken = junit_xml(ALL, summarize(ALL, 1.0)).replace('classname="wsdiag.fitness" ', "")
    assert not XSD.validate(etree.fromstring(broken.encode()))


def test_annotations_one_for_each_that_needs_attention() -> None:
    lines = annotation_lines(ALL, summarize(ALL, 1.0))
    kinds = [line.partition(" ")[0] for line in lines]
    assert kinds == ["::error", "::warning", "::error", "::notice"]
    assert "not measured: interrupted" in lines[2]


def test_a_peer_cannot_write_a_workflow_command() -> None:
    lines = annotation_lines([result("x", "fail", "a\n::set-output name=b::c")],
                             summarize([], 0.0))  # fmt: skip
    assert all(line.count("\n") == 0 and line.startswith("::") for line in lines)


def test_step_summary_has_a_row_for_each() -> None:
    rows = [
        line for line in step_summary(ALL, summarize(ALL, 1.0)).splitlines() if "connect" in line
    ]
    assert len(rows) == 2


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
        ([], "nothing was checked"),
    ],
)
def test_never_all_passed_when_something_was_not_measured(
    results: list[CheckResult], said: str
) -> None:
    assert said in text_of(results, summarize(results, 1.0))
