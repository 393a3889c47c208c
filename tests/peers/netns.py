"""Network namespaces: several hosts on one machine, named after this process; leftovers swept."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.peers.tools import require_root_netns, require_tool

CLONE_NEWNET = 0x40000000
NETNS = Path("/run/netns")
PREFIX = "wsd"
_serial = itertools.count(1)


def run(*argv: str, stdin: str | None = None) -> str:
    """Run a network command to its end; raises with its own words when it fails."""
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=20)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
    return done.stdout


def _setns(path: str) -> None:
    # os.setns is Python 3.12's; the C library's works on 3.11.
    libc = ctypes.CDLL(None, use_errno=True)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"setns {path}")
    finally:
        os.close(fd)


@contextlib.contextmanager
def entered(name: str | None) -> Iterator[None]:
    """This thread's new sockets (and the threads it starts) live in the namespace `name`."""
    if name is None:
        yield
        return
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(str(NETNS / name))
        try:
            yield
        finally:
            _setns(f"/proc/self/fd/{home}")
    finally:
        os.close(home)


def sweep() -> None:
    """Remove namespaces of test runs that are no more (their process id is in the name)."""
    if not NETNS.is_dir():
        return
    for path in NETNS.iterdir():
        match = re.fullmatch(PREFIX + r"(\d+)\D.*", path.name)
        if match and not Path(f"/proc/{match[1]}").exists():
            subprocess.run(["ip", "netns", "del", path.name], capture_output=True, timeout=20)


class Hosts:
    """A handful of namespaces, made together and removed together."""

    def __init__(self, roles: Sequence[str]) -> None:
        require_root_netns()
        self._ip = require_tool("ip")
        sweep()
        serial = next(_serial)
        self.names = {role: f"{PREFIX}{os.getpid()}{role}{serial}" for role in roles}
        self._made: list[str] = []
        try:
            for name in self.names.values():
                run(self._ip, "netns", "add", name)
                self._made.append(name)
                run(self._ip, "-n", name, "link", "set", "lo", "up")
        except BaseException:
            self.remove()
            raise

    def ip(self, role: str, *args: str) -> str:
        """`ip -n NAMESPACE args…`."""
        return run(self._ip, "-n", self.names[role], *args)

    def exec(self, role: str, *argv: str, stdin: str | None = None) -> str:
        """Run a command inside a namespace, to its end."""
        return run(self._ip, "netns", "exec", self.names[role], *argv, stdin=stdin)

    def link(self, one: tuple[str, str], other: tuple[str, str], device: str) -> None:
        """Join two roles, each (role, address/prefix), by a veth pair; `device` names both ends."""
        (left, left_address), (right, right_address) = one, other
        self.ip(
            left,
            "link",
            "add",
            device,
            "type",
            "veth",
            "peer",
            "name",
            device,
            "netns",
            self.names[right],
        )
        for role, address in ((left, left_address), (right, right_address)):
            self.ip(role, "addr", "add", address, "dev", device)
            self.ip(role, "link", "set", device, "up")

    def remove(self) -> None:
        """Remove them all; sockets still open inside keep only the kernel's husk alive."""
        while self._made:
            name = self._made.pop()
            subprocess.run([self._ip, "netns", "del", name], capture_output=True, timeout=20)
