"""When bytes left and arrived, and the round trip between two such moments.

All times are nanoseconds on the `time.monotonic_ns()` axis. The kernel stamps packets with
CLOCK_REALTIME; `KernelClock` moves those stamps over, or refuses when the wall clock was stepped.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic_ns, time_ns
from typing import Literal

Clock = Literal["kernel", "user"]

# Reading three clocks takes under a microsecond unless the process loses the CPU in between.
_TIGHT_NS, _LOOSE_NS = 2_000, 40_000
# NTP slews both clocks alike, so their difference moves by steps only; below this it is noise.
_STEP_NS = 50_000
# CLOCK_REALTIME and CLOCK_MONOTONIC are read one after the other: a stamp may seem this early.
_SLACK_NS = 5_000


@dataclass(slots=True)
class Arrival:
    """A moment of arrival: ours after the read, and the kernel's for the packet (None: unknown)."""

    mono_ns: int
    kernel_ns: int | None = None


@dataclass(slots=True, eq=False)
class SendRecord:
    """A moment of sending, taken before the system call; the kernel's facts are filled in later.

    `end` is the offset on the wire after the last byte. `tx_kernel_ns`: when that byte left for
    the driver; `ack_kernel_ns`: when TCP's acknowledgement of it arrived (timestamping.rst).
    """

    mono_ns: int
    end: int = 0
    tx_kernel_ns: int | None = None
    ack_kernel_ns: int | None = None


def now() -> Arrival:
    """The present moment, in user space."""
    return Arrival(monotonic_ns())


def round_trip_ns(sent: SendRecord, received: Arrival) -> tuple[int, Clock]:
    """The round trip in ns and the clock it rests on: kernel to kernel where both can be trusted.

    With the arrival's stamp alone it starts at our send and counts as `user`.
    """
    user = received.mono_ns - sent.mono_ns
    if received.kernel_ns is None:
        return user, "user"
    if sent.tx_kernel_ns is not None and 0 < received.kernel_ns - sent.tx_kernel_ns <= user:
        return received.kernel_ns - sent.tx_kernel_ns, "kernel"
    arrived = received.kernel_ns - sent.mono_ns
    return (arrived, "user") if 0 < arrived <= user else (user, "user")


class KernelClock:
    """Moves CLOCK_REALTIME stamps to the monotonic axis; None where they cannot be believed."""

    __slots__ = ("_offset",)

    def __init__(self) -> None:
        self._offset = _realtime_offset()

    def to_monotonic(self, real_ns: int, not_before: int) -> int | None:
        """`real_ns` as monotonic ns, if it lies between `not_before` and now and no step was seen.

        A step since the last call makes this one stamp void: it is of either clock.
        """
        before, self._offset = self._offset, _realtime_offset()
        if before is None or self._offset is None or abs(self._offset - before) > _STEP_NS:
            return None
        mono = real_ns - self._offset
        return mono if not_before - _SLACK_NS <= mono <= monotonic_ns() + _SLACK_NS else None

    def note_offset(self) -> None:
        """Note the clocks' relation, so that a step from here on is noticed."""
        self._offset = _realtime_offset()


def _realtime_offset() -> int | None:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC in ns; None when this process is kept off the CPU."""
    best, offset = _LOOSE_NS, None
    for _ in range(8):
        before = monotonic_ns()
        real = time_ns()
        took = monotonic_ns() - before
        if took < best:
            best, offset = took, real - before - took // 2
        if best < _TIGHT_NS:
            break
    return offset
