"""Check results as JUnit XML, in the shape that the Jenkins xUnit schema accepts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from wsdiag.probes.results import CheckResult, CheckSummary

# XML 1.0, 2.2: characters that no document may hold, not even as references
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(results: Sequence[CheckResult], summary: CheckSummary) -> str:
    """One suite an endpoint, one case a check; a warning passes, with its text in system-out.

    `results` are cleaned. The text ends with a line end.
    """
    suites: dict[str, list[CheckResult]] = {}
    for result in results:
        suites.setdefault(result.url, []).append(result)
    root = ET.Element("testsuites", {
        "name": "wsdiag", "tests": str(len(results)), "failures": str(summary.failed),
        "errors": "0", "time": f"{summary.duration_s:.3f}",
    })  # fmt: skip
    for number, (url, cases) in enumerate(suites.items()):
        _suite(root, number, url, cases)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _suite(root: ET.Element, number: int, url: str, results: Sequence[CheckResult]) -> None:
    took = sum(result.took_ms or 0 for result in results) / 1e3
    suite = ET.SubElement(root, "testsuite", {
        "name": _legal(url), "id": str(number), "tests": str(len(results)),
        "failures": str(sum(result.status == "fail" for result in results)),
        "errors": "0", "skipped": str(sum(result.status == "skip" for result in results)),
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
