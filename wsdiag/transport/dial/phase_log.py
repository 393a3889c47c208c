"""A dial's phases as they run: each timed, traced, and written into the report as it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from wsdiag.transport.dial import failures
from wsdiag.transport.report import DialError, DialReport, Progress

if TYPE_CHECKING:
    from wsdiag.protocol.client_handshake import Accepted
    from wsdiag.protocol.http import Response
    from wsdiag.transport.trace import Phase, Tracer

T = TypeVar("T")


class PhaseLog:
    """The only one who times a dial, calls its tracer and writes its report.

    So the report is right whichever phase fails, is cut off, or is repeated for a redirect.
    """

    def __init__(
        self,
        report: DialReport,
        tracer: Tracer | None = None,
        on_phase: Callable[[Phase], None] | None = None,
    ) -> None:
        self.report, self._tracer, self._on_phase = report, tracer, on_phase
        self.tls_facts: dict[str, Any] = {}
        """Whether TLS was asked for a certificate of ours: what fails later may fail by that."""
        self.until_s: float | None = None
        """The dial's deadline, in loop time."""
        self._phase: Phase = "dns"
        self._began_ns: int | None = None  # None: between two phases
        self._progress = Progress()

    def forget(self) -> None:
        """Begin the report of another connection."""
        report = self.report
        report.phases_ms = {}
        report.status, report.reason, report.headers, report.body = None, "", (), b""
        report.address = report.proxy = report.proxy_why = report.tls = None
        report.http2, report.unanswered, report.refused = None, (), ()
        self.tls_facts = {}

    def progress(self) -> Progress:
        """For a phase behind TLS."""
        return Progress(facts=dict(self.tls_facts), until_s=self.until_s)

    async def timed(
        self,
        phase: Phase,
        work: Awaitable[T],
        detail: Callable[[T], str],
        progress: Progress | None = None,
    ) -> T:
        """Run a phase; what came of it goes to the tracer as `detail`."""
        self._progress = progress or Progress()
        if self._on_phase is not None:
            self._on_phase(phase)
        self._phase, self._began_ns = phase, monotonic_ns()
        try:
            found = await work
        except DialError as error:
            if error.response is not None:
                self.note(error.response)
            self._end_phase(error.message, ok=False)
            raise
        self._end_phase(detail(found))
        return found

    def cut_off(self, timeout_s: float) -> DialError:
        """The deadline struck: what the phase under way knows already, or how far it came."""
        if (error := self._progress.failure) is not None:
            if error.response is not None:
                self.note(error.response)
            self._end_phase(error.message, ok=False)
            return error
        phase_s = None if self._began_ns is None else (monotonic_ns() - self._began_ns) / 1e9
        facts = self.tls_facts | self._progress.facts
        self._progress.took_ns = self._progress.ended_ns = None
        self._end_phase("timed out", ok=False)
        return failures.timed_out(self._phase, timeout_s, facts, phase_s)

    def _end_phase(self, detail: str, *, ok: bool = True) -> None:
        if self._began_ns is None:
            return
        at = monotonic_ns()
        took_ns = self._progress.took_ns
        took_ms = (at - self._began_ns if took_ns is None else took_ns) / 1e6
        self._began_ns = None
        self.report.phases_ms[self._phase] = took_ms
        if self._tracer is not None:
            from wsdiag.transport.trace import PhaseTraced, trace_time

            url, time = self.report.url, trace_time(self._progress.ended_ns or at)
            self._tracer(PhaseTraced(url, time, self._phase, took_ms, ok, detail))

    # -- heads ---------------------------------------------------------------------------------

    def asks(
        self,
        first_line: str,
        headers: Sequence[tuple[str, str]],
        pseudo: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Write down the opening request; `pseudo`: HTTP/2's own headers of it."""
        self.report.request_line, self.report.request_headers = first_line, tuple(headers)
        self.sent(first_line, [*pseudo, *headers])

    def opened(self, accepted: Accepted) -> None:
        """Write down the answer that opened, and what was agreed on."""
        self.note(accepted.response)
        self.report.subprotocol = accepted.subprotocol
        self.report.extensions = tuple(accepted.extensions)

    def note(self, response: Response) -> None:
        """Write down an answer, and trace it."""
        report = self.report
        report.status, report.reason = response.status, response.reason
        report.headers, report.body = tuple(response.headers), response.body
        report.http_version, report.malformed = response.version, response.malformed
        self.received(response)

    def sent(self, first_line: str, headers: Sequence[tuple[str, str]]) -> None:
        """Trace a head that leaves."""
        self._trace_head("sent", first_line, headers)

    def received(self, response: Response) -> None:
        """Trace a head that came."""
        line = f"HTTP/{response.version} {response.status} {response.reason}".rstrip()
        self._trace_head("received", line, response.headers)

    def _trace_head(
        self,
        direction: Literal["sent", "received"],
        first_line: str,
        headers: Sequence[tuple[str, str]],
    ) -> None:
        if self._tracer is not None:
            from wsdiag.transport.trace import HeadersTraced, trace_time

            ended_ns = self._progress.ended_ns if direction == "received" else None
            url, time = self.report.url, trace_time(ended_ns)
            self._tracer(HeadersTraced(url, time, direction, first_line, tuple(headers)))
