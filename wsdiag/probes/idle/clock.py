"""The probe's clock, and what can make its evidence doubtful: this machine and its links."""

from __future__ import annotations

from time import monotonic_ns

from wsdiag.probes.common.stalls import Stalls
from wsdiag.transport.links import LinkChange, LinkWatch, interface_of
from wsdiag.transport.machine import SuspendWatch

_MOST_CHANGES = 1000


class ProbeClock:
    """Seconds since the probe's start, and what may have disturbed them."""

    def __init__(self) -> None:
        self._start_ns = monotonic_ns()
        self._suspend = SuspendWatch()
        self._stalls = Stalls()
        self._links = LinkWatch(self._link_changed)
        self._changes: list[LinkChange] = []
        self._sources: dict[str, str | None] = {}
        self.suspends: list[tuple[float, float]] = []
        """When one was noticed, and how many seconds the monotonic clock left out."""

    def now_s(self) -> float:
        """Seconds since the probe's start."""
        return self.since_start_s(monotonic_ns())

    def since_start_s(self, mono_ns: int) -> float:
        """A monotonic moment on the probe's axis."""
        return (mono_ns - self._start_ns) / 1e9

    def stalled_s(self) -> float:
        """For how long up to now this process had not run: stopped, or kept off the CPU."""
        at_s = monotonic_ns() / 1e9  # the event loop's axis
        window_s, stalled_s = 0.1, self._stalls.within(at_s - 0.1, at_s)
        # A window that was stalled throughout says only that the stall began before it.
        while stalled_s > 0.8 * window_s:
            window_s *= 2
            stalled_s = self._stalls.within(at_s - window_s, at_s)
        return stalled_s

    def note_suspend(self) -> None:
        """Note a suspend since the last call."""
        lost_s = self._suspend.lost_s()
        if lost_s:
            self.suspends.append((self.now_s(), lost_s))

    def _link_changed(self, change: LinkChange) -> None:
        if len(self._changes) < _MOST_CHANGES:
            self._changes.append(change)

    def note_source(self, address: str) -> None:
        """A connection has this address of the machine's."""
        if address not in self._sources:
            self._sources[address] = interface_of(address)

    def lost_links(self) -> list[tuple[float, str]]:
        """When a link or an address that connections need was lost, and in words which."""
        needed = {interface for interface in self._sources.values() if interface is not None}
        return [
            (self.since_start_s(change.at_ns), str(change))
            for change in self._changes
            if change.address in self._sources
            or (change.address is None and change.interface in needed)
        ]

    def stop(self) -> None:
        """End the heartbeat."""
        self._stalls.stop()
        self._links.close()
