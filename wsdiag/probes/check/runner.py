"""Run the rules of many endpoints: each in its lane, bounded in time, results in a stable order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from time import monotonic_ns

from wsdiag.judgement.diagnosis.diagnose import diagnose
from wsdiag.probes.check.options import CheckOptions, Endpoint
from wsdiag.probes.check.registry import chosen
from wsdiag.probes.check.rule import Finding, Rule, skipped, unmeasured
from wsdiag.probes.check.rules.survival import keepalive_span_s
from wsdiag.probes.check.target import CheckTarget, FirstDial, open_first
from wsdiag.probes.check.waiting import PeerBrokeError, PeerClosedError, interrupted_by
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.records import CheckResult, Error
from wsdiag.transport.report import DialError
from wsdiag.transport.session import SessionEnded
from wsdiag.transport.trace import Tracer

_TROUBLE = (DialError, SessionEnded, PeerClosedError, PeerBrokeError)


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """All results of one endpoint, in the order of the rules; `error`: why it did not open."""

    endpoint: Endpoint
    results: Sequence[CheckResult]
    error: Error | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """A sentence about an endpoint under way, for stderr."""

    endpoint: Endpoint
    text: str


Tell = Callable[[Progress], None]


class EndpointRun:
    """The rules of one endpoint under way; `report()` at any moment says what is known."""

    def __init__(self, endpoint: Endpoint, tell: Tell, tracer: Tracer | None) -> None:
        self.endpoint, self._tell, self._tracer = endpoint, tell, tracer
        self.rules = chosen(endpoint.check)
        self._found: dict[str, tuple[Sequence[Finding], float]] = {}
        self._error: Error | None = None

    async def run(self) -> None:
        """Open the first connection, then judge every rule."""
        opened = await open_first(self.endpoint, self._tracer, self._tell_retry)
        subject = CheckTarget(self.endpoint, opened, self._tracer)
        try:
            self._note_failure(opened)
            await self._judge_all(subject)
        finally:
            if opened.session is not None:
                opened.session.abort()

    def report(self) -> EndpointReport:
        """Every rule's results; those that were not reached are skipped as not measured."""
        results = [result for rule in self.rules for result in self._results(rule)]
        return EndpointReport(self.endpoint, results, self._error)

    @property
    def began(self) -> bool:
        """Whether anything was judged."""
        return bool(self._found)

    # -- judging -------------------------------------------------------------------------------

    async def _judge_all(self, subject: CheckTarget) -> None:
        lanes = {
            schedule: [r for r in self.rules if r.schedule == schedule]
            for schedule in ("main", "beside", "after")
        }
        async with asyncio.TaskGroup() as group:
            for each in lanes["beside"]:
                group.create_task(self._judge(each, subject))
            for each in lanes["main"]:
                await self._judge(each, subject)
            for each in lanes["after"]:
                group.create_task(self._judge(each, subject))
            self._tell_waiting(lanes["beside"])

    async def _judge(self, rule: Rule, subject: CheckTarget) -> None:
        began = monotonic_ns()
        error = subject.opened.error
        if rule.needs_session and error is not None:
            findings: Sequence[Finding] = [self._not_open(error)]
        else:
            findings = await self._bounded(rule, subject)
        self._found[rule.id] = (findings, (monotonic_ns() - began) / 1e6)

    async def _bounded(self, rule: Rule, subject: CheckTarget) -> Sequence[Finding]:
        bound = time_bound_s(rule, self.endpoint)
        try:
            async with asyncio.timeout(bound):
                found = await rule.judge(subject)
        except TimeoutError:
            return [unmeasured(f"not done within {bound:.0f} s")]
        except _TROUBLE as trouble:
            return [interrupted_by(trouble)]
        except LocalProtocolError as error:
            return [unmeasured(f"the connection was closing already: {error}")]
        return [found] if isinstance(found, Finding) else found

    def _note_failure(self, opened: FirstDial) -> None:
        """Remember why there is no answer, where no rule of this run makes a verdict of it."""
        error = opened.error
        if error is None or self._may_refuse(error):
            return
        if _teller(error, self.endpoint.check) not in self._ids & {"certificate", "status"}:
            self._error = diagnose(self.endpoint.url, error)

    def _not_open(self, error: DialError) -> Finding:
        """Why a rule has no connection to judge: not measured, unless another rule says so."""
        if self._may_refuse(error):
            return skipped(f"refused with {error.report.status}, as --expect-status allows")
        if _teller(error, self.endpoint.check) in self._ids:
            return skipped("the endpoint did not open")
        return unmeasured(f"the endpoint did not open: {error.message}")

    def _may_refuse(self, error: DialError) -> bool:
        return error.report.status in self.endpoint.check.expect_status

    @property
    def _ids(self) -> set[str]:
        return {rule.id for rule in self.rules}

    # -- results -------------------------------------------------------------------------------

    def _results(self, rule: Rule) -> list[CheckResult]:
        if rule.id not in self._found:
            return [self._result(rule, unmeasured("interrupted before it was judged"), None)]
        findings, took_ms = self._found[rule.id]
        return [self._result(rule, finding, took_ms) for finding in findings]

    def _result(self, rule: Rule, finding: Finding, took_ms: float | None) -> CheckResult:
        return CheckResult(
            id=f"{rule.id}.{finding.name}" if finding.name else rule.id,
            url=self.endpoint.url,
            group=rule.group,
            status=finding.status,
            measured=finding.measured,
            limit=finding.limit,
            detail=finding.detail,
            rule=rule.section,
            took_ms=took_ms,
            why=finding.hint or rule.why,
            endpoint=self.endpoint.name,
            unmeasured=finding.unmeasured or None,
        )

    # -- progress ------------------------------------------------------------------------------

    def _tell_retry(self, seen: str, attempt: int, delay_s: float) -> None:
        text = f"{seen}; attempt {attempt} of {self.endpoint.retry + 1} in {delay_s:g} s"
        self._tell(Progress(self.endpoint, text))

    def _tell_waiting(self, beside: Sequence[Rule]) -> None:
        left = [rule.id for rule in beside if rule.id not in self._found]
        seconds = max((_long_s(rule, self.endpoint.check) for rule in beside), default=0.0)
        if left and seconds >= 1 and self._error is None:
            text = f"waiting for {', '.join(left)} (about {seconds:.0f} s)"
            self._tell(Progress(self.endpoint, text))


