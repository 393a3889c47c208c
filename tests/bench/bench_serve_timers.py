"""How late `wsdiag serve` drops idle connections: `python tests/bench/bench_serve_timers.py`.

Opens connections to `/idle/SECONDS`, all at once (every timer fires in one moment) or spread over a
second, and prints how long after its due time each one's FIN was seen by a client that waits in
epoll. What that client needs itself is in the figures. Asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import subprocess
import sys
import threading
import time

REQUEST = (
    "GET /idle/{idle}?drop={drop} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="connections")
    parser.add_argument("--idle", type=float, default=2.0, help="seconds")
    parser.add_argument("--drop", choices=("fin", "rst"), default="fin")
    parser.add_argument("--output", default="json", help="what serve prints events as")
    args = parser.parse_args()
    print(f"{args.n} connections, /idle/{args.idle:g}?drop={args.drop}, lateness in ms")
    for name, spread_s in (("spread over 1 s", 1.0), ("all at once", 0.0)):
        late = sorted(measure(args, spread_s))
        p50, p99 = late[len(late) // 2], late[int(len(late) * 0.99)]
        print(f"{name:>16}: {len(late)} drops  p50 {p50:.1f}  p99 {p99:.1f}  max {late[-1]:.1f}")


def measure(args: argparse.Namespace, spread_s: float) -> list[float]:
    """Lateness of every drop, in milliseconds."""
    command = [sys.executable, "-m", "wsdiag", "serve", "--port", "0", "-o", args.output]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        try:
            port = json.loads(server.stdout.readline())["port"]
            drain = subprocess.Popen(["cat"], stdin=server.stdout, stdout=subprocess.DEVNULL)
            return visit(args, port, spread_s)
        finally:
            server.terminate()
            server.wait(20)
            drain.wait(20)


def visit(args: argparse.Namespace, port: int, spread_s: float) -> list[float]:
    """Open all connections, note when each was answered, and when it ended."""
    request = REQUEST.format(idle=args.idle, drop=args.drop).encode()
    poller = select.epoll()
    waiting: dict[int, socket.socket] = {}
    for _ in range(args.n):
        sock = socket.create_connection(("127.0.0.1", port))
        waiting[sock.fileno()] = sock
        poller.register(sock, select.EPOLLIN)
    sender = threading.Thread(target=send, args=(list(waiting.values()), request, spread_s))
    sender.start()
    late = list(watch(poller, waiting, args.idle))
    sender.join()
    return late


def send(socks: list[socket.socket], request: bytes, spread_s: float) -> None:
    """Send the requests, one after the other over `spread_s` seconds."""
    began = time.monotonic()
    for number, sock in enumerate(socks):
        time.sleep(max(0.0, began + spread_s * number / len(socks) - time.monotonic()))
        sock.sendall(request)


def watch(poller: select.epoll, waiting: dict[int, socket.socket], idle_s: float) -> list[float]:
    """Milliseconds from each connection's due time to its end."""
    answered: dict[int, float] = {}
    late: list[float] = []
    while len(late) < len(waiting):
        ready = poller.poll(idle_s + 5)
        if not ready:
            break
        now = time.monotonic()
        for number, _ in ready:
            try:
                data = waiting[number].recv(4096)
            except ConnectionResetError:
                data = b""
            if data:
                answered[number] = now
            else:
                poller.unregister(number)
                late.append((now - answered[number] - idle_s) * 1e3)
    for sock in waiting.values():
        sock.close()
    return late


if __name__ == "__main__":
    main()
