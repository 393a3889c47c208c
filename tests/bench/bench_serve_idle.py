"""Idle connections held by `wsdiag serve`: `python tests/bench/bench_serve_idle.py [-n 5000]`.

Opens them, leaves them alone, then asks each for a Pong. Prints the server's resident memory per
connection (Linux: /proc), its CPU time while they idled, and how many answered. Needs as many file
descriptors, here and in the server: `ulimit -n`. Asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

REQUEST = (
    b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
PING, PONG = b"\x89\x84\0\0\0\0ping", b"\x8a\x04ping"
ROOM = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=5000, help="connections")
    parser.add_argument("--hold", type=float, default=10.0, help="seconds")
    parser.add_argument("--compression", action="store_true", help="agree on permessage-deflate")
    args = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = args.n + ROOM
    if hard != resource.RLIM_INFINITY and hard < wanted:
        sys.exit(f"{wanted} file descriptors are needed, the limit is {hard}: ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    command = [sys.executable, "-m", "wsdiag", "serve", "--port", "0", "-q", "-o", "json"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert server.stdout is not None
    drain: subprocess.Popen[bytes] | None = None
    try:
        port = json.loads(server.stdout.readline())["port"]
        drain = subprocess.Popen(["cat"], stdin=server.stdout, stdout=subprocess.DEVNULL)
        hold(args, server.pid, port)
    finally:
        server.terminate()
        server.wait(30)
        if drain is not None:
            drain.wait(30)


def hold(args: argparse.Namespace, pid: int, port: int) -> None:
    """Open, idle, ask, and print the figures."""
    request = REQUEST + (DEFLATE if args.compression else b"") + b"\r\n"
    empty_kb, began = resident_kb(pid), time.monotonic()
    socks = [upgraded(port, request) for _ in range(args.n)]
    took_s, full_kb, busy_s = time.monotonic() - began, resident_kb(pid), cpu_s(pid)
    time.sleep(args.hold)
    idle_cpu_s = cpu_s(pid) - busy_s
    answered = sum(answers(sock) for sock in socks)
    print(f"{args.n} connections, opened in {took_s:.1f} s, held for {args.hold:g} s")
    print(f"memory   {(full_kb - empty_kb) / args.n:.1f} KiB a connection ({full_kb} KiB in all)")
    print(f"CPU      {idle_cpu_s:.2f} s while they idled")
    print(f"answered {answered} of {args.n} Pings afterwards")
    for sock in socks:
        sock.close()


def upgraded(port: int, request: bytes) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), 30)
    sock.sendall(request)
    assert sock.recv(4096).startswith(b"HTTP/1.1 101")
    return sock


def answers(sock: socket.socket) -> bool:
    sock.sendall(PING)
    return sock.recv(64) == PONG


def resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise RuntimeError("no VmRSS")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
