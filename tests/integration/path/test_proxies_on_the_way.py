"""Idle flows that end at a proxy in the middle of a chain, or before they get there."""

from __future__ import annotations

import pytest

from tests.integration.path.conftest import Way
from tests.integration.path.test_locate import assert_ranges, place, probe
from tests.peers.chain import far
from tests.peers.peer import Peer

pytestmark = pytest.mark.netns

PROXIES = ["haproxy", "nginx"]
IDLE_S = 1.2


def proxy_at_hop_3(way: Way, proxy: str) -> Peer:
    """Client – NAT – router – proxy – routers – server; the proxy ends what is idle."""
    way.chain.translate(1)
    option = {"haproxy": "tunnel_s", "nginx": "read_timeout_s"}[proxy]
    make = getattr(way.peers, proxy)
    made = make(way.server, host=far(3), netns=way.chain.hosts.names["r3"], **{option: IDLE_S})
    assert isinstance(made, Peer)
    return made


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxys_own_fin_is_its_own(way: Way, proxy: str) -> None:
    verdict = probe(way, url=proxy_at_hop_3(way, proxy).url + "/")
    drop = verdict["drop"]
    assert (verdict["verdict"], drop["how"]) == ("idle-timeout", "fin")
    assert_ranges(verdict, IDLE_S)
    assert "sent_from" not in drop
    assert "location" not in verdict
    assert not any("injected" in said for said in verdict["explanation"])


@pytest.mark.parametrize("proxy", PROXIES)
def test_what_dies_before_the_proxy_is_not_its_doing(way: Way, proxy: str) -> None:
    front = proxy_at_hop_3(way, proxy)
    way.chain.forget(2, 1)
    verdict = probe(way, url=front.url + "/")
    assert (verdict["verdict"], verdict["drop"]["how"]) == ("idle-timeout", "silent")
    assert place(verdict) == (2, 3, [far(2), far(3)], "segment")
    assert verdict["candidates"] == []
    assert not any("terminates TCP" in said for said in verdict["explanation"])