def _teller(error: DialError, options: CheckOptions) -> str:
    """The rule that fails because the first connection did not open."""
    if error.kind == "cert":
        return "certificate"
    if error.report.status is not None and options.expect_status:
        return "status"
    return "upgrade" if error.phase == "upgrade" else "connect"


def _long_s(rule: Rule, options: CheckOptions) -> float:
    """How long a rule waits by design, in seconds."""
    if rule.id == "idle":
        return options.require_idle_s or 0.0
    if rule.id == "keepalive":
        return keepalive_span_s(options.require_keepalive_s or 0.0, options.require_idle_s)
    return options.within_s if rule.id == "message" else 0.0


def time_bound_s(rule: Rule, endpoint: Endpoint) -> float:
    """Seconds after which a rule is given up: whatever it may wait for, and room to spare."""
    options = endpoint.check
    answers = (options.count + 4) * (options.timeout_s + 1.0)
    places = len(chosen(options)) * 3 * options.timeout_s if rule.schedule == "after" else 0.0
    return _long_s(rule, options) + 2 * endpoint.dial.connect_timeout + answers + places + 10.0


class CheckRun:
    """All endpoints, `jobs` at once; reports come in the order of the endpoints."""

    def __init__(
        self, endpoints: Sequence[Endpoint], *, jobs: int, tell: Tell, tracer: Tracer | None = None
    ) -> None:
        self._runs = [EndpointRun(endpoint, tell, tracer) for endpoint in endpoints]
        self._jobs = jobs
        self._tasks: list[asyncio.Task[None]] = []
        self.interrupted = False

    async def reports(self) -> AsyncIterator[EndpointReport]:
        """Each endpoint's report as soon as it and all before it are done."""
        places = asyncio.Semaphore(self._jobs)
        self._tasks = [asyncio.create_task(self._run(run, places)) for run in self._runs]
        try:
            for run, task in zip(self._runs, self._tasks, strict=True):
                if self.interrupted:
                    task.cancel()
                await asyncio.wait([task])
                if not task.cancelled() and (error := task.exception()) is not None:
                    raise error
                yield run.report()
        finally:
            await self._cancel()

    async def _run(self, run: EndpointRun, places: asyncio.Semaphore) -> None:
        async with places:
            await run.run()

    async def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def stop(self) -> None:
        """Judge nothing more; the reports then say what was judged so far."""
        self.interrupted = True
        for task in self._tasks:
            task.cancel()

    @property
    def began(self) -> bool:
        """Whether anything was judged at all."""
        return any(run.began for run in self._runs)
