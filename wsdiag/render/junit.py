"""Check results as JUnit XML, in the shape that the Jenkins xUnit schema accepts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from wsdiag.probes.results import CheckResult, CheckSummary
from wsdiag.render.check_groups import by_endpoint

# XML 1.0, 2.2: characters that no document may hold, not even as references
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(results: Sequence[CheckResult], summary: CheckSummary) -> str:
    """One suite an endpoint, one case a check; a warning passes, with its text in system-out.

    What was asked for but could not be measured is an error.
    `results` are cleaned. The text ends with a line end.
    """
    root = ET.Element("testsuites", {
        "name": "wsdiag", "tests": str(len(results)), "failures": str(summary.failed),
        "errors": str(_errors(results)), "time": f"{summary.duration_s:.3f}",
    })  # fmt: skip
    for number, (label, cases) in enumerate(by_endpoint(results).items()):
        _suite(root, number, label, cases)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _errors(results: Sequence[CheckResult]) -> int:
    return sum(bool(result.unmeasured) for result in results)


def _skipped(results: Sequence[CheckResult]) -> int:
    return sum(result.status == "skip" and not result.unmeasured for result in results)


def _suite(root: ET.Element, number: int, label: str, results: Sequence[CheckResult]) -> None:
    took = sum(result.took_ms or 0 for result in results) / 1e3
    suite = ET.SubElement(root, "testsuite", {
        "name": _legal(label), "id": str(number), "tests": str(len(results)),
        "failures": str(sum(result.status == "fail" for result in results)),
        "errors": str(_errors(results)), "skipped": str(_skipped(results)),
        "time": f"{took:.3f}",
    })  # fmt: skip
    for result in results:
        _case(suite, result)


def _case(suite: ET.Element, result: CheckResult) -> None:
    case = ET.SubElement(suite, "testcase", {
        "name": _legal(result.id), "classname": _legal(f"wsdiag.{result.group}"),
        "time": f"{(result.took_ms or 0) / 1e3:.3f}",
    })  # fmt: skip
    if result.status == "fail":
        message = _legal(result.detail or "failed")
        failure = ET.SubElement(case, "failure", {"message": message, "type": _legal(result.id)})
        failure.text = _legal(_account(result))
    elif result.unmeasured:
        said = _legal(f"not measured: {result.detail}")
        error = ET.SubElement(case, "error", {"message": said, "type": _legal(result.id)})
        error.text = _legal(_account(result))
    elif result.status == "skip":
        ET.SubElement(case, "skipped", {"message": _legal(result.detail or "skipped")})
    elif result.status == "warn":
        ET.SubElement(case, "system-out").text = _legal("warning: " + _account(result))


def _account(result: CheckResult) -> str:
    parts = [
        result.detail,
        f"measured: {result.measured}" if result.measured is not None else "",
        f"limit: {result.limit}" if result.limit is not None else "",
        f"rule: {result.rule}" if result.rule else "",
        result.why or "",
    ]
    return "\n".join(part for part in parts if part)


def _legal(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", text)
