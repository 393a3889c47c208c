"""The probe's clock, and what can make its evidence doubtful: a suspend, or a stalled process."""

from __future__ import annotations

from time import monotonic_ns

from wsdiag.probes.common.stalls import Stalls
from wsdiag.transport.machine import SuspendWatch


class ProbeClock:
    """Seconds since the probe's start, and what may have disturbed them."""

    def __init__(self) -> None:
        self._start_ns = monotonic_ns()
        self._suspend = SuspendWatch()
        self._stalls = Stalls()
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

    def stop(self) -> None:
        """End the heartbeat."""
        self._stalls.stop()
