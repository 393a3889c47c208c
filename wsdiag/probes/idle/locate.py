"""Where on the way an idle flow died: its hops are learnt while it lives, and asked once it died.

Theory of operation. Each idle connection's own hops are learnt right after its opening, because
another connection may take another path (`transport/path/flow_tracer.py` says how). When one is
found silent, or is reset when written to, copies of the segment that was lost ask the same hops:
new data could not leave behind a lost Ping, and TCP's own retransmissions come at doubling
intervals. Which hops answer then, and which do not any more, is in the trial's record; what it
means is `judgement/verdict/location.py`.

What is sent to learn the hops crosses the devices whose timers are in question, so a trial's idle
period counts from there. But it is nothing to who ends TCP: for an end that announces itself, the
last byte of the stream counts.

*Routers limit how often they say that a packet died*: Linux says so six times at once to one
address, and once a second from then on. So the connections take turns, those with the longest idle
period first: they decide how long the run lasts, and a short one that begins later ends before them
all the same. But the first to be found silent are the short ones, and a flow must not die before
its turn. So some of all lengths, every second say, take their turns before the others, as many as
leave the shortest a short wait. What is still left waits for at most half of its idle period, or
goes without: its death has no place. A hop that does not answer is asked again, live or dead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from wsdiag.probes.path.hops import MOST_HOPS, Asked, search_end
from wsdiag.records import TracedHop
from wsdiag.transport.path.flow_tracer import FlowTracer, HopQuestion
from wsdiag.transport.path.raw import RawSockets

_READY_S = 0.5
_LEARN_SHARE = 0.1
# Of its idle period, how long a connection may wait for its turn: the first, and the others.
_FIRST_SHARE, _WAIT_SHARE = 0.25, 0.5
_FRESH_S = 20.0
_AT_ONCE, _APART_S = 4, 1.05
_LEARN_WAIT_S, _LEARN_TRIES = 0.25, 3
_DEAD_WAITS_S = (0.25, 0.25, 0.5, 0.5, 0.75, 0.75)


def waits_for_turns(periods_s: Sequence[float]) -> dict[float, float]:
    """How long connections with these idle periods wait for their turn, those that have one."""
    ordered = sorted(set(periods_s), reverse=True)
    for apart in range(1, len(ordered) + 1):
        first = ordered[::apart]
        if all(_wait_s(turn) <= _FIRST_SHARE * period for turn, period in enumerate(first)):
            break
    else:
        first = ordered[:1]
    others = [period for period in ordered if period not in first]
    waits: dict[float, float] = {}
    for period in (*first, *others):
        if (wait_s := _wait_s(len(waits))) <= _WAIT_SHARE * period:
            waits[period] = wait_s
    return waits


def _wait_s(turn: int) -> float:
    return max(0, turn + 1 - _AT_ONCE) * _APART_S


class Locator:
    """What the trials of one endpoint share: raw sockets, turns, and how many hops there are."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets: RawSockets | None = None
        self._began_s = self._loop.time()
        self._waits: dict[float, float] = {}
        self._searching = asyncio.Lock()
        self.end: int | None = None
        """Where TCP ends, on the connection that found out."""
        self.searched = False

    def plan(self, periods_s: Sequence[float]) -> None:
        """A round begins that will ask for turns for these idle periods."""
        self._began_s = self._loop.time()
        self._waits = waits_for_turns(periods_s)

    def flow(self, idle_for_s: float) -> TrialFlow:
        """The flow of a trial that is about to dial."""
        return TrialFlow(self, idle_for_s)

    @property
    def longest_wait_s(self) -> float:
        """By how much the idle periods of this round may begin later."""
        longest_s = max(self._waits, default=0.0)
        late_s = max((period + wait for period, wait in self._waits.items()), default=0.0)
        return late_s - longest_s + _LEARN_SHARE * longest_s

    def fresh_flow(self) -> TrialFlow:
        """The flow of a connection opened afterwards, to see who answers on a live one."""
        self.plan([_FRESH_S])
        return TrialFlow(self, _FRESH_S)

    def wait_s(self, idle_for_s: float) -> float | None:
        """How long until this trial's turn; None: it would be too late."""
        wait_s = self._waits.get(idle_for_s)
        if wait_s is None:
            return None
        left_s = max(0.0, self._began_s + wait_s - self._loop.time())
        return left_s if left_s <= _WAIT_SHARE * idle_for_s else None

    async def find_end(self, tracer: FlowTracer) -> int | None:
        """How many hops there are, found once."""
        async with self._searching:
            if not self.searched:
                self.searched = True
                refused: set[int] = set()  # somebody lets no such small hop limit pass

                async def ask(hop: int) -> Asked:
                    for _ in range(2):
                        for question in await tracer.ask([hop], _LEARN_WAIT_S):
                            if question.answer is not None:
                                if question.answer.kind == "unreachable":
                                    refused.add(hop)
                                elif question.answer.kind != "tcp-end":
                                    return "router"
                                return "end"
                    return None

                end = await search_end(ask)
                self.end = None if end in refused else end
        return self.end

    def tracer(self, local: tuple[str, int], peer: tuple[Any, ...]) -> FlowTracer | None:
        """A tracer for a connection that has sent nothing yet; None where there can be none."""
        try:
            if self._sockets is None:
                self._sockets = RawSockets(local[0])
            return FlowTracer(self._sockets, local, peer)
        except OSError:
            return None

    def close(self) -> None:
        """Close what is shared."""
        if self._sockets is not None:
            self._sockets.close()
            self._sockets = None


