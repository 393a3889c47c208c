"""Flows of the openssl command, through a relay that records: what Python's ssl cannot do."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.peers.certs import Authority
from tests.peers.ports import free_port
from tests.peers.process import accepts
from tests.peers.tools import require_tool
from tests.unit.capture.tls_flows import Recorded


@contextlib.contextmanager
def relay(port: int, recorded: Recorded) -> Iterator[int]:
    """Listen, carry one connection to `port`, and record what crosses in the order it does."""
    listener = socket.create_server(("127.0.0.1", 0))
    lock = threading.Lock()

    def carry(number: int, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                with lock:
                    recorded.sent.append((number, data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            with client, socket.create_connection(("127.0.0.1", port)) as server:
                other = threading.Thread(target=carry, args=(1, server, client))
                other.start()
                carry(0, client, server)
                other.join(10)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()
        thread.join(15)


def openssl_conversation(
    directory: Path, ca: Authority, says: Sequence[str], *options: str
) -> Recorded:
    """s_client says lines, some of which are its commands (`K`, `R`); s_server reverses them."""
    openssl, cert = require_tool("openssl"), ca.cert("localhost")
    port, recorded = free_port(), Recorded()
    log = directory / "openssl-keys.txt"
    server_options = [option for option in options if option == "-client_renegotiation"]
    options = tuple(option for option in options if option not in server_options)
    server = subprocess.Popen(
        [
            openssl,
            "s_server",
            "-accept",
            f"127.0.0.1:{port}",
            "-cert",
            str(cert.cert),
            "-key",
            str(cert.key),
            "-rev",
            *server_options,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 20
        while not accepts("127.0.0.1", port):
            assert time.monotonic() < deadline, "s_server does not listen"
            time.sleep(0.05)
        with relay(port, recorded) as through:
            client = subprocess.Popen(
                [
                    openssl,
                    "s_client",
                    "-connect",
                    f"127.0.0.1:{through}",
                    "-servername",
                    "localhost",
                    "-keylogfile",
                    str(log),
                    *options,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            assert client.stdin is not None
            assert client.stdout is not None
            try:
                for text in says:
                    client.stdin.write(text.encode() + b"\n")
                    client.stdin.flush()
                    answer = (
                        re.compile({"K": b"KEYUPDATE", "R": b"RENEGOTIATING"}[text])
                        if len(text) == 1
                        else re.compile(re.escape(text[::-1].encode()))
                    )
                    for line in client.stdout:
                        if answer.search(line):
                            break
                client.stdin.write(b"Q\n")
                client.stdin.flush()
                client.communicate(timeout=10)
            finally:
                client.kill()
                client.wait()
    finally:
        server.kill()
        server.wait()
    recorded.key_log = log.read_bytes()
    return recorded
