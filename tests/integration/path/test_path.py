"""`wsdiag path` through routers of the tests' own making: every hop is right, or not claimed."""

from __future__ import annotations

import json
import re
import signal
import sys
from typing import Any

import pytest

from tests.integration.path.conftest import Way
from tests.peers.chain import far
from tests.peers.records import Record
from tests.peers.tools import require_tool

pytestmark = pytest.mark.netns

WITHOUT = ("setpriv", "--bounding-set=-net_raw")


def rows(records: list[Record]) -> dict[Any, Record]:
    """The last round's rows, by hop; the endpoint's is None."""
    return {record["hop"]: record for record in records if record["type"] == "path.hop"}


def trace(
    way: Way, *args: str, url: str | None = None, client_ns: str | None = None
) -> tuple[dict[Any, Record], Record]:
    run = way.peers.wsdiag(
        "path",
        "-c",
        "3",
        "-i",
        "20ms",
        "-o",
        "json",
        *args,
        url or way.url,
        netns=client_ns or way.chain.client_ns,
        ok=0,
    )
    return rows(run.records), run.record("path.summary")


def trace_without_capability(way: Way, *args: str) -> tuple[dict[Any, Record], Record]:
    argv = (*WITHOUT, sys.executable, "-m", "wsdiag", "path", "-o", "json", *args, way.url)
    lines = way.chain.hosts.exec("c", *argv).splitlines()
    records = [json.loads(line) for line in lines]
    return rows(records), records[-1]


def assert_whole(found: dict[Any, Record], version: int = 4, silent: tuple[int, ...] = ()) -> None:
    assert list(found) == [1, 2, 3, 4, 5, 6, None]
    for hop in range(1, 6):
        row = found[hop]
        assert row["kind"] == "router"
        if hop in silent:
            assert (row["address"], row["received"], row["loss_pct"]) == (None, 0, 100)
        else:
            assert row["addresses"] == [far(hop, version)]
            assert row["received"] >= 1
            assert 0 < row["best_ms"] <= row["avg_ms"] <= row["worst_ms"]
    assert (found[6]["kind"], found[6]["address"]) == ("tcp-end", far(6, version))
    assert (found[None]["kind"], found[None]["received"]) == ("endpoint", 3)


def test_five_routers_the_end_of_tcp_and_the_endpoint(way: Way) -> None:
    found, summary = trace(way)
    assert_whole(found)
    assert [found[hop]["return_hops"] for hop in range(1, 7)] == [1, 2, 3, 4, 5, 6]
    assert all(row["nat"] is None for row in found.values())
    assert "websockets" in found[6]["server"]
    assert (summary["hops"], summary["method"], summary["clock"]) == (6, "segment", "kernel")
    assert summary["rounds"] == 3
    assert summary["notes"] == []
    assert "needs" not in summary


def test_ipv6(way6: Way) -> None:
    found, summary = trace(way6)
    assert_whole(found, 6)
    assert (summary["hops"], summary["method"]) == (6, "segment")


@pytest.mark.parametrize("router", [1, 2, 3])
def test_a_nat_changes_nothing_and_is_not_claimed(way: Way, router: int) -> None:
    way.chain.translate(router)
    found, _ = trace(way)
    assert_whole(found)  # it translates the quote back
    assert all(row["nat"] is None for row in found.values())


def test_a_nat_that_leaves_the_quote_as_it_is_shows(way: Way) -> None:
    # the client's own address is written into packets on the way out, and not into ICMP's quotes
    way.chain.rules(
        2,
        "table ip port { chain out { type filter hook postrouting priority 300\n"
        "oifname l3 tcp dport != 0 tcp window set 1000\n}\n}\n",
    )
    found, summary = trace(way)
    assert_whole(found)
    assert [found[hop]["nat"] for hop in range(1, 6)] == [None, None, True, True, True]
    assert any("Hop 3 quotes" in note for note in summary["notes"])


def test_a_silent_router(way: Way) -> None:
    way.chain.silence(3)
    found, summary = trace(way)
    assert_whole(found, silent=(3,))
    assert any("Hop 3 did not answer" in note for note in summary["notes"])


