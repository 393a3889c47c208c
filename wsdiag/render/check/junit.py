"""Check results as JUnit XML, valid by the schemas of Jenkins' xUnit plugin and of Apache Ant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from xml.etree import ElementTree as ET

from wsdiag.records import CheckResult
from wsdiag.records.check import by_endpoint

# XML 1.0, 2.2: characters that no document may hold, not even as references
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(results: Sequence[CheckResult], *, began: datetime, hostname: str) -> str:
    """One suite per endpoint, one case per check; what was not measured is an error.

    A warning passes; its text is in the suite's system-out. `results` are cleaned, `began` is
    in UTC. The text ends with a line end.
    """
    root = ET.Element("testsuites")
    at = began.strftime("%Y-%m-%dT%H:%M:%S")  # both schemas want no zone, and no fraction
    for number, (label, cases) in enumerate(by_endpoint(results).items()):
        suite = _suite(root, number, label, cases)
        suite.set("timestamp", at)
        suite.set("hostname", _legal(hostname) or "localhost")
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def _errors(results: Sequence[CheckResult]) -> int:
    return sum(bool(result.unmeasured) for result in results)


def _skipped(results: Sequence[CheckResult]) -> int:
    return sum(result.status == "skip" and not result.unmeasured for result in results)


def _suite(root: ET.Element, number: int, label: str, results: Sequence[CheckResult]) -> ET.Element:
    took = sum(result.took_ms or 0 for result in results) / 1e3
    suite = ET.SubElement(
        root,
        "testsuite",
        {
            "name": _legal(label),
            "package": "wsdiag",
            "id": str(number),
            "tests": str(len(results)),
            "failures": str(sum(result.status == "fail" for result in results)),
            "errors": str(_errors(results)),
            "skipped": str(_skipped(results)),
            "time": f"{took:.3f}",
        },
    )
    properties = ET.SubElement(suite, "properties")
    ET.SubElement(properties, "property", {"name": "url", "value": _legal(results[0].url)})
    for result in results:
        _case(suite, result)
    # Apache Ant's schema has no system-out inside a case, and wants both at the end of a suite
    warnings = [f"{r.id}: warning: {_details(r)}\n" for r in results if r.status == "warn"]
    ET.SubElement(suite, "system-out").text = _legal("\n".join(warnings))
    ET.SubElement(suite, "system-err")
    return suite


def _case(suite: ET.Element, result: CheckResult) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "name": _legal(result.id),
            "classname": _legal(f"wsdiag.{result.group}"),
            "time": f"{(result.took_ms or 0) / 1e3:.3f}",
        },
    )
    if result.status == "fail":
        message = _legal(result.detail or "failed")
        failure = ET.SubElement(case, "failure", {"message": message, "type": _legal(result.id)})
        failure.text = _legal(_details(result))
    elif result.unmeasured:
        said = _legal(f"not measured: {result.detail}")
        error = ET.SubElement(case, "error", {"message": said, "type": _legal(result.id)})
        error.text = _legal(_details(result))
    elif result.status == "skip":
        ET.SubElement(case, "skipped", {"message": _legal(result.detail or "skipped")})


def _details(result: CheckResult) -> str:
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
