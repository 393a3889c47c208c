"""The pure judgements: reactions to attacks, closing echoes, versions, exit codes, rule tables."""

from __future__ import annotations

import re
from itertools import permutations

import pytest

from wsdiag.probes.check.options import CheckOptions, HeaderExpectation, parse_statuses
from wsdiag.probes.check.reaction import (
    PeerResponse,
    RequiredResponse,
    judge_reaction,
    judge_tcp_end,
)
from wsdiag.probes.check.registry import ALL, chosen, refuse_idle_patterns, refuse_unknown
from wsdiag.probes.check.rules.conformance import judge_echo
from wsdiag.probes.check.rules.handshakes import judge_version
from wsdiag.probes.check.rules.survival import keepalive_span_s
from wsdiag.probes.check.summary import exit_code, summarize
from wsdiag.probes.check.waiting import PeerClosedError, interrupted_by
from wsdiag.protocol.errors import ProtocolViolation
from wsdiag.protocol.events import Close
from wsdiag.records import CheckResult
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
    ("reaction", "demand", "status", "unmeasured"),
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
def test_reactions(
    reaction: PeerResponse, demand: RequiredResponse, status: str, unmeasured: bool
) -> None:
    finding = judge_reaction(reaction, demand)
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


def judged(status: str, unmeasured: bool = False) -> CheckResult:
    return CheckResult("x", "ws://x/", "fitness", status, unmeasured=unmeasured or None)  # type: ignore[arg-type]


PASS, FAIL, WARN, SKIP, MISSING = (
    judged("pass"),
    judged("fail"),
    judged("warn"),
    judged("skip"),
    judged("skip", True),
)


@pytest.mark.parametrize(
    ("results", "unreachable", "interrupted", "code"),
    [
        ([PASS], False, False, 0),
        ([PASS, WARN, SKIP], False, False, 0),
        ([PASS, FAIL], False, False, 3),
        ([PASS, MISSING], False, False, 1),
        ([FAIL, MISSING], False, False, 1),
        ([PASS], True, False, 1),
        ([FAIL], True, False, 1),
        ([], False, False, 1),
        ([SKIP], False, False, 1),
        ([MISSING], False, True, 130),
        ([], False, True, 130),
        ([PASS, MISSING], False, True, 1),
    ],
)
def test_exit_codes(
    results: list[CheckResult], unreachable: bool, interrupted: bool, code: int
) -> None:
    for order in permutations(results):
        assert exit_code(order, unreachable=unreachable, interrupted=interrupted) == code


def test_endpoints_that_pass_do_not_answer_for_one_that_was_not_judged() -> None:
    other = CheckResult("x", "ws://y/", "fitness", "skip")
    assert exit_code([PASS, other]) == 1
    assert exit_code([PASS, other, CheckResult("z", "ws://y/", "fitness", "pass")]) == 0


def test_summary_counts() -> None:
    summary = summarize([PASS, FAIL, WARN, SKIP, MISSING], 2.0)
    assert (summary.passed, summary.warned, summary.failed, summary.skipped) == (1, 1, 1, 2)
    assert summary.unmeasured == 1
    assert summarize([PASS], 1.0).unmeasured is None


def test_every_rule_is_told_apart_and_explained() -> None:
    ids = [rule.id for rule in ALL]
    assert len(set(ids)) == len(ids)
    for rule in ALL:
        assert re.fullmatch(r"[a-z0-9-]+", rule.id)
        assert rule.why.endswith((".", ")."))
        assert rule.section is None or re.fullmatch(r"RFC \d{4}, [\d.]+", rule.section)
        assert rule.group == "fitness" or rule.section, rule.id


def test_groups_are_asked_for() -> None:
    def groups(**asked: bool) -> set[str]:
        return {rule.group for rule in chosen(CheckOptions(**asked))}  # type: ignore[arg-type]

    assert groups() == {"fitness"}
    assert groups(conformance=True) == {"fitness", "conformance"}
    assert groups(adversarial=True) == {"fitness", "conformance", "adversarial"}


def test_only_and_skip() -> None:
    options = CheckOptions(conformance=True, only=("ping*",), skip=("ping-1*",))
    assert [rule.id for rule in chosen(options)] == [
        "ping",
        "ping-echo",
        "ping-empty",
        "ping-burst",
    ]


def test_an_endpoint_that_must_refuse_is_asked_nothing_of_a_connection() -> None:
    ids = [rule.id for rule in chosen(CheckOptions(expect_status=frozenset({403})))]
    assert ids == ["connect", "status", "certificate"]


def test_unknown_patterns_are_refused_with_the_nearest() -> None:
    refuse_unknown(["ping", "close-*"])
    with pytest.raises(ValueError, match="did you mean ping"):
        refuse_unknown(["pin"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (CheckOptions(only=("ping", "rsv1")), "rsv1 needs --adversarial"),
        (CheckOptions(only=("close-*",)), r"close-\* needs --conformance"),
        (CheckOptions(only=("header",)), "header needs --expect-header"),
        (CheckOptions(only=("ping",), expect_status=frozenset({403})), "needs a connection"),
    ],
)
def test_a_check_that_was_named_is_not_left_out_in_silence(
    options: CheckOptions, said: str
) -> None:
    refuse_idle_patterns(CheckOptions(only=("ping", "conn*")))
    with pytest.raises(ValueError, match=said):
        refuse_idle_patterns(options)


@pytest.mark.parametrize(
    ("text", "codes"), [("403", {403}), ("401, 403", {401, 403}), ("4xx", set(range(400, 500)))]
)
def test_statuses(text: str, codes: set[int]) -> None:
    assert parse_statuses(text) == codes


@pytest.mark.parametrize("text", ["", "40", "4x", "600", "403,", "abc", "4033"])
def test_statuses_refused(text: str) -> None:
    with pytest.raises(ValueError, match="HTTP status"):
        parse_statuses(text)


@pytest.mark.parametrize("text", ["", "X", ": x", "X: ("])
def test_header_expectations_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        HeaderExpectation.parse(text)


def test_keepalive_is_watched_long_enough() -> None:
    assert keepalive_span_s(20, None) == 60
    assert keepalive_span_s(20, 90) == 90
    assert keepalive_span_s(20, 30) == 60
