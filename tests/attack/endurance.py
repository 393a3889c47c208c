"""What takes minutes, or thousands of connections, with the figures that it comes to.

python -m tests.attack.endurance NAME...

restarts      ping --reconnect against an endpoint that is restarted 500 times
connections   10,000 connections held by serve, and an honest client beside them
killed        SIGKILL at random moments while files are written: each whole or absent
readonly      every file option on a file system that takes nothing or is full; full streams
relay         Pings through serve --upstream to an endpoint that does not read
unfinished    compressed messages that are never finished, of 600 clients
"""

from __future__ import annotations

import base64
import csv
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from xml.etree import ElementTree

from tests.capture.builder import Capture, Flow
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
    if path.suffix in (".html", ".pem", ".md"):
        return data.rstrip().endswith((b"</html>", b"-----END CERTIFICATE-----", b"````"))
    if path.suffix == ".prom":
        return data.startswith(b"# HELP") and data.endswith(b"\n")
    if path.suffix == ".csv":  # rows are appended: all but the last are whole
        rows = list(csv.reader(data.decode().splitlines()))[: data.count(b"\n")]
        return len({len(row) for row in rows}) <= 1
    lines = data.split(b"\n")  # so are records
    return all(isinstance(json.loads(line), dict) for line in lines[:-1] if line)


_SAVED = ("--save", "v.svg", "--save", "v.html", "--save", "v.md")
_LOGGED = ("--log", "l.ndjson", "--trace", "t.ndjson")
WRITERS: dict[str, tuple[str, ...]] = {
    "connect": ("connect", "URL", *_SAVED, *_LOGGED),
    "ping": ("ping", "URL", "-c", "50", "-i", "2ms", *_SAVED, *_LOGGED),
    "ping, rows": ("ping", "URL", "-c", "50", "-i", "2ms", "-q", "--log", "l.csv"),
    "idle-probe": ("idle-probe", "URL", "--from", "50ms", "--to", "100ms", *_SAVED, *_LOGGED),
    "stream": ("stream", "URLpush/0.002", "-c", "50", *_SAVED, *_LOGGED),
    "path": ("path", "URL", "-c", "1", *_SAVED, *_LOGGED),
    "check": ("check", "URL", "--junit", "j.xml", *_SAVED, *_LOGGED),
    "explain": ("explain", "RECORDING", *_SAVED, *_LOGGED),
    "serve": ("serve", "--port", "0", "--tls", "--ca-out", "ca.pem"),
    "exporter": ("exporter", "-f", "CONFIG", "--listen", "127.0.0.1:0", "--textfile", "m.prom"),
}
"""Every command that writes files, with all that it can write."""
_LASTING = ("serve", "exporter")
OPTIONS = ("--save", "--log", "--trace", "--junit", "--ca-out", "--textfile")


def _written(args: Sequence[str]) -> dict[int, str]:
    """Names of files among arguments, by their places."""
    return {at + 1: args[at + 1] for at, word in enumerate(args) if word in OPTIONS}


@contextmanager
def _commands() -> Iterator[dict[str, list[str]]]:
    """The commands that write files, with a server to talk to."""
    server, port = serve()
    url = f"ws://127.0.0.1:{port}/"
    try:
        with tempfile.TemporaryDirectory() as folder:
            recording, config = Path(folder, "a.pcap"), Path(folder, "wsdiag.toml")
            capture = Capture()
            flow = Flow(capture)
            flow.open()
            for number in range(200):
                flow.send(number / 1e3, "server", encode_frame(1, b"a" * 20))
            recording.write_bytes(capture.pcap())
            config.write_text(f'[[endpoint]]\nname = "a"\nurl = "{url}"\n')
            given = {"RECORDING": str(recording), "CONFIG": str(config)}
            yield {
                name: [given.get(word, word.replace("URL", url)) for word in args]
                for name, args in WRITERS.items()
            }
    finally:
        server.kill()


def _killed_once(args: list[str], after_s: float | None) -> tuple[float, list[str], list[str]]:
    """(seconds, files that are there, those that are broken or left over) of a run that is killed.

    `after_s` None: when the last of its files is there.
    """
    with tempfile.TemporaryDirectory() as folder:
        wanted = [Path(folder, name) for name in _written(args).values()]
        began = time.monotonic()
        run = start(*args, cwd=folder, stdout=subprocess.DEVNULL)
        if after_s is not None:
            time.sleep(after_s)
        while after_s is None and run.poll() is None and time.monotonic() - began < 60:
            if args[0] in _LASTING and all(path.exists() for path in wanted):
                break
            time.sleep(0.01)
        took = time.monotonic() - began
        run.kill()
        run.wait()
        there = [path for path in Path(folder).iterdir() if not path.name.startswith(".wsdiag-")]
        bad = [path.name for path in there if path not in wanted or not _whole(path)]
        if after_s is None:
            bad += [f"no {path.name}" for path in wanted if not path.exists()]
        return took, [path.name for path in there], bad


