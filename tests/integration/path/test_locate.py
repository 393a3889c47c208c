"""`idle-probe --locate`, and whose RST it was, through routers of the tests' own making."""

from __future__ import annotations

import math
import re
import sys
from typing import Any

import pytest

from tests.integration.path.conftest import Way
from tests.peers.chain import far
from tests.peers.injector import FIN, RST, injecting
from tests.peers.records import Record, parse_record

pytestmark = pytest.mark.netns

ARGS = [
    "--from",
    "600ms",
    "--to",
    "2400ms",
    "--step",
    "600ms",
    "--keepalive",
    "200ms",
    "--pong-timeout",
    "1200ms",
]
SWEPT, MAYBE_SWEPT = "that is looked at", "only looked at now and then"
APART = re.compile(r"dropped, ([\d.]+) to ([\d.]+) s after")
INJECT = """
table ip inject {{
  chain pass {{
    type filter hook forward priority 0
    iifname "l{link}" tcp flags & (psh | ack) == psh | ack {when} reject with tcp reset
  }}
}}
"""


def probe(way: Way, *args: str, url: str | None = None, client_ns: str | None = None) -> Record:
    """An idle probe's verdict, by the chain's client unless told otherwise."""
    netns = client_ns or way.chain.client_ns
    line = ("idle-probe", "-o", "json", *ARGS, *args, url or way.url)
    return way.peers.wsdiag(*line, netns=netns, timeout=60).record("idle.verdict")


def assert_ranges(verdict: Record, idle_s: float) -> None:
    """The range holds the timeout, and not what a connection survived (0.1 s is its margin).

    What one survived, and how narrow the range is, depend on how late the machine was. Few drops
    do not show whether the timer is looked at now and then: the verdict says so, and allows for a
    look once a second (1.1 s at most). Where lateness made timers fire together, after times that
    differ, they look as if it were, and what was survived is no bound.
    """
    found, survived_s = verdict["idle_timeout_s"], verdict["tested_up_to_s"]
    assert found["low"] <= idle_s <= found["high"] < math.inf, verdict
    said = " ".join(verdict["explanation"])
    times = APART.search(said)
    apart_s = float(times[2]) - float(times[1]) if times else 0.0
    maybe = MAYBE_SWEPT in said
    if survived_s < idle_s and SWEPT not in said and not (maybe and apart_s > 0.2):
        assert found["low"] >= survived_s - (1.2 if maybe else 0.1), verdict


def place(verdict: Record) -> tuple[int, int, Any, str]:
    found = verdict["location"]
    return found["after_hop"], found["before_hop"], found["addresses"], found["method"]


@pytest.mark.parametrize("router", [1, 3])
def test_a_nat_that_forgets_is_bracketed(way: Way, router: int) -> None:
    way.chain.translate(router)
    way.chain.forget(router, 1)
    verdict = probe(way)
    assert verdict["verdict"] == "idle-timeout"
    assert place(verdict) == (router, router + 1, [far(router), far(router + 1)], "segment")
    said = (
        f"The flow died at hop {router} ({far(router)}) or on the way to hop {router + 1} "
        f"({far(router + 1)}): a device there forgot it."
    )
    assert said in verdict["explanation"]


def test_a_silent_router_widens_the_bracket(way: Way) -> None:
    way.chain.forget(2, 1)
    way.chain.silence(3)
    verdict = probe(way)
    assert place(verdict) == (2, 4, [far(2), None, far(4)], "segment")
    assert any("Hop 3 never answers" in said for said in verdict["location"]["evidence"])


def test_a_router_that_answers_every_other_time_is_no_place(way: Way) -> None:
    way.chain.every_other(2)
    way.chain.forget(4, 1)
    assert place(probe(way))[:2] == (4, 5)


def test_a_firewall_that_resets_when_written_to(way: Way) -> None:
    way.chain.forget(3, 1, reset=True)
    verdict = probe(way)
    assert verdict["drop"]["how"] == "rst-on-write"
    assert place(verdict)[:2] == (3, 4)


def test_a_firewall_that_refuses_by_icmp(way: Way) -> None:
    """Its Destination Unreachable is no answer of the hops behind it."""
    way.chain.forget(3, 1, refuse=True)
    verdict = probe(way)
    assert verdict["verdict"] == "idle-timeout"
    assert place(verdict)[:2] == (3, 4)


