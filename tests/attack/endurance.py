"""What takes minutes, or thousands of connections, with the figures that it comes to.

python -m tests.attack.endurance NAME...

restarts      ping --reconnect against an endpoint that is restarted 500 times
connections   10,000 connections held by serve, and an honest client beside them
killed        SIGKILL at random moments while files are written: each whole or absent
readonly      every file option on a file system that takes nothing
relay         Pings through serve --upstream to an endpoint that does not read
unfinished    compressed messages that are never finished, of 600 clients
"""

from __future__ import annotations

import base64
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

from wsdiag.protocol.frames import encode_frame
from wsdiag.protocol.server_handshake import ServerHandshake

WSDIAG = [sys.executable, "-m", "wsdiag"]
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}
MASK = b"\1\2\3\4"


def start(*args: str, **more: object) -> subprocess.Popen[bytes]:
    given: dict[str, object] = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, **more}
    return subprocess.Popen([*WSDIAG, *args], env=ENVIRONMENT, **given)  # type: ignore[call-overload]


def serve(*args: str) -> tuple[subprocess.Popen[bytes], int]:
    process = start("serve", "--port", "0", "-o", "json", *args)
    assert process.stdout is not None
    port = json.loads(process.stdout.readline())["port"]
    threading.Thread(target=process.stdout.read, daemon=True).start()
    return process, port


def memory_mb(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def opened(port: int, path: str = "/echo", *, deflate: bool = False) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    key = base64.b64encode(os.urandom(16)).decode()
    more = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if deflate else ""
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{more}\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        piece = sock.recv(4096)
        if not piece:
            raise ConnectionError(head[:60])
        head += piece
    if b" 101 " not in head:
        raise ConnectionError(head[:60])
    return sock


def restarts() -> bool:
    """Every restart is seen: the backoff begins anew once a connection has answered a Ping."""
    wanted, seen = 500, 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = threading.Event()

        def endpoint() -> None:
            """Answers one Ping of each connection, and ends it: an endpoint that restarts."""
            nonlocal seen
            while seen < wanted and not done.is_set():
                client, _ = listener.accept()
                with client, suppress(OSError):
                    client.settimeout(5)
                    handshake, request = ServerHandshake(), None
                    while request is None:
                        request = handshake.receive(client.recv(65536))
                    client.sendall(handshake.accept(request)[0])
                    frame = client.recv(200)
                    payload = bytes(b ^ frame[2 + i % 4] for i, b in enumerate(frame[6:]))
                    client.sendall(encode_frame(10, payload))
                    time.sleep(0.01)
                    seen += 1

        threading.Thread(target=endpoint, daemon=True).start()
        began = time.monotonic()
        args = ("-i", "50ms", "--reconnect", "--retry-max-wait", "30s", "-o", "json", "-w", "400")
        # a pipe that nobody reads would hold it up
        records = tempfile.TemporaryFile()  # noqa: SIM115
        run = start("ping", f"ws://127.0.0.1:{port}/", *args, stdout=records)
        while seen < wanted and time.monotonic() - began < 420 and run.poll() is None:
            time.sleep(0.1)
        took = time.monotonic() - began
        run.send_signal(signal.SIGINT)
        run.wait(timeout=20)
        done.set()
    records.seek(0)
    outages = sum(b'"type":"ping.outage"' in line for line in records)
    print(f"restarts: {seen} of {wanted} in {took:.0f} s, {outages} outages told")
    return seen >= wanted


def connections() -> bool:
    """An honest client's round trips beside 10,000 held connections."""
    wanted = 10_000
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted + 500, hard), hard))
    server, port = serve("--quiet")
    held, began = [], time.monotonic()
    try:
        while len(held) < wanted:
            held.append(opened(port))
        took = time.monotonic() - began
        run = start("ping", f"ws://127.0.0.1:{port}/", "-c", "100", "-i", "20ms", "-o", "json")
        out, _ = run.communicate(timeout=60)
        summary = json.loads(out.splitlines()[-1])
        print(
            f"connections: {len(held)} held after {took:.0f} s, {memory_mb(server):.0f} MB; beside "
            f"them p50 {summary['p50_ms']} ms, max {summary['max_ms']} ms of {summary['received']}"
        )
        return summary["received"] == 100 and summary["p95_ms"] < 50
    finally:
        server.kill()
        for sock in held:
            sock.close()


def _whole(path: Path) -> bool:
    data = path.read_bytes()
    if path.suffix in (".svg", ".xml"):
        with suppress(ElementTree.ParseError):
            return ElementTree.fromstring(data) is not None
        return False
    if path.suffix == ".html":
        return data.rstrip().endswith(b"</html>")
    lines = data.split(b"\n")  # records are appended: all but the last line are whole
    return all(isinstance(json.loads(line), dict) for line in lines[:-1] if line)


