"""What the machine does to this process: how many files it may open, and time spent suspended."""

from __future__ import annotations

import time

# Steps of the wall clock by NTP are smaller than this; only used where no better clock exists.
_NOISE_S = 0.5


def allow_files(wanted: int) -> int | None:
    """Raise the soft limit of open files (getrlimit(2)) to `wanted`, if allowed; the limit then.

    None: there is none, or none that can be asked for (Windows).
    """
    try:
        import resource
    except ImportError:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft == unlimited:
        return None
    if soft >= wanted:
        return soft
    reachable = wanted if hard == unlimited else min(wanted, hard)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    except (OSError, ValueError):  # macOS: the kernel's own limit is below an unlimited hard one
        return soft
    return reachable


class SuspendWatch:
    """Notices time for which the machine was suspended: the monotonic clock stops then (Linux).

    Where CLOCK_BOOTTIME is missing the wall clock is used, so a clock set forward looks the same.
    """

    def __init__(self) -> None:
        self._offset = _beyond_monotonic()

    def lost_s(self) -> float:
        """Seconds lost since the last call; 0.0 when none were."""
        before, self._offset = self._offset, _beyond_monotonic()
        lost = self._offset - before
        return lost if lost > _NOISE_S else 0.0


def _beyond_monotonic() -> float:
    """A clock that counts suspended time minus one that does not, in seconds."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    wall = time.time() if boottime is None else time.clock_gettime(boottime)
    return wall - time.monotonic()