def killed(each: int = 12) -> bool:
    """Files after SIGKILL at moments between a command's start and its end."""
    bad: list[str] = []
    runs, files, chosen = 0, 0, random.Random(1)
    with _commands() as commands:
        for name, args in commands.items():
            took, there, wrong = _killed_once(args, None)
            bad += [f"{name}, not killed: {one}" for one in wrong]
            for _ in range(each):
                after_s = chosen.uniform(0.5, 1.1) * took
                _, there, wrong = _killed_once(args, after_s)
                runs, files = runs + 1, files + len(there)
                bad += [f"{name} after {after_s:.2f} s: {one}" for one in wrong]
    print(f"killed: {runs} runs, {files} files found, {len(bad)} broken or left over {bad[:5]}")
    return not bad


@contextmanager
def _places() -> Iterator[dict[str, Path]]:
    """Folders in which nothing can be written: of the kernel, and for root a mount of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        mounts = {"full": "size=16k", "read-only": "ro"} if os.geteuid() == 0 else {}
        found = {"/sys": Path("/sys"), "/proc": Path("/proc")}
        for name, options in mounts.items():
            found[name] = Path(folder, name)
            found[name].mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", options, "wsdiag", str(found[name])]
            subprocess.run(mount, check=True)
        try:
            if "full" in found:
                with suppress(OSError):
                    Path(found["full"], "all of it").write_bytes(bytes(1 << 20))
            yield found
        finally:
            for name in mounts:
                subprocess.run(["umount", str(found[name])], check=True)


def _refused(args: list[str], **streams: object) -> str | None:
    """What is wrong with how a command tells that it cannot write; None: nothing."""
    lasting, began = args[0] in _LASTING, time.monotonic()
    with tempfile.TemporaryFile() as file:
        run, said = start(*args, **{"stdout": file, "stderr": file, **streams}), b""
        awaited = _TOLD if lasting and not streams else (b"listening",) * lasting
        while not any(words in said for words in awaited) and time.monotonic() - began < 60:
            if run.poll() is not None:
                break
            time.sleep(0.05)
            said = os.pread(file.fileno(), 1 << 20, 0)
        with suppress(subprocess.TimeoutExpired):  # what ends by itself does so now
            run.wait(timeout=10 if said else 0)
        if run.poll() is None:
            run.terminate()
            run.wait(timeout=30)
        said = os.pread(file.fileno(), 1 << 20, 0)
    codes = (0, 1, 2, 143) if lasting else (1, 2)
    if run.returncode not in codes or b"bug in" in said or b"Traceback" in said:
        return f"{run.returncode} {said[-120:]!r}"
    if not streams and not any(words in said for words in _TOLD):
        return f"it does not say so: {said[-120:]!r}"
    return None


_TOLD = (b"No space left", b"Read-only", b"Permission denied", b"not permitted", b"No such file")


def readonly() -> bool:
    """File systems that cannot be written to, or are full, for every option; and full streams."""
    bad, runs = [], 0
    with _commands() as commands, _places() as places:
        for name, args in commands.items():
            for at, file in _written(args).items():
                others = {place for i in _written(args) if i != at for place in (i - 1, i)}
                alone = [word for i, word in enumerate(args) if i not in others]
                for where, folder in places.items():
                    path = str(folder / file)
                    wrong = _refused([path if word == file else word for word in alone])
                    runs += 1
                    bad += [f"{name} {args[at - 1]} {where}: {wrong}"] if wrong else []
            for stream in ("stdout", "stderr"):
                plain = [
                    word for i, word in enumerate(args) if {i, i + 1}.isdisjoint(_written(args))
                ]
                more = ["-v"] if stream == "stderr" and name not in _LASTING else []
                with open("/dev/full", "wb") as full:
                    wrong = _refused([*plain, *more], **{stream: full})
                runs += 1
                if wrong and not (stream == "stderr" and wrong.startswith("0 ")):
                    bad.append(f"{name} {stream}: {wrong}")
    print(f"readonly: {runs} runs, {len(bad)} bad")
    print("\n".join(bad))
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
