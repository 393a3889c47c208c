"""A socket whose kernel no longer hears the peer: how a forgotten flow in a firewall looks."""

from __future__ import annotations

import socket
import struct
import sys

_SO_ATTACH_FILTER = 26
# One instruction of classic BPF, "return 0": keep no byte of any packet (bpf(4)).
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)


def deafen(sock: socket.socket) -> bool:
    """Have the kernel drop all that arrives, before TCP acknowledges it; False where it cannot.

    Linux filters a socket's packets in front of TCP itself, so the peer's data, FIN and RST are
    all lost, as in a black hole. It takes no privilege.
    """
    if sys.platform != "linux":
        return False
    import ctypes  # a millisecond that almost nobody needs

    code = ctypes.create_string_buffer(_DROP_ALL)
    program = struct.pack("HP", 1, ctypes.addressof(code))
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    except OSError:
        return False
    return True