def killed() -> bool:
    """Files after SIGKILL."""
    server, port = serve()
    bad: list[str] = []
    runs, files, chosen = 60, 0, random.Random(1)
    try:
        for number in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                names = {n: Path(folder, n) for n in ("v.svg", "v.html", "l.ndjson", "t.ndjson")}
                saved = [str(word) for n in ("v.svg", "v.html") for word in ("--save", names[n])]
                args = ("-c", "20", "-i", "5ms", "--log", str(names["l.ndjson"]), *saved)
                more = ("--trace", str(names["t.ndjson"]))
                run = start("ping", f"ws://127.0.0.1:{port}/", *args, *more)
                began = time.monotonic()  # a busy machine takes long to start it
                while not names["t.ndjson"].exists() and time.monotonic() - began < 30:
                    time.sleep(0.01)
                time.sleep(chosen.uniform(0.0, 3.0 * min(time.monotonic() - began, 3.0)))
                run.kill()
                run.communicate()
                there = [path for path in names.values() if path.exists()]
                files += len(there)
                bad += [f"{number}: {path.name}" for path in there if not _whole(path)]
                bad += [f"{number}: {p.name}" for p in Path(folder).iterdir() if p not in there]
    finally:
        server.kill()
    print(f"killed: {runs} runs, {files} files found, {len(bad)} broken or left over {bad[:5]}")
    return not bad


def readonly() -> bool:
    """A file system that cannot be written to, and one that is full."""
    server, port = serve()
    bad, runs = [], 0
    options = ("--save x.svg", "--save x.html", "--log x.ndjson", "--log x.csv", "--trace x")
    try:
        for place in ("/sys", "/proc", "/dev/full"):
            for option in (*options, "--junit x.xml"):
                name, _, file = option.partition(" ")
                path = place if place == "/dev/full" else f"{place}/{file}"
                command = "check" if name == "--junit" else "ping"
                args = [] if command == "check" else ["-c", "2", "-i", "10ms"]
                run = start(
                    command, f"ws://127.0.0.1:{port}/", *args, name, path, stderr=subprocess.STDOUT
                )
                out, _ = run.communicate(timeout=60)
                runs += 1
                if run.returncode not in (1, 2) or b"bug in" in out or b"Traceback" in out:
                    bad.append(f"{name} {path}: {run.returncode} {out[-80:]!r}")
    finally:
        server.kill()
    print(f"readonly: {runs} runs, {len(bad)} bad {bad[:3]}")
    return not bad


def relay() -> bool:
    """Pings are passed on with back-pressure: the relay does not hold what its upstream leaves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def upstream() -> None:
            client, _ = listener.accept()
            handshake, request = ServerHandshake(), None
            while request is None:
                request = handshake.receive(client.recv(65536))
            client.sendall(handshake.accept(request)[0])
            time.sleep(600)

        threading.Thread(target=upstream, daemon=True).start()
        server, port = serve("--upstream", f"ws://127.0.0.1:{listener.getsockname()[1]}/")
        try:
            sock = opened(port, "/")
            before = memory_mb(server)
            flood, sent = encode_frame(9, b"p" * 125, mask=MASK) * 500, 0
            sock.settimeout(1)
            most, began = before, time.monotonic()
            while time.monotonic() - began < 15:
                with suppress(OSError):
                    sent += sock.send(flood)
                most = max(most, memory_mb(server))
        finally:
            server.kill()
    print(
        f"relay: {sent / 1e6:.0f} MB of Pings taken in 15 s, memory {before:.0f} to {most:.0f} MB"
    )
    return most - before < 20


def unfinished() -> bool:
    """A thousandfold inflated and never finished: a budget for all clients."""
    server, port = serve()
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    small = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_SYNC_FLUSH)
    frame = encode_frame(2, small, fin=False, rsv1=True, mask=MASK)
    held, refused, sent = [], 0, 0
    try:
        before = memory_mb(server)
        for _ in range(600):
            sock = opened(port, deflate=True)
            with suppress(OSError):
                sock.sendall(frame)
                sent += len(frame)
            held.append(sock)
        time.sleep(2)
        after = memory_mb(server)
        for sock in held:
            sock.setblocking(False)
            with suppress(OSError):
                refused += sock.recv(100)[:1] == b"\x88"
    finally:
        server.kill()
    print(
        f"unfinished: {len(held)} clients, {sent / 1e3:.0f} kB sent, memory {before:.0f} to "
        f"{after:.0f} MB, {refused} closed"
    )
    return after - before < 150


EVERY: dict[str, Callable[[], bool]] = {
    each.__name__: each for each in (restarts, connections, killed, readonly, relay, unfinished)
}


def main(names: list[str]) -> int:
    failed = [name for name in names or EVERY if not EVERY[name]()]
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
