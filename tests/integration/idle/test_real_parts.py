"""Real proxies and a real NAT: the verdict must name the truth, and nothing surer."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.integration.idle.running import Probed, probe, scaled
from tests.integration.lag import LATE_S
from tests.peers.peers import Peers
from wsdiag.probes.idle.run import IdleOptions
from wsdiag.records import IdleVerdict

KEPT_BY_BYTES = {
    "ping": "holds",
    "pong": "holds",
    "tcp-keepalive": "drops",
    "push": "untested",
    "data": "untested",
    "heartbeat": "untested",
    "h2-ping": "untested",
}


def assert_range(verdict: IdleVerdict, truth: float, width: float = 1.0 + LATE_S) -> None:
    """The range contains the truth, and is as wide as a look once a second and a late machine."""
    found = verdict.idle_timeout_s
    assert verdict.verdict == "idle-timeout", verdict
    assert found is not None
    assert found.high is not None
    assert found.low <= truth <= found.high, verdict
    assert found.high - found.low <= width


def products(verdict: IdleVerdict) -> list[str]:
    return [candidate.product for candidate in verdict.candidates]


@pytest.mark.nginx
def test_nginx_with_a_short_read_timeout(peers: Peers) -> None:
    nginx = peers.nginx(peers.websockets(), read_timeout_s=2)
    probed = asyncio.run(probe(nginx.url, scaled()))
    verdict = probed.verdict
    assert_range(verdict, 2.0)
    assert verdict.drop is not None
    assert verdict.drop.how == "fin"
    assert verdict.keepalives == KEPT_BY_BYTES
    assert products(verdict) == ["nginx (http proxy)"]
    assert verdict.candidates[0].directive == "proxy_read_timeout"
    assert any("proxy_read_timeout" in line for line in verdict.advice)
    assert probed.wall_s < 2 + 5 + 2


@pytest.mark.haproxy
def test_haproxy_with_a_short_tunnel_timeout(peers: Peers) -> None:
    haproxy = peers.haproxy(peers.websockets(), tunnel_s=2)
    probed = asyncio.run(probe(haproxy.url, scaled()))
    verdict = probed.verdict
    assert_range(verdict, 2.0)
    assert verdict.drop is not None
    assert verdict.drop.how == "fin"
    assert verdict.keepalives == KEPT_BY_BYTES


@pytest.mark.nginx
def test_edge_against_origin(peers: Peers) -> None:
    origin = peers.websockets()
    edge = peers.nginx(origin, read_timeout_s=2)
    probed = asyncio.run(probe([edge.url, origin.url], scaled()))
    through, direct = probed.verdicts
    assert_range(through, 2.0)
    assert direct.verdict == "no-drop"
    assert direct.url in " ".join(through.explanation)
    assert "most likely" in through.explanation[-1]
    assert through.url in " ".join(direct.explanation)


@pytest.mark.netns
@pytest.mark.parametrize(("on_unknown", "how"), [("drop", "silent"), ("reset", "rst-on-write")])
def test_a_nat_that_forgets(on_unknown: str, how: str, peers: Peers) -> None:
    nat = peers.nat(established_s=3, on_unknown=on_unknown)  # type: ignore[arg-type]
    server = peers.websockets(netns=nat.server_ns, host=nat.server_address)
    with nat.in_client():
        probed = asyncio.run(probe(server.url, scaled(from_s=1.25, to_s=4.75)))
    verdict = probed.verdict
    assert_range(verdict, 3.0)
    assert verdict.drop is not None
    assert verdict.drop.how == how
    assert verdict.drop.tcp_acknowledged is (False if how == "silent" else None)
    assert verdict.keepalives["tcp-keepalive"] == "holds"
    assert verdict.keepalives["ping"] == "holds"
    assert "layer 3 or 4" in " ".join(verdict.explanation)


@pytest.mark.netns
def test_a_nat_that_forgets_is_narrowed_by_a_second_pass(peers: Peers) -> None:
    nat = peers.nat(established_s=3, on_unknown="reset")
    server = peers.websockets(netns=nat.server_ns, host=nat.server_address)
    options = scaled(from_s=1.0, to_s=5.4, step_s=2.2, refine=True)
    with nat.in_client():
        probed = asyncio.run(probe(server.url, options))
    assert_range(probed.verdict, 3.0, width=0.5)


@pytest.mark.netns
def test_a_nat_that_picks_flows_up_again_drops_nothing(peers: Peers) -> None:
    nat = peers.nat(established_s=2, on_unknown="pickup")
    server = peers.websockets(netns=nat.server_ns, host=nat.server_address)
    with nat.in_client():
        probed = asyncio.run(probe(server.url, scaled(to_s=3.0)))
    assert probed.verdict.verdict == "no-drop"


@pytest.mark.netns
def test_a_network_that_goes_away_is_not_an_idle_timeout(peers: Peers) -> None:
    nat = peers.nat(established_s=60, on_unknown="drop")
    server = peers.websockets(netns=nat.server_ns, host=nat.server_address)

    async def cut() -> Probed:
        asyncio.get_running_loop().call_later(1.7, nat.set_loss, 100)
        return await probe(server.url, scaled())

    with nat.in_client():
        probed = asyncio.run(cut())
    verdict = probed.verdict
    assert verdict.verdict == "inconsistent", probed
    assert "silent" in verdict.explanation[0]


@pytest.mark.nginx
@pytest.mark.minutes
@pytest.mark.timeout(200)
def test_nginx_as_delivered_drops_after_sixty_seconds(peers: Peers) -> None:
    nginx = peers.nginx(peers.websockets(ping_interval_s=None), read_timeout_s=60)
    began = time.monotonic()
    verdict = asyncio.run(probe(nginx.url, IdleOptions())).verdict
    assert_range(verdict, 60.0)
    assert products(verdict)[0] == "nginx (http proxy)"
    assert len(verdict.candidates) > 3
    assert verdict.recommended_ping_interval_s == 20
    assert verdict.keepalives == KEPT_BY_BYTES
    assert time.monotonic() - began < 60 + 15 + 5


@pytest.mark.minutes
@pytest.mark.timeout(200)
def test_no_drop_takes_little_more_than_the_longest_idle_period(peers: Peers) -> None:
    server = peers.websockets(ping_interval_s=None)
    probed = asyncio.run(probe(server.url, IdleOptions()))
    assert probed.verdict.verdict == "no-drop"
    assert probed.verdict.tested_up_to_s == pytest.approx(120, abs=1)
    assert probed.wall_s < 135
    assert len(probed.trials) < 32
