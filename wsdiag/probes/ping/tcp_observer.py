"""What TCP and the kernel say about a Ping: read when it leaves and when its answer comes."""

from __future__ import annotations

from typing import NamedTuple

from wsdiag.judgement.attribution import RoundTrip
from wsdiag.probes.common.stalls import Stalls
from wsdiag.transport.stream.byte_stream import ByteStream
from wsdiag.transport.stream.inbound import Inbound, InboundProfile
from wsdiag.transport.stream.stamps import Arrival, SendRecord


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
    """Asks one connection's kernel about the Pings on it."""

    def __init__(
        self,
        stream: ByteStream,
        stalls: Stalls,
        inbound: InboundProfile | None = None,
        *,
        proxied: bool = False,
    ) -> None:
        """`proxied`: the kernel at the other end is a proxy's."""
        stream = stream.tcp or stream
        self._stream, self._stalls, self._inbound = stream, stalls, inbound
        # TCP_INFO's bytes_acked counts the SYN too, and what was written before the stream existed:
        # by so much it is ahead of the stream's own count. Known once nothing is unacknowledged.
        self._acked_ahead: int | None = None
        self._proxied = proxied
        self._loopback = is_loopback(stream.peer)
        self._tcp = self.snapshot().retransmits is not None or not stream.peer.startswith("/")

    def snapshot(self) -> TcpSnapshot:
        """TCP's counters now."""
        info, stream = self._stream.tcp_info(), self._stream
        if info is None:
            return TcpSnapshot(None, None, stream.unsent, stream.unsent, None)
        queued = None
        if info.bytes_acked is not None:
            if self._acked_ahead is not None:
                queued = max(0, stream.bytes_out - info.bytes_acked + self._acked_ahead)
            elif not info.unacked:
                self._acked_ahead = info.bytes_acked - (stream.bytes_out - stream.unsent)
        return TcpSnapshot(
            info.total_retrans,
            info.reordered,
            queued,
            stream.unsent + (info.notsent_bytes or 0),
            None if info.min_rtt_us is None else info.min_rtt_us / 1e3,
        )

    def round_trip(
        self,
        rtt_ns: int,
        sent: SendRecord,
        received: Arrival,
        before: TcpSnapshot,
        backlog_bytes: int,
    ) -> RoundTrip:
        """All that is known about a Ping that was `sent` after the snapshot `before`."""
        after = self._stream.tcp_info()
        acked_ns = sent.ack_kernel_ns
        return RoundTrip(
            rtt_ms=rtt_ns / 1e6,
            clock="user" if received.kernel_ns is None else "kernel",
            tcp=self._tcp,
            loopback=self._loopback,
            proxied=self._proxied,
            tcp_rtt_ms=None if after is None else after.rtt_us / 1e3,
            retransmits=_grown(before.retransmits, after.total_retrans if after else None),
            reordered=_grown(before.reordered, after.reordered if after else None),
            queued_bytes=before.queued_bytes,
            inbound=self._arrived(sent, received),
            backlog_bytes=backlog_bytes,
            acked_ms=None
            if acked_ns is None
            else (acked_ns - (sent.tx_kernel_ns or sent.mono_ns)) / 1e6,
            stalled_ms=self._stalls.within(sent.mono_ns / 1e9, received.mono_ns / 1e9) * 1e3,
        )

    def _arrived(self, sent: SendRecord, received: Arrival) -> Inbound:
        """What arrived between a Ping and its Pong, as we read it: a queue may be our own."""
        if self._inbound is None:
            return Inbound()
        return self._inbound.between(sent.mono_ns, received.mono_ns)


def is_loopback(peer: str) -> bool:
    """Whether `ip:port` is on this machine by its address."""
    host = peer.rpartition(":")[0].strip("[]").removeprefix("::ffff:")
    return host == "::1" or host.startswith("127.")


def _grown(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else after - before
