"""The router of `wan.py` (argv: NS NS SETTINGS): moves IP packets between two TUN devices.

Each direction has its own queue: a packet leaves when the bottleneck has sent what was before it,
and arrives `delay_s` later. A full queue drops, as a router's does.
"""

from __future__ import annotations

import ctypes
import fcntl
import heapq
import itertools
import json
import os
import random
import select
import struct
import sys
import time
from pathlib import Path

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
RELOAD_S = 0.05


def open_tun(namespace: str) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(there, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), f"setns {namespace}")
    os.close(there)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH", b"line", IFF_TUN | IFF_NO_PI))
    return tun


class Line:
    def __init__(self, settings: Path) -> None:
        self._path = settings
        self._loaded = -1.0
        self._free = {0: 0.0, 1: 0.0}  # when each direction's bottleneck is idle again
        self._flying: list[tuple[float, int, int, bytes]] = []
        self._order = itertools.count()
        self.reload(0.0)

    def reload(self, now: float) -> None:
        if now - self._loaded >= RELOAD_S:
            self._set = json.loads(self._path.read_text())
            self._loaded = now

    def enter(self, direction: int, packet: bytes, now: float) -> None:
        if random.random() < self._set["loss"]:
            return
        start = max(now, self._free[direction])
        rate = self._set["bytes_s"]
        if rate:
            if (start - now) * rate > self._set["queue"]:
                return
            start += len(packet) / rate
            self._free[direction] = start
        due = start + self._set["delay_s"]
        heapq.heappush(self._flying, (due, next(self._order), direction, packet))

    def due(self, now: float) -> list[tuple[int, bytes]]:
        out = []
        while self._flying and self._flying[0][0] <= now:
            _, _, direction, packet = heapq.heappop(self._flying)
            out.append((direction, packet))
        return out

    def wait_s(self, now: float) -> float:
        return max(0.0, min(RELOAD_S, self._flying[0][0] - now)) if self._flying else RELOAD_S


def main() -> None:
    tuns = [open_tun(sys.argv[1]), open_tun(sys.argv[2])]
    line = Line(Path(sys.argv[3]))
    poll = select.epoll()
    for index, tun in enumerate(tuns):
        poll.register(tun, select.EPOLLIN)
        assert tuns[index] == tun
    print("ready", flush=True)
    while True:
        events = poll.poll(line.wait_s(time.monotonic()))
        now = time.monotonic()
        line.reload(now)
        for fd, _ in events:
            try:
                line.enter(tuns.index(fd), os.read(fd, 65536), now)
            except OSError:
                continue
        for direction, packet in line.due(time.monotonic()):
            try:
                os.write(tuns[1 - direction], packet)
            except OSError:
                continue


main()
