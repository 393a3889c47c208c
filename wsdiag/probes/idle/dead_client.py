"""Clients that are dead without a word: does the endpoint, or what stands before it, notice?

A client that loses its power, its network or its event loop says no Close and sends no FIN. What is
left is a connection to nobody, which takes memory and a place in every list of who is online, until
something asks and gets no answer. Each way of being dead asks less of the endpoint than the last:

no-pong   Reads everything and answers no Ping: a client whose event loop hangs, or whose library
          leaves Pings to the application. TCP acknowledges, so only a missing Pong tells.
no-read   Reads nothing. TCP acknowledges until the receive buffer is full, then announces a window
          of zero. An end is seen in TCP_INFO, as nobody reads up to it.
vanish    Is gone: the kernel drops whatever arrives, and nothing is acknowledged. Whether it was
          noticed shows only when it is back and sends a Ping: so there are four, each away for
          longer than the one before, and the time lies between two of them.

They run beside the rounds, each on a connection of its own, and no other verdict rests on them:
they are neither idle nor kept alive.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from wsdiag.judgement.verdict.dead_client import LOOK_S
from wsdiag.probes.common.drops import drop_of_end
from wsdiag.probes.idle.connection import TrialConnection, dial_patiently, refusal_text
from wsdiag.probes.idle.context import RoundContext
from wsdiag.probes.idle.state import ACK_WAIT_S
from wsdiag.protocol.errors import LocalProtocolError
from wsdiag.protocol.events import Close, Pong, Violation
from wsdiag.records import DeadKind, Drop, IdleTrial, Outcome, TrialStarted
from wsdiag.transport.report import DialError
from wsdiag.transport.session import Received
from wsdiag.transport.stream.ends import StreamEnd

_BACK = b"wsdiag back"
_CLOSE_S = 1.0
_UNREAD_S = 1.0
CANNOT_VANISH = "this kernel lets no process drop what arrives (Linux, CAP_NET_ADMIN)"
_NO_ANSWER = "when it was back, neither a Pong came nor an end"
_NO_TCP_INFO = "TCP does not tell (TCP_INFO) whether a connection that nobody reads has ended"


class DeadClient:
    """One connection of a client that is dead from its opening on. Times: since the upgrade."""

    def __init__(
        self, context: RoundContext, index: int, kind: DeadKind, away_s: float | None
    ) -> None:
        self._context, self._index, self._kind, self._away_s = context, index, kind, away_s
        self._connection: TrialConnection | None = None
        self._drop: Drop | None = None
        self._violation: str | None = None
        self._answered = False
        self._news = asyncio.Event()

    def abort(self) -> None:
        """Wait for nothing more: `stopping` was set before."""
        if self._connection is not None:
            self._connection.session.abort()

    async def run(self, stopping: asyncio.Event) -> IdleTrial:
        """Its record, also emitted: until it was noticed, its time is over, or `stopping` is set.

        An interrupted one is `aborted`, unless it was noticed before.
        """
        refusals: list[str] = []
        context = self._context
        try:
            participant = await dial_patiently(
                context.url, context.dial, context.tracer, refusals, self._index, "listener"
            )
        except DialError as error:
            return self._record("refused", detail=refusal_text(error))
        self._connection = connection = TrialConnection(participant)
        longest_s = context.facts.options.longest_s
        context.emit(
            TrialStarted(
                context.url, self._index, self._kind, self._away_s, None, self._away_s or longest_s
            )
        )
        connection.session.connection.auto_pong = False
        connection.session.push(self._received, self._ended)
        watching = asyncio.create_task(self._watch(connection, self._away_s or longest_s))
        stopped = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({watching, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                return watching.result()
            outcome: Outcome = "aborted" if self._drop is None else "dropped"
            return self._record(outcome, detail="interrupted" if outcome == "aborted" else None)
        finally:
            for task in (watching, stopped):
                task.cancel()
            tcp = connection.session.stream.tcp
            if self._kind == "vanish" and tcp is not None:
                tcp.reappear()
            await connection.session.close(1000, timeout=_CLOSE_S)

    async def _watch(self, connection: TrialConnection, until_s: float) -> IdleTrial:
        if self._kind == "no-pong":
            await self._news_by(connection, until_s)
            return self._record("alive" if self._drop is None else "dropped")
        if self._kind == "no-read":
            return await self._unread(connection, until_s)
        tcp = connection.session.stream.tcp
        if tcp is None or not tcp.vanish():
            return self._record("aborted", detail=CANNOT_VANISH)
        await asyncio.sleep(max(0.0, until_s - connection.now_s()))
        tcp.reappear()
        return await self._ask(connection, until_s)

    async def _unread(self, connection: TrialConnection, until_s: float) -> IdleTrial:
        """Nothing is read until TCP says that the peer has ended it, or the time is over.

        A Close frame alone does not end TCP. It is what came last, and TCP tells when that was;
        unless the queue was so full that it had to wait until we read.
        """
        tcp = connection.session.stream.tcp
        info = None if tcp is None else tcp.tcp_info()
        if tcp is None or info is None:
            return self._record("aborted", detail=_NO_TCP_INFO)
        tcp.pause_reading()
        seen_s = connection.now_s()
        while info is not None and info.established and seen_s < until_s:
            await asyncio.sleep(min(LOOK_S, until_s - seen_s))
            info, seen_s = tcp.tcp_info(), connection.now_s()
        ended = info is None or not info.established
        full = 2 * (tcp.unread_bytes or 0) > (tcp.receive_room_bytes or 0)
        last_s = seen_s - (0.0 if info is None else info.last_received_ms / 1e3)
        tcp.resume_reading()
        await self._news_by(connection, connection.now_s() + _UNREAD_S)
        if self._drop is None:
            return self._record("alive", at_s=seen_s)
        came = not full and self._drop.how == "close"
        at_s = max(0.0, last_s) if came else seen_s
        self._drop = replace(self._drop, at_s=round(at_s, 3))  # it is read later than it came
        return self._record("dropped", after_write=not (came or ended))

    async def _ask(self, connection: TrialConnection, away_s: float) -> IdleTrial:
        """Back again: does anybody still know this connection?

        What the peer sent meanwhile stands before its answer, and is sent again after twice the
        time it has waited for, at the latest (RFC 6298, 5.5).
        """
        back_s = connection.now_s()
        with suppress(LocalProtocolError):  # its end came with the first bytes that were let in
            connection.session.ping(_BACK)
        facts = self._context.facts
        wait_s = max(facts.pong_timeout_s, away_s)
        if facts.answers_pings is False:
            wait_s = ACK_WAIT_S
        await self._news_by(connection, back_s + wait_s)
        acknowledged = connection.acknowledged()
        if self._drop is not None:
            return self._record("dropped", after_write=True)
        if self._answered or (acknowledged and facts.answers_pings is False):
            return self._record("alive", at_s=back_s)
        if acknowledged:
            return self._record("aborted", detail=_NO_ANSWER)
        silent = Drop("silent", round(back_s, 3), tcp_acknowledged=acknowledged)
        return self._record("silent", drop=silent)

    async def _news_by(self, connection: TrialConnection, until_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, until_s - connection.now_s())):
                await self._news.wait()

    def _received(self, received: Received) -> None:
        event = received.event
        if isinstance(event, Close):
            self._end(Drop("close", self._at(received.at.mono_ns), None, event.code, event.reason))
        elif isinstance(event, Pong) and event.payload == _BACK:
            self._answered = True
            self._news.set()
        elif isinstance(event, Violation) and not self._truncated():  # what follows is our end
            self._violation = event.error.described("the endpoint")
            self._news.set()

    def _ended(self, end: StreamEnd) -> None:
        if end.how != "local":
            self._end(drop_of_end(end, self._at(end.at.mono_ns)))

    def _end(self, drop: Drop) -> None:
        if self._violation is None:
            self._drop = self._drop or drop
        self._news.set()

    def _truncated(self) -> bool:
        return self._connection is not None and self._connection.truncated

    def _at(self, mono_ns: int) -> float:
        assert self._connection is not None  # it is what reports
        return round(self._connection.since_upgrade_s(mono_ns), 3)

    def _record(
        self,
        outcome: Outcome,
        *,
        drop: Drop | None = None,
        detail: str | None = None,
        at_s: float | None = None,
        after_write: bool = False,
    ) -> IdleTrial:
        """`at_s`: of a client that was not noticed, until when."""
        connection, clock = self._connection, self._context.clock
        if self._violation is not None and self._drop is None:
            outcome, detail, drop = "aborted", self._violation, None
        drop = self._drop if outcome == "dropped" else drop
        age_s = started_s = None
        if connection is not None:
            if at_s is None:
                at_s = connection.now_s() if drop is None else drop.at_s
            age_s = round(at_s, 3)
            started_s = clock.since_start_s(connection.session.opened.mono_ns)
        record = IdleTrial(
            url=self._context.url,
            trial=self._kind,
            idle_for_s=self._away_s,
            interval_s=None,
            outcome=outcome,
            idle_s=None,
            drop=drop,
            connection=self._index,
            age_s=age_s,
            started_s=round(clock.now_s() if started_s is None else started_s, 3),
            detail=detail,
            upgrade_s=0.0 if connection is None else round(connection.upgrade_s, 4),
            after_write=after_write,
            violation=self._violation if outcome == "aborted" else None,
        )
        self._context.emit(record)
        return record
