"""Options and environment variables that make no sense are told as the user's, never as a bug."""

from __future__ import annotations

import os
import socket
import threading

import pytest

from tests.peers.peers import Peers

NOT_UTF8 = os.fsdecode(b"\xff\xfe")
LONG = "1" * 5000
OPTIONS = {
    "user": ("-u", f"{NOT_UTF8}:x"),
    "several": ("-H", f"A:{NOT_UTF8}", "-b", f"a={NOT_UTF8}", "-A", NOT_UTF8, "--origin", NOT_UTF8),
    "proxy": ("-x", f"http://{NOT_UTF8}"),
    "proxy's port": ("-x", f"http://localhost:{LONG}"),
    "noproxy": ("-x", "http://localhost:1", "--noproxy", "x:³"),
    "noproxy's port": ("-x", "http://localhost:1", "--noproxy", f"localhost:{LONG}"),
    "resolve": ("--resolve", f"localhost:{LONG}:127.0.0.1"),
    "sni": ("--sni", ".x"),
    "long sni": ("--sni", "a" * 70),
}
URLS = (
    "ws://[::1%25%00]/",
    f"ws://localhost/{NOT_UTF8}",
    "ws://localhost:00008065536/",
    f"ws://localhost:{LONG}/",
    "ws://nx$(id)/",
    "ws://nx%24%28id%29%20x/",
    "ws://%60id%60/",
)
VARIABLES = {
    "NO_PROXY": "x:³",
    "WS_PROXY": NOT_UTF8,
    "ALL_PROXY": f"socks5://a:{LONG}",
    "COLUMNS": "99999999999999999999",
    "SSLKEYLOGFILE": "/nowhere/at/all",
}


def is_told(peers: Peers, *args: str, **env: str) -> None:
    run = peers.wsdiag("connect", *args, "--connect-timeout", "2s", env=env, timeout=20)
    assert "bug in wsdiag" not in run.err, run
    assert run.code in (1, 2), run


@pytest.mark.parametrize("given", OPTIONS)
def test_options(given: str, peers: Peers) -> None:
    is_told(peers, "ws://127.0.0.1:1/", *OPTIONS[given])


@pytest.mark.parametrize(
    "command", ["connect --send", "connect --hello", "check --send", "idle-probe --push"]
)
def test_a_text_that_is_not_utf8_is_refused_before_anything_is_sent(
    command: str, peers: Peers
) -> None:
    run = peers.wsdiag(*command.split(), NOT_UTF8, "ws://127.0.0.1:1/", timeout=20)
    assert run.code == 2, run
    assert command.split()[1] in run.err
    assert "UTF-8" in run.err


@pytest.mark.parametrize("url", URLS)
def test_urls(url: str, peers: Peers) -> None:
    run = peers.wsdiag("connect", url)
    assert run.code == 2, run
    assert "bug in wsdiag" not in run.err
    assert "getent" not in run.out + run.err


@pytest.mark.parametrize("variable", VARIABLES)
def test_variables(variable: str, peers: Peers) -> None:
    proxied = {} if variable != "NO_PROXY" else {"WS_PROXY": "http://127.0.0.1:1"}
    is_told(peers, "ws://127.0.0.1:1/", **proxied, **{variable: VARIABLES[variable]})


def test_zeros_before_a_port_are_no_more_than_zeros(peers: Peers) -> None:
    run = peers.wsdiag("connect", "ws://127.0.0.1:0000000001/", "-o", "json")
    assert '"address":"127.0.0.1:1"' in run.out


def test_a_proxys_long_runs_of_blanks_take_no_time(peers: Peers) -> None:
    answer = b"HTTP/1.1 200 OK\r\nA: b" + b" " * 60000 + b"\x00\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            client.recv(65536)
            client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
        run = peers.wsdiag("connect", "ws://far.test/", "-x", proxy, "-o", "json", timeout=20)
    assert run.code == 1, run
    assert "byte 0x00 in a header" in run.out


@pytest.mark.parametrize("command", ["connect", "ping", "check", "idle-probe", "stream"])
def test_a_long_url_is_shortened_for_people_and_whole_in_json(command: str, peers: Peers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    url = f"ws://127.0.0.1:{port}/" + "x" * 5000
    run = peers.wsdiag(command, url, timeout=20)
    assert 200 < (run.out + run.err).count("x") < 2000, "it may be said twice"
    assert "x" * 5000 in peers.wsdiag(command, "-o", "json", url, timeout=20).out
