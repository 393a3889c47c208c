"""Servers by other people over HTTP/1.1, 2 and 3: what wsdiag says, and what Chromium does.

    python -m tests.bench.http2_matrix

Needs haproxy, nghttpx, node with `ws` (WSDIAG_NODE_MODULES), chromium, and the `dev` extra.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.integration.server import browser
from tests.peers import http2_peers
from tests.peers.certs import Authority
from tests.peers.envoy import start_envoy
from tests.peers.peer import Address, Peer
from tests.peers.peers import Peers
from tests.peers.tools import require_tool
from wsdiag.probes.connect.run import connect
from wsdiag.records import ConnectResult
from wsdiag.transport.dial.options import DialOptions, HttpVersion

SCRIPT = """new Promise(done => {
  const ws = new WebSocket(%s);
  ws.onopen = () => ws.send('hello');
  ws.onmessage = () => { ws.close(); done('works'); };
  ws.onclose = event => done('closed ' + event.code);
})"""


def fronts(peers: Peers, cert: http2_peers.Cert, folder: Path) -> dict[str, Callable[[], Peer]]:
    """What starts each server, by its name in the table."""
    behind, http2 = peers.websockets(), Address.of(peers.serve("--http2")[0])

    def place() -> Path:
        return Path(tempfile.mkdtemp(dir=folder))

    start = http2_peers
    return {
        "HAProxy": lambda: start.start_haproxy(place(), behind, cert),
        "nghttpx": lambda: start.start_nghttpx(place(), behind, cert),
        "Hypercorn": lambda: start.start_hypercorn(place() / "log", cert),
        "Node http2": lambda: start.start_node_http2(place() / "log", cert),
        "Envoy, HTTP/1.1 behind": lambda: start_envoy(place(), behind, cert),
        "Envoy, HTTP/2 behind": lambda: start_envoy(place(), http2, cert, upstream_http2=True),
        "Caddy": lambda: start.start_caddy(place(), behind, cert, extended_connect=False),
        "Caddy, GODEBUG": lambda: start.start_caddy(place(), behind, cert, extended_connect=True),
    }


def said(result: ConnectResult) -> str:
    """A connection in a few words."""
    if result.ok:
        return f"works, {result.phases.ping_ms or 0:.1f} ms"
    assert result.error is not None
    return f"{result.error.phase}/{result.error.kind}"


def looked(result: ConnectResult) -> str:
    """What the look at HTTP/2 found."""
    look = result.http2
    if look is None:
        return "none"
    return "works" if look.opens and not look.error else "fails" if look.error else "not used"


def in_chromium(tab: browser.Browser, url: str) -> str:
    """What a page of that host finds, which came over HTTP/2."""
    tab.call("Page.navigate", url=url.replace("wss", "https", 1))
    tab.wait("document.readyState === 'complete'")
    script = SCRIPT % json.dumps(url)
    answer = tab.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
    return str(answer["result"].get("value"))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ca = Authority(folder)
        peers = Peers(folder, ca)
        program, trusting = require_tool("chromium"), "--ignore-certificate-errors"
        tab = browser.Browser(program, folder / "chromium", trusting)
        try:
            print(
                "| server | HTTP/1.1 | HTTP/2 | HTTP/3 | look | Chromium |",
                "|---|---|---|---|---|---|",
                sep="\n",
            )
            for server, start in fronts(peers, ca.cert(), folder).items():
                peer = start()
                url = f"wss://localhost:{peer.port}/"
                versions: tuple[HttpVersion, ...] = ("1.1", "2", "3")
                found = [
                    asyncio.run(
                        connect(url, DialOptions(http_version=each, cacert=ca.pem, family=4))
                    )
                    for each in versions
                ]
                cells = [*map(said, found), looked(found[0]), in_chromium(tab, url)]
                print("|", " | ".join([server, *cells]), "|", flush=True)
                peer.stop()
        finally:
            tab.close()
            peers.close()


if __name__ == "__main__":
    main()
