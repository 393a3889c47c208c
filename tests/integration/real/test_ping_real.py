"""`wsdiag ping` against servers and proxies by other people, and against their own stopwatches."""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import time
from collections.abc import Callable

import aiohttp
import pytest
from websockets.asyncio.client import connect

from tests.integration.real.conftest import Reach
from tests.integration.real.paths import every_path
from tests.peers.certs import Authority
from tests.peers.peer import Peer
from tests.peers.peers import Peers
from tests.peers.servers import PROGRAMS
from tests.peers.tools import require_node_ws, require_tool

COUNT = 25


@every_path
def test_every_ping_is_answered(path: str, reach: Reach, peers: Peers, ca: Authority) -> None:
    peer = reach(path)
    args = ("--cacert", str(ca.pem), "-c", "5", "-i", "20ms", "-o", "json")
    run = peers.wsdiag("ping", peer.url, *args, ok=0)
    start = run.record("ping.start")
    assert start["address"] == f"{peer.host}:{peer.port}"
    assert start["clock"] in ("kernel", "user")
    replies = run.of("ping.reply")
    assert len({reply["seq"] for reply in replies}) == 5
    assert all(reply["rtt_ms"] > 0 and not reply["late"] for reply in replies)
    summary = run.record("ping.summary")
    assert (summary["sent"], summary["received"], summary["lost"]) == (5, 5, 0)
    in_order = ["min_ms", "p50_ms", "p90_ms", "p95_ms", "p99_ms", "max_ms"]
    figures = [summary[name] for name in in_order]
    assert figures == sorted(figures)
    assert summary["max_ms"] == pytest.approx(max(r["rtt_ms"] for r in replies), abs=0.002)


@every_path
def test_ping_in_text_reads_like_ping(path: str, reach: Reach, peers: Peers, ca: Authority) -> None:
    peer = reach(path)
    run = peers.wsdiag("ping", peer.url, "--cacert", str(ca.pem), "-c", "3", "-i", "20ms", ok=0)
    assert peer.url in run.out
    assert len([line for line in run.out.splitlines() if "seq=" in line]) == 3, run
    assert "\x1b" not in run.out, "no terminal, no control sequences"
    assert "Traceback" not in run.err


@pytest.mark.parametrize("mode", ["text", "binary"])
@every_path
def test_messages_are_echoed(
    mode: str, path: str, reach: Reach, peers: Peers, ca: Authority
) -> None:
    peer = reach(path)
    args = ("--mode", mode, "-s", "2k", "-c", "3", "-i", "20ms", "-o", "json")
    run = peers.wsdiag("ping", peer.url, "--cacert", str(ca.pem), *args, ok=0)
    assert run.record("ping.summary")["received"] == 3


async def by_websockets(url: str) -> list[float]:
    async with connect(url, ping_interval=None, open_timeout=20) as client:
        times = []
        for _ in range(COUNT):
            times.append(await asyncio.wait_for(await client.ping(), 20) * 1e3)
            await asyncio.sleep(0.02)
        return times


async def by_aiohttp(url: str) -> list[float]:
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, autoping=False) as client,
    ):
        times = []
        for _ in range(COUNT):
            sent = time.perf_counter()
            await client.ping(b"x")
            message = await client.receive(20)
            assert message.type is aiohttp.WSMsgType.PONG
            times.append((time.perf_counter() - sent) * 1e3)
            await asyncio.sleep(0.02)
        return times


def by_node(url: str) -> list[float]:
    command = [require_tool("node"), str(PROGRAMS / "ws_ping.js"), url, str(COUNT)]
    done = subprocess.run(
        command, env=require_node_ws(), capture_output=True, text=True, timeout=60, check=True
    )
    times: list[float] = json.loads(done.stdout)
    return times


LIBRARIES: dict[str, tuple[Callable[[Peers], Peer], Callable[[str], list[float]]]] = {
    "websockets": (lambda peers: peers.websockets(), lambda url: asyncio.run(by_websockets(url))),
    "aiohttp": (lambda peers: peers.aiohttp(), lambda url: asyncio.run(by_aiohttp(url))),
    "node": (lambda peers: peers.node_ws(), by_node),
}


def wsdiag_p50(peers: Peers, url: str) -> float:
    args = ("-c", str(COUNT), "-i", "20ms", "-o", "json")
    p50: float = peers.wsdiag("ping", url, *args, ok=0).record("ping.summary")["p50_ms"]
    return p50


@pytest.mark.parametrize("library", LIBRARIES)
def test_figures_agree_with_the_librarys_own(library: str, peers: Peers) -> None:
    """Over a line of 50 ms: both see it, and differ by no more than a scheduler's hiccup."""
    start, measure = LIBRARIES[library]
    url = peers.relay(start(peers), delay_ms=25).url
    theirs, ours = statistics.median(measure(url)), wsdiag_p50(peers, url)
    assert theirs >= 49
    assert ours >= 49, "bytes were held back for 50 ms: less was not measured but invented"
    assert abs(ours - theirs) <= 0.25 * theirs


@pytest.mark.parametrize("library", LIBRARIES)
def test_without_delay_ours_is_no_larger(library: str, peers: Peers) -> None:
    """Timed outside the process, a round trip cannot take longer than a library inside sees it."""
    start, measure = LIBRARIES[library]
    url = start(peers).url
    before, ours, after = measure(url), wsdiag_p50(peers, url), measure(url)
    assert 0 < ours <= statistics.median(before + after) * 1.5 + 0.5


def test_an_endpoint_that_answers_late_is_measured_as_such(peers: Peers) -> None:
    slow = peers.aiohttp(pong_delay_ms=50)
    assert 49 <= wsdiag_p50(peers, slow.url) <= 150


@pytest.mark.netns
def test_a_long_line_is_measured_as_such(peers: Peers) -> None:
    wan = peers.wan(delay_ms=30)
    server = peers.websockets(netns=wan.server_ns, host=wan.server_address)
    args = ("-c", "8", "-i", "50ms", "-o", "json")
    run = peers.wsdiag("ping", server.url, *args, netns=wan.client_ns, ok=0)
    assert 59 <= run.record("ping.summary")["p50_ms"] <= 150
    tcp = [reply["tcp_rtt_ms"] for reply in run.of("ping.reply") if reply["tcp_rtt_ms"]]
    assert all(rtt >= 55 for rtt in tcp), "the kernel's round trip sees the line as well"
    if run.record("ping.start")["clock"] == "kernel":
        assert tcp


def test_several_urls_are_several_series(peers: Peers) -> None:
    near, far = peers.websockets(), peers.relay(peers.websockets(), delay_ms=25)
    args = ("-c", "5", "-i", "50ms", "-o", "json")
    run = peers.wsdiag("ping", near.url, far.url, *args, ok=0)
    p50 = {summary["url"]: summary["p50_ms"] for summary in run.of("ping.summary")}
    assert p50[far.url] >= 49
    assert p50[near.url] < p50[far.url]
    assert {reply["url"] for reply in run.of("ping.reply")} == {near.url, far.url}
