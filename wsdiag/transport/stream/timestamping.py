"""Linux SO_TIMESTAMPING on TCP sockets: when bytes left, were acknowledged, and arrived.

Source: Documentation/networking/timestamping.rst and include/uapi/linux/net_tstamp.h. Python's
socket module has none of these numbers; those below are asm-generic's, for 64-bit Linux.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections import deque

from wsdiag.transport.stream.stamps import Arrival, KernelClock, SendRecord, now

SO_TIMESTAMPING = 37  # asm-generic/socket.h: SO_TIMESTAMPING_OLD, also the cmsg's type
TX_SOFTWARE, RX_SOFTWARE, SOFTWARE = 1 << 1, 1 << 3, 1 << 4
OPT_ID, TX_ACK, OPT_TSONLY = 1 << 7, 1 << 9, 1 << 11
ERROR_ORIGIN_TIMESTAMPING = 4  # linux/errqueue.h: SO_EE_ORIGIN_TIMESTAMPING
SEND_REPORT, ACK_REPORT = 0, 2  # linux/errqueue.h: SCM_TSTAMP_SND, SCM_TSTAMP_ACK
RECVERR = {(0, 11), (41, 25)}  # (SOL_IP, IP_RECVERR), (SOL_IPV6, IPV6_RECVERR)
CMSG_SPACE = 256

_TIMESPEC = struct.Struct("=qq")
_EXTENDED_ERR = struct.Struct("=IBBBBII")  # linux/errqueue.h: struct sock_extended_err
_STAMP_THIS_SEND = [(socket.SOL_SOCKET, SO_TIMESTAMPING, struct.pack("=I", TX_SOFTWARE | TX_ACK))]
_RECORDS_KEPT = 4096

Ancillary = list[tuple[int, int, bytes]]


def enable(sock: socket.socket) -> bool:
    """Turn timestamps on for a TCP socket that has sent nothing yet; False where there are none.

    OPT_ID numbers the stream's bytes from here on. Departures are asked for send by send.
    """
    if not sys.platform.startswith("linux") or struct.calcsize("P") != 8:
        return False
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return False
    try:
        flags = RX_SOFTWARE | SOFTWARE | OPT_ID | OPT_TSONLY
        sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, flags)
    except OSError:
        return False
    return True


def arrival(ancillary: Ancillary) -> int | None:
    """The kernel's CLOCK_REALTIME stamp in ns of the last byte read; None when there is none."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPING and len(data) >= 16:
            seconds, nanos = _TIMESPEC.unpack_from(data)
            return seconds * 1_000_000_000 + nanos or None
    return None


def _report(ancillary: Ancillary) -> tuple[int, int] | None:
    """(kind, stream offset of the byte modulo 2^32) of a message of the error queue."""
    for level, kind, data in ancillary:
        if (level, kind) in RECVERR and len(data) >= _EXTENDED_ERR.size:
            _, origin, _, _, _, info, number = _EXTENDED_ERR.unpack_from(data)
            if origin == ERROR_ORIGIN_TIMESTAMPING:
                return info, number
    return None


class TxTimestamps:
    """Matches the kernel's send and acknowledgement reports with the records of what was sent."""

    __slots__ = ("_acked", "_clock", "_sent", "_sock")

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._clock = KernelClock()
        self._sent: deque[SendRecord] = deque(maxlen=_RECORDS_KEPT)
        self._acked: deque[SendRecord] = deque(maxlen=_RECORDS_KEPT)

    def track(self, record: SendRecord) -> None:
        """Wait for reports about the byte before `record.end`."""
        self._clock.note_offset()
        self._sent.append(record)
        self._acked.append(record)

    def send(self, data: memoryview) -> int:
        """Send `data`, asking for reports about its last byte; bytes taken. Raises OSError."""
        return self._sock.sendmsg((data,), _STAMP_THIS_SEND)

    @property
    def waiting(self) -> bool:
        """Whether reports are still owed."""
        return bool(self._sent or self._acked)

    def receive(self, size: int) -> tuple[bytes, Arrival]:
        """Read up to `size` bytes with the kernel's time of their arrival. Raises OSError."""
        try:
            data, ancillary, _, _ = self._sock.recvmsg(size, CMSG_SPACE)
        except BlockingIOError:
            self.drain()  # reports woke us, not data
            raise
        at = now()
        if self.waiting:
            self.drain()  # what these data answer has left by now
        real_ns = arrival(ancillary)
        if real_ns is not None:
            at.kernel_ns = self._clock.to_monotonic(real_ns, 0)
        return data, at

    def drain(self) -> None:
        """Read the error queue empty: left alone it would wake the event loop for ever."""
        while True:
            try:
                _, ancillary, _, _ = self._sock.recvmsg(1, CMSG_SPACE, socket.MSG_ERRQUEUE)
            except OSError:
                return
            report, real_ns = _report(ancillary), arrival(ancillary)
            if report is not None and real_ns is not None:
                self._match(report[0], report[1], real_ns)

    def _match(self, kind: int, number: int, real_ns: int) -> None:
        # Sends that the kernel merged into one segment share the report of the last of them, and
        # a retransmission reports again: so the first report at or after a record's end is its own.
        queue = {SEND_REPORT: self._sent, ACK_REPORT: self._acked}.get(kind)
        while queue and (number - (queue[0].end - 1)) & 0xFFFFFFFF < 1 << 31:
            record = queue.popleft()
            mono_ns = self._clock.to_monotonic(real_ns, record.mono_ns)
            if kind == SEND_REPORT:
                record.tx_kernel_ns = mono_ns
            else:
                record.ack_kernel_ns = mono_ns
