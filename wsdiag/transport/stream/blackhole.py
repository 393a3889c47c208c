"""A socket whose kernel drops what the peer sends: how a flow that a firewall forgot looks."""

from __future__ import annotations

import socket
import struct
import sys

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_IP_MINTTL, _IPV6_MINHOPCOUNT = 21, 73
_TCP_REPAIR = 19
# One instruction of classic BPF, "return 0": keep no byte of any packet (bpf(4)).
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)
_LONGEST_TTL = 255


def drop_incoming(sock: socket.socket) -> bool:
    """Have the kernel drop all that arrives, before TCP acknowledges it; False where it cannot.

    Linux filters a socket's packets before TCP sees them, so the peer's data, FIN and RST are
    all lost, as in a black hole; on a listening socket, its SYNs.
    """
    if sys.platform != "linux":
        return False
    return _attach_drop_all(sock) or _set_min_ttl(sock, _LONGEST_TTL)


def accept_incoming(sock: socket.socket) -> bool:
    """Undo `drop_incoming`; False where there was nothing to undo."""
    if sys.platform != "linux":
        return False
    lowered = _set_min_ttl(sock, 0)
    return _set(sock, socket.SOL_SOCKET, _SO_DETACH_FILTER, 0) or lowered


def close_silently(sock: socket.socket) -> bool:
    """Close without FIN or RST, so that the peer does not notice; False where refused.

    A socket in repair mode (meant for moving connections elsewhere) sends nothing when it is
    closed; Linux grants that mode to CAP_NET_ADMIN only.
    """
    if sys.platform != "linux" or not _set(sock, socket.IPPROTO_TCP, _TCP_REPAIR, 1):
        return False
    sock.close()
    return True


def _attach_drop_all(sock: socket.socket) -> bool:
    """Older kernels let everybody filter; newer ones require CAP_NET_ADMIN for TCP."""
    import ctypes  # here: it costs a millisecond at start-up

    code = ctypes.create_string_buffer(_DROP_ALL)
    program = struct.pack("HP", 1, ctypes.addressof(code))
    return _set(sock, socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def _set_min_ttl(sock: socket.socket, hops: int) -> bool:
    """Drop packets that may have crossed a router (RFC 5082): nearly nobody sends with TTL 255."""
    done = _set(sock, socket.IPPROTO_IP, _IP_MINTTL, hops)
    if sock.family == socket.AF_INET6:
        done = _set(sock, socket.IPPROTO_IPV6, _IPV6_MINHOPCOUNT, hops)
    return done


def _set(sock: socket.socket, level: int, option: int, value: int | bytes) -> bool:
    try:
        sock.setsockopt(level, option, value)
    except OSError:
        return False
    return True
