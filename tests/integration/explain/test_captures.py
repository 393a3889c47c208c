"""Captures of real parts that end connections, each in its own way: who ended it is named right."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.integration.explain.recording import drained, opened, recorded, text
from tests.peers.certs import Authority
from tests.peers.command import Run
from tests.peers.netns import Hosts
from tests.peers.peers import Peers
from tests.peers.process import popen
from tests.peers.tools import require_tool

ALIKE_S = 0.2


def explained(peers: Peers, *args: str | Path, ok: int | None = 0) -> Run:
    """`wsdiag explain -o json` over files."""
    return peers.wsdiag("explain", "-o", "json", *map(str, args), ok=ok)


def idle_clients(host: str, port: int, count: int = 3) -> list[float]:
    """For how long connections were idle, in seconds, that say something and wait for their end."""
    idle_s: list[float] = []

    def idle(client: socket.socket) -> None:
        text(client, "hello")
        client.recv(4096)  # its echo
        began = time.monotonic()
        drained(client)
        idle_s.append(time.monotonic() - began)

    threads = []
    for _ in range(count):
        threads.append(threading.Thread(target=idle, args=(opened(host, port),)))
        threads[-1].start()
        time.sleep(0.8)  # the first is further from the last than a second
    for thread in threads:
        thread.join(40)
    assert len(idle_s) == count
    return idle_s


def recorded_in_time(record: Callable[[], Sequence[float]]) -> None:
    """Record until all ends came after times that are alike, which `record` returns.

    Where one timer is late, the capture is that of another proxy, whose timeout varies.
    """
    seen: list[Sequence[float]] = []
    while not seen or max(seen[-1]) - min(seen[-1]) > ALIKE_S:
        assert len(seen) < 5, seen
        seen.append(record())


@pytest.mark.nginx
def test_nginx_read_timeout(peers: Peers, tmp_path: Path) -> None:
    nginx, capture = peers.nginx(peers.websockets(), read_timeout_s=2), tmp_path / "c.pcap"

    def record() -> Sequence[float]:
        with recorded(capture, port=nginx.port):
            return idle_clients(nginx.host, nginx.port)

    recorded_in_time(record)
    run = explained(peers, capture)
    found = run.record("explain.verdict")
    assert (found["verdict"], found["outcomes"]) == ("idle-timeout", {"idle-timeout": 3})
    assert found["idle_timeout_s"]["low"] <= 2.1
    assert found["idle_timeout_s"]["high"] >= 1.9
    for one in run.of("explain.connection"):
        assert (one["outcome"], one["ended_by"], one["drop"]["how"]) == (
            "idle-timeout",
            "server",
            "fin",
        )


@pytest.mark.nginx
def test_both_sides_of_nginx(peers: Peers, tmp_path: Path) -> None:
    upstream, capture = peers.websockets(), tmp_path / "c.pcap"
    nginx = peers.nginx(upstream, read_timeout_s=2)

    def record() -> Sequence[float]:
        with recorded(capture, port=(nginx.port, upstream.port)):
            client = opened(nginx.host, nginx.port)
            text(client, "hello")
            client.close()
            return idle_clients(nginx.host, nginx.port)

    recorded_in_time(record)
    run = explained(peers, capture)
    found = sorted(run.of("explain.connection"), key=lambda one: one["age_s"])
    assert [(one["outcome"], one["ended_by"]) for one in found] == [
        ("client-gone", "client"),
        *[("idle-timeout", "middlebox")] * 3,
    ]
    assert "the proxy passed that on" in " ".join(found[0]["evidence"])
    assert "The proxy ended it on both sides by itself" in found[1]["evidence"][0]
    assert run.record("explain.verdict")["verdict"] == "idle-timeout"


@pytest.mark.nginx
def test_a_server_that_dies_behind_nginx(peers: Peers, tmp_path: Path) -> None:
    upstream = peers.websockets()
    nginx = peers.nginx(upstream)
    with recorded(tmp_path / "c.pcap", port=(nginx.port, upstream.port)) as capture:
        client = opened(nginx.host, nginx.port)
        text(client, "hello")
        time.sleep(0.5)
        os.kill(upstream.pid, signal.SIGKILL)
        drained(client)
    one = explained(peers, capture).record("explain.connection")
    assert (one["outcome"], one["ended_by"]) == ("unknown", "server"), one
    assert "and the proxy passed that on" in one["evidence"][0]


@pytest.mark.haproxy
def test_haproxy_tunnel_timeout(peers: Peers, tmp_path: Path) -> None:
    haproxy, capture = peers.haproxy(peers.websockets(), tunnel_s=2), tmp_path / "c.pcap"

    def record() -> Sequence[float]:
        with recorded(capture, port=haproxy.port):
            return idle_clients(haproxy.host, haproxy.port)

    recorded_in_time(record)
    found = explained(peers, capture).record("explain.verdict")
    assert (found["verdict"], found["outcomes"]) == ("idle-timeout", {"idle-timeout": 3})


@pytest.mark.netns
def test_a_nat_that_forgets_is_silence(peers: Peers, tmp_path: Path) -> None:
    nat = peers.nat(established_s=2, on_unknown="drop")
    server = peers.websockets(host=nat.server_address, netns=nat.server_ns)
    near, far = tmp_path / "near.pcap", tmp_path / "far.pcap"
    with (
        recorded(near, device="any", netns=nat.client_ns),
        recorded(far, device="any", netns=nat.server_ns),
    ):
        client = opened(server.host, server.port, netns=nat.client_ns)
        text(client, "hello")
        time.sleep(4)
        text(client, "anybody there?")
        time.sleep(6)
    one = explained(peers, near).record("explain.connection")
    assert (one["outcome"], one["ended_by"]) == ("silent", "unknown"), one
    both = explained(peers, near, far).of("explain.connection")
    assert len(both) == 1
    (one,) = both
    assert one["outcome"] == "silent"
    assert any("(1 message)" in said for said in one["evidence"])
    assert any("near.pcap is nearer to the client" in said for said in one["notes"])
    client.close()


@pytest.fixture
def hops(peers: Peers) -> Hosts:
    """A client, two routers, a server; made and removed."""
    require_tool("nft")
    hosts = Hosts(("c", "a", "b", "s"))
    try:
        hosts.link(("c", "10.97.1.1/24"), ("a", "10.97.1.2/24"), "one")
        hosts.link(("a", "10.97.2.1/24"), ("b", "10.97.2.2/24"), "two")
        hosts.link(("b", "10.97.3.1/24"), ("s", "10.97.3.2/24"), "three")
        for role, via in (("c", "10.97.1.2"), ("a", "10.97.2.2"), ("s", "10.97.3.1")):
            hosts.ip(role, "route", "add", "default", "via", via)
        hosts.ip("b", "route", "add", "10.97.1.0/24", "via", "10.97.2.1")
        for role in ("a", "b"):
            hosts.exec(role, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        yield hosts
    finally:
        hosts.remove()


@pytest.mark.netns
def test_a_reset_from_a_router(peers: Peers, tmp_path: Path, hops: Hosts) -> None:
    server = peers.websockets(host="10.97.3.2", netns=hops.names["s"])
    near, far = tmp_path / "near.pcap", tmp_path / "far.pcap"
    with (
        recorded(near, device="one", netns=hops.names["c"]),
        recorded(far, device="three", netns=hops.names["s"]),
    ):
        client = opened(server.host, server.port, netns=hops.names["c"])
        text(client, "hello")
        time.sleep(0.5)
        rules = (
            "table ip t {\nchain f {\ntype filter hook forward priority 0\n"
            'iifname "one" ip protocol tcp reject with tcp reset\n}\n}'
        )
        hops.exec("a", require_tool("nft"), "-f", "-", stdin=rules)
        text(client, "hello again")
        drained(client)
        time.sleep(1.5)
    one = explained(peers, near).record("explain.connection")
    assert (one["outcome"], one["ended_by"], one["drop"]["how"]) == (
        "injected-reset",
        "middlebox",
        "rst",
    ), one
    assert "hop limit 64" in one["evidence"][0]
    assert "62" in one["evidence"][0]
    (one,) = explained(peers, near, far).of("explain.connection")
    assert (one["outcome"], one["ended_by"]) == ("injected-reset", "middlebox")
    assert "was never sent by the server" in one["evidence"][0]


def test_a_server_that_dies_is_one_event(peers: Peers, tmp_path: Path) -> None:
    server = peers.websockets()
    with recorded(tmp_path / "c.pcap", port=server.port) as capture:
        clients = []
        for _ in range(3):
            clients.append(opened(server.host, server.port))
            text(clients[-1], "hello")
            time.sleep(1.3)
            text(clients[0], "still here")
        for client in clients[1:]:
            text(client, "me too")
        time.sleep(1.5)
        os.kill(server.pid, signal.SIGKILL)
        for client in clients:
            drained(client)
    found = explained(peers, capture).record("explain.verdict")
    assert found["verdict"] in ("event", None), found
    assert found["idle_timeout_s"] is None
    assert "within one second" in found["explanation"][0]


@pytest.mark.netns
def test_a_client_that_vanishes(peers: Peers, tmp_path: Path) -> None:
    hosts = Hosts(("c", "s"))
    try:
        hosts.link(("c", "10.96.1.1/24"), ("s", "10.96.1.2/24"), "wire")
        server = peers.websockets(host="10.96.1.2", netns=hosts.names["s"])
        with recorded(tmp_path / "c.pcap", device="wire", netns=hosts.names["s"]) as capture:
            client = opened("10.96.1.2", server.port, "/push?every=0.5", netns=hosts.names["c"])
            time.sleep(1.2)
            rule = "table ip t { chain i { type filter hook input priority 0\ndrop\n}\n}"
            hosts.exec("c", require_tool("nft"), "-f", "-", stdin=rule)
            time.sleep(5)
        client.close()
    finally:
        hosts.remove()
    one = explained(peers, capture).record("explain.connection")
    assert one["outcome"] == "client-gone", one
    assert one["retransmits"]["received"] >= 2


def test_pong_timeout_of_a_server(peers: Peers, tmp_path: Path) -> None:
    program = (
        "import asyncio\n"
        "from websockets.asyncio.server import serve\n"
        "async def handle(ws):\n"
        "    async for _ in ws: pass\n"
        "async def main():\n"
        "    async with serve(handle, '127.0.0.1', 0, ping_interval=0.5, ping_timeout=1.5) as s:\n"
        "        print(s.sockets[0].getsockname()[1], flush=True)\n"
        "        await asyncio.Future()\n"
        "asyncio.run(main())\n"
    )
    server = popen([sys.executable, "-c", program])
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with recorded(tmp_path / "c.pcap", port=port) as capture:
            drained(opened("127.0.0.1", port))
    finally:
        server.kill()
        server.wait()
    one = explained(peers, capture).record("explain.connection")
    assert (one["outcome"], one["ended_by"]) == ("pong-timeout", "server"), one
    assert one["drop"]["code"] == 1011
    said = re.search(r"Ping at ([0-9.]+) s was unanswered for ([0-9.]+) s", one["evidence"][0])
    assert said is not None, one
    pinged_s, waited_s = map(float, said.groups())
    assert waited_s >= 1.5
    ended_s = one["opened_s"] + one["drop"]["at_s"]
    assert pinged_s + waited_s == pytest.approx(ended_s, abs=0.11)  # both rounded
    assert one["unanswered_pings"]["received"] >= 1


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_wss_with_a_key_log(peers: Peers, tmp_path: Path, ca: Authority, version: str) -> None:
    server = peers.websockets(tls=True)
    keys = tmp_path / "keys.txt"
    with recorded(tmp_path / "c.pcap", port=server.port) as capture:
        peers.wsdiag(
            *("ping", "-c", "3", "-i", "50ms", "--tls-max", version, "--cacert", str(ca.pem)),
            f"{server.url}/",
            env={"SSLKEYLOGFILE": str(keys)},
            ok=0,
        )
    dark = explained(peers, capture).record("explain.connection")
    assert (dark["encrypted"], dark["messages"]["sent"]) == (True, None)
    assert "no key log was given" in dark["notes"][0]
    one = explained(peers, "--keylog", keys, capture).record("explain.connection")
    assert (one["encrypted"], one["outcome"], one["ended_by"]) == (False, "close", "client")
    assert (one["pings"]["sent"], one["round_trips"]["count"]) == (3, 3)
    assert one["url"].startswith("wss://")


@pytest.mark.nginx
def test_wss_without_keys_is_judged_by_its_idleness(peers: Peers, tmp_path: Path) -> None:
    nginx = peers.nginx(peers.websockets(), read_timeout_s=2, tls=True)
    capture = tmp_path / "c.pcap"
    line = ("ping", "-k", "-i", "1m", "-w", "20", "-o", "json", f"{nginx.url}/")

    def record() -> Sequence[float]:
        with recorded(capture, port=nginx.port):
            runs = []
            for _ in range(3):
                runs.append(peers.start_wsdiag(*line))
                runs[-1].wait_record("ping.reply")
                time.sleep(0.7)
            return [run.wait(30).record("ping.closed")["drop"]["at_s"] for run in runs]

    recorded_in_time(record)
    run = explained(peers, capture)
    found = run.record("explain.verdict")
    assert found["verdict"] == "idle-timeout", (found, run.of("explain.connection"))
    assert found["idle_timeout_s"]["low"] <= 2.1
    assert found["idle_timeout_s"]["high"] >= 1.9
    assert not any("no Close frame" in said for said in found["explanation"][:1])
