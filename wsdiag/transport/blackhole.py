"""A socket whose kernel no longer hears the peer: how a forgotten flow in a firewall looks."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys

_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
_TCP_REPAIR = 19
# One instruction of classic BPF, "return 0": keep no byte of any packet (bpf(4)).
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)


def deafen(sock: socket.socket) -> bool:
    """Have the kernel drop all that arrives, before TCP acknowledges it; False where it cannot.

    Linux filters a socket's packets in front of TCP itself, so the peer's data, FIN and RST are
    all lost, as in a black hole. It takes no privilege.
    """
    if sys.platform != "linux":
        return False
    code = ctypes.create_string_buffer(_DROP_ALL)
    program = struct.pack("HP", 1, ctypes.addressof(code))
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError:
        return False
    return True


def hear(sock: socket.socket) -> bool:
    """Undo `deafen`; False where there was nothing to undo."""
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
    except OSError:
        return False
    return True


def vanish(sock: socket.socket) -> bool:
    """Close without FIN or RST, so that the peer never hears of it; False where that is refused.

    A socket in repair mode (tcp(7), meant for moving connections elsewhere) goes without a word;
    Linux grants it to CAP_NET_ADMIN only.
    """
    if sys.platform != "linux":
        return False
    try:
        sock.setsockopt(socket.IPPROTO_TCP, _TCP_REPAIR, 1)
    except OSError:
        return False
    sock.close()
    return True
