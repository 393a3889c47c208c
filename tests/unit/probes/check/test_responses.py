"""What a server does about forbidden bytes, our Close, or an unknown version, and its verdict."""

from __future__ import annotations

import re

import pytest

from wsdiag.probes.check.findings import interrupted_by
from wsdiag.probes.check.options import CheckOptions
from wsdiag.probes.check.rules.conformance import judge_echo
from wsdiag.probes.check.rules.handshakes import judge_version
from wsdiag.probes.check.rules.response import (
    PeerResponse,
    RequiredResponse,
    judge_response,
    judge_tcp_end,
)
from wsdiag.probes.check.rules.traffic import judge_message
from wsdiag.probes.common.await_pong import PeerClosedError
from wsdiag.probes.common.jsonpath import JsonExpectation
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.events import BinaryMessage, Close, Event, TextMessage
from wsdiag.transport.report import DialReport
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import Arrival

MUST, MAY = (
    RequiredResponse(frozenset({1002})),
    RequiredResponse(frozenset({1002}), close_may_be_left_out=True),
)
NOT_ASKED = RequiredResponse(frozenset({1002}), must=False)
FIN, RST, LOCAL = (StreamEnd(how, "", Arrival(0)) for how in ("fin", "rst", "local"))
VIOLATION = ProtocolViolation("masked frame from a server", "RFC 6455, 5.1")


@pytest.mark.parametrize(
    ("response", "required", "status", "unmeasured"),
    [
        (PeerResponse("close", close=Close(1002)), MUST, "pass", False),
        (PeerResponse("close", close=Close(1000)), MUST, "warn", False),
        (PeerResponse("close", close=Close(None)), MUST, "warn", False),
        (PeerResponse("end", end=FIN), MUST, "warn", False),
        (PeerResponse("end", end=RST), MUST, "warn", False),
        (PeerResponse("end", end=FIN), MAY, "pass", False),
        (PeerResponse("end", end=LOCAL), MUST, "skip", True),
        (PeerResponse("alive"), MUST, "fail", False),
        (PeerResponse("alive"), MAY, "fail", False),
        (PeerResponse("silent"), MUST, "fail", False),
        (PeerResponse("alive"), NOT_ASKED, "warn", False),
        (PeerResponse("broke", violation=VIOLATION), MUST, "fail", False),
        (PeerResponse("before"), MUST, "skip", True),
    ],
)
def test_responses(
    response: PeerResponse, required: RequiredResponse, status: str, unmeasured: bool
) -> None:
    finding = judge_response(response, required)
    assert (finding.status, finding.unmeasured) == (status, unmeasured)
    assert finding.detail


def test_tcp_end_after_failure() -> None:
    assert judge_tcp_end(PeerResponse("close", Close(1002), FIN), 1).status == "pass"
    assert judge_tcp_end(PeerResponse("close", Close(1002)), 1).status == "warn"
    assert judge_tcp_end(PeerResponse("alive"), 1).status == "skip"


@pytest.mark.parametrize(
    ("sent", "answer", "status"),
    [
        (1000, 1000, "pass"),
        (1000, 1001, "warn"),
        (1000, None, "warn"),
        (None, None, "pass"),
        (None, 1000, "pass"),
        (4321, 4321, "pass"),
        (4321, 1002, "warn"),
        (1000, 1002, "warn"),
        (4321, 1000, "warn"),
    ],
)
def test_close_echo(sent: int | None, answer: int | None, status: str) -> None:
    assert judge_echo(sent, Close(answer)).status == status


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (426, (("Sec-WebSocket-Version", "13"),), "pass"),
        (400, (("sec-websocket-version", "13, 8"),), "pass"),
        (400, (), "warn"),
        (404, (("Sec-WebSocket-Version", "13"),), "warn"),
    ],
)
def test_version_refused(status: int, headers: tuple[tuple[str, str], ...], verdict: str) -> None:
    report = DialReport("ws://x/", status=status, headers=headers)
    assert judge_version(report).status == verdict


def test_a_server_may_close_but_not_accuse() -> None:
    assert interrupted_by(PeerClosedError(Close(1001))).unmeasured
    assert interrupted_by(PeerClosedError(Close(1002))).status == "fail"


@pytest.mark.parametrize(
    ("message", "judged"),
    [
        (TextMessage('{"a":1}'), None),
        (TextMessage('{"a":2}'), "$.a is 2"),
        # whatever is in the rest, that was not seen: it is no JSON that is wrong
        (TextMessage('{"a":1,', 9), "only the first 1 MiB is looked into"),
        (BinaryMessage(b"0", 9), "only the first 1 MiB is looked into"),
    ],
)
def test_what_was_not_kept_of_a_message_is_not_judged(message: Event, judged: str | None) -> None:
    options = CheckOptions(
        expect=re.compile("[a-z]"), expect_json=(JsonExpectation.parse("$.a=1"),)
    )
    found = judge_message(options, message)
    assert found == judged if judged is None else judged in (found or "")
