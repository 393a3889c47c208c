"""The figures of one hop as its answers come, and its record."""

from __future__ import annotations

from wsdiag.judgement.hops import hops_away
from wsdiag.records import HopKind, PathHop
from wsdiag.statistics import RunningStatistics


class HopRow:
    """One row of the table: probes sent, answers, round trips, addresses."""

    def __init__(self, kind: HopKind, hop: int | None, end: str | None = None) -> None:
        """`end`: where TCP ends. A router that answers by that address was renamed by a NAT."""
        self.kind: HopKind = kind
        self._end = end
        self.hop = hop
        self.sent = 0
        self.received = 0
        self.figures = RunningStatistics()
        self.last_ms: float | None = None
        self.addresses: list[str] = []
        self.address: str | None = None
        self.other_flow = False
        self.nat = False
        self.hop_limit: int | None = None
        """What was left of the last answer's own hop limit."""

    def answered(
        self,
        rtt_ms: float,
        address: str | None = None,
        *,
        nat: bool | None = None,
        hop_limit: int | None = None,
    ) -> None:
        """Take in one answer."""
        self.received += 1
        self.last_ms = rtt_ms
        self.figures.add(rtt_ms)
        self.nat = self.nat or bool(nat)
        self.hop_limit = hop_limit if hop_limit is not None else self.hop_limit
        if address is not None:
            self.seen(address)

    def seen(self, address: str) -> None:
        """Note who is at this hop."""
        if self.kind == "router" and address == self._end:
            self.nat = True
            return
        self.address = address
        if address not in self.addresses:
            self.addresses.append(address)

    def record(self, url: str, round_: int, name: str | None) -> PathHop:
        """The row as it is now."""
        lost = self.sent - self.received
        return PathHop(
            url=url,
            hop=self.hop,
            address=self.address,
            name=name,
            sent=self.sent,
            received=self.received,
            loss_pct=100.0 * max(0, lost) / self.sent if self.sent else None,
            last_ms=self.last_ms,
            avg_ms=self.figures.mean,
            best_ms=self.figures.minimum,
            worst_ms=self.figures.maximum,
            jitter_ms=self.figures.jitter,
            nat=True if self.nat else None,
            kind=self.kind,
            addresses=tuple(self.addresses),
            other_flow=self.other_flow,
            return_hops=None if self.hop_limit is None else hops_away(self.hop_limit) + 1,
            round=round_,
        )
