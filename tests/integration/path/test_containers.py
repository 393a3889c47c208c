"""From a container and into one: a bridge, a veth pair and MASQUERADE, as Docker sets them up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.path.conftest import Way, made_way
from tests.integration.path.test_locate import place, probe
from tests.integration.path.test_path import trace
from tests.peers.bridge import Container
from tests.peers.certs import Authority
from tests.peers.chain import far

pytestmark = pytest.mark.netns

PUBLISHED = 8080


@pytest.fixture
def short(tmp_path: Path, ca: Authority) -> Iterator[Way]:
    """Two routers."""
    with made_way(tmp_path, ca, 2) as way:
        yield way


@pytest.fixture
def box(short: Way) -> Iterator[Container]:
    """A container on the client."""
    made = Container(short.chain.hosts, "c", "172.17.0")
    yield made
    made.remove()


def test_from_a_container_its_host_is_the_first_hop(short: Way, box: Container) -> None:
    found, summary = trace(short, client_ns=box.netns)
    assert [found[hop]["addresses"] for hop in (1, 2, 3, 4)] == [
        [box.gateway],
        *([far(hop)] for hop in (1, 2, 3)),
    ]
    assert [row["received"] for row in found.values()] == [3] * 5
    assert all(row["nat"] is None for row in found.values())
    assert (summary["hops"], summary["method"], summary["notes"]) == (4, "segment", [])


def test_a_host_that_forgets_its_containers_flows(short: Way, box: Container) -> None:
    box.forget(1, beyond="l1")
    verdict = probe(short, client_ns=box.netns)
    assert place(verdict) == (1, 2, [box.gateway, far(1)], "segment")


def test_a_router_behind_the_host_that_forgets(short: Way, box: Container) -> None:
    short.chain.forget(2, 1)
    assert place(probe(short, client_ns=box.netns)) == (3, 4, [far(2), far(3)], "segment")


def test_into_a_container_by_a_published_port(short: Way) -> None:
    """Its host has the address where TCP seems to end, and is a hop before it."""
    box = Container(short.chain.hosts, "s", "172.18.0")
    try:
        server = short.peers.websockets(host=box.address, netns=box.netns)
        box.publish(PUBLISHED, server.port)
        url = f"ws://{short.chain.server_address}:{PUBLISHED}/"
        found, summary = trace(short, url=url)
        assert [found[hop]["address"] for hop in (1, 2, 3, 4)] == [far(1), far(2), None, far(3)]
        assert (found[3]["nat"], found[4]["kind"], summary["hops"]) == (True, "tcp-end", 4)
        (note,) = summary["notes"]
        assert note.startswith("Answers from hop 3 come in the name of the address")
        box.forget(1, beyond="docker0")
        assert place(probe(short, url=url))[:3] in ((2, 3, [far(2), None]), (3, 4, [None, far(3)]))
    finally:
        box.remove()
