"""Latency with causes made on purpose: each must be named, and a quiet connection gets none."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.lag import LagMeter, overlap_s, touched
from tests.integration.ping.running import PingRecords, run_pings
from tests.peers.command import Running
from tests.peers.peer import Peer
from tests.peers.peers import Peers
from tests.stalls import Repeatable
from wsdiag.records import Cause, PingReply

# The flaws made here are of 100 ms and more; a busy machine alone delays by less.
TELLING_MS = 80.0
WARM_UP = 3


def telling(
    pinged: PingRecords, bears: Callable[[float, float], bool] | None = None
) -> Counter[Cause | None]:
    """Causes of the replies that the flaw delayed, once there is something to compare with.

    `bears`: whether what happened from here to there (Unix time) shows the flaw and nothing else.
    """
    late = [r for r in pinged.replies if r.rtt_ms > TELLING_MS and r.seq > WARM_UP]
    if bears is not None:
        ends = [(reply, reply.time.timestamp()) for reply in late]
        late = [reply for reply, end in ends if bears(end - reply.rtt_ms / 1e3, end)]
    return Counter(reply.cause for reply in late)


def ran(server: Peer | Running) -> Callable[[float, float], bool]:
    """Whether the server's process ran from here to there, but for a small part of the time: its
    stops are no flaw made here."""
    gaps = server.lateness
    return lambda sent, end: overlap_s(gaps, sent, end) < 0.2 * (end - sent)


async def run_and_watch(url: str, **options: Any) -> tuple[PingRecords, LagMeter]:
    """A run, and when this process could not look after it."""
    async with LagMeter() as lag:
        return await run_pings(url, **options), lag


def assert_seen(fits: bool, causes: Counter[Cause | None], server: Peer | Running) -> None:
    """What a stop of the server's process taught of what is usual is the machine's."""
    late_s = max((until - since for since, until in server.lateness), default=0.0)
    if not fits and late_s > TELLING_MS / 1e3:
        raise Repeatable(f"the server was late by {late_s:.2f} s: {causes}")
    assert fits, causes


def assert_named(
    causes: Counter[Cause | None], cause: Cause, at_least: int, server: Peer | Running
) -> None:
    """So many outliers at least, or there is nothing to judge, and nearly all have this cause."""
    total = causes.total()
    assert_seen(total >= at_least and causes[cause] >= 0.9 * total, causes, server)


def test_a_quiet_connection_gets_no_cause(peers: Peers) -> None:
    # Not being delayed is the premise: on a machine that is short of CPU, some of it has to be.
    server = peers.websockets()
    for _ in range(3):
        pinged = asyncio.run(run_pings(server.url, count=150, interval_s=0.02))
        assert pinged.summary.received == 150
        if pinged.summary.max_ms is not None and pinged.summary.max_ms < 20:
            break
    else:
        pytest.skip("no quiet moment of three seconds on this machine")
    assert pinged.summary.attribution is not None
    assert pinged.summary.attribution.causes == {}
    assert {reply.cause for reply in pinged.replies} == {None}
    assert not pinged.summary.advice


def test_a_blocked_event_loop_is_the_endpoints(peers: Peers) -> None:
    server = peers.websockets(block_every_s=0.7)
    pinged, lag = asyncio.run(run_and_watch(server.url, count=160, interval_s=0.05))
    free = ran(server)
    blocked = [json.loads(line)["blocked"] for line in server.log.splitlines() if "blocked" in line]

    def bears(sent: float, end: float) -> bool:
        """By the server's own clock it stood still for most of the wait, and we did not."""
        stood = overlap_s(blocked, sent, end) > 0.6 * (end - sent)
        return stood and not lag.touches(sent, end) and free(sent, end)

    assert_named(telling(pinged, bears), "endpoint", at_least=10, server=server)
    sentences = pinged.summary.attribution.explanation if pinged.summary.attribution else []
    assert any("caused by the endpoint" in sentence for sentence in sentences)


def test_a_stalling_serve_is_the_endpoints(peers: Peers) -> None:
    url, serving = peers.serve()
    pinged, lag = asyncio.run(
        run_and_watch(f"{url}/stall?every=0.7&for=0.3", count=120, interval_s=0.05)
    )
    free = ran(serving)
    causes = telling(pinged, lambda sent, end: not lag.touches(sent, end) and free(sent, end))
    assert_named(causes, "endpoint", at_least=8, server=serving)


def test_what_a_path_cannot_take_is_the_inbound_queue(peers: Peers) -> None:
    url, serving = peers.serve()
    flood = f"{url}/bandwidth/200k/flood?for=0.2&pause=3&after=1&queue=64k"
    pinged = asyncio.run(run_pings(flood, count=200, interval_s=0.04))
    assert_named(telling(pinged, ran(serving)), "inbound-queue", at_least=10, server=serving)
    assert pinged.summary.attribution is not None
    sentences = pinged.summary.attribution.explanation
    assert any("that the endpoint was sending" in sentence for sentence in sentences)
    assert any("deadline" in sentence for sentence in pinged.summary.advice)


