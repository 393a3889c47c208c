"""`wsdiag serve` in conversation with clients that nobody here wrote."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.peers.peer import Address, Peer
from tests.peers.peers import Peers
from tests.peers.process import clean_environment
from tests.peers.servers import PROGRAMS
from tests.peers.terminal import Terminal
from tests.peers.tools import missing, require_node_ws, require_tool


async def converse(client: ClientConnection) -> None:
    for message in ("hello", "žluťoučký 🐎", b"\x00\xff" * 1000, "", b"", "x" * 300_000):
        await client.send(message)
        assert await asyncio.wait_for(client.recv(), 20) == message
    await client.send(parts())
    assert await asyncio.wait_for(client.recv(), 20) == "in three parts"
    assert await asyncio.wait_for(await client.ping(b"are you there"), 20) >= 0


async def parts() -> AsyncIterator[str]:
    for part in ("in ", "three ", "parts"):
        yield part


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_websockets_client(compression: str | None, peers: Peers) -> None:
    url, serve = peers.serve()

    async def main() -> int | None:
        async with connect(url, compression=compression, open_timeout=20) as client:
            await converse(client)
            await client.close(4000, "thanks")
        return client.close_code

    assert asyncio.run(main()) == 4000
    serve.signal(signal.SIGINT)
    told = serve.wait(20)
    assert any("thanks" in json.dumps(event) for event in told.of("serve.event")), told


def test_websockets_client_over_tls(peers: Peers, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    url, _ = peers.serve("--tls", "--ca-out", str(ca))
    assert url.startswith("wss://")
    context = ssl.create_default_context(cafile=str(ca))

    async def main() -> None:
        async with connect(url, ssl=context, open_timeout=20) as client:
            await converse(client)

    asyncio.run(main())


def test_websockets_client_agrees_on_a_subprotocol(peers: Peers) -> None:
    url, _ = peers.serve("--subprotocol", "chat.v2")

    async def main() -> str | None:
        async with connect(
            url, subprotocols=[Subprotocol("mqtt"), Subprotocol("chat.v2")], open_timeout=20
        ) as client:
            return client.subprotocol

    assert asyncio.run(main()) == "chat.v2"


@pytest.mark.parametrize("compress", [0, 15])
def test_aiohttp_client(compress: int, peers: Peers) -> None:
    url, _ = peers.serve()

    async def main() -> int | None:
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, compress=compress) as client,
        ):
            await client.send_str("hello")
            assert await client.receive_str(timeout=20) == "hello"
            await client.send_bytes(b"\x00\xff" * 70_000)
            assert await client.receive_bytes(timeout=20) == b"\x00\xff" * 70_000
            await client.close(code=4000)
            return client.close_code

    assert asyncio.run(main()) == 4000


@pytest.mark.node
def test_nodes_built_in_websocket(peers: Peers) -> None:
    node, (url, _) = require_tool("node"), peers.serve()
    flag = ["--experimental-websocket"] if _needs_flag(node) else []
    done = subprocess.run(
        [node, *flag, str(PROGRAMS / "builtin_websocket.js"), url],
        capture_output=True,
        text=True,
        timeout=60,
        env=clean_environment(),
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["received"] == ["hello", "žluťoučký 🐎", [0, 1, 254, 255], "x" * 70000]
    assert (seen["code"], seen["wasClean"]) == (4001, True)


def _needs_flag(node: str) -> bool:
    def has(*flags: str) -> bool:
        command = [node, *flags, "-p", "typeof WebSocket"]
        asked = subprocess.run(command, capture_output=True, text=True, timeout=30)
        return asked.stdout.strip() == "function"

    if not has() and not has("--experimental-websocket"):
        missing("this Node.js has no WebSocket of its own (20.10 and later have)")
    return not has()


@pytest.mark.node
def test_wscat(peers: Peers) -> None:
    env = require_node_ws()
    wscat = Path(env["NODE_PATH"]) / "wscat" / "bin" / "wscat"
    if not wscat.exists():
        missing("wscat is not installed (npm install wscat)")
    url, serve = peers.serve()
    terminal = Terminal([require_tool("node"), str(wscat), "--connect", url], env=env)
    try:
        terminal.wait_for(lambda text: "Connected" in text, "connection")
        terminal.key(b"hello wscat\r")
        terminal.wait_for(lambda text: "< hello wscat" in text, "echo")
        terminal.key(b"\x03")
        terminal.wait()
    finally:
        terminal.close()
    serve.signal(signal.SIGINT)
    assert serve.wait(20).code == 0


@pytest.mark.parametrize("proxy", ["nginx", "haproxy", "apache"])
def test_serve_behind_a_proxy(proxy: str, peers: Peers) -> None:
    """serve's own answer to the upgrade passes through products that are strict about it."""
    start: dict[str, Callable[[Address], Peer]] = {
        "nginx": peers.nginx,
        "haproxy": peers.haproxy,
        "apache": peers.apache,
    }
    url, _ = peers.serve()

    async def main(url: str) -> None:
        async with connect(url, open_timeout=20) as client:
            await converse(client)

    asyncio.run(main(start[proxy](Address.of(url)).url))
