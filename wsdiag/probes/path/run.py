"""`wsdiag path`: the hops of a connection's own flow, and the endpoint behind the end of TCP.

A round asks every hop and then, by a Ping, the endpoint: so that what the network takes and what is
behind its end stand under each other. With CAP_NET_RAW the packets that ask are not the stream's,
and the Ping is delayed by nothing.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wsdiag.judgement.path_notes import fewest_hops, path_notes
from wsdiag.judgement.products.intermediaries import hops_from_headers
from wsdiag.probes.common.drops import drop_of
from wsdiag.probes.common.participant import Participant, open_session
from wsdiag.probes.path.flow import WatchedFlow
from wsdiag.probes.path.hops import HopAsker, PingHops, SegmentHops
from wsdiag.probes.path.options import PathOptions
from wsdiag.probes.path.refusals import GRANTS, no_hops_note, unsupported
from wsdiag.probes.path.rows import HopRow
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import Pong
from wsdiag.records import Error, PathEvent, PathHop, PathMethod, PathStart, PathSummary
from wsdiag.records.waits import awaited_of_all
from wsdiag.transport.dial.options import DialOptions
from wsdiag.transport.path.ping_tracer import PingTracer
from wsdiag.transport.path.reverse_dns import name_of
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Received, Session
from wsdiag.transport.stream.ends import StreamEnd
from wsdiag.transport.stream.stamps import SendRecord, round_trip_ns

if TYPE_CHECKING:
    from wsdiag.transport.trace import Tracer

_READY_S = 2.0
_PONG_WAIT_S = 1.0
_CLOSE_S = 2.0
# In so few rounds, who did not answer may have been asked by others just before.
_FEW_ROUNDS = 3


class PathRun:
    """One run: iterate `events()`, end it with `stop()`."""

    def __init__(
        self,
        url: str,
        options: PathOptions,
        dial_options: DialOptions,
        tracer: Tracer | None = None,
    ) -> None:
        self._url, self._options, self._dial_options = url, options, dial_options.beginnings()
        self._tracer = tracer
        self._stopping = asyncio.Event()
        self._dialing: asyncio.Task[Participant] | None = None
        self._phase: str | None = None
        """Of the dial under way, or `close`."""
        self._session: Session | None = None
        self._flow = WatchedFlow()
        self._names: dict[str, asyncio.Task[str | None]] = {}
        self._rounds = 0
        self._drop_end: StreamEnd | None = None
        self._pings: dict[bytes, SendRecord] = {}
        self._ponged = asyncio.Event()
        self._endpoint = HopRow("endpoint", None)
        self._edge: HopRow | None = None
        """Where HTTP/2 ends, on a connection over it."""

    def stop(self) -> None:
        """End cleanly: the summary so far, then a Close; a second call ends at once."""
        again = self._stopping.is_set()
        self._stopping.set()
        if self._dialing is not None:
            self._dialing.cancel()
        if again and self._session is not None:
            self._session.abort()

    def expire(self) -> str | None:
        """The time is over: `stop()`, and what was awaited, in words; None: nothing."""
        awaited = awaited_of_all([self._phase])
        self.stop()
        return awaited

    async def events(self) -> AsyncGenerator[PathEvent, None]:
        """A PathStart, PathHop rows after each round, one PathSummary; or an Error."""
        if not sys.platform.startswith("linux"):
            yield unsupported(self._url)
            return
        try:
            try:
                participant = await self._dial()
            except DialError as error:
                from wsdiag.judgement.diagnosis.hints import diagnose

                yield diagnose(self._url, error)
                return
            if participant is None:
                return
            session = self._session = participant.session
            async for event in self._trace(session):
                yield event
            if session.ended is None:
                self._flow.close()
                self._phase = "close"
                await session.close(timeout=_CLOSE_S)
        finally:
            for task in self._names.values():
                task.cancel()
            self._flow.close()
            if self._session is not None:
                self._session.stream.close()

    # -- opening -------------------------------------------------------------------------------

    async def _dial(self) -> Participant | None:
        """The open connection; None when `stop()` came first. Raises DialError."""
        opening = open_session(
            self._url,
            self._dial_options,
            tracer=self._tracer,
            on_phase=self._note_phase,
            watcher=self._flow,
        )
        self._dialing = asyncio.create_task(opening)
        if self._stopping.is_set():
            self._dialing.cancel()
        try:
            await asyncio.wait({self._dialing})
        finally:
            self._phase = None
            if not self._dialing.done():
                self._dialing.cancel()
                await asyncio.wait({self._dialing})
        return None if self._dialing.cancelled() else self._dialing.result()

    def _note_phase(self, phase: str) -> None:
        self._phase = phase

    # -- rounds --------------------------------------------------------------------------------

    async def _trace(self, session: Session) -> AsyncGenerator[PathEvent, None]:
        report = session.report
        assert report is not None  # a dialled session has one
        if session.stream.tcp is None:
            yield Error(
                self._url,
                "path",
                "usage",
                "path asks the hops of a TCP connection, and HTTP/3 has none",
                "leave --http3 away",
            )
            return
        session.push(self._received, self._ended)
        summary = PathSummary(
            url=self._url,
            address=report.address,
            proxy=report.proxy,
            products=tuple(hops_from_headers(report.headers)),
        )
        start = PathStart(self._url, report.address, report.proxy, None)
        if self._flow.on_this_machine:
            why = no_hops_note(report.address, unix=self._flow.peer is None)
            yield replace(start, note=why)
            yield replace(summary, hops=0, notes=(why,))
            return
        asker, method, note = await self._choose(session)
        yield replace(start, method=method, note=note)
        headers = {name.lower(): value for name, value in report.headers}
        products = [hop.product for hop in summary.products]
        said: dict[str, Any] = {
            "product": products[0] if products else None,
            "server": headers.get("server"),
            "via": headers.get("via"),
        }
        rows: list[PathHop] = []
        try:
            await self._stoppable(asker.find_end())
            handshake_ms = report.phases_ms.get("tcp")
            if handshake_ms and (asker.end is None or method == "ping"):
                # What else TCP acknowledges comes with the endpoint's answer, and as late.
                asker.end_row.sent = 1
                asker.end_row.answered(handshake_ms)
            while self._goes_on(session):
                began_s = asyncio.get_running_loop().time()
                if not await self._stoppable(self._round(session, asker)):
                    break
                rows = await self._records(asker, said)
                for row in rows:
                    yield row
                if self._goes_on(session):
                    await self._pause(began_s + self._options.interval_s)
        except LocalProtocolError:
            pass  # a Close came: the session's end follows
        drop = None
        if self._drop_end is not None or session.close_arrived is not None:
            end = self._drop_end or StreamEnd("fin", "", session.close_arrived or session.opened)
            drop = drop_of(session, end)
        refused = min(asker.refused.items(), default=None)
        notes = path_notes(rows, proxy=report.proxy, method=method, refused=refused)
        yield replace(
            summary,
            hops=asker.end,
            fewest_hops=fewest_hops(rows),
            rounds=self._rounds,
            method=method,
            clock=asker.clock,
            network_ms=asker.end_row.figures.mean,
            endpoint_ms=self._endpoint.figures.mean,
            delay_ms=asker.delay_ms if isinstance(asker, PingHops) else None,
            needs=GRANTS if self._flow.refused else None,
            notes=tuple(notes),
            drop=drop,
            partial=self._stopping.is_set() and self._options.count is not None,
        )

    async def _choose(self, session: Session) -> tuple[HopAsker, PathMethod, str | None]:
        """Who asks the hops, and what is to be said of it."""
        if self._flow.tracer is not None:
            if await self._flow.tracer.wait_ready(_READY_S):
                return SegmentHops(self._flow.tracer), "segment", None
            note = (
                "The connection's own packets could not be seen: this machine translates them, or "
                "a network driver keeps them. Hops are asked by Pings with a small TTL."
            )
        else:
            note = (
                "Without CAP_NET_RAW each hop delays a Ping by a retransmission, and routers' "
                "addresses are learnt by SYNs beside the connection's flow."
            )
        assert self._flow.peer is not None
        return PingHops(PingTracer(session), self._flow.peer), "ping", note

    def _goes_on(self, session: Session) -> bool:
        count = self._options.count
        if self._stopping.is_set() or session.ended is not None or session.close_arrived:
            return False
        return count is None or self._rounds < count

    async def _round(self, session: Session, asker: HopAsker) -> None:
        await asker.round(self._rounds + 1)
        if self._rounds + 1 == self._options.count and self._rounds < _FEW_ROUNDS:
            await asker.ask_silent_again()
        await self._ping(session)
        self._rounds += 1

    async def _ping(self, session: Session) -> None:
        """Ask the endpoint."""
        payload = b"wsdiag %d" % self._rounds
        self._ponged.clear()
        if session.http2 is not None:
            edge = self._edge = self._edge or HopRow("http2-end", None)
            edge.sent += 1  # before the Ping: where one process answers both, it is not held up
            session.http2.ping(lambda sent, at: edge.answered(round_trip_ns(sent, at)[0] / 1e6))
        self._endpoint.sent += 1
        self._pings[payload] = session.ping(payload)
        wait_s = max(_PONG_WAIT_S, 3 * (self._endpoint.figures.maximum or 0.0) / 1e3)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._ponged.wait()

    def _received(self, received: Received) -> None:
        if not isinstance(received.event, Pong):
            return
        sent = self._pings.pop(received.event.payload, None)
        if sent is not None:
            self._endpoint.answered(round_trip_ns(sent, received.at)[0] / 1e6)
            self._ponged.set()

    def _ended(self, end: StreamEnd) -> None:
        if end.how != "local":
            self._drop_end = end
        self._ponged.set()

    async def _records(self, asker: HopAsker, said: dict[str, Any]) -> list[PathHop]:
        """The rows now; `said`: what the handshake says of the end of TCP."""
        rows = [asker.rows[hop] for hop in sorted(asker.rows)]
        names = [await self._name(row.address) for row in [*rows, asker.end_row]]
        made = [
            row.record(self._url, self._rounds, name)
            for row, name in zip(rows, names, strict=False)
        ]
        end = replace(asker.end_row.record(self._url, self._rounds, names[-1]), **said)
        last = [row for row in (self._edge, self._endpoint) if row is not None]
        return [*made, end, *(row.record(self._url, self._rounds, None) for row in last)]

    async def _name(self, address: str | None) -> str | None:
        """An address's name, asked for once; None until it is known."""
        if address is None or not self._options.names:
            return None
        if address not in self._names:
            self._names[address] = asyncio.create_task(name_of(address))
        task = self._names[address]
        if self._rounds == self._options.count:  # what is shown last waits for it
            await asyncio.wait({task})
        return task.result() if task.done() and not task.cancelled() else None

    async def _stoppable(self, work: Any) -> bool:
        """Run to the end, or until `stop()` comes; whether it came to its end."""
        task = asyncio.ensure_future(work)
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                return False
            task.result()
            return True
        finally:
            for each in (task, stopped):
                each.cancel()
            await asyncio.gather(task, stopped, return_exceptions=True)

    async def _pause(self, until_s: float) -> None:
        left_s = until_s - asyncio.get_running_loop().time()
        if left_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), left_s)
