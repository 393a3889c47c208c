"""One URL's pinging from the first dial to the last close, over as many connections as it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from wsdiag.probes.common.drops import drop_of, silent_drop
from wsdiag.probes.common.stalls import Stalls
from wsdiag.probes.ping.pace import Pace
from wsdiag.probes.ping.schedule import backoff
from wsdiag.probes.ping.sender import PingSender, Why
from wsdiag.probes.ping.tcp_observer import TcpObserver
from wsdiag.probes.ping.totals import Limits, PingTotals, summarise
from wsdiag.records import (
    Clock,
    Drop,
    Error,
    Phases,
    PingClosed,
    PingEvent,
    PingStart,
    PingSummary,
    utc_now,
)
from wsdiag.transport.dial.dialer import dial
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.report import DialError, DialReport
from wsdiag.transport.session import Session
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import now as now_stamp

if TYPE_CHECKING:
    from wsdiag.probes.ping.load import LoadMeter, LoadPlan
    from wsdiag.transport.trace import Tracer

CLOSE_TIMEOUT_S = 2.0
# A connection that lived this long was a good one: the next backoff starts from the beginning.
SETTLED_S = 10.0


class RunContext(NamedTuple):
    """What all URLs of a run share."""

    dial_options: DialOptions
    tracer: Tracer | None
    emit: Callable[[PingEvent], None]
    congested: Callable[[], bool]
    stalls: Stalls
    dialling: asyncio.Semaphore


class Pinger:
    """Pings one URL; `run()` returns when all is said, `stop()` makes it come to its end."""

    def __init__(
        self,
        url: str,
        pace: Pace,
        limits: Limits,
        around: RunContext,
        *,
        reconnect: bool = False,
        load: LoadPlan | None = None,
    ) -> None:
        self._url, self._pace, self._limits, self._around = url, pace, limits, around
        self._reconnect = reconnect
        self._load = _meter(load) if load is not None else None
        self._loop = asyncio.get_running_loop()
        self._books = PingTotals(url, self._loop.time())
        self._stopping = asyncio.Event()
        self._volley: PingSender | None = None
        self._session: Session | None = None
        self._connections = 0

    async def run(self, delay_s: float = 0.0) -> None:
        """Dial after `delay_s`, ping, reconnect as asked; the summary comes in any case."""
        try:
            await self._pause(delay_s)
            await self._measure()
            self._around.emit(self.summary())
            if self._session is not None and self._session.ended is None:
                await self._session.close(timeout=CLOSE_TIMEOUT_S)
        finally:
            if self._session is not None:
                self._session.stream.close()

    def stop(self) -> None:
        """End in good order: the summary so far, then a clean close."""
        self._stopping.set()
        if self._volley is not None:
            self._volley.stop()

    def abort(self) -> None:
        """End at once, without waiting for the peer's Close."""
        self.stop()
        if self._session is not None:
            self._session.abort()

    def summary(self, *, partial: bool = False) -> PingSummary:
        """Everything so far as a record."""
        stalls = self._around.stalls
        return summarise(
            self._books,
            self._limits,
            self._loop.time(),
            stalls=stalls.count,
            longest_stall_s=stalls.longest_s,
            partial=partial,
            load=self._load,
        )

    # -- connections ---------------------------------------------------------------------------

    async def _measure(self) -> None:
        attempt = 0
        while not self._stopping.is_set():
            opened = await self._open()
            if opened:
                began = self._loop.time()
                if await self._ping() in ("done", "stopped") or not self._goes_on():
                    return
                attempt = 0 if self._loop.time() - began >= SETTLED_S else attempt
            elif not self._reconnect:
                return
            await self._pause(backoff(attempt))
            attempt += 1

    def _goes_on(self) -> bool:
        """Whether a lost connection is to be replaced: asked for, and something is left to send."""
        count, pace = self._pace.count, self._pace
        finished = count is not None and not pace.wait_for_replies and self._books.sent >= count
        return self._reconnect and not finished

    async def _open(self) -> bool:
        """Dial and announce; an error is told, not raised."""
        around = self._around
        async with around.dialling:
            if self._stopping.is_set():
                return False
            task = asyncio.ensure_future(dial(self._url, around.dial_options, tracer=around.tracer))
            stopped = asyncio.ensure_future(self._stopping.wait())
            try:
                await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                stopped.cancel()
                if not task.done():
                    task.cancel()
                    await asyncio.wait({task})
        return self._opened(task)

    def _opened(self, task: asyncio.Future[Session]) -> bool:
        if task.cancelled():
            return False
        try:
            self._session = task.result()
        except DialError as error:
            from wsdiag.judgement.diagnosis.diagnose import (
                diagnose,  # and a TOML file of hints with it
            )

            self._around.emit(diagnose(self._url, error))
            return False
        self._announce(self._session)
        return True

    def _announce(self, session: Session) -> None:
        report = session.report
        clock: Clock = "kernel" if session.stream.kernel_stamps else "user"
        if not self._connections:
            self._books.started = self._loop.time()
        if report is not None and report.proxy is not None:
            self._books.proxy = report.proxy
        self._books.clock = clock
        again = self._connections if self._reconnect and self._connections else None
        self._connections += 1
        address = report.address if report is not None else session.stream.peer
        proxy, why = (report.proxy, report.proxy_why) if report is not None else (None, None)
        self._around.emit(
            PingStart(self._url, address, phases_of(report), clock, again, proxy, why)
        )

    async def _ping(self) -> Why:
        session, around = self._session, self._around
        assert session is not None
        witness = TcpObserver(session, around.stalls)
        self._volley = PingSender(
            session, self._pace, self._books, witness, around.emit, around.congested, self._load
        )
        try:
            self._volley.start()
            if self._stopping.is_set():
                self._volley.stop()
            why = await self._volley.over
            if why in ("ended", "silent"):
                self._record_drop(session, why, self._volley.end)
            return why
        finally:
            self._volley.stop()
            self._volley = None

    def _record_drop(self, session: Session, why: Why, end: StreamEnd | None) -> None:
        moment = now_stamp()
        if why == "silent":
            drop: Drop = silent_drop(session, moment.mono_ns)
        else:
            drop = drop_of(session, end or StreamEnd("timeout", "TCP stayed open", moment))
        self._books.dropped(drop)
        self._around.emit(PingClosed(self._url, utc_now(), drop))
        session.abort() if why == "silent" else session.stream.close()

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)


def _meter(plan: LoadPlan) -> LoadMeter:
    from wsdiag.probes.ping.load import LoadMeter

    return LoadMeter(plan)


def phases_of(report: DialReport | None, **later: float | None) -> Phases:
    """A dial's phases as a record, with `ping_ms`, `close_ms`, … added."""
    if report is None:
        return Phases(**later)
    taken = {f"{name}_ms": took for name, took in report.phases_ms.items()}
    return Phases(**{"total_ms": report.total_ms, **taken, **later})


def undiagnosed(url: str, error: Exception) -> Error:
    """A failure nobody foresaw, told rather than thrown."""
    words = f"{type(error).__name__}: {error}"
    return Error(url, "ping", "protocol", words, "this is a fault of wsdiag: please report it")
