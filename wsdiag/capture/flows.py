"""All flows of a capture that are open, by their addresses and ports."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

from wsdiag.capture.direction import WRAP
from wsdiag.capture.flow import Flow
from wsdiag.packets.tcp import ACK, RST, SYN

MOST_FLOWS = 10_000
"""Flows that are followed at once; beyond that, those that have been still the longest are given
up, and that is counted: a scan leaves half-open flows without end."""


class FlowTable:
    """All flows that are open. `on_flow` gets each new one, to give it a listener."""

    def __init__(
        self,
        on_flow: Callable[[Flow], None],
        on_over: Callable[[Flow], None],
        *,
        linger: bool = True,
    ) -> None:
        self._flows: dict[bytes, tuple[Flow, int]] = {}
        """By addresses and ports as they stand in a packet, in both directions."""
        self._on_flow, self._on_over = on_flow, on_over
        self._linger = linger
        """Whether flows that are over stay until `expire`: a RST may answer their last bytes."""
        self.given_up = 0
        """Flows that were ended because there were too many."""

    def __len__(self) -> int:
        return len(self._flows) // 2

    def __iter__(self) -> Iterator[Flow]:
        return (flow for flow, number in self._flows.values() if number == 0)

    def segment(
        self,
        time_ns: int,
        ends: bytes,
        seq: int,
        ack: int,
        flags: int,
        window: int,
        hop_limit: int,
        data: bytes,
        size: int,
        identity: bytes = b"",
    ) -> None:
        """One TCP segment, for the flow that it belongs to. `ends`: as in `packets.Segment`."""
        found = self._flows.get(ends)
        if found is None or (flags & (SYN | ACK) == SYN and _is_new(*found, seq)):
            if found is not None:
                self._remove(found[0])
            if flags & RST:
                return  # the answer to what belongs to nothing that was recorded
            found = self._begin(time_ns, ends), 0
        flow, number = found
        flow.segment(number, time_ns, seq, ack, flags, window, hop_limit, data, size, identity)
        if flow.over and not self._linger:
            self._remove(flow)

    def _begin(self, time_ns: int, ends: bytes) -> Flow:
        if len(self) >= MOST_FLOWS:
            self._give_up()
        size = (len(ends) - 4) // 2
        source, destination = ends[:size], ends[size:-4]
        ports = int.from_bytes(ends[-4:-2], "big"), int.from_bytes(ends[-2:], "big")
        flow = Flow(((source, ports[0]), (destination, ports[1])), time_ns)
        self._on_flow(flow)
        self._flows[ends] = (flow, 0)
        self._flows[destination + source + ends[-2:] + ends[-4:-2]] = (flow, 1)
        return flow

    def expire(self, before_ns: int) -> None:
        """End the flows that are over and have been still since then."""
        for flow in [each for each in self if each.over and each.last_ns < before_ns]:
            self._remove(flow)

    def _give_up(self) -> None:
        """End a tenth of the flows: those that are over or never carried a byte go first."""

        def worth(flow: Flow) -> tuple[bool, bool, int]:
            return not flow.over, any(each.bytes for each in flow.states), flow.last_ns

        for flow in sorted(self, key=worth)[: MOST_FLOWS // 10]:
            self.given_up += not flow.over
            self._remove(flow)

    def lighten(self, most: int) -> None:
        """End the flows that hold the most, where all together hold more than `most` bytes."""
        weighed = [(flow.held(), number, flow) for number, flow in enumerate(self)]
        total = sum(held for held, _, _ in weighed)
        if total <= most:
            return
        weighed.sort()
        while total > most // 2:
            held, _, flow = weighed.pop()
            total -= held
            self.given_up += not flow.over
            self._remove(flow)
        gc.collect()  # a flow and its listener know each other

    def finish(self) -> None:
        """The capture has ended: so does every flow in it."""
        for flow in list(self):
            self._remove(flow)

    def _remove(self, flow: Flow) -> None:
        flow.close(flow.last_ns)
        (one, port), (other, other_port) = flow.ends
        near, far = port.to_bytes(2, "big"), other_port.to_bytes(2, "big")
        del self._flows[one + other + near + far]
        self._flows.pop(other + one + far + near, None)  # the same key where both ends are one
        self._on_over(flow)


def _is_new(flow: Flow, number: int, seq: int) -> bool:
    """Whether a SYN begins another connection on the same ports, or is one sent again."""
    state = flow.states[number]
    return flow.over or not state.syn or state.position != (seq + 1) % WRAP