def test_who_refuses_small_hop_limits_is_no_row_of_routers(way: Way) -> None:
    way.chain.rules(
        3,
        "table inet few { chain pass { type filter hook forward priority 0\n"
        "meta l4proto tcp ip ttl < 50 reject with icmp type admin-prohibited\n}\n}\n",
    )
    found, summary = trace(way)
    assert list(found) == [1, 2, 3, None]
    assert [found[hop]["address"] for hop in (1, 2, 3)] == [far(1), far(2), far(3)]
    assert summary["hops"] is None
    (note,) = summary["notes"]
    assert note.startswith(f"{far(3)} does not let packets with such small hop limits pass")


def test_who_drops_small_hop_limits_makes_no_path_longer(way: Way) -> None:
    way.chain.rules(
        3,
        "table inet few { chain pass { type filter hook forward priority 0\n"
        "meta l4proto tcp ip ttl < 8 drop\n}\n}\n",
    )
    found, summary = trace(way)
    end = summary["hops"]
    assert end > 6
    assert summary["fewest_hops"] == 4
    assert (found[end]["kind"], found[end]["return_hops"]) == ("tcp-end", 6)
    silent, counted = summary["notes"]
    assert silent.startswith(f"Hops 4 to {end - 1} did not answer")
    assert f"at least 4 hops and at most {end}; " in counted
    assert counted.endswith("they come back over 6.")
    run = way.peers.wsdiag("path", "-c", "1", way.url, netns=way.chain.client_ns, ok=0)
    assert f"at most {end} hops to where TCP ends" in run.out


def test_a_router_that_answers_every_other_time(way: Way) -> None:
    way.chain.every_other(2)
    found, summary = trace(way, "-c", "10")
    assert found[2]["address"] == far(2)
    assert 3 <= found[2]["received"] <= 7
    assert found[6]["loss_pct"] == 0
    assert any("Hop 2 leaves" in note for note in summary["notes"])


@pytest.mark.parametrize("proxy", ["haproxy", "nginx"])
def test_a_proxy_as_hop_3_and_the_endpoint_behind_two_more_routers(way: Way, proxy: str) -> None:
    front = getattr(way.peers, proxy)(way.server, host=far(3), netns=way.chain.hosts.names["r3"])
    found, summary = trace(way, url=front.url + "/")
    assert list(found) == [1, 2, 3, None]
    assert [found[hop]["address"] for hop in (1, 2, 3)] == [far(1), far(2), far(3)]
    assert found[3]["kind"] == "tcp-end"
    assert found[None]["kind"] == "endpoint"
    assert found[None]["received"] == 3
    assert summary["hops"] == 3


def test_through_a_proxy_it_traces_to_the_proxy_and_says_so(way: Way) -> None:
    proxy = way.peers.connect_proxy(host=far(3), netns=way.chain.hosts.names["r3"])
    found, summary = trace(way, "-x", f"http://{proxy.authority}")
    assert list(found) == [1, 2, 3, None]
    assert summary["proxy"] == f"http://{proxy.authority}"
    assert "Traced to the proxy" in summary["notes"][0]


def test_without_the_capability_hops_answer_and_addresses_are_anothers(way: Way) -> None:
    way.chain.silence(4)
    found, summary = trace_without_capability(way, "-c", "1")
    assert list(found) == [1, 2, 3, 4, 5, 6, None]
    for hop in (1, 2, 3, 5):
        assert (found[hop]["address"], found[hop]["other_flow"]) == (far(hop), True)
        assert found[hop]["received"] == 1
    assert (found[4]["address"], found[4]["received"]) == (None, 0)
    assert (summary["hops"], summary["method"]) == (6, "ping")
    assert "AmbientCapabilities" in summary["needs"]
    assert summary["delay_ms"] >= 100


def test_without_the_capability_over_ipv6(way6: Way) -> None:
    found, summary = trace_without_capability(way6, "-c", "1")
    assert [found[hop]["address"] for hop in range(1, 7)] == [far(hop, 6) for hop in range(1, 7)]
    assert summary["hops"] == 6


def test_ctrl_c_leaves_the_rows_so_far(way: Way) -> None:
    running = way.peers.start_wsdiag(
        "path", "-c", "1000", "-i", "20ms", "-o", "json", way.url, netns=way.chain.client_ns
    )
    running.wait_record("path.hop")
    running.signal(signal.SIGINT)
    run = running.wait()
    assert run.code == 0
    assert run.record("path.summary")["partial"] is True


