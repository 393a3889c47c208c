"""Asking the hops of one connection, round by round, in either of two ways.

The number of hops is found once: 1, 2, 4, 8… until TCP's far end answers, then by halves. From then
on every round asks each of them, one after the other. Whoever answers corrects that number: a
router where the end was, or the end where a router was, means that the path has changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, Protocol

from wsdiag.probes.path.rows import HopRow
from wsdiag.transport.path.flow_tracer import FlowTracer, HopQuestion
from wsdiag.transport.path.ping_tracer import PingTracer, syn_trace
from wsdiag.transport.stream.stamps import Clock

MOST_HOPS = 64
_TRIES = 2
_FIRST_WAIT_S, _LEAST_WAIT_S, _LONGEST_WAIT_S = 0.5, 0.1, 1.0
# Beyond the last hop that answered, where the end of TCP does not.
_BEYOND = 2
# A router that is asked often, by this run or others, answers once a second, as Linux does.
_AGAIN_S = 1.1
# Where the address of a hop is learnt beside the flow, it is learnt again now and then.
_RELEARN_ROUNDS = 10

Asked = Literal["router", "end"] | None


class HopAsker(Protocol):
    """What a round needs: the end is found once, then each hop is asked."""

    end: int | None
    clock: Clock
    rows: dict[int, HopRow]
    end_row: HopRow
    refused: dict[int, str]

    async def find_end(self) -> None:
        """Find how many hops there are."""

    async def round(self, number: int) -> None:
        """Ask every hop once."""

    async def ask_silent_again(self) -> None:
        """Ask once more, later, who has not answered at all."""


async def search_end(ask: Callable[[int], Awaitable[Asked]]) -> int | None:
    """The number of the hop where TCP ends, by a doubling search; None where it does not answer."""
    low, high = 0, 1
    while (found := await ask(high)) != "end":
        low = high
        if high == MOST_HOPS:
            return None
        high *= 2
    while high - low > 1:
        middle = (low + high) // 2
        found = await ask(middle)
        low, high = (low, middle) if found == "end" else (middle, high)
    return high


class _Rows:
    """The rows that both ways fill."""

    def __init__(self, address: str) -> None:
        self.end: int | None = None
        self.rows: dict[int, HopRow] = {}
        self.refused: dict[int, str] = {}
        """Hop limits that somebody does not let pass (ICMP Destination Unreachable), and who."""
        self.end_row = HopRow("tcp-end", None)
        self.end_row.seen(address)

    def row(self, hop: int) -> HopRow:
        """The row of a router."""
        if hop not in self.rows:
            self.rows[hop] = HopRow("router", hop, self.end_row.address)
        return self.rows[hop]

    def end_at(self, hop: int) -> None:
        """TCP ends at this hop: those that were farther are not on the path any more."""
        self.end = self.end_row.hop = hop
        for farther in [each for each in self.rows if each >= hop]:
            del self.rows[farther]


class SegmentHops(_Rows):
    """By copies of the connection's own segments."""

    clock: Clock = "kernel"

    def __init__(self, tracer: FlowTracer) -> None:
        super().__init__(tracer.address)
        self._tracer = tracer
        self._longest_ms: float | None = None
        self._searching = True
        tracer.on_answer = self._answered

    async def find_end(self) -> None:
        """Find how many hops there are."""

        async def ask(hop: int) -> Asked:
            for _ in range(_TRIES):
                for question in await self._tracer.ask([hop], self._wait_s):
                    if question.answer is not None:
                        beyond = question.answer.kind in ("tcp-end", "unreachable")
                        return "end" if beyond else "router"
            return None

        found = await search_end(ask)  # beyond who refuses nothing can be asked
        self._searching = False
        if found is not None and found not in self.refused:
            self.end_at(found)

    async def round(self, number: int) -> None:
        """Ask every hop once, one at a time."""
        hop = 1
        while hop <= self._last:
            ending = hop == self.end
            (self.end_row if ending else self.row(hop)).sent += 1
            await self._tracer.ask([hop], self._wait_s)
            hop += 1

    async def ask_silent_again(self) -> None:
        """Ask once more, later, who has not answered at all."""
        if not any(not row.received for row in self.rows.values()):
            return
        await asyncio.sleep(_AGAIN_S)
        for hop in sorted(self.rows):
            row = self.rows.get(hop)
            if row is not None and not row.received:
                row.sent += 1
                await self._tracer.ask([hop], self._wait_s)

    @property
    def _last(self) -> int:
        if self.end is not None:
            return self.end
        answered = [hop for hop, row in self.rows.items() if row.received]
        farthest = min(self.refused, default=MOST_HOPS + 1) - 1
        return min(max(answered, default=0) + _BEYOND, farthest)

    @property
    def _wait_s(self) -> float:
        """How long an answer may take before the next hop's turn; it counts when it is late too."""
        if self._longest_ms is None:
            return _FIRST_WAIT_S
        return min(max(3 * self._longest_ms / 1e3, _LEAST_WAIT_S), _LONGEST_WAIT_S)

    def _answered(self, question: HopQuestion) -> None:
        answer, hop = question.answer, question.hop_limit
        if answer is None or answer.kind == "reset":
            return
        if answer.kind == "unreachable":
            self.refused[hop] = answer.address
            return
        self._longest_ms = max(self._longest_ms or 0.0, answer.rtt_ms)
        if answer.clock == "user":
            self.clock = "user"
        if self._searching:
            return
        if answer.kind == "tcp-end":
            if self.end is None or hop < self.end:
                self.end_at(hop)
                self.end_row.sent += 1
            row = self.end_row
        else:
            if hop == self.end:  # the path has become longer
                self.end = self.end_row.hop = hop + 1
                self.end_row.sent -= 1
                self.row(hop).sent += 1
            row = self.row(hop)
        row.answered(answer.rtt_ms, answer.address, nat=answer.nat, hop_limit=answer.hop_limit)


class PingHops(_Rows):
    """Without CAP_NET_RAW: Pings with a small TTL, and SYNs beside the flow for addresses."""

    clock: Clock = "user"

    def __init__(self, tracer: PingTracer, peer: tuple[object, ...]) -> None:
        super().__init__(str(peer[0]).partition("%")[0])
        self._tracer, self._peer = tracer, peer
        self.delay_ms = 0.0
        """The longest that a Ping was delayed."""

    async def find_end(self) -> None:
        """Find how many hops there are."""

        async def ask(hop: int) -> Asked:
            traced = await self._tracer.ask(hop)
            if traced.reached:
                return "end"
            self._delayed(traced.delivered_ms)
            return "router"

        found = await search_end(ask)
        if found is not None:
            self.end_at(found)

    async def round(self, number: int) -> None:
        """Ask every router once, one at a time; each costs a retransmission."""
        for hop in range(1, self.end or 1):
            row = self.row(hop)
            row.sent += 1
            traced = await self._tracer.ask(hop)
            if traced.reached:
                self.end_at(hop)
                return
            self._delayed(traced.delivered_ms)
            if traced.rtt_ms is not None:
                row.answered(traced.rtt_ms)
            if row.address is None or number % _RELEARN_ROUNDS == 0:
                address = await syn_trace(self._peer, hop, _LONGEST_WAIT_S)
                if address is not None:
                    row.seen(address)
                    row.other_flow = row.address is not None
            await asyncio.sleep(0)

    async def ask_silent_again(self) -> None:
        """Nobody: each question costs a retransmission."""

    def _delayed(self, delivered_ms: float | None) -> None:
        self.delay_ms = max(self.delay_ms, delivered_ms or 0.0)