def test_a_slow_reader_of_a_flood_waits_in_the_inbound_queue(peers: Peers) -> None:
    server = peers.websockets(compression=False)
    flood = f"{server.url}/flood?for=0.1&pause=3"
    pinged = asyncio.run(run_pings(flood, count=200, interval_s=0.04, read_rate=16_000_000.0))
    # the flood comes first here: what is usual has to be learned after it
    bears = ran(server)
    ends = [(r, r.time.timestamp()) for r in pinged.replies if r.cause is not None]
    named = Counter(r.cause for r, end in ends if bears(end - r.rtt_ms / 1e3, end))
    assert_named(named, "inbound-queue", at_least=4, server=server)


def test_a_flood_without_a_pause_has_no_outliers_but_a_share(peers: Peers) -> None:
    url = peers.websockets(compression=False).url
    pinged = asyncio.run(run_pings(f"{url}/flood", count=12, interval_s=0.2, read_rate=2_000_000.0))
    attribution, slow = pinged.summary.attribution, pinged.summary.slow_reader
    assert attribution is not None
    assert attribution.inbound_queue_ms is not None
    assert attribution.inbound_queue_ms > 0.9 * (pinged.summary.p50_ms or 0)
    assert slow is not None
    assert (slow.outcome, slow.drop) == ("waited", None)


def test_a_trickle_changes_nothing(peers: Peers) -> None:
    url, _ = peers.serve()
    trickle = f"{url}/late-pong/0.15/push/0.01?size=2000"
    pinged = asyncio.run(run_pings(trickle, count=30, interval_s=0.05))
    attribution = pinged.summary.attribution
    assert attribution is not None
    assert attribution.inbound_queue_ms is None
    # a busy machine adds to it, and takes nothing away
    assert attribution.endpoint_ms is not None
    assert 0.8 * (pinged.summary.p50_ms or 0) < attribution.endpoint_ms
    assert attribution.endpoint_ms > 0.9 * 150


def test_idle_upload_and_download_in_one_run(peers: Peers) -> None:
    url, _ = peers.serve()
    pinged = asyncio.run(
        run_pings(
            f"{url}/echo", load=200_000.0, download=2_000_000.0, load_idle_s=0.5, load_time_s=2.0
        )
    )
    load = pinged.summary.load
    assert load is not None
    assert None not in (load.idle_p50_ms, load.loaded_p50_ms, load.download_p50_ms)
    assert load.sent_bytes == pytest.approx(400_000, rel=0.4)
    assert load.received_bytes == pytest.approx(4_000_000, rel=0.5)


def test_what_a_slow_reader_misses_is_counted(peers: Peers) -> None:
    url, _ = peers.serve()
    push = f"{url}/push/0.001?size=4000&count=20"
    pinged = asyncio.run(run_pings(push, deadline_s=6, interval_s=0.2, read_rate=8_000_000.0))
    slow = pinged.summary.slow_reader
    assert slow is not None
    assert slow.outcome == "dropped-messages"
    assert slow.missing


@pytest.mark.netns
def test_lost_packets_are_the_networks(peers: Peers) -> None:
    nat = peers.nat(established_s=600)
    server = peers.websockets(netns=nat.server_ns, host=nat.server_address)

    def lose(_: object, event: object) -> None:
        # What is usual has to be learned first: of the first few, most may be late at random.
        if isinstance(event, PingReply) and event.seq == 20:
            nat.set_loss(10)

    with nat.in_client():
        pinged = asyncio.run(run_pings(server.url, count=220, interval_s=0.1, react=lose))
    causes = telling(pinged, ran(server))
    # A Pong that is lost right after another loss, and whatever TCP held back behind it, shows
    # nothing to our kernel: no cause is the right answer then.
    unnamed = causes.pop(None, 0)
    assert_seen(unnamed <= 0.25 * causes.total(), causes, server)
    assert_named(causes, "network", at_least=10, server=server)
    assert pinged.summary.attribution is not None
    assert any("(network)" in sentence for sentence in pinged.summary.attribution.explanation)


@pytest.mark.netns
def test_a_path_that_became_longer_is_the_networks(peers: Peers) -> None:
    wan = peers.wan(delay_ms=5)
    server = peers.websockets(netns=wan.server_ns, host=wan.server_address)

    def lengthen(_: object, event: object) -> None:
        if isinstance(event, PingReply) and event.seq == 40:
            wan.set(delay_ms=105)

    with wan.in_client():
        pinged = asyncio.run(run_pings(server.url, count=80, interval_s=0.05, react=lengthen))
    assert_named(telling(pinged, ran(server)), "network", at_least=10, server=server)


