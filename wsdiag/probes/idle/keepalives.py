"""When the next keepalive of a trial is due: at a steady interval, or in gaps that double."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise


@dataclass(slots=True)
class KeepaliveSchedule:
    """Due times in seconds since the upgrade. Doubling gaps never exceed half of the age."""

    gap_s: float
    first_gap_s: float | None = None
    sent: list[float] = field(default_factory=list)
    _held_s: float | None = None

    @property
    def doubling(self) -> bool:
        """Whether gaps grow from a short first one."""
        return self.first_gap_s is not None

    @property
    def due_s(self) -> float:
        """When the next keepalive is to be sent."""
        last = self.sent[-1] if self.sent else 0.0
        if self.first_gap_s is None:
            return last + self.gap_s
        gap = min(self.gap_s, max(self.first_gap_s, last))
        return last + (gap if self._held_s is None else min(gap, self._held_s))

    def sent_at(self, age_s: float) -> None:
        """Note that a keepalive has gone out."""
        self.sent.append(age_s)

    def hold(self, timeout_s: float) -> None:
        """The timeout is known now: gaps that double stay within half of it from here on."""
        self._held_s = timeout_s / 2

    def longest_gap_s(self, until_s: float) -> float | None:
        """Longest time without a keepalive up to `until_s`; None before the first one."""
        if not self.sent:
            return None
        marks = [0.0, *self.sent, until_s]
        return max(later - earlier for earlier, later in pairwise(marks))
