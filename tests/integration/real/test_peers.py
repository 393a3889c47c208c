"""The peers themselves: a test that leans on them must be able to trust them."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, ConnectionClosedError

from tests.peers.certs import Authority
from tests.peers.peer import Peer
from tests.peers.peers import Peers

Start = Callable[[Peers, bool], Peer]
SERVERS: dict[str, Start] = {
    "websockets": lambda peers, tls: peers.websockets(tls=tls),
    "aiohttp": lambda peers, tls: peers.aiohttp(tls=tls),
    "node": lambda peers, tls: peers.node_ws(tls=tls),
    "nginx": lambda peers, tls: peers.nginx(peers.websockets(), tls=tls),
    "haproxy": lambda peers, tls: peers.haproxy(peers.websockets(tls=True), tls=tls),
}


def context(ca: Authority, peer: Peer) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=str(ca.pem)) if peer.tls else None


async def echo(url: str, tls: ssl.SSLContext | None) -> tuple[str | bytes, float]:
    async with connect(url, ssl=tls, open_timeout=20) as client:
        await client.send("hello")
        answer = await asyncio.wait_for(client.recv(), 20)
        return answer, await asyncio.wait_for(await client.ping(), 20)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("name", SERVERS)
def test_every_server_and_proxy_echoes(name: str, tls: bool, peers: Peers, ca: Authority) -> None:
    peer = SERVERS[name](peers, tls)
    answer, latency = asyncio.run(echo(peer.url, context(ca, peer)))
    assert answer == "hello"
    assert latency > 0


@pytest.mark.parametrize("module", ["http", "wstunnel"])
def test_apache_forwards(module: str, peers: Peers) -> None:
    apache = peers.apache(peers.websockets(), module=module)
    assert asyncio.run(echo(apache.url, None))[0] == "hello"


def test_relay_and_slow_pong_delay_the_round_trip(peers: Peers) -> None:
    relay = peers.relay(peers.websockets(), delay_ms=30)
    assert 0.055 < asyncio.run(echo(relay.url, None))[1] < 5
    slow = peers.aiohttp(pong_delay_ms=60)
    assert 0.055 < asyncio.run(echo(slow.url, None))[1] < 5


def test_nothing_survives_close(tmp_path: Path, ca: Authority) -> None:
    peers = Peers(tmp_path, ca)
    peer = peers.websockets()
    peers.close()
    with pytest.raises(OSError):
        socket.create_connection((peer.host, peer.port), timeout=5)


async def idle_then_ping(url: str, idle_s: float, wait_s: float) -> float:
    """Seconds the Ping took; raises ConnectionClosed or TimeoutError."""
    async with connect(url, ping_interval=None, open_timeout=20, close_timeout=1) as client:
        await asyncio.sleep(idle_s)
        started = time.monotonic()
        await asyncio.wait_for(await client.ping(), wait_s)
        return time.monotonic() - started


@pytest.mark.netns
def test_nat_forgets_idle_flows_silently(peers: Peers) -> None:
    nat = peers.nat(established_s=1, on_unknown="drop")
    server = peers.websockets(netns=nat.server_ns, host=nat.server_address)
    with nat.in_client():
        assert asyncio.run(idle_then_ping(server.url, 0, 10)) < 10
        with pytest.raises(TimeoutError):
            asyncio.run(idle_then_ping(server.url, 4, 2))


@pytest.mark.netns
def test_nat_resets_a_flow_it_has_forgotten(peers: Peers) -> None:
    nat = peers.nat(established_s=1, on_unknown="reset")
    server = peers.websockets(netns=nat.server_ns, host=nat.server_address)
    with nat.in_client(), pytest.raises(ConnectionClosedError):
        asyncio.run(idle_then_ping(server.url, 4, 10))


@pytest.mark.netns
def test_nat_picks_a_forgotten_flow_up(peers: Peers) -> None:
    nat = peers.nat(established_s=1, on_unknown="pickup")
    server = peers.websockets(netns=nat.server_ns, host=nat.server_address)
    with nat.in_client():
        assert asyncio.run(idle_then_ping(server.url, 4, 10)) < 10


async def first_message_and_next(url: str, flush: Callable[[], None]) -> list[bool]:
    """Whether a pushed message came before and after the router forgot the flow."""
    async with connect(url, ping_interval=None, open_timeout=20, close_timeout=1) as client:
        came = []
        for forget in (False, True):
            if forget:
                flush()
                # what was in flight or in our buffer before the flush does not count
                while True:
                    try:
                        await asyncio.wait_for(client.recv(), 0.05)
                    except (TimeoutError, ConnectionClosed):
                        break
            try:
                await asyncio.wait_for(client.recv(), 3)
                came.append(True)
            except (TimeoutError, ConnectionClosed):
                came.append(False)
        return came


@pytest.mark.netns
def test_a_forgotten_flow_is_silent_for_the_servers_data_too(peers: Peers) -> None:
    nat = peers.nat(established_s=600, on_unknown="pickup")
    server = peers.websockets(netns=nat.server_ns, host=nat.server_address)
    with nat.in_client():
        came = asyncio.run(first_message_and_next(server.url + "/push?every=0.5", nat.flush))
    assert came == [True, False]


@pytest.mark.netns
def test_nat_loses_packets(peers: Peers) -> None:
    nat = peers.nat(established_s=600)
    server = peers.websockets(netns=nat.server_ns, host=nat.server_address)

    async def lost() -> bool:
        async with connect(server.url, ping_interval=None, close_timeout=1) as client:
            nat.set_loss(100)
            try:
                await asyncio.wait_for(await client.ping(), 10)
            except TimeoutError:
                return True
            return False

    with nat.in_client():
        assert asyncio.run(lost())


@pytest.mark.netns
def test_wan_delays_what_tcp_sees(peers: Peers) -> None:
    wan = peers.wan(delay_ms=40)
    server = peers.websockets(netns=wan.server_ns, host=wan.server_address)
    with wan.in_client():
        started = time.monotonic()
        with socket.create_connection((wan.server_address, server.port), timeout=20):
            assert 0.075 < time.monotonic() - started < 5
        assert 0.075 < asyncio.run(echo(server.url, None))[1] < 5
