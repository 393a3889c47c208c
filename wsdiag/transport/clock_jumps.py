"""Was the machine suspended? The monotonic clock stops then (Linux), other clocks do not."""

from __future__ import annotations

import time

# Steps of the wall clock by NTP are smaller than this; only used where no better clock exists.
_NOISE_S = 0.5


def _beyond_monotonic() -> float:
    """A clock that counts suspended time minus one that does not, in seconds."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    if boottime is not None:
        return time.clock_gettime(boottime) - time.monotonic()
    return time.time() - time.monotonic()


class SuspendWatch:
    """Notices seconds that passed without us; where CLOCK_BOOTTIME is missing, by the wall clock,
    so that a clock set forward looks the same."""

    def __init__(self) -> None:
        self._offset = _beyond_monotonic()

    def lost_s(self) -> float:
        """Seconds lost since the last call; 0.0 when none were."""
        before, self._offset = self._offset, _beyond_monotonic()
        lost = self._offset - before
        return lost if lost > _NOISE_S else 0.0
