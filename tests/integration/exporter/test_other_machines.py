"""Targets on other machines: SYNs that nobody answers, connections that fall silent; no capture."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.exporter.exporting import Exporting, endpoint, write
from tests.peers.netns import Hosts, entered
from tests.peers.peers import Peers

pytestmark = pytest.mark.netns

HOLE, SERVED = 81, "127.0.0.1"
DROP = """
table ip hole {{ chain in {{
  type filter hook input priority 0
  tcp dport {port} drop
}}
}}
"""
QUICK = '[defaults]\ninterval = "200ms"\ntimeout = "1s"\nconnect-timeout = "1s"\n'


@pytest.fixture
def two() -> Iterator[Hosts]:
    """Two hosts and a link: `h` at 10.97.1.1, `s` at 10.97.1.2."""
    made = Hosts(("h", "s"))
    made.link(("h", "10.97.1.1/24"), ("s", "10.97.1.2/24"), "wire")
    yield made
    made.remove()


@pytest.fixture
def host() -> Iterator[Hosts]:
    """A namespace of its own."""
    made = Hosts(("h",))
    yield made
    made.remove()


def drop(host: Hosts, port: int) -> None:
    """Whatever comes to this port is lost from now on."""
    host.exec("h", "nft", "-f", "-", stdin=DROP.format(port=port))


def start_inside(host: Hosts, peers: Peers, config: Path) -> Exporting:
    line = ("exporter", "-f", str(config), "--listen", f"{SERVED}:0", "-o", "json")
    running = peers.start_wsdiag(*line, netns=host.names["h"])
    return Exporting(running, running.wait_record("exporter.listening")["url"], None)


def test_dead_targets_hold_up_no_other(tmp_path: Path, peers: Peers, host: Hosts) -> None:
    drop(host, HOLE)
    url, _ = peers.serve(host=SERVED, netns=host.names["h"])
    dead = [endpoint(f"ws://{SERVED}:{HOLE}/{n}", name=f"dead{n}") for n in range(300)]
    live = endpoint(f"{url}/echo", name="live", timeout="5s")
    config = write(tmp_path / "t.toml", QUICK, *dead, live)
    exporting = start_inside(host, peers, config)
    with entered(host.names["h"]):
        exporting.until(lambda m: m.total("wsdiag_pings_sent_total", name="live") >= 5)
        exporting.until(lambda m: m.total("wsdiag_up") == 1)
        seen = exporting.until(
            lambda m: m.total("wsdiag_connect_failures_total", kind="timeout") >= 300
        )
        assert seen.one("wsdiag_connections_total", name="live") == 1
        assert seen.one("wsdiag_pings_lost_total", name="live") == 0
    exporting.running.signal(signal.SIGTERM)
    assert exporting.running.wait(20).code == 0


def test_a_connection_that_falls_silent(tmp_path: Path, peers: Peers, host: Hosts) -> None:
    url, _ = peers.serve(host=SERVED, netns=host.names["h"])
    table = endpoint(f"{url}/echo", name="one", timeout="2s")
    exporting = start_inside(host, peers, write(tmp_path / "t.toml", QUICK, table))
    with entered(host.names["h"]):
        exporting.until(lambda m: m.total("wsdiag_up") == 1)
        drop(host, int(url.rpartition(":")[2]))
        seen = exporting.until(
            lambda m: m.total("wsdiag_connect_failures_total", kind="timeout") >= 1, 60
        )
        assert seen.one("wsdiag_drops_total", how="silent") == 1
        assert seen.one("wsdiag_up") == 0
        assert seen.one("wsdiag_down_seconds_total") >= 1
        host.exec("h", "nft", "flush", "ruleset")
        exporting.until(lambda m: m.total("wsdiag_up") == 1, 90)


def test_no_packet_is_looked_at(tmp_path: Path, peers: Peers, two: Hosts) -> None:
    """With CAP_NET_RAW a socket for each target would filter every packet of the machine."""
    url, _ = peers.serve(host="10.97.1.2", netns=two.names["s"])
    config = write(tmp_path / "t.toml", QUICK, endpoint(f"{url}/echo", name="one"))
    exporting = start_inside(two, peers, config)
    with entered(two.names["h"]):
        exporting.until(lambda m: m.total("wsdiag_pings_sent_total") >= 2)
    assert len(two.exec("h", "cat", "/proc/net/packet").splitlines()) == 1  # its heading
