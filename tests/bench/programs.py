"""Programs under measurement: started, asked what they cost, ended. Linux only: /proc says it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import resource
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.peers.process import end, popen

WSDIAG = [sys.executable, "-m", "wsdiag"]
WEBSOCKETS = [sys.executable, "-m", "tests.peers.programs.websockets_echo", "--no-compression"]
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def raise_files() -> int:
    """Allow this process and its children all the descriptors it may have; how many that is."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def cpu_s(pid: int) -> float:
    """Processor seconds of a process so far, user and system, all of its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def rss_kib(pid: int) -> int:
    """Resident memory of a process now, in KiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


@contextmanager
def printing(argv: Sequence[str]) -> Iterator[tuple[str, Iterator[str]]]:
    """Run a program while the block runs: its first line on stdout, and the lines to come."""
    process = popen(argv, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        first = process.stdout.readline().decode()
        yield first, (line.decode() for line in process.stdout)
    finally:
        end(process, grace_s=3)


@contextmanager
def on_terminal(
    argv: Sequence[str], size: tuple[int, int] | None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program on a terminal of columns x rows that swallows all; None: into nothing."""
    if size is None:
        master, slave = -1, os.open(os.devnull, os.O_RDWR)
    else:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
        threading.Thread(target=_swallow, args=(master,), daemon=True).start()
    terminal = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
    process = popen(argv, env=terminal, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    try:
        yield process
    finally:
        end(process, grace_s=3)


def _swallow(master: int) -> None:
    with suppress(OSError):  # EIO: the program has closed its terminal
        while os.read(master, 65536):
            pass
    os.close(master)


class Served:
    """A server in a process of its own: `port`, `pid`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process, self.port, self.pid = process, port, process.pid

    @property
    def url(self) -> str:
        """Where it echoes."""
        return f"ws://127.0.0.1:{self.port}/echo"


@contextmanager
def serving(argv: Sequence[str]) -> Iterator[Served]:
    """Run a server whose first line on stdout is JSON with its `port`."""
    process = popen(argv, stderr=subprocess.DEVNULL)
    try:
        assert process.stdout is not None
        port = int(json.loads(process.stdout.readline())["port"])
        # its events go to nobody, but a full pipe would stop it
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield Served(process, port)
    finally:
        end(process, grace_s=3)


def wsdiag_server() -> list[str]:
    """`wsdiag serve` as users start it, on any port."""
    return [*WSDIAG, "serve", "--port", "0", "-o", "json"]
