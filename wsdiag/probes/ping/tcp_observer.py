"""What TCP and the kernel can testify about a Ping: looked at when it leaves and on its return."""

from __future__ import annotations

from typing import NamedTuple

from wsdiag.judgement.attribution import RoundTripFacts
from wsdiag.probes.common.stalls import Stalls
from wsdiag.records import Clock
from wsdiag.transport.session import Session
from wsdiag.transport.stream.stamps import Arrival, SendRecord, round_trip_ns


class TcpSnapshot(NamedTuple):
    """TCP's counters just before a Ping was written; bytes as they go on the wire."""

    retransmits: int | None
    reordered: int | None
    queued_bytes: int | None
    """Ours that the peer's kernel has not acknowledged, wherever they are."""
    unsent_bytes: int | None
    """Ours that have not left this machine."""
    min_rtt_ms: float | None


class TcpObserver:
    """Asks one session's kernel about the Pings on it."""

    def __init__(self, session: Session, stalls: Stalls) -> None:
        self._session = session
        self._stalls = stalls
        self._acked_ahead = self._calibrate()
        self._tcp = session.tcp_info() is not None

    def _calibrate(self) -> int | None:
        # `bytes_acked` counts the SYN as well, and whatever was written before the stream existed.
        info = self._session.tcp_info()
        if info is None or info.bytes_acked is None or info.unacked:
            return None
        return info.bytes_acked - (self._session.stream.bytes_out - self._session.stream.unsent)

    def look(self) -> TcpSnapshot:
        """TCP's counters now."""
        info, stream = self._session.tcp_info(), self._session.stream
        if info is None:
            return TcpSnapshot(None, None, stream.unsent, stream.unsent, None)
        queued = None
        if info.bytes_acked is not None:
            if self._acked_ahead is None:
                self._acked_ahead = self._calibrate()
            else:
                queued = max(0, stream.bytes_out - info.bytes_acked + self._acked_ahead)
        unsent = stream.unsent + (info.notsent_bytes or 0)
        floor = None if info.min_rtt_us is None else info.min_rtt_us / 1e3
        return TcpSnapshot(info.total_retrans, info.reordered, queued, unsent, floor)

    def facts(
        self, before: TcpSnapshot, mark: SendRecord, at: Arrival, backlog_bytes: int
    ) -> tuple[RoundTripFacts, Clock]:
        """All that is known about a Ping that left with `mark` and was answered `at`."""
        rtt_ns, clock = round_trip_ns(mark, at)
        after = self._session.tcp_info()
        acked_ms = _acked_ms(mark)
        facts = RoundTripFacts(
            rtt_ms=rtt_ns / 1e6,
            # The kernel's stamp of the arrival alone keeps our own sleep out of the figure.
            clock="user" if at.kernel_ns is None else "kernel",
            tcp=after is not None or self._tcp or not self._session.stream.peer.startswith("/"),
            tcp_rtt_ms=None if after is None else after.rtt_us / 1e3,
            retransmits=_grown(before.retransmits, after.total_retrans if after else None),
            reordered=_grown(before.reordered, after.reordered if after else None),
            queued_bytes=before.queued_bytes,
            backlog_bytes=backlog_bytes,
            acked_by_ms=acked_ms,
            unacked_for_ms=acked_ms,
            stalled_ms=self._stalls.within(mark.mono_ns / 1e9, at.mono_ns / 1e9) * 1e3,
        )
        return facts, clock


def _grown(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before


def _acked_ms(mark: SendRecord) -> float | None:
    if mark.ack_kernel_ns is None:
        return None
    return (mark.ack_kernel_ns - (mark.tx_kernel_ns or mark.mono_ns)) / 1e6
