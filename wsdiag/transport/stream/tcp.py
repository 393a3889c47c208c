"""A TCP socket's options (Linux tcp(7)): TCP_INFO, the send queue, keepalive; its addresses."""

from __future__ import annotations

import errno
import socket
import struct
import sys
from typing import Any, NamedTuple

_TCP_INFO = 11  # linux/tcp.h; macOS has another structure under another number
_SIOCOUTQ, _SIOCINQ = 0x5411, 0x541B  # linux/sockios.h
# linux/tcp.h, struct tcp_info: eight bytes of states, 24 u32, then u64s from tcpi_pacing_rate on.
_HEAD = struct.Struct("=8B24I")
_TAIL = struct.Struct("=QQQQIIIIII")
_LATER = struct.Struct("=II")  # tcpi_rcv_ooopack and tcpi_snd_wnd, since Linux 5.4
_LATER_AT = 224

# Unanswered keepalive probes after which the kernel ends the connection: as many as it allows, or
# it would decide before the measurement does.
_UNANSWERED_PROBES = 100

# linux/icmp.h, icmp_err_convert: what an ICMP error becomes for a socket that asked for them.
ICMP_ERRORS = frozenset(
    getattr(errno, name)
    for name in (
        "ENETUNREACH",
        "EHOSTUNREACH",
        "ENOPROTOOPT",
        "ECONNREFUSED",
        "EMSGSIZE",
        "EOPNOTSUPP",
        "EHOSTDOWN",
        "ENONET",
        "EACCES",
        "EPROTO",
    )
    if hasattr(errno, name)
)
_IP_RECVERR, _IPV6_RECVERR = 11, 25
_SYSTEMS_OWN = -1
_ESTABLISHED = 1  # include/net/tcp_states.h

Address = tuple[socket.AddressFamily, tuple[object, ...] | str]


def format_address(address: object) -> str:
    """`ip:port` of a socket's address, IPv6 in brackets; a path stays a path.

    An IPv4 client of a socket of both families is shown as what it is.
    """
    if isinstance(address, tuple):
        host, port = address[:2]
        if "." in host:
            host = host.removeprefix("::ffff:")
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return str(address)


class TcpInfo(NamedTuple):
    """The kernel's state of a connection at one moment; times in microseconds.

    None where this kernel's structure ends earlier.
    """

    rtt_us: int
    min_rtt_us: int | None
    total_retrans: int
    unacked: int
    """Segments sent and not acknowledged."""
    snd_mss: int
    notsent_bytes: int | None
    bytes_acked: int | None
    reordered: int | None
    """Segments that arrived out of order: some of the peer's before them were lost or overtaken."""
    snd_wnd: int | None = None
    """The window that the peer announced last, in bytes; 0: its application does not read."""
    last_received_ms: int = 0
    """How long ago the last data came, in milliseconds, whether anybody has read it or not."""
    established: bool = True
    """False from the peer's FIN or RST on, whether anybody has read up to it or not."""


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """TCP_INFO of a socket; None where there is none (not TCP, not Linux, closed)."""
    if not sys.platform.startswith("linux") or sock.family == socket.AF_UNIX:
        return None
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 256)
    except OSError:
        return None
    return _decode(raw) if len(raw) >= _HEAD.size else None


def _decode(raw: bytes) -> TcpInfo:
    head = _HEAD.unpack_from(raw)
    words = head[8:]
    has_later = len(raw) >= _LATER_AT + _LATER.size
    has_tail = len(raw) >= _HEAD.size + _TAIL.size
    later = _LATER.unpack_from(raw, _LATER_AT) if has_later else (None, None)
    tail = _TAIL.unpack_from(raw, _HEAD.size) if has_tail else (None,) * 10
    return TcpInfo(
        snd_mss=words[2],
        unacked=words[4],
        rtt_us=words[15],
        total_retrans=words[23],
        bytes_acked=tail[2],
        notsent_bytes=tail[6],
        min_rtt_us=None if tail[7] in (None, 0xFFFFFFFF) else tail[7],
        reordered=later[0],
        snd_wnd=later[1],
        last_received_ms=words[11],
        established=head[0] == _ESTABLISHED,
    )


def unacknowledged_bytes(sock: socket.socket) -> int | None:
    """Bytes in the send queue that the peer has not acknowledged (SIOCOUTQ); None: not known."""
    return _queue_size(sock, _SIOCOUTQ)


def unread_bytes(sock: socket.socket) -> int | None:
    """Bytes in the receive queue that we have not read (SIOCINQ); None: not known."""
    return _queue_size(sock, _SIOCINQ)


def receive_buffer_bytes(sock: socket.socket) -> int | None:
    """What the receive queue holds at most, as the kernel has it now (SO_RCVBUF); None: closed."""
    try:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    except OSError:
        return None


def _queue_size(sock: socket.socket, request: int) -> int | None:
    if not sys.platform.startswith("linux"):
        return None
    import fcntl  # absent on Windows

    try:
        return int(struct.unpack("=i", fcntl.ioctl(sock.fileno(), request, b"\0" * 4))[0])
    except (OSError, ValueError):
        return None


def keep_alive(sock: socket.socket, interval_s: float | None) -> None:
    """TCP keepalive every `interval_s` seconds (whole ones), or none. Raises OSError if refused.

    Only the two kernels, and what is between them, see these probes.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, interval_s is not None)
    seconds = max(1, round(interval_s or 0))
    values = {"TCP_KEEPIDLE": seconds, "TCP_KEEPINTVL": seconds, "TCP_KEEPCNT": _UNANSWERED_PROBES}
    for name, value in values.items():
        if interval_s is not None and hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def endpoints_of(sock: socket.socket) -> tuple[tuple[str, int], tuple[Any, ...]]:
    """Our (address, port) and the peer's address as it was given. OSError where it is not TCP."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        raise OSError(errno.EAFNOSUPPORT, "no TCP")
    return local_of(sock), sock.getpeername()


def local_of(sock: socket.socket) -> tuple[str, int]:
    """Our address and port, known also once the peer has reset the connection."""
    local = sock.getsockname()
    return str(local[0]).partition("%")[0], int(local[1])


def set_hop_limit(sock: socket.socket, hops: int | None) -> None:
    """The TTL, or IPv6's hop limit, of what is sent from now on; None: the system's. OSError."""
    value = _SYSTEMS_OWN if hops is None else hops
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, value)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, value)


def report_icmp_errors(sock: socket.socket, on: bool) -> None:
    """Have ICMP errors reported at once (Linux, ip(7): IP_RECVERR), as errors of the socket."""
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, on)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, on)


def take_icmp_error(sock: socket.socket) -> bool:
    """Whether ICMP has reported an error since the last call (SO_ERROR, Linux: sk_err_soft).

    One that comes while we are inside a system call, as from a neighbour without delay, is kept
    there and wakes nobody.
    """
    try:
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in ICMP_ERRORS
    except OSError:
        return False
