"""What is a credential by its name reaches no output of any command."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import typer

from tests.peers.peers import Peers
from wsdiag.cli.app import app
from wsdiag.cli.reference.model import Flag, describe

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJtYXJrZXItand0In0.c2lnbmVkLW1hcmtlcg"
# every way to give a secret: the options, what is put after the URL, and what must not be seen
GIVEN: dict[str, tuple[tuple[str, ...], str, tuple[str, ...]]] = {
    "parameter": ((), "?access_token=marker-par1&room=7", ("marker-par1",)),
    "parameters": (
        (),
        "?X-Amz-Signature=marker-sig1&api_key=marker-key1&code=marker-code&authToken=marker-auth",
        ("marker-sig1", "marker-key1", "marker-code", "marker-auth"),
    ),
    "encoded parameter": ((), "?tok%65n=marker%2Fpar2", ("marker%2Fpar2", "marker/par2")),
    "JWT in a parameter": ((), f"?x={JWT}", (JWT, JWT.split(".")[1])),
    "JWT in the path": ((), f"/{JWT}", (JWT, JWT.split(".")[2])),
    "header": (("-H", "X-Api-Key: marker-head"), "", ("marker-head",)),
    "other headers": (
        ("-H", "x-amz-security-token: marker-amz1", "-H", "X-Session: Basic marker-sess"),
        "",
        ("marker-amz1", "marker-sess"),
    ),
    "subprotocol": (
        ("--subprotocol", "chat", "--subprotocol", "bearer.marker-sub1"),
        "",
        ("marker-sub1",),
    ),
    "subprotocol after a word": (
        ("--subprotocol", "access_token", "--subprotocol", "marker-sub2"),
        "",
        ("marker-sub2",),
    ),
    "long subprotocol": (
        ("--subprotocol", "marker-0123456789abcdefghij"),
        "",
        ("marker-0123456789abcdefghij",),
    ),
    "subprotocol as a header": (
        ("-H", f"Sec-WebSocket-Protocol: chat, {JWT}"),
        "",
        (JWT, JWT.split(".")[1]),
    ),
    "asked for": (
        ("--mask", "X-Tenant", "--mask", "who", "-H", "X-Tenant: marker-tena"),
        "?who=marker-who1",
        ("marker-tena", "marker-who1"),
    ),
    "header from the environment": (
        ("--header-env", "X-Auth=MARKER"),
        "",
        ("marker-from-environment",),
    ),
    "user from the environment": (
        ("--user-env", "MARKER_USER"),
        "",
        ("marker-of-ann", "YW5uOm1hcmtlci1vZi1hbm4="),
    ),
    "other proxy": (("-x", "http://marker-user@127.0.0.1:1"), "", ("marker-user",)),
}
ENVIRONMENT = {"MARKER": "marker-from-environment", "MARKER_USER": "ann:marker-of-ann"}
BOUNDS: dict[str, tuple[str, ...]] = {
    "ping": ("-c", "2", "-i", "20ms"),
    "idle-probe": ("--from", "100ms", "--to", "200ms", "--step", "100ms"),
    "stream": ("-w", "500ms", "--show", "text"),
    "path": ("-c", "1"),
}
"""What keeps a command short; one that is not here ends by itself, or by -m."""
LINE = describe(typer.main.get_command(app))
COMMANDS: dict[str, dict[str, Flag]] = {
    command.name: {name: flag for flag in command.flags for name in flag.names}
    for command in LINE.commands
    if command.operand is not None and "URL" in command.operand.value
}
"""Every command that dials a URL, and its options by their names: a new one is among them."""
KEPT = (".ndjson", ".svg", ".html", ".md", ".txt", ".xml")


def seen(peers: Peers, tmp_path: Path, url: str, command: str, options: tuple[str, ...]) -> str:
    """All that the command prints and writes, in each of its formats, and what explain makes of
    its records and its trace."""
    known, text = COMMANDS[command], ""
    for output in known["--output"].choices:
        files = {suffix: tmp_path / f"{output}{suffix}" for suffix in KEPT}
        trace, log = files[".ndjson"], tmp_path / f"{output}-log.ndjson"
        extra = ["--trace", str(trace), "-m", "20s"]
        for suffix in (".svg", ".html", ".md", ".txt"):
            extra += ["--save", str(files[suffix])] if "--save" in known else []
        extra += ["--log", str(log)] if "--log" in known else []
        extra += ["--junit", str(files[".xml"])] if "--junit" in known else []
        args = (command, url, *BOUNDS.get(command, ()), *options, "-v", "-o", output, *extra)
        run = peers.wsdiag(*args, env=ENVIRONMENT, timeout=60)
        assert run.code != 2, run
        assert "Traceback" not in run.err, run
        text += run.out + run.err
        text += "".join(file.read_text() for file in (*files.values(), log) if file.exists())
    for recorded in (trace, log):
        if recorded.exists() and recorded.stat().st_size:
            told = peers.wsdiag("explain", str(recorded), "--show", timeout=60)
            text += told.out + told.err
    return text


ALONE = ("other proxy", "JWT in the path")


@pytest.mark.parametrize("how", GIVEN)
def test_it_is_masked_wherever_it_was_given(how: str, peers: Peers, tmp_path: Path) -> None:
    options, after, hidden = GIVEN[how]
    echo = f"you sent {' and '.join(hidden)}" if not after else "no"
    peer = peers.http(403, [("X-Echo", echo), ("Sec-WebSocket-Protocol", hidden[0])], echo)
    text = seen(peers, tmp_path, f"{peer.url}{after}", "connect", options)
    assert [word for word in hidden if word in text] == []
    assert "***" in text


@pytest.mark.parametrize("connects", [True, False])
@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "connect"])
def test_by_every_command(command: str, connects: bool, peers: Peers, tmp_path: Path) -> None:
    together = [given for how, given in GIVEN.items() if how not in ALONE]
    options = tuple(word for given, _, _ in together for word in given)
    after = "?" + "&".join(after.removeprefix("?") for _, after, _ in together if after)
    hidden = [word for _, _, words in together for word in words]
    peer = peers.aiohttp() if connects else peers.http(403, [("X-Echo", " ".join(hidden))], "no")
    text = seen(peers, tmp_path, f"{peer.url}{after}", command, options)
    assert [word for word in hidden if word in text] == []


@pytest.mark.parametrize(
    "url", ["ws://ann:mark#er-pass@HOST/", "ws://ann:mark/er-pass@HOST/", "ws://marker-tok@HOST/"]
)
def test_a_password_that_breaks_the_url_is_masked(url: str, peers: Peers) -> None:
    for command, output in (("connect", "json"), ("ping", "text"), ("check", "text")):
        run = peers.wsdiag(command, url.replace("HOST", "127.0.0.1:1"), "-o", output)
        shown = run.out + run.err
        assert [w for w in ("mark#er", "er-pass", "marker-tok", "mark/er") if w in shown] == []


def test_messages_to_send_are_masked_by_the_same_rules(peers: Peers, tmp_path: Path) -> None:
    url = peers.aiohttp().url
    message = '{"op":"login","token":"marker-send","args":["key=marker-arg1"]}'
    asked = ("--send", message, "--expect", "login", "--no-compression")
    run = peers.wsdiag("check", url, *asked, "-v", "--trace", str(tmp_path / "t"), "-o", "json")
    text = run.out + run.err + (tmp_path / "t").read_text()
    assert "login" in text
    assert "marker-" not in text


def test_serves_log_has_none_of_what_its_clients_say(peers: Peers) -> None:
    for output in ("json", "text"):
        served = peers.start_wsdiag("serve", "--port", "0", "-o", output)
        url = served.read_line().rpartition("ws://")[2].split('"')[0].split()[0]
        options = ("-H", "X-Api-Key: marker-head", "-b", "id=marker-cook", "--subprotocol", JWT)
        for path in ("/echo", "/marker-path", "/status/403"):
            peers.wsdiag("connect", f"ws://{url}{path}?token=marker-par1&api_key={JWT}", *options)
        served.signal(signal.SIGINT)
        run = served.wait()
        assert "refused" in run.out + run.err, run
        hidden = ("marker-head", "marker-cook", "marker-par1", JWT)
        assert [word for word in hidden if word in run.out + run.err] == [], run


def test_a_cookie_that_an_error_page_cuts_off_is_masked(peers: Peers, tmp_path: Path) -> None:
    secret = "marker-0123456789abcdefghijklmnopqrstuvwxyz"
    for size in (180, 190, 199):
        page = f"bad request: Cookie: {'x' * size} session={secret}"[: size + 45]
        peer = peers.http(400, [], page)
        text = seen(peers, tmp_path, peer.url, "connect", ("-b", f"session={secret}"))
        assert "marker-01234567" not in text


def test_what_is_given_in_a_netrc_is_masked(peers: Peers, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login ann password marker-netr\n")
    netrc.chmod(0o600)
    peer = peers.http(403, [("X-Echo", "ann:marker-netr")], "YW5uOm1hcmtlci1uZXRy marker-netr")
    for output in ("text", "json"):
        args = ("connect", peer.url, "-n", "-v", "-o", output)
        run = peers.wsdiag(*args, env={"NETRC": str(netrc)})
        assert "marker-netr" not in run.out + run.err
        assert "YW5uOm1hcmtlci1uZXRy" not in run.out + run.err


@pytest.mark.parametrize("command", COMMANDS)
def test_hellos_are_masked_whole(command: str, peers: Peers, tmp_path: Path) -> None:
    hello = '{"op":"login","who":"marker-hello"}'
    text = seen(peers, tmp_path, peers.aiohttp().url, command, ("--hello", hello))
    assert "marker-hello" not in text
