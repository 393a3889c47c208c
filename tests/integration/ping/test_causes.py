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

from tests.integration.lag import LagMeter
from tests.integration.ping.running import PingRecords, run_pings
from tests.peers.peers import Peers
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


async def run_and_watch(url: str, **options: Any) -> tuple[PingRecords, LagMeter]:
    """A run, and when this process could not look after it."""
    async with LagMeter() as lag:
        return await run_pings(url, **options), lag


def assert_named(causes: Counter[Cause | None], cause: Cause, at_least: int) -> None:
    total = causes.total()
    assert total >= at_least, f"too few outliers to judge: {causes}"
    assert causes[cause] >= 0.9 * total, causes


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
    blocked = [json.loads(line)["blocked"] for line in server.log.splitlines() if "blocked" in line]

    def bears(sent: float, end: float) -> bool:
        """By the server's own clock it stood still for most of the wait, and we did not."""
        stood = sum(max(0.0, min(end, until) - max(sent, since)) for since, until in blocked)
        return stood > 0.6 * (end - sent) and not lag.touches(sent, end)

    assert_named(telling(pinged, bears), "endpoint", at_least=10)
    sentences = pinged.summary.attribution.explanation if pinged.summary.attribution else []
    assert any("caused by the endpoint" in sentence for sentence in sentences)


def test_a_stalling_serve_is_the_endpoints(peers: Peers) -> None:
    url, _ = peers.serve()
    pinged, lag = asyncio.run(
        run_and_watch(f"{url}/stall?every=0.7&for=0.3", count=120, interval_s=0.05)
    )
    causes = telling(pinged, lambda sent, end: not lag.touches(sent, end))
    assert_named(causes, "endpoint", at_least=8)


def test_what_a_path_cannot_take_is_the_inbound_queue(peers: Peers) -> None:
    url, _ = peers.serve()
    flood = f"{url}/bandwidth/200k/flood?for=0.2&pause=3&after=1&queue=64k"
    pinged = asyncio.run(run_pings(flood, count=200, interval_s=0.04))
    assert_named(telling(pinged), "inbound-queue", at_least=10)
    assert pinged.summary.attribution is not None
    sentences = pinged.summary.attribution.explanation
    assert any("that the endpoint was sending" in sentence for sentence in sentences)
    assert any("deadline" in sentence for sentence in pinged.summary.advice)


def test_a_slow_reader_of_a_flood_waits_in_the_inbound_queue(peers: Peers) -> None:
    url = peers.websockets(compression=False).url
    flood = f"{url}/flood?for=0.1&pause=3"
    pinged = asyncio.run(run_pings(flood, count=200, interval_s=0.04, read_rate=16_000_000.0))
    # the flood comes first here: what is usual has to be learned after it
    later = [r for r in pinged.replies if r.cause is not None]
    named = Counter(reply.cause for reply in later)
    assert_named(named, "inbound-queue", at_least=4)


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
            f"{url}/echo", load=200_000.0, download=2_000_000.0, load_idle_s=0.5, load_time_s=1.0
        )
    )
    load = pinged.summary.load
    assert load is not None
    assert None not in (load.idle_p50_ms, load.loaded_p50_ms, load.download_p50_ms)
    assert load.sent_bytes == pytest.approx(200_000, rel=0.4)
    assert load.received_bytes == pytest.approx(2_000_000, rel=0.5)


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
    causes = telling(pinged)
    # A Pong that is lost right after another loss, and whatever TCP held back behind it, shows
    # nothing to our kernel: no cause is the right answer then.
    assert causes.pop(None, 0) <= 0.25 * causes.total(), causes
    assert_named(causes, "network", at_least=10)
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
        pinged = asyncio.run(run_pings(server.url, count=60, interval_s=0.05, react=lengthen))
    assert_named(telling(pinged), "network", at_least=10)


@pytest.mark.parametrize("load", ["max", 2_000_000])
def test_a_slow_reader_under_load_is_our_queue(peers: Peers, load: object) -> None:
    url = peers.websockets(max_queue=4).url + "/slow"
    pinged = asyncio.run(
        run_pings(
            url, interval_s=0.05, load=load, load_idle_s=1.0, load_time_s=3.0, load_bytes=32 * 2**20
        )
    )
    assert_named(telling(pinged), "queue", at_least=10)
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
            print(json.dumps([event.seq, event.rtt_ms, event.cause]), flush=True)
        elif isinstance(event, PingSummary):
            print(json.dumps([event.lost, list(event.attribution.explanation)]), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def ping_stopped_and_continued(url: str, unix: str) -> tuple[list[list[object]], list[object]]:
    """Ping in a process that is stopped for 400 ms again and again: (replies, summary)."""
    root = Path(__file__).resolve().parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen(
        [sys.executable, "-c", PINGING, url, unix],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env=environment,
    )
    lines: list[list[object]] = []
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
    return lines[:-1], lines[-1]


def test_our_own_sleep_is_local_where_times_are_ours(peers: Peers, tmp_path: Path) -> None:
    socket = str(tmp_path / "s")
    peers.websockets(unix=socket)
    url = "ws://localhost/delay?seconds=0.04"
    replies, (lost, sentences) = ping_stopped_and_continued(url, socket)
    causes = Counter(cause for seq, rtt, cause in replies if rtt > 100 and seq > WARM_UP)  # type: ignore[operator]
    assert_named(causes, "local", at_least=8)  # type: ignore[arg-type]
    assert lost == 0
    assert any("wsdiag itself was delayed" in sentence for sentence in sentences)  # type: ignore[attr-defined]


def test_our_own_sleep_stays_out_of_the_kernels_times(peers: Peers) -> None:
    url = peers.websockets().url + "/delay?seconds=0.04"
    replies, (lost, sentences) = ping_stopped_and_continued(url, "")
    assert lost == 0
    slept_through = [reply for reply in replies if float(str(reply[1])) > 300]
    assert not slept_through, "a stop lasts 400 ms"
    assert not [reply for reply in replies if reply[2] == "local"]
    assert any("kernel timestamps keep that out" in sentence for sentence in sentences)  # type: ignore[attr-defined]


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
