"""What a check is: a rule with its reason, and the finding that judging it yields."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from wsdiag.records import Status

if TYPE_CHECKING:
    from wsdiag.probes.check.options import CheckOptions
    from wsdiag.probes.check.target import CheckTarget

Group = Literal["fitness", "conformance", "adversarial"]
Schedule = Literal["main", "beside", "after"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What judging a rule found out.

    `name`: what to add to the rule's id where it is judged more than once (one header each).
    `unmeasured`: a skip that was not wanted: the rule applies, but could not be judged.
    """

    status: Status
    detail: str
    measured: str | float | None = None
    limit: str | float | None = None
    name: str = ""
    unmeasured: bool = False
    hint: str | None = None


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
    """Whether a time in ms keeps a limit given in seconds; without one it is only told."""
    if limit_s is None:
        return passed(detail, round(measured_ms, 3))
    figure, limit = round(measured_ms, 3), round(limit_s * 1e3, 3)
    if measured_ms <= limit_s * 1e3:
        return passed(detail, figure, limit)
    return failed(f"{detail}; the limit is {limit:g} ms", figure, limit)


Judge = Callable[["CheckTarget"], Awaitable["Finding | Sequence[Finding]"]]
Applies = Callable[["CheckOptions"], bool]


def always(_options: CheckOptions) -> bool:
    """Applies whatever was asked for."""
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """A check as data, and the function that judges it.

    `worst`: the worst verdict it comes to; `fail` takes a MUST, or a limit that was asked for.
    `schedule`: `main` rules share the first connection, one after the other; `beside` rules run
    from the moment it is open, on connections of their own; `after` rules when `main` ones are
    done.
    `needs_session`: skipped when the first connection did not open.
    """

    id: str
    group: Group
    judge: Judge = field(repr=False)
    why: str
    section: str | None = None
    schedule: Schedule = "main"
    needs_session: bool = True
    applies: Applies = field(default=always, repr=False)
    worst: Status = "fail"


def rule(
    id: str,
    group: Group,
    why: str,
    *,
    section: str | None = None,
    schedule: Schedule = "main",
    needs_session: bool = True,
    applies: Applies = always,
    worst: Status = "fail",
) -> Callable[[Judge], Rule]:
    """Declare the function below as a rule: its id, its reason, and when it applies."""

    def declare(judge: Judge) -> Rule:
        return Rule(id, group, judge, why, section, schedule, needs_session, applies, worst)

    return declare
