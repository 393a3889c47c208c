"""Envoy and Caddy with short timeouts: what raw sockets measure beside what the verdict says.

Envoy stops forwarding when its timer fires, and ends TCP a second later.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.idle.running import Probed, probe, scaled
from tests.integration.idle.test_scenarios import raw_end_s
from tests.integration.lag import touched
from tests.peers.envoy import start_envoy
from tests.peers.peer import Address, Peer
from tests.peers.peers import Peers
from tests.peers.proxies import launch
from tests.peers.tools import packaged

CADDY = """\
{{
  admin off
  auto_https off
}}
http://127.0.0.1:{port} {{
  reverse_proxy {behind} {{
    stream_timeout 2s
  }}
}}
"""


@dataclass(frozen=True)
class Product:
    """When its timer fires, when a silent and a pinged connection end, and the verdict."""

    verdict: str
    fires_s: float
    idle_end_s: float
    pinged_end_s: float | None
    ping: str
    candidate: str
    idle_s: float = 0
    lifetime_s: float = 0


PRODUCTS = {
    "envoy, stream_idle_timeout": Product(
        "idle-timeout", 2.0, 3.0, None, "holds", "Envoy", idle_s=2
    ),
    "envoy, max_stream_duration": Product(
        "lifetime", 2.0, 3.0, 3.0, "drops", "Envoy (max_stream_duration)", lifetime_s=2
    ),
    "caddy, stream_timeout": Product("lifetime", 2.0, 2.0, 2.0, "drops", "Caddy (stream_timeout)"),
}


def start(name: str, product: Product, place: Path, behind: Address) -> Peer:
    if name.startswith("envoy"):
        limits = {"idle_s": product.idle_s, "lifetime_s": product.lifetime_s}
        return start_envoy(place, behind, **limits)

    def caddy(port: int) -> list[str]:
        config = place / "Caddyfile"
        config.write_text(CADDY.format(port=port, behind=behind.authority))
        return [packaged("caddy"), "run", "--config", str(config), "--adapter", "caddyfile"]

    return launch(caddy, place / "log", host="127.0.0.1", tls=False, netns=None)


@dataclass(frozen=True)
class Measured:
    probed: Probed
    idle_end_s: float | None
    pinged_end_s: float | None


@pytest.fixture(scope="module")
def measured(
    tmp_path_factory: pytest.TempPathFactory, session_peers: Peers
) -> Iterator[dict[str, Measured]]:
    running: dict[str, Peer] = {}
    behind = {name: session_peers.websockets() for name in PRODUCTS}
    try:
        for name, product in PRODUCTS.items():
            place = tmp_path_factory.mktemp("product")
            running[name] = start(name, product, place, behind[name])

        async def measure(url: str) -> Measured:
            options = scaled(to_s=3.5, step_s=0.25, keepalive_s=0.5)
            found = await asyncio.gather(
                probe(url, options), raw_end_s(url + "/", None), raw_end_s(url + "/", 0.3)
            )
            return Measured(*found)

        async def every() -> list[Measured]:
            return await asyncio.gather(*(measure(peer.url) for peer in running.values()))

        for _ in range(3):
            began = time.time()
            found = dict(zip(running, asyncio.run(every()), strict=True))
            # What gives no answer shortly before its end looks dead before it, as Envoy's is.
            if not any(touched(each.lateness, began, time.time()) for each in behind.values()):
                break
        yield found
    finally:
        for peer in running.values():
            peer.stop()


@pytest.mark.parametrize("name", PRODUCTS)
def test_the_verdict_is_the_products_timer(name: str, measured: dict[str, Measured]) -> None:
    product, found = PRODUCTS[name], measured[name]
    # Products look at their timers when they come to it, and so are late, never early.
    assert found.idle_end_s is not None
    assert found.idle_end_s >= product.idle_end_s - 0.1
    assert (found.pinged_end_s is None) is (product.pinged_end_s is None)
    verdict = found.probed.verdict
    assert verdict.verdict == product.verdict, found.probed
    range_ = verdict.idle_timeout_s or verdict.lifetime_s
    assert range_ is not None
    assert range_.high is not None
    late_s = found.idle_end_s - product.idle_end_s
    assert range_.low - max(0.1, late_s) <= product.fires_s <= range_.high + 0.02, found.probed
    assert verdict.keepalives["ping"] == product.ping
    assert product.candidate in [candidate.product for candidate in verdict.candidates]
