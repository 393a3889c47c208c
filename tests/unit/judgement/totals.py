"""Totals of a run, as tests want them."""

from __future__ import annotations

from wsdiag.judgement.attribution import Attributor, Baseline, Normal, RoundTrip
from wsdiag.judgement.totals import PingTotals

MS = 1_000_000


class Fixed(Baseline):
    """What is usual, given."""

    def __init__(self, normal: Normal | None) -> None:
        super().__init__()
        self._normal = normal

    def normal(self) -> Normal | None:
        return self._normal


def totals_with(*round_trips: float, **counts: object) -> PingTotals:
    """A run with these answers in time, a second apart, nothing unusual about TCP."""
    totals = PingTotals(**counts)  # type: ignore[arg-type]
    for number, rtt in enumerate(round_trips):
        totals.sent += 1
        trip = RoundTrip(rtt, tcp_rtt_ms=40.0, retransmits=0)
        totals.attributor.add(trip, number * 1000 * MS)
        totals.answered(rtt, totals.clock)
    return totals


def outliers(
    causes: dict[str, int], *, retransmitted: int = 0, unexplained: int = 0, limit_ms: float
) -> Attributor:
    """An attributor that has found these, over that limit."""
    found = Attributor(Fixed(Normal(median_ms=48.0, limit_ms=limit_ms)))
    found.causes.update(causes)  # type: ignore[arg-type]
    found.retransmitted, found.unexplained = retransmitted, unexplained
    return found
