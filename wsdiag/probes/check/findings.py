"""What judging a rule finds out, and what it finds when the conversation broke off."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from wsdiag.probes.common.await_pong import PeerClosedError
from wsdiag.probes.common.drops import drop_of_end
from wsdiag.records import Status
from wsdiag.records.drops import drop_predicate
from wsdiag.transport.report import DialError
from wsdiag.transport.session import SessionEnded
from wsdiag.transport.stream.ends import StreamEnd

# Close codes with which a server says that what we sent broke a rule.
_ACCUSES = frozenset({1002, 1003, 1007, 1009, 1010})


@dataclass(frozen=True, slots=True)
class Finding:
    """What judging a rule found out.

    `name`: what to add to the rule's id where it is judged more than once (one header each).
    `unmeasured`: a skip that was not wanted: the rule applies, but could not be judged.
    `code`: what programs recognise it by, where they have to.
    `breaks_rule`: whether a failure is one of the rule's section, and not of a limit or of the
    connection.
    """

    status: Status
    detail: str
    measured: str | float | None = None
    limit: str | float | None = None
    name: str = ""
    unmeasured: bool = False
    hint: str | None = None
    code: Literal["no-connection"] | None = None
    breaks_rule: bool = True


def passed(detail: str, measured: str | float | None = None, limit: float | None = None) -> Finding:
    """The rule holds."""
    return Finding("pass", detail, measured, limit)


def warned(detail: str, measured: str | float | None = None) -> Finding:
    """Nothing forbids it, but somebody should know."""
    return Finding("warn", detail, measured)


def failed(
    detail: str, measured: str | float | None = None, limit: str | float | None = None
) -> Finding:
    """The rule does not hold."""
    return Finding("fail", detail, measured, limit)


def skipped(detail: str) -> Finding:
    """The rule does not apply here."""
    return Finding("skip", detail)


def unmeasured(detail: str) -> Finding:
    """The rule applies, but something kept it from being judged."""
    return Finding("skip", detail, unmeasured=True)


def within(measured_ms: float, limit_s: float | None, detail: str) -> Finding:
    """Whether a time in ms keeps a limit given in seconds; without one it is only reported."""
    if limit_s is None:
        return passed(detail, round(measured_ms, 3))
    figure, limit = round(measured_ms, 3), round(limit_s * 1e3, 3)
    if measured_ms <= limit_s * 1e3:
        return passed(detail, figure, limit)
    return replace(failed(f"{detail}; the limit is {limit:g} ms", figure, limit), breaks_rule=False)


def describe_end(end: StreamEnd) -> str:
    """How the server ended a connection, as a sentence's predicate."""
    return drop_predicate(drop_of_end(end, 0.0))


def interrupted_by(problem: Exception) -> Finding:
    """The finding of a rule that a legal conversation could not finish.

    A server may close whenever it likes (then the rule could not be judged); it may not accuse us,
    vanish without a Close frame, or break a rule itself.
    """
    if isinstance(problem, DialError):
        detail = f"no further connection: {problem.message}"
        return Finding("skip", detail, unmeasured=True, code="no-connection")
    if isinstance(problem, SessionEnded):
        if problem.end.how == "local":
            return unmeasured("the connection was closed on our side")
        return failed(f"the server {describe_end(problem.end)}", problem.end.how)
    if isinstance(problem, PeerClosedError) and problem.close.code not in _ACCUSES:
        return unmeasured(f"{problem} before this could be judged")
    return failed(str(problem))