def test_a_connection_that_ends_ends_the_run(way: Way) -> None:
    serve, _ = way.peers.serve(host=way.chain.server_address, netns=way.chain.server_ns)
    run = way.peers.wsdiag(
        "path",
        "-c",
        "1000",
        "-i",
        "20ms",
        "-o",
        "json",
        f"{serve}/lifetime/1?drop=fin",
        netns=way.chain.client_ns,
        ok=1,
    )
    summary = run.record("path.summary")
    assert summary["drop"]["how"] == "fin"
    assert summary["hops"] == 6


def hops_of(text: str, pattern: str) -> dict[int, str]:
    return {int(found[1]): found[2] for found in re.finditer(pattern, text, re.MULTILINE)}


def test_mtr_and_traceroute_see_the_same_hops_of_a_live_path(way: Way) -> None:
    mtr, traceroute = require_tool("mtr"), require_tool("traceroute")
    found, _ = trace(way)
    ours = {hop: row["address"] for hop, row in found.items() if hop is not None}
    port, client = str(way.server.port), way.chain.hosts
    server = way.chain.server_address
    said = client.exec(
        "c", mtr, "--tcp", "-P", port, "-n", "-c", "1", "-Z", "1", "--report", server
    )
    assert hops_of(said, r"^ *(\d+)\.\|-- (\S+)") == ours
    said = client.exec("c", traceroute, "-T", "-n", "-q", "1", "-p", port, server)
    assert hops_of(said, r"^ *(\d+) +(\S+)") == ours


def test_equal_paths_are_not_mixed(way: Way) -> None:
    """Two links between hop 1 and hop 2, chosen by ports: one connection stays on one of them."""
    hosts, chain = way.chain.hosts, way.chain
    hosts.link(("r1", "10.8.2.1/24"), ("r2", "10.8.2.2/24"), "x2")
    try:
        hosts.ip(
            "r1",
            "route",
            "replace",
            "default",
            "nexthop",
            "via",
            far(2),
            "nexthop",
            "via",
            "10.8.2.2",
        )
        chain.sysctl(1, "net.ipv4.fib_multipath_hash_policy=1")
        chain.sysctl(2, "net.ipv4.icmp_errors_use_inbound_ifaddr=1")
        seen = set()
        for _ in range(12):
            found, _ = trace(way, "-c", "3")
            assert list(found) == [1, 2, 3, 4, 5, 6, None]
            (address,) = found[2]["addresses"]
            assert address in (far(2), "10.8.2.2")
            seen.add(address)
            if len(seen) == 2:
                break
        assert len(seen) == 2
    finally:
        hosts.ip("r1", "route", "replace", "default", "via", far(2))
        hosts.ip("r1", "link", "del", "x2")


def test_over_http2_the_edge_has_a_row_of_its_own(way: Way) -> None:
    serve, _ = way.peers.serve(
        "--tls", "--http2", host=way.chain.server_address, netns=way.chain.server_ns
    )
    argv = ["path", "-k", "--http2", "-c", "2", "-i", "20ms", "-o", "json", f"{serve}/latency/300"]
    run = way.peers.wsdiag(*argv, netns=way.chain.client_ns, ok=0)
    last = [record for record in run.of("path.hop") if record["round"] == 2]
    assert [row["kind"] for row in last] == [*["router"] * 5, "tcp-end", "http2-end", "endpoint"]
    edge, endpoint = last[-2:]
    assert (edge["sent"], edge["received"]) == (2, 2)
    assert edge["best_ms"] < 150
    assert endpoint["best_ms"] >= 300


def test_a_request_that_is_lost_on_the_way_blames_no_server(way: Way) -> None:
    rule = "chain f { type filter hook forward priority 0\nmeta l4proto tcp ip length > 400 drop\n}"
    way.chain.rules(2, f"table ip hole {{\n{rule}\n}}\n")
    options = ("--connect-timeout", "1s", "-H", f"X-Long: {'a' * 600}", "-o", "json")
    run = way.peers.wsdiag("connect", *options, way.url, netns=way.chain.client_ns, ok=1)
    error = run.record("connect.result")["error"]
    assert "did not acknowledge our request" in error["message"]
    assert "MTU" in error["hint"]
