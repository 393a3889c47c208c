"""An interface that goes down, or a source address that is removed: this machine's fault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.waiting import wait_for
from tests.peers.command import Running
from tests.peers.netns import Hosts
from tests.peers.peers import Peers

pytestmark = pytest.mark.netns
OURS, THEIRS = "10.77.0.2", "10.77.0.3"


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    made = Hosts(("a", "b"))
    try:
        made.link(("a", f"{OURS}/24"), ("b", f"{THEIRS}/24"), "veth")
        yield made
    finally:
        made.remove()


def probing(hosts: Hosts, peers: Peers) -> Running:
    url, _ = peers.serve(netns=hosts.names["b"], host=THEIRS)
    probe = peers.start_wsdiag(
        *("idle-probe", url, "--from", "2s", "--to", "4s", "--step", "1s", "--keepalive", "1s"),
        *("--pong-timeout", "2s", "-m", "30s", "-o", "json", "-v"),
        netns=hosts.names["a"],
    )
    wait_for(lambda: probe.err.count(" 101 ") >= 6, seen=lambda: probe.err)
    return probe


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("link", "set", "veth", "down"), "the interface veth went down"),
        (("addr", "del", f"{OURS}/24", "dev", "veth"), f"the address {OURS} was removed from veth"),
    ],
)
def test_what_it_ends_says_nothing_of_the_path(
    command: tuple[str, ...], told: str, hosts: Hosts, peers: Peers
) -> None:
    probe = probing(hosts, peers)
    hosts.ip("a", *command)
    verdict = probe.wait(60).record("idle.verdict")
    assert verdict["verdict"] == "local-fault"
    assert told in " ".join(verdict["explanation"])


def test_another_interface_is_of_no_importance(hosts: Hosts, peers: Peers) -> None:
    hosts.ip("a", "link", "add", "other", "type", "veth", "peer", "name", "other2")
    hosts.ip("a", "link", "set", "other", "up")
    hosts.ip("a", "link", "set", "other2", "up")
    probe = probing(hosts, peers)
    hosts.ip("a", "link", "set", "other", "down")
    assert probe.wait(60).record("idle.verdict")["verdict"] == "no-drop"
