"""Reload, the end, TLS, files: the exporter as a service."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
from pathlib import Path

import pytest

from tests.integration.exporter.exporting import endpoint, start, write
from tests.integration.waiting import wait_for
from tests.peers.certs import Authority
from tests.peers.peers import Peers

QUICK = '[defaults]\ninterval = "100ms"\n'


def test_a_changed_file_keeps_what_did_not_change(tmp_path: Path, peers: Peers) -> None:
    url, serving = peers.serve()
    path = tmp_path / "t.toml"
    kept, gone = (
        endpoint(f"{url}/latency/1", name="kept"),
        endpoint(f"{url}/latency/2", name="gone"),
    )
    exporting = start(peers, write(path, QUICK, kept, gone))
    before = exporting.until(lambda m: m.total("wsdiag_up") == 2)
    opened = before.one("wsdiag_connection_opened_timestamp_seconds", name="kept")
    write(path, QUICK, kept, endpoint(f"{url}/latency/3", name="new"))
    after = exporting.until(lambda m: m.all("wsdiag_up", name="new") and m.total("wsdiag_up") == 2)
    assert after.one("wsdiag_connection_opened_timestamp_seconds", name="kept") == opened
    assert after.one("wsdiag_connections_total", name="kept") == 1
    assert after.one("wsdiag_pings_sent_total", name="kept") > 0
    assert not after.all("wsdiag_up", name="gone")
    assert serving.wait_record("serve.event") is not None
    read = exporting.running.wait_record("exporter.event")
    assert {key: read[key] for key in ("event", "kept", "new", "gone")} == {
        "event": "reload",
        "kept": 1,
        "new": 1,
        "gone": 1,
    }


def test_a_broken_file_changes_nothing_but_a_metric(tmp_path: Path, peers: Peers) -> None:
    url, _ = peers.serve()
    path = tmp_path / "t.toml"
    good = (QUICK, endpoint(f"{url}/echo", name="one"))
    exporting = start(peers, write(path, *good))
    exporting.until(lambda m: m.total("wsdiag_up") == 1)
    write(path, '[[endpoint]]\nurl = "ws://"\nnonsense = 1\n')
    exporting.running.signal(signal.SIGHUP)
    reload_state = "wsdiag_exporter_config_last_reload_successful"
    broken = exporting.until(lambda m: m.one(reload_state) == 0)
    assert broken.one("wsdiag_up", name="one") == 1
    told = exporting.running.wait_record("exporter.event")
    assert told["event"] == "reload-failed"
    assert f"{path}:3" in told["message"]
    write(path, *good)
    mended = exporting.until(lambda m: m.one(reload_state) == 1)
    assert mended.one("wsdiag_connections_total", name="one") == 1


def test_a_pipe_in_the_files_place_is_not_waited_for(tmp_path: Path, peers: Peers) -> None:
    path = tmp_path / "t.toml"
    good = (QUICK, endpoint("ws://127.0.0.1:1/", name="one"))
    exporting = start(peers, write(path, *good))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    pipe.replace(path)
    reload_state = "wsdiag_exporter_config_last_reload_successful"
    exporting.until(lambda m: m.one(reload_state) == 0)
    write(tmp_path / "again", *good).replace(path)
    exporting.until(lambda m: m.one(reload_state) == 1)
    exporting.running.signal(signal.SIGTERM)
    assert exporting.running.wait(10).code == 0


def test_sigterm_closes_with_close_frames(tmp_path: Path, peers: Peers) -> None:
    url, serving = peers.serve()
    tables = [endpoint(f"{url}/latency/{number}") for number in range(3)]
    exporting = start(peers, write(tmp_path / "t.toml", QUICK, *tables))
    exporting.until(lambda m: m.total("wsdiag_up") == 3)
    exporting.running.signal(signal.SIGTERM)
    assert exporting.running.wait(10).code == 0
    closed = 0
    while closed < 3:
        event = serving.wait_record("serve.event")
        if event["event"] in ("close", "closed"):
            assert event["code"] == 1000
            closed += 1


@pytest.mark.parametrize("text", ["[[endpoint]]\nurl = 7\n", "[[endpoint", "", None])
def test_a_broken_file_at_the_start_is_a_usage_error(
    tmp_path: Path, peers: Peers, text: str | None
) -> None:
    path = tmp_path / "t.toml"
    if text is not None:
        path.write_text(text)
    run = peers.wsdiag("exporter", "-f", str(path), "--listen", "127.0.0.1:0", ok=2)
    assert run.err.startswith(f"error: {path}")


@pytest.mark.parametrize("listen", ["9753", "localhost", "::1:80", "127.0.0.1:99999", "a:b"])
def test_where_it_cannot_listen(tmp_path: Path, peers: Peers, listen: str) -> None:
    path = write(tmp_path / "t.toml", endpoint("ws://127.0.0.1:1/"))
    run = peers.wsdiag("exporter", "-f", str(path), "--listen", listen, ok=2)
    assert "HOST:PORT" in run.err


def test_everywhere_is_both_families(tmp_path: Path, peers: Peers) -> None:
    path = write(tmp_path / "t.toml", endpoint("ws://127.0.0.1:1/"))
    running = peers.start_wsdiag("exporter", "-f", str(path), "--listen", ":0", "-o", "json")
    told = running.wait_record("exporter.listening")
    hosts = ["127.0.0.1", "::1"] if socket.has_dualstack_ipv6() else ["127.0.0.1"]
    for host in hosts:
        with socket.create_connection((host, told["port"]), timeout=20) as sock:
            sock.sendall(b"GET /nothing HTTP/1.0\r\n\r\n")
            assert b" 404 " in sock.recv(1000)
        refused = running.wait_record("exporter.event")
        while refused["event"] != "refused":
            refused = running.wait_record("exporter.event")
        shown = f"[{host}]" if ":" in host else host
        assert refused["peer"].rpartition(":")[0] == shown


def test_a_port_in_use(tmp_path: Path, peers: Peers) -> None:
    url, _ = peers.serve()
    path = write(tmp_path / "t.toml", endpoint("ws://127.0.0.1:1/"))
    at = url.removeprefix("ws://")
    run = peers.wsdiag("exporter", "-f", str(path), "--listen", at, ok=1)
    assert run.err == f"error: cannot listen on {at}: Address already in use\n"


def test_without_the_extra(tmp_path: Path, peers: Peers) -> None:
    (tmp_path / "prometheus_client.py").write_text("raise ImportError\n")
    path = write(tmp_path / "t.toml", endpoint("ws://127.0.0.1:1/"))
    run = peers.wsdiag("exporter", "-f", str(path), env={"PYTHONPATH": str(tmp_path)}, ok=2)
    assert run.err == "error: exporter needs an extra: pip install 'wsdiag[prometheus]'\n"


def test_tls_and_client_certificates(tmp_path: Path, peers: Peers, ca: Authority) -> None:
    own, client = ca.cert("127.0.0.1"), ca.cert("scraper")
    path = write(tmp_path / "t.toml", endpoint("ws://127.0.0.1:1/"))
    context = ssl.create_default_context(cafile=str(ca.pem))
    files = ("--cert", str(own.cert), "--key", str(own.key), "--client-ca", str(ca.pem))
    exporting = start(peers, path, *files, context=context)
    assert exporting.url.startswith("https://127.0.0.1:")
    with pytest.raises((ssl.SSLError, ConnectionError)):
        exporting.get("/metrics")
    context.load_cert_chain(client.cert, client.key)
    assert exporting.get("/-/healthy").text == "healthy\n"
    assert exporting.metrics().one("wsdiag_exporter_targets") == 1


def test_a_textfile_is_whole_at_any_moment(tmp_path: Path, peers: Peers) -> None:
    url, _ = peers.serve()
    place = tmp_path / "textfiles"
    place.mkdir()
    file = place / "wsdiag.prom"
    path = write(tmp_path / "t.toml", QUICK, endpoint(f"{url}/echo"))
    start(peers, path, "--textfile", str(file))
    wait_for(file.exists)
    assert "wsdiag_build_info" in file.read_text()
    assert [each.name for each in place.iterdir()] == ["wsdiag.prom"]


def test_a_textfile_replaces_no_pipe_and_no_device(tmp_path: Path, peers: Peers) -> None:
    path = write(tmp_path / "t.toml", endpoint("ws://127.0.0.1:1/"))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    run = peers.wsdiag("exporter", "-f", str(path), "--textfile", str(pipe), ok=2)
    assert f"not a regular file: {pipe}" in run.err
    assert pipe.is_fifo()


def test_check_leaves_the_tables_alone(tmp_path: Path, peers: Peers) -> None:
    url, _ = peers.serve()
    more = """
