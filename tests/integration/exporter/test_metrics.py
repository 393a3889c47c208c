"""What the exporter says of endpoints that behave, and of drops that were made on purpose."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import pytest

from tests.integration.exporter.exporting import OPENMETRICS, Metrics, endpoint, start, write
from tests.peers.certs import Authority
from tests.peers.peer import Address
from tests.peers.peers import Peers

QUICK = '[defaults]\ninterval = "100ms"\ntimeout = "2s"\n'


def test_an_endpoint_that_behaves(tmp_path: Path, peers: Peers) -> None:
    url, _ = peers.serve()
    config = write(tmp_path / "t.toml", QUICK, endpoint(f"{url}/latency/30", name="slow"))
    exporting = start(peers, config)

    def answered(seen: Metrics) -> bool:
        count = seen.total("wsdiag_ping_rtt_seconds_count")
        return count >= 5 and seen.total("wsdiag_pings_sent_total") <= count + 3

    seen = exporting.until(answered)
    labels = {"name": "slow", "url": f"{url}/latency/30"}
    assert seen.one("wsdiag_up", **labels) == 1
    count = seen.one("wsdiag_ping_rtt_seconds_count", **labels)
    assert seen.one("wsdiag_ping_rtt_seconds_bucket", le="+Inf", **labels) == count
    assert seen.one("wsdiag_ping_rtt_seconds_bucket", le="0.025", **labels) == 0
    assert seen.one("wsdiag_ping_rtt_seconds_sum", **labels) >= 0.03 * count
    assert seen.one("wsdiag_ping_last_rtt_seconds", **labels) >= 0.03
    assert count <= seen.one("wsdiag_pings_sent_total", **labels)
    assert seen.one("wsdiag_connect_phase_seconds", phase="upgrade", **labels) > 0
    for name in ("pings_lost", "pings_late", "reconnects", "down_seconds", "tcp_retransmissions"):
        assert seen.one(f"wsdiag_{name}_total", **labels) == 0
    assert seen.total("wsdiag_drops_total") == 0
    assert seen.one("wsdiag_exporter_config_last_reload_successful") == 1
    assert seen.one("process_open_fds") > 3
    assert not seen.all("wsdiag_tls_certificate_expiry_timestamp_seconds")


def test_both_formats_compressed_or_not(tmp_path: Path, peers: Peers) -> None:
    url, _ = peers.serve()
    exporting = start(peers, write(tmp_path / "t.toml", QUICK, endpoint(url)))
    exporting.until(lambda m: m.total("wsdiag_up") == 1)
    modern = exporting.get("/metrics", {"Accept": OPENMETRICS})
    assert modern.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert modern.text.endswith("# EOF\n")
    assert Metrics(modern.text, is_openmetrics=True).total("wsdiag_up") == 1
    old = exporting.get("/metrics", {"Accept": "text/plain", "Accept-Encoding": "gzip"})
    assert old.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert Metrics(gzip.decompress(old.body).decode()).total("wsdiag_up") == 1
    head = exporting.get("/metrics", method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["Content-Length"]) > 1000


def test_secrets_are_in_no_label(tmp_path: Path, peers: Peers) -> None:
    url, _ = peers.serve()
    host = Address.of(url).authority
    target = f"ws://joe:hunter22@{host}/echo?token=deadbeef99"
    same = f"ws://joe:hunter33@{host}/echo?token=deadbeef77"
    exporting = start(peers, write(tmp_path / "t.toml", QUICK, endpoint(target), endpoint(same)))
    seen = exporting.until(lambda m: len(m.all("wsdiag_up")) == 2)
    shown = [labels["url"] for labels, _ in seen.all("wsdiag_up")]
    assert shown == [f"ws://{host}/echo?token=***"] * 2
    assert len({labels["name"] for labels, _ in seen.all("wsdiag_up")}) == 2
    page = exporting.get("/").text
    for secret in ("hunter22", "hunter33", "deadbeef", "joe:"):
        assert secret not in seen.text + page + exporting.running.err


def test_a_certificate_and_its_end(tmp_path: Path, peers: Peers, ca: Authority) -> None:
    server = peers.websockets(tls=True)
    table = endpoint(f"{server.url}/", cacert=str(ca.pem))
    exporting = start(peers, write(tmp_path / "t.toml", QUICK, table))
    seen = exporting.until(lambda m: m.total("wsdiag_up") == 1)
    assert seen.one("wsdiag_tls_certificate_expiry_timestamp_seconds") > time.time()
    assert seen.one("wsdiag_connect_phase_seconds", phase="tls") > 0


DROPS = {
    "fin": ("lifetime/0.5?drop=fin", "", {"unknown"}),
    "rst": ("lifetime/0.6?drop=rst", "", {"unknown"}),
    "1001": ("lifetime/0.5?drop=close&code=1001", "1001", {"close"}),
    "private": ("lifetime/0.5?drop=close&code=4321", "other", {"close"}),
    "clock": ("lifetime/1.5?drop=close&code=1011", "1011", {"close", "lifetime"}),
    "silent": ("lifetime/0.5?drop=hang", "", {"silent"}),
}


def test_drops_made_by_serve(tmp_path: Path, peers: Peers) -> None:
    url, _ = peers.serve()
    tables = [
        # a server that is late is silent only where silence is what is looked for
        endpoint(f"{url}/{path}", name=name, timeout="1s" if name == "silent" else "20s")
        for name, (path, _, _) in DROPS.items()
    ]
    exporting = start(peers, write(tmp_path / "t.toml", QUICK, *tables))

    def enough(seen: Metrics) -> bool:
        # three ends at one age: a late one begins the row anew
        clock = seen.total("wsdiag_drops_total", name="clock", cause="lifetime")
        return bool(clock) and all(seen.total("wsdiag_drops_total", name=name) for name in DROPS)

    seen = exporting.until(enough, 60)
    for name, (path, code, causes) in DROPS.items():
        how = name if name in ("fin", "rst", "silent") else "close"
        drops = [labels for labels, _ in seen.all("wsdiag_drops_total", name=name)]
        assert {(labels["how"], labels["code"]) for labels in drops} == {(how, code)}
        assert {labels["cause"] for labels in drops} == causes, name
        age_s = float(path.partition("/")[2].partition("?")[0])
        assert seen.one("wsdiag_last_drop_connection_age_seconds", name=name) >= age_s * 0.9
        assert 0 <= seen.one("wsdiag_last_drop_idle_seconds", name=name) <= 10
        assert abs(seen.one("wsdiag_last_drop_timestamp_seconds", name=name) - time.time()) < 60
    fin = exporting.until(lambda m: m.total("wsdiag_down_seconds_total", name="fin") > 0)
    opened = fin.one("wsdiag_connections_total", name="fin")
    assert fin.one("wsdiag_reconnects_total", name="fin") == opened - 1 >= 1


@pytest.mark.nginx
def test_a_drop_by_nginx(tmp_path: Path, peers: Peers) -> None:
    front = peers.nginx(peers.websockets(), read_timeout_s=1.5)
    slow = '[defaults]\ninterval = "30s"\n'
    exporting = start(peers, write(tmp_path / "t.toml", slow, endpoint(f"{front.url}/", name="n")))
    seen = exporting.until(lambda m: m.total("wsdiag_drops_total") >= 1)
    labels, _ = seen.all("wsdiag_drops_total")[0]
    assert (labels["how"], labels["code"], labels["name"]) == ("fin", "", "n")
    assert 1.2 <= seen.one("wsdiag_last_drop_idle_seconds") <= 4


def test_an_overdue_ping_is_not_up(tmp_path: Path, peers: Peers) -> None:
    url, _ = peers.serve()
    table = endpoint(f"{url}/stall/4?for=8", name="mute", interval="200ms", timeout="60s")
    exporting = start(peers, write(tmp_path / "t.toml", table))
    exporting.until(lambda m: m.one("wsdiag_up") == 1)
    seen = exporting.until(lambda m: m.one("wsdiag_up") == 0)
    assert seen.total("wsdiag_drops_total") == 0  # it is open all the same


def test_an_endpoint_that_is_not_there(tmp_path: Path, peers: Peers) -> None:
    table = endpoint("ws://127.0.0.1:1/", name="gone")
    exporting = start(peers, write(tmp_path / "t.toml", table))
    seen = exporting.until(lambda m: m.total("wsdiag_connect_failures_total") >= 2)
    assert seen.one("wsdiag_connect_failures_total", kind="refused", name="gone") >= 2
    assert seen.one("wsdiag_up") == 0
    assert seen.one("wsdiag_down_seconds_total") > 0
    told = exporting.running.wait_record("exporter.event")
    assert (told["event"], told["name"]) == ("unreachable", "gone")


def test_what_opens_and_answers_no_ping_is_not_up(tmp_path: Path, peers: Peers) -> None:
    url, _ = peers.serve()
    table = endpoint(f"{url}/no-pong", name="n", interval="50ms", timeout="300ms")
    exporting = start(peers, write(tmp_path / "t.toml", table))
    up: set[float] = set()

    def again(seen: Metrics) -> bool:
        up.add(seen.one("wsdiag_up"))
        return seen.total("wsdiag_connections_total") >= 2

    exporting.until(again)
    assert up == {0.0}
