"""Credentials reach no output, wherever they were given, unless --show-secrets asks for it."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.peers.peers import Peers

SECRET = "hunter2-correct-horse"
ENCODED = base64.b64encode(f"ann:{SECRET}".encode()).decode()
BEARER = "tok-3fa85f64-5717"
SESSION = "sess-b3fc2c963f66"
SET_COOKIE = "issued-9f1c7d20"
WORDS = (SECRET, ENCODED, BEARER, SESSION, SET_COOKIE)

CREDENTIALS = {
    "user": ("-u", f"ann:{SECRET}"),
    "bearer": ("-H", f"Authorization: Bearer {BEARER}"),
    "lower case": ("-H", f"authorization: bearer {BEARER}"),
    "proxy header": ("-H", f"Proxy-Authorization: Basic {ENCODED}"),
    "cookie": ("-b", f"session={SESSION}"),
    "cookie header": ("-H", f"Cookie: session={SESSION}"),
}
COMMANDS = {
    "connect": ("connect",),
    "ping": ("ping", "-c", "2", "-i", "20ms"),
    "idle-probe": ("idle-probe", "--from", "200ms", "--to", "300ms", "--step", "100ms"),
}


def leaks(text: str) -> list[str]:
    return [word for word in WORDS if word in text]


def all_output(peers: Peers, tmp_path: Path, *args: str) -> str:
    """stdout, stderr and every file that the command can be made to write."""
    trace, picture = tmp_path / "trace.ndjson", tmp_path / "view.svg"
    run = peers.wsdiag(*args, "--trace", str(trace), "--save", str(picture), timeout=60)
    assert "Traceback" not in run.err, run
    written = [path.read_text() for path in (trace, picture) if path.exists()]
    assert written, f"neither trace nor picture was written: {run}"
    return run.out + run.err + "".join(written)


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("given", CREDENTIALS)
def test_credentials_are_masked(
    given: str, command: str, output: str, peers: Peers, tmp_path: Path
) -> None:
    url = peers.aiohttp().url
    name, *rest = COMMANDS[command]
    args = (name, url, *rest, *CREDENTIALS[given], "-v", "-o", output)
    assert leaks(all_output(peers, tmp_path, *args)) == []


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("command", ["connect", "ping"])
def test_a_password_in_the_url_is_masked(
    command: str, output: str, peers: Peers, tmp_path: Path
) -> None:
    authority = peers.aiohttp().authority
    name, *rest = COMMANDS[command]
    args = (name, f"ws://ann:{SECRET}@{authority}/", *rest, "-v", "-o", output)
    assert leaks(all_output(peers, tmp_path, *args)) == []


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("command", ["connect", "ping"])
def test_a_refusal_masks_them_too(command: str, output: str, peers: Peers, tmp_path: Path) -> None:
    peer = peers.http(403, [("Set-Cookie", f"id={SET_COOKIE}; HttpOnly")], "go away")
    name, *rest = COMMANDS[command]
    url = f"ws://ann:{SECRET}@{peer.authority}/"
    args = (name, url, *rest, "-b", f"session={SESSION}", "-v", "-o", output)
    text = all_output(peers, tmp_path, *args)
    assert leaks(text) == []
    assert "403" in text


ECHOED = f"you sent Basic {ENCODED}, that is ann:{SECRET}, {BEARER} and {SESSION}"


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("command", [*COMMANDS, "check"])
def test_a_server_that_says_our_secrets_again_does_not_bring_them_out(
    command: str, output: str, peers: Peers, tmp_path: Path
) -> None:
    peer = peers.http(403, [("X-Echo", ECHOED)], ECHOED)
    name, *rest = COMMANDS.get(command, ("check",))
    picture = () if command == "check" else ("--save", str(tmp_path / "view.html"))
    given = {
        "url": (f"ws://ann:{SECRET}@{peer.authority}/", "-b", f"s={SESSION}"),
        "user": (peer.url, "-u", f"ann:{SECRET}", "-b", f"s={SESSION}"),
        "bearer": (peer.url, "--bearer-env", "TOKEN"),
    }
    for how, args in given.items():
        trace = tmp_path / "trace.ndjson"
        run = peers.wsdiag(
            name,
            *args,
            *rest,
            "-v",
            "-o",
            output,
            "--trace",
            str(trace),
            *picture,
            env={"TOKEN": BEARER},
            timeout=60,
        )
        text = run.out + run.err + trace.read_text()
        text += "".join(path.read_text() for path in tmp_path.glob("view.html"))
        hidden = (BEARER,) if how == "bearer" else (SECRET, ENCODED, SESSION)
        assert [word for word in hidden if word in text] == [], run
        assert "you sent" in text, "it did say them again"


@pytest.mark.parametrize("output", ["junit", "github"])
def test_reports_for_pipelines_hide_them(output: str, peers: Peers, tmp_path: Path) -> None:
    peer = peers.http(403, [], ECHOED)
    url, report = f"ws://ann:{SECRET}@{peer.authority}/", tmp_path / "report.xml"
    run = peers.wsdiag("check", url, "-o", output, "--junit", str(report))
    text = run.out + run.err + report.read_text()
    assert "you sent" in text
    assert [word for word in (SECRET, ENCODED) if word in text] == []


def test_csv_hides_them(peers: Peers) -> None:
    url = f"ws://ann:{SECRET}@{peers.aiohttp().authority}/"
    run = peers.wsdiag("ping", url, "-c", "2", "-i", "20ms", "-o", "csv", "-v", ok=0)
    assert leaks(run.out + run.err) == []
    assert "***" in run.err


def test_a_location_hides_the_password_that_it_carries(peers: Peers) -> None:
    location = ("Location", f"http://ann:{SECRET}@far.test/")
    peer = peers.http(302, [location], "")
    for output in ("text", "json"):
        run = peers.wsdiag("connect", peer.url, "-v", "-o", output, ok=1)
        assert leaks(run.out + run.err) == [], run
        assert "far.test" in run.out


@pytest.mark.parametrize("variable", ["WS_PROXY", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http", "https", "socks5h"])
def test_the_environments_proxy_hides_its_password(
    scheme: str, variable: str, peers: Peers
) -> None:
    peer = peers.http(407, [("Proxy-Authenticate", "Basic")], ECHOED)
    proxy = f"{scheme}://ann:{SECRET}@{peer.authority}"
    for output in ("text", "json"):
        run = peers.wsdiag(
            "connect",
            "ws://far.test/",
            "-v",
            "-o",
            output,
            "--connect-timeout",
            "1s",
            env={variable: proxy, "NO_PROXY": ""},
        )
        assert run.code == 1, run
        assert [word for word in (SECRET, ENCODED) if word in run.out + run.err] == [], run


@pytest.mark.parametrize("command", ["connect", "ping"])
def test_no_connection_at_all_masks_them_too(command: str, peers: Peers) -> None:
    for url in (f"ws://ann:{SECRET}@127.0.0.1:1/", f"ftp://ann:{SECRET}@127.0.0.1/"):
        for output in ("text", "json"):
            run = peers.wsdiag(command, url, "-v", "-o", output)
            assert run.code in (1, 2)
            assert leaks(run.out + run.err) == [], run


def test_a_proxys_password_is_masked(peers: Peers) -> None:
    url = peers.websockets().url
    proxy = f"http://ann:{SECRET}@127.0.0.1:1"
    by_option = peers.wsdiag("connect", url, "-x", proxy, "-v", "-o", "json", ok=1)
    by_environment = peers.wsdiag("connect", url, "-v", env={"WS_PROXY": proxy, "NO_PROXY": ""})
    assert leaks(by_option.out + by_option.err + by_environment.out + by_environment.err) == []


def test_show_secrets_shows_them(peers: Peers) -> None:
    """Were this not so, the tests above could not fail."""
    url = peers.aiohttp().url
    run = peers.wsdiag("connect", url, "-b", f"session={SESSION}", "-v", "--show-secrets", ok=0)
    assert SESSION in run.out + run.err