class TrialFlow:
    """One connection's hops: told of by a dial; `learn`, and `trace` when it is dead."""

    def __init__(self, locator: Locator, idle_for_s: float) -> None:
        self._locator, self._idle_for_s = locator, idle_for_s
        self.tracer: FlowTracer | None = None
        self.live: dict[int, list[str]] = {}
        self.end: int | None = None
        self._asked: list[HopQuestion] = []
        """On the dead flow."""

    def connecting(self, peer: tuple[Any, ...]) -> None:
        """A SYN is about to be sent: nothing of the flow yet."""

    def connected(self, local: tuple[str, int], peer: tuple[Any, ...]) -> None:
        """TCP is connected, and nothing was sent yet."""
        self.close()
        address = str(peer[0]).partition("%")[0]
        if address != local[0] and not address.startswith("127.") and address != "::1":
            self.tracer = self._locator.tracer(local, peer)

    async def learn(self) -> bool:
        """Learn the hops, as far as they answer; whether anything was sent for it."""
        tracer = self.tracer
        wait_s = None if tracer is None else self._locator.wait_s(self._idle_for_s)
        if tracer is None or wait_s is None or not await tracer.wait_ready(_READY_S):
            return False
        await asyncio.sleep(wait_s)
        end = await self._locator.find_end(tracer)
        last = end or MOST_HOPS // 4
        loop = asyncio.get_running_loop()
        until_s = loop.time() + max(_LEARN_WAIT_S, _LEARN_SHARE * self._idle_for_s)
        open_ = list(range(1, last + 1))
        for attempt in range(_LEARN_TRIES):
            left_s = until_s - loop.time()
            if not open_ or (attempt and left_s <= 0):
                break
            for question in await tracer.ask(open_, min(_LEARN_WAIT_S, max(left_s, 0.05))):
                answer = question.answer
                if answer is None or answer.kind == "unreachable":
                    continue
                if answer.kind == "tcp-end":
                    self.end = min(question.hop_limit, self.end or MOST_HOPS)
                elif answer.address not in self.live.setdefault(question.hop_limit, []):
                    self.live[question.hop_limit].append(answer.address)
            ceiling = last if self.end is None else self.end - 1
            open_ = [hop for hop in range(1, ceiling + 1) if hop not in self.live]
        return True

    async def trace(self, *, reset: bool) -> None:
        """Ask the hops of the dead flow; `reset`: somebody answers what is written to it by RST."""
        tracer, last = self.tracer, self._last
        if tracer is None or not last:
            return
        for wait_s in _DEAD_WAITS_S:
            open_ = [hop for hop in range(1, last + 1) if not self._dead(hop)[1]]
            open_ = [hop for hop in open_ if not self._was_reset(hop)]
            # a RST does not say which copy it answers: one at a time
            batches = [[hop] for hop in open_] if reset else [open_]
            for batch in batches:
                self._asked += await tracer.ask(batch, wait_s, lost=True)

    @property
    def _last(self) -> int:
        return self.end or max(self.live, default=0)

    def _dead(self, hop: int) -> tuple[int, int]:
        """How often a hop was asked on the dead flow, and how often it answered."""
        asked = [each for each in self._asked if each.hop_limit == hop and each.error is None]
        kinds = [each.answer.kind for each in asked if each.answer is not None]
        # who refuses a packet (a RST, Destination Unreachable) is not at its hop
        return len(asked), sum(kind in ("router", "tcp-end") for kind in kinds)

    def _was_reset(self, hop: int) -> bool:
        answers = [each.answer for each in self._asked if each.hop_limit == hop]
        return any(answer is not None and answer.kind == "reset" for answer in answers)

    def hops(self) -> tuple[TracedHop, ...] | None:
        """What was found out, for the record; None: nothing."""
        if self.tracer is None or not self._last:
            return None
        made = []
        for hop in range(1, self._last + 1):
            live, kind = tuple(self.live.get(hop, ())), "router"
            if hop == self.end:
                live, kind = (self.tracer.address,), "tcp-end"
            made.append(TracedHop(hop, kind, live, *self._dead(hop), self._was_reset(hop)))  # type: ignore[arg-type]
        return tuple(made)

    def close(self) -> None:
        """Stop watching. Harmless when repeated."""
        if self.tracer is not None:
            self.tracer.close()
            self.tracer = None
