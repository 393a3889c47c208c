"""Run the rules of many endpoints, bounded in time, with results in a stable order.

What runs after what, on which connection, and why
--------------------------------------------------
An endpoint's first dial is a result by itself: `connect`, `upgrade`, `certificate` and `status`
measure nothing, they read its report. So it is the only dial that is retried, and where it fails,
nothing else is tried: every rule that needs a session is skipped with the reason. Whether such a
skip counts as not measured depends on whether another rule of this run reports the cause. A rule
whose `explains` takes the error fails over it, and the other skips are mere consequences. If
`--only` left that rule out, no result has the cause, and what was asked for is missing (exit 1).

With the first connection open, rules run by their `schedule`:

    shared      on the first connection, one after the other: what is to be sent and what comes back
                would get mixed up otherwise. Their order counts: messages and Pings first, while
                the connection is as the dial left it, and `close` last, because it ends it.
    background  from the same moment, each on a connection of its own: `idle` must not see the
                traffic of others, and minutes of it must not be added to what the rest takes.
    last        when `shared` is done, all at once, each on fresh connections. Conformance and
                adversarial rules leave a connection unusable, and may make the server ban, crash
                or slow down. What was to be measured under ordinary conditions is measured by then.

`last` rules start together, but `CheckTarget.connection` admits four connections at a time. A rule
with much to do may therefore keep others waiting, which the bound of `last` rules allows for.

Every rule is bounded, because a hostile endpoint may answer each single wait just in time. This is
not a limit for the endpoint: the bound is far above what the rule takes by design, and a rule that
hits it was not measured. A connection that ends early is turned into a finding by
`findings.interrupted_by`, in one place, for rules that cannot make more of it themselves.

An interruption cancels the rules; `report()` works at any moment, and results that are not there
yet count as not measured, never as passed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic_ns

from wsdiag.judgement.diagnosis.hints import diagnose
from wsdiag.probes.check.findings import Finding, interrupted_by, skipped, unmeasured
from wsdiag.probes.check.options import Endpoint
from wsdiag.probes.check.registry import chosen
from wsdiag.probes.check.rule import Rule
from wsdiag.probes.check.target import CheckTarget
from wsdiag.probes.common.await_pong import PeerClosedError, PeerViolationError
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.records import CheckResult, Error
from wsdiag.records.waits import AWAITED, awaited_of_all
from wsdiag.transport.dial.target import Target, UrlError
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.session import SessionEnded
from wsdiag.transport.trace import Tracer, numbered


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """All results of one endpoint, in the order of the rules.

    `error`: why it gave no usable answer. `stopped_accepting`: it opened, and later took no more
    connections.
    """

    endpoint: Endpoint
    results: Sequence[CheckResult]
    error: Error | None = None
    stopped_accepting: bool = False


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """A sentence about an endpoint under way, for stderr."""

    endpoint: Endpoint
    text: str


class EndpointRun:
    """The rules of one endpoint under way; `report()` at any moment says what is known."""

    def __init__(
        self,
        endpoint: Endpoint,
        on_progress: Callable[[CheckProgress], None],
        tracer: Tracer | None,
        number: int | None = None,
    ) -> None:
        """`number`: of several endpoints, which one this is, from 1."""
        self.endpoint, self._on_progress, self._number = endpoint, on_progress, number
        self.rules = [rule for rule in chosen(endpoint.check) if _is_for(endpoint, rule)]
        self._target = CheckTarget(endpoint, numbered(tracer, number))
        self._found: dict[str, tuple[Sequence[Finding], float]] = {}
        self._judging: dict[str, None] = {}
        self._expired: str | None = None
        """When the time was over: what was awaited, in words."""
        self._error: Error | None = None
        self._ended_in: str | None = None
        self._broken_in: str | None = None
        """The rule that told that the server had broken one, for which we ended the connection."""

    @property
    def dialled(self) -> DialReport:
        """What the first dial found out, so far."""
        return self._target.report

    async def run(self) -> None:
        """Open the first connection, then judge every rule."""
        try:
            await self._target.open_first(self._report_retry)
            self._note_failure(self._target.error)
            await self._judge_all()
        finally:
            self._target.close()

    def report(self) -> EndpointReport:
        """Every rule's results; those that were not reached are skipped as not measured."""
        results, stopped_accepting = [], False
        for rule in self.rules:
            findings, took_ms = self._found.get(rule.id, ([self._missing(rule)], None))
            results += [self._result(rule, finding, took_ms) for finding in findings]
            stopped_accepting |= any(finding.code == "no-connection" for finding in findings)
        return EndpointReport(self.endpoint, results, self._error, stopped_accepting)

    def expire(self) -> str | None:
        """The time is over: what is awaited, in words; None: nothing is under way."""
        if self._target.phase is not None:
            self._expired = AWAITED.get(self._target.phase, self._target.phase)
        elif self._judging:
            checks = "the check" if len(self._judging) == 1 else "the checks"
            self._expired = f"{checks} {', '.join(self._judging)}"
        return self._expired

    def _missing(self, rule: Rule) -> Finding:
        if self._expired is None:
            return unmeasured("interrupted before it was judged")
        if rule.id in self._judging:
            return unmeasured("not done within --max-time")
        return unmeasured(f"not begun: --max-time ended while waiting for {self._expired}")

    # -- judging -------------------------------------------------------------------------------

    async def _judge_all(self) -> None:
        def scheduled(schedule: str) -> list[Rule]:
            return [rule for rule in self.rules if rule.schedule == schedule]

        async with asyncio.TaskGroup() as group:
            for rule in scheduled("background"):
                group.create_task(self._judge(rule))
            for rule in scheduled("shared"):
                await self._judge(rule)
                self._note_end(rule)
            for rule in scheduled("last"):
                group.create_task(self._judge(rule))
            self._report_waiting(scheduled("background"))

    async def _judge(self, rule: Rule) -> None:
        began = monotonic_ns()
        error = self._target.error
        self._judging[rule.id] = None
        if rule.needs == "session" and error is not None:
            findings: Sequence[Finding] = [self._not_open(error)]
        elif rule.schedule == "shared" and rule.needs == "session" and self._ended_in is not None:
            findings = [self._ended_before(self._ended_in)]
        elif rule.id == "close" and self._broken_in is not None:
            findings = [skipped(f"the connection had been ended before: see {self._broken_in}")]
        else:
            findings = await self._bounded(rule)
        self._found[rule.id] = (findings, (monotonic_ns() - began) / 1e6)
        del self._judging[rule.id]

    async def _bounded(self, rule: Rule) -> Sequence[Finding]:
        bound_s = self._time_bound_s(rule)
        try:
            async with asyncio.timeout(bound_s):
                found = await rule.judge(self._target)
        except TimeoutError:
            return [unmeasured(f"not done within {bound_s:.0f} s")]
        except (DialError, SessionEnded, PeerClosedError, PeerViolationError) as problem:
            return [interrupted_by(problem)]
        except LocalProtocolError as error:
            return [unmeasured(f"the connection was closing already: {error}")]
        return [found] if isinstance(found, Finding) else found

    def _time_bound_s(self, rule: Rule) -> float:
        """Seconds after which a rule is given up: whatever it may wait for, and room to spare."""
        options, dial = self.endpoint.check, self.endpoint.dial
        answers = (options.count + 4) * (options.timeout_s + 1.0)
        turns = 3 * len(self.rules) * options.timeout_s if rule.schedule == "last" else 0.0
        dials = 2 * (dial.connect_timeout + dial.hello_wait)
        return rule.lasts_s(options) + dials + answers + turns + 10.0

    # -- a first connection that ended -----------------------------------------------------------

    def _note_end(self, rule: Rule) -> None:
        """Remember which rule has told that the server ended the shared connection: once is enough.

        A server that broke a rule of the protocol is another matter, which each rule may tell.
        """
        findings, _ = self._found[rule.id]
        if rule.needs != "session" or self._target.error is not None:
            return
        session = self._target.session
        theirs = session.ended is not None and session.ended.how != "local"
        ended = theirs or session.connection.close_received is not None
        told = any(finding.status == "fail" for finding in findings)
        if told and session.connection.violation is not None:
            self._broken_in = self._broken_in or rule.id
        elif told and ended and self._ended_in is None:
            self._ended_in = rule.id

    def _ended_before(self, told_by: str) -> Finding:
        # A lost connection is one, however the server ended it: by a Close, a FIN or an RST.
        seen = f"the connection had ended before: see {told_by}"
        return replace(unmeasured(seen), breaks_rule=False)

    # -- a first dial that failed --------------------------------------------------------------

    def _note_failure(self, error: DialError | None) -> None:
        """Remember why there is no usable answer, where no rule of this run gives a verdict."""
        if error is None or self._may_refuse(error):
            return
        if not any(rule.conclusive and rule.explains(error) for rule in self.rules):
            self._error = replace(diagnose(self.endpoint.url, error), target=self._number)

    def _not_open(self, error: DialError) -> Finding:
        """Why a rule has no connection to judge: not measured, unless another rule says so."""
        if self._may_refuse(error):
            return skipped(f"refused with {error.report.status}, as --expect-status allows")
        if any(rule.explains(error) for rule in self.rules):
            return skipped("the endpoint did not open")
        return unmeasured(f"the endpoint did not open: {error.message}")

    def _may_refuse(self, error: DialError) -> bool:
        return error.report.status in self.endpoint.check.expect_status

    # -- results and progress ------------------------------------------------------------------

    def _result(self, rule: Rule, finding: Finding, took_ms: float | None) -> CheckResult:
        return CheckResult(
            id=f"{rule.id}.{finding.name}" if finding.name else rule.id,
            url=self.endpoint.url,
            group=rule.group,
            status=finding.status,
            measured=finding.measured,
            limit=finding.limit,
            detail=finding.detail,
            rule=rule.section if finding.breaks_rule else None,
            took_ms=took_ms,
            why=finding.hint or rule.why,
            endpoint=self.endpoint.name,
            unmeasured=finding.unmeasured or None,
            target=self._number,
        )

    def _report_retry(self, seen: str, attempt: int, delay_s: float) -> None:
        text = f"{seen}; attempt {attempt} of {self.endpoint.retry + 1} in {delay_s:g} s"
        self._on_progress(CheckProgress(self.endpoint, text))

    def _report_waiting(self, background: Sequence[Rule]) -> None:
        left = [rule.id for rule in background if rule.id not in self._found]
        seconds = max((rule.lasts_s(self.endpoint.check) for rule in background), default=0.0)
        if left and seconds >= 1 and self._error is None:
            text = f"waiting for {', '.join(left)} (about {seconds:.0f} s)"
            self._on_progress(CheckProgress(self.endpoint, text))