@pytest.mark.parametrize("load", ["max", 2_000_000])
def test_a_slow_reader_under_load_is_our_queue(peers: Peers, load: object) -> None:
    server = peers.websockets(max_queue=4)
    times: dict[str, Any] = {"interval_s": 0.05, "load_idle_s": 1.0, "load_time_s": 3.0}
    pinged = asyncio.run(run_pings(f"{server.url}/slow", load=load, load_bytes=32 * 2**20, **times))
    assert_named(telling(pinged, ran(server)), "queue", at_least=10, server=server)
    result = pinged.summary.load
    assert result is not None
    assert result.idle_p50_ms is not None
    assert result.loaded_p50_ms is not None
    assert result.loaded_p50_ms > 10 * result.idle_p50_ms
    assert 2**20 < result.sent_bytes <= 32 * 2**20
    assert result.queued_bytes_max is not None
    assert result.queued_bytes_max > 8192


PINGING = """
import asyncio, json, sys
from wsdiag.probes.ping.options import PingOptions
from wsdiag.probes.ping.run import PingRun
from wsdiag.records import PingReply, PingSummary
from wsdiag.transport.dial.options import DialOptions

async def main(url, unix):
    options = PingOptions(count=160, interval_s=0.05, mode="text")
    run = PingRun([url], options, DialOptions(unix_socket=unix or None))
    async for event in run.events():
        if isinstance(event, PingReply):
            end = event.time.timestamp()
            # what came while we were stopped is read when we go on
            sent = end - event.rtt_ms / 1e3 - 1
            print(json.dumps([event.seq, event.rtt_ms, event.cause, sent, end]), flush=True)
        elif isinstance(event, PingSummary):
            print(json.dumps([event.lost, list(event.attribution.explanation)]), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def ping_stopped_and_continued(
    server: Peer, url: str, unix: str
) -> tuple[list[list[Any]], list[Any]]:
    """Ping in a process that is stopped for 400 ms again and again.

    (Replies to Pings in whose time the server's process ran, as PINGING tells them; summary.)
    """
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(
        [sys.executable, "-c", PINGING, url, unix],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env=environment,
    )
    lines: list[list[Any]] = []
    try:
        assert process.stdout is not None
        lines += [json.loads(process.stdout.readline()) for _ in range(10)]
        for _ in range(14):
            process.send_signal(signal.SIGSTOP)
            time.sleep(0.4)
            process.send_signal(signal.SIGCONT)
            time.sleep(0.11)
        lines += [json.loads(line) for line in process.stdout]
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
    gaps = server.lateness
    return [reply for reply in lines[:-1] if not touched(gaps, *reply[3:])], lines[-1]


def test_our_own_sleep_is_local_where_times_are_ours(peers: Peers, tmp_path: Path) -> None:
    socket = str(tmp_path / "s")
    server = peers.websockets(unix=socket)
    url = "ws://localhost/delay?seconds=0.04"
    replies, (lost, sentences) = ping_stopped_and_continued(server, url, socket)
    causes = Counter(cause for seq, rtt, cause, *_ in replies if rtt > 100 and seq > WARM_UP)
    assert_named(causes, "local", at_least=8, server=server)
    assert lost == 0
    assert any("wsdiag itself was delayed" in sentence for sentence in sentences)


def test_our_own_sleep_stays_out_of_the_kernels_times(peers: Peers) -> None:
    server = peers.websockets()
    url = server.url + "/delay?seconds=0.04"
    replies, (lost, sentences) = ping_stopped_and_continued(server, url, "")
    assert lost == 0
    # of 160; the first ten came before we were stopped
    assert_seen(len(replies) >= 40, Counter(cause for _, _, cause, *_ in replies), server)
    slept_through = [reply for reply in replies if reply[1] > 300]
    assert not slept_through, "a stop lasts 400 ms"
    assert not [reply for reply in replies if reply[2] == "local"]
    assert any("kernel timestamps keep that out" in sentence for sentence in sentences)


def test_what_came_while_we_slept_is_read_before_more_is_sent(peers: Peers) -> None:
    url, _ = peers.serve("--http2", "--latency", "500")
    args = ("ping", url, "--http2", "--mode", "text", "-i", "100ms", "-c", "30", "-o", "json")
    running = peers.start_wsdiag(*args)
    while running.wait_record("ping.reply")["seq"] < 3:
        pass
    os.kill(running.pid, signal.SIGSTOP)
    time.sleep(3.0)
    os.kill(running.pid, signal.SIGCONT)
    replies = running.wait().of("ping.reply")
    # the kernel has one stamp for what waits together: the answer to a PING must not be among it
    assert not [reply for reply in replies if reply["rtt_ms"] > 2500]