[exporter]
allow = ["wss://*.example.org"]
idle-probe = "6h"
[module.strict]
header = ["Authorization: Bearer ${NOT_SET_HERE}"]
"""
    path = write(tmp_path / "t.toml", more, endpoint(f"{url}/echo", interval="5s"))
    run = peers.wsdiag("check", "-f", str(path), "-o", "json", ok=0)
    assert json.loads(run.out.splitlines()[-1])["failed"] == 0


def test_its_pages(tmp_path: Path, peers: Peers) -> None:
    name = "<script>alert(1)</script>"
    path = write(tmp_path / "t.toml", endpoint("ws://127.0.0.1:1/", name=name))
    exporting = start(peers, path)
    assert exporting.get("/-/ready").text == "ready\n"
    page = exporting.get("/")
    assert "<script>" not in page.text
    assert "&lt;script&gt;" in page.text
    for odd in ("/metrics/", "//metrics", "/../metrics", "/%2e%2e/etc/passwd", "/metrics%00", "*"):
        assert exporting.get(odd).status == 404, odd
    assert exporting.get("/" + "a" * 8000).status == 404
    told = exporting.running.wait_record("exporter.event")
    while told["event"] != "refused" or "aaa" not in told["message"]:
        told = exporting.running.wait_record("exporter.event")
    assert len(told["message"]) < 300
    posted = exporting.get("/metrics", method="POST")
    assert (posted.status, posted.headers["Allow"]) == (405, "GET, HEAD")