def test_over_ipv6(way6: Way) -> None:
    try:
        way6.chain.forget(2, 1)
        assert place(probe(way6)) == (2, 3, [far(2, 6), far(3, 6)], "segment")
    finally:
        way6.chain.flush(2)


def test_it_can_be_turned_off(way: Way) -> None:
    way.chain.forget(2, 1)
    assert "location" not in probe(way, "--no-locate")


def test_asked_for_without_the_capability_it_says_what_is_missing(way: Way) -> None:
    way.chain.forget(2, 1)
    argv = ("setpriv", "--bounding-set=-net_raw", sys.executable, "-m", "wsdiag", "idle-probe")
    out = way.chain.hosts.exec("c", *argv, "--locate", "-o", "json", *ARGS, way.url)
    verdict = parse_record(out.splitlines()[-1])
    assert "location" not in verdict
    assert any("CAP_NET_RAW" in said for said in verdict["explanation"])


def test_a_timeout_that_the_endpoint_announces_is_not_moved_by_it(way: Way) -> None:
    serve, _ = way.peers.serve(host=way.chain.server_address, netns=way.chain.server_ns)
    run = way.peers.wsdiag(
        "idle-probe",
        "-o",
        "json",
        *ARGS,
        f"{serve}/idle/2?drop=fin",
        netns=way.chain.client_ns,
        timeout=60,
    )
    verdict = run.record("idle.verdict")
    assert "location" not in verdict
    assert_ranges(verdict, 2)


def test_a_reset_that_is_injected_is_told_in_ping_and_connect(way: Way) -> None:
    when = "meta length < 100"
    way.chain.rules(2, INJECT.format(link=2, when=when))
    run = way.peers.wsdiag("ping", "-c", "3", "-o", "json", way.url, netns=way.chain.client_ns)
    drop = run.record("ping.closed")["drop"]
    assert (drop["how"], drop["sent_from"]) == ("rst", {"hops": 1, "usual_hops": 5})
    assert "injected on the way" in drop["detail"]
    connected = way.peers.wsdiag("connect", way.url, netns=way.chain.client_ns, ok=1)
    assert "injected" in connected.out
    way.chain.flush(2)
    way.chain.rules(2, INJECT.format(link=2, when="meta length > 150"))  # the request
    refused = way.peers.wsdiag("connect", "-o", "json", way.url, netns=way.chain.client_ns, ok=1)
    assert "the RST passed 1 router" in refused.record("connect.result")["error"]["message"]


@pytest.mark.parametrize(("flags", "how"), [(RST, "rst"), (FIN, "fin")])
def test_a_router_that_ends_idle_connections_is_named(way: Way, flags: int, how: str) -> None:
    chain = way.chain
    with injecting(chain.hosts.names["r2"], chain.server_address, 0.8, flags=flags):
        verdict = probe(way)
    drop, kind = verdict["drop"], how.upper()
    assert (verdict["verdict"], drop["how"]) == ("idle-timeout", how)
    assert drop["sent_from"] == {"hops": 1, "usual_hops": 5}
    assert_ranges(verdict, 0.8)
    assert place(verdict) == (1, 2, [far(1), far(2)], "hop-limit")
    said = f"The {kind} came from hop 2, or from the way there: not from the endpoint."
    assert said in verdict["explanation"]
    assert any("injected on the way" in each for each in verdict["explanation"])


def test_a_reset_that_pretends_to_be_as_far_away_is_not_called_injected(way: Way) -> None:
    chain = way.chain
    with injecting(chain.hosts.names["r2"], chain.server_address, 0.8, hop_limit=60):
        verdict = probe(way)
    assert verdict["drop"]["how"] == "rst"
    assert "sent_from" not in verdict["drop"]
    assert "location" not in verdict


def test_the_endpoints_own_reset_is_not_called_injected(way: Way) -> None:
    serve, _ = way.peers.serve(host=way.chain.server_address, netns=way.chain.server_ns)
    run = way.peers.wsdiag(
        "ping",
        "-i",
        "100ms",
        "-o",
        "json",
        f"{serve}/lifetime/0.5?drop=rst",
        netns=way.chain.client_ns,
    )
    assert "sent_from" not in run.record("ping.closed")["drop"]