def _is_for(endpoint: Endpoint, rule: Rule) -> bool:
    """Whether a rule is about this endpoint's scheme and version of HTTP."""
    options, version = endpoint.check, endpoint.dial.http_version
    if rule.of_upgrade and version != "1.1":
        return False
    if rule.over_tls and not options.http2_look and version == "1.1":
        return False
    if not rule.over_tls or options.only or options.expect_http2 or version == "2":
        return True
    try:
        return Target.parse(endpoint.url).secure
    except UrlError:
        return True


class CheckRun:
    """All endpoints, `jobs` at once; reports come in the order of the endpoints."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        jobs: int = 8,
        on_progress: Callable[[CheckProgress], None] = lambda progress: None,
        tracer: Tracer | None = None,
    ) -> None:
        several = len(endpoints) > 1
        self._runs = [
            EndpointRun(endpoint, on_progress, tracer, number if several else None)
            for number, endpoint in enumerate(endpoints, 1)
        ]
        self._jobs = jobs
        self._tasks: list[asyncio.Task[None]] = []
        self.interrupted = False

    async def reports(self) -> AsyncGenerator[EndpointReport, None]:
        """Each endpoint's report as soon as it and all before it are done."""
        slots = asyncio.Semaphore(self._jobs)

        async def bounded(run: EndpointRun) -> None:
            async with slots:
                await run.run()

        self._tasks = [asyncio.create_task(bounded(run)) for run in self._runs]
        try:
            for run, task in zip(self._runs, self._tasks, strict=True):
                if self.interrupted:
                    task.cancel()
                await asyncio.wait([task])
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error
                yield run.report()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop(self) -> None:
        """Judge nothing more; the reports then say what was judged so far."""
        self.interrupted = True
        for task in self._tasks:
            task.cancel()

    def expire(self) -> str | None:
        """The time is over: `stop()`, and what was awaited, in words; None: nothing."""
        awaited = awaited_of_all([run.expire() for run in self._runs])
        self.stop()
        return awaited
