"""What a check is: a function with its declaration, which says all that the runner has to know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from wsdiag.probes.check.findings import Finding
from wsdiag.probes.check.options import CheckOptions
from wsdiag.probes.check.target import CheckTarget
from wsdiag.records import Status
from wsdiag.transport.report import DialError

Judge = Callable[[CheckTarget], Awaitable[Finding | Sequence[Finding]]]


async def _undeclared(_target: CheckTarget) -> Finding:
    raise NotImplementedError("a rule is declared above the function that judges it")


@dataclass(frozen=True, slots=True)
class Rule:
    """A check as data, and the function that judges it: `@Rule(id, group, why, ...)` above it.

    `needs`: what must have come of the first dial: anything (`dial`), the answer of an endpoint
    that was to upgrade (`upgrade`), or an open connection (`session`, else the rule is skipped).
    `schedule`: `shared` rules use the first connection, one after the other; `background` rules run
    beside them from the start, `last` rules after them, both on connections of their own.
    `asked_by`: {flag: field of `CheckOptions`}; one must be set for the rule to apply. `limits`:
    likewise, those that it compares with and that have no default.
    `lasts_s`: how long it waits by design.
    `explains`: whether the rule fails over a first dial that failed with this error; `conclusive`:
    that failure is a verdict, and not a missing answer.
    `worst`: the worst verdict it comes to; `fail` takes a MUST, or a limit that was asked for.
    """

    id: str
    group: Literal["fitness", "conformance", "adversarial"]
    why: str
    section: str | None = None
    needs: Literal["dial", "upgrade", "session"] = "session"
    schedule: Literal["shared", "background", "last"] = "shared"
    asked_by: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, str] = field(default_factory=dict)
    lasts_s: Callable[[CheckOptions], float] = lambda _options: 0.0
    explains: Callable[[DialError], bool] = lambda _error: False
    conclusive: bool = False
    worst: Status = "fail"
    over_tls: bool = False
    """Whether it is about wss:// only, unless it was asked for: it is left out of ws://."""
    of_upgrade: bool = False
    """Whether it is about HTTP/1.1's upgrade or TCP's end: it is left out over HTTP/2."""
    judge: Judge = field(default=_undeclared, repr=False)

    def __call__(self, judge: Judge) -> Rule:
        """The rule, judged by this function."""
        return replace(self, judge=judge)

    def in_group(self, options: CheckOptions) -> bool:
        """Whether these options ask for its group; --adversarial asks for conformance, too."""
        if self.group == "adversarial":
            return options.adversarial
        return self.group == "fitness" or options.conformance or options.adversarial

    def applies(self, options: CheckOptions) -> bool:
        """Whether it can be judged with these options, --only and --skip aside."""
        asked = not self.asked_by or any(map(options.sets, self.asked_by.values()))
        barred = options.must_refuse and self.needs != "dial"
        return self.in_group(options) and asked and not barred
