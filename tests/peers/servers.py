"""Echo servers by other people, each a process of its own, on a port of the kernel's choice."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.peers.certs import Cert
from tests.peers.peer import Peer
from tests.peers.process import Daemon
from tests.peers.tools import require_node_package, require_node_ws, require_tool

PROGRAMS = Path(__file__).parent / "programs"


def _announced(daemon: Daemon) -> int | None:
    for line in daemon.log.splitlines():
        if line.startswith('{"port":'):
            port: int = json.loads(line)["port"]
            return port
    return None


def start_announcing(
    argv: Sequence[str],
    log: Path,
    *,
    host: str,
    tls: bool,
    netns: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Peer:
    """Start a program that prints {"port": N} when it listens on `host`."""
    daemon = Daemon(argv, log, netns=netns, env=env)
    try:
        daemon.wait_until(lambda: _announced(daemon) is not None, "its port was announced")
    except BaseException:
        daemon.stop()
        raise
    port = _announced(daemon)
    assert port is not None
    return Peer(host, port, tls, daemon)


def python_program(name: str, *args: str) -> list[str]:
    """The command line for one of `programs/`, on this interpreter."""
    return [sys.executable, str(PROGRAMS / name), *args]


def tls_arguments(cert: Cert | None) -> list[str]:
    """`--cert FILE --key FILE`, or nothing."""
    return ["--cert", str(cert.cert), "--key", str(cert.key)] if cert else []


def start_node_ws(log: Path, *, host: str, cert: Cert | None, netns: str | None) -> Peer:
    """Node's `ws` as an echo server."""
    env = require_node_ws()
    argv = [require_tool("node"), str(PROGRAMS / "ws_echo.js"), host]
    argv += [str(cert.cert), str(cert.key)] if cert else []
    return start_announcing(argv, log, host=host, tls=cert is not None, netns=netns, env=env)


def start_node_program(
    log: Path, program: str, *args: str, host: str, needs: Sequence[str]
) -> Peer:
    """One of `programs/` on Node.js, with these packages."""
    env = require_node_package(*needs)
    argv = [require_tool("node"), str(PROGRAMS / program), host, *args]
    return start_announcing(argv, log, host=host, tls=False, env=env)
