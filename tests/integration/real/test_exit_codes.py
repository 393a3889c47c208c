"""Exit codes: 0 measured and every limit holds, 1 no usable answer, 2 usage, 3 a limit broken."""

from __future__ import annotations

import socket

import pytest

from tests.peers.peers import Peers
from tests.peers.ports import free_port

FAST = ("-i", "20ms", "-o", "json")


def test_limits_that_hold(peers: Peers) -> None:
    url = peers.websockets().url
    limits = ("--max-p50", "20s", "--max-p95", "20s", "--max-p99", "20s", "--max-loss", "0")
    run = peers.wsdiag("ping", url, "-c", "5", *FAST, *limits, ok=0)
    thresholds = run.record("ping.summary")["thresholds"]
    assert len(thresholds) == 4
    assert all(threshold["ok"] for threshold in thresholds)


@pytest.mark.parametrize("limit", ["--max-p50", "--max-p95", "--max-p99"])
def test_a_broken_limit(limit: str, peers: Peers) -> None:
    url = peers.relay(peers.websockets(), delay_ms=5).url
    run = peers.wsdiag("ping", url, "-c", "3", *FAST, limit, "1ms", ok=3)
    (threshold,) = run.record("ping.summary")["thresholds"]
    assert threshold["ok"] is False
    assert threshold["measured"] >= 10


def test_a_broken_limit_in_text_says_so(peers: Peers) -> None:
    url = peers.relay(peers.websockets(), delay_ms=5).url
    run = peers.wsdiag("ping", url, "-c", "3", "-i", "20ms", "--max-p95", "1ms", ok=3)
    assert "p95" in run.out + run.err


def test_no_replies(peers: Peers) -> None:
    mute = peers.aiohttp(pong_delay_ms=60_000)
    run = peers.wsdiag("ping", mute.url, "-c", "2", "-W", "300ms", *FAST, ok=1)
    summary = run.record("ping.summary")
    assert (summary["sent"], summary["received"], summary["loss_pct"]) == (2, 0, 100.0)
    assert len(run.of("ping.lost")) == 2
    assert all(lost["waited_ms"] >= 300 for lost in run.of("ping.lost"))


def test_fewer_replies_than_asked_for_before_the_deadline(peers: Peers) -> None:
    url = peers.websockets().url
    run = peers.wsdiag("ping", url, "-c", "1000", "-w", "2s", "-i", "100ms", "-o", "json", ok=1)
    received = run.record("ping.summary")["received"]
    assert 1 <= received < 1000
    assert f"{received} of 1000 replies came before the deadline of 2 s" in run.err


def test_the_deadline_alone_is_no_failure(peers: Peers) -> None:
    run = peers.wsdiag("ping", peers.websockets().url, "-w", "1500ms", *FAST, ok=0)
    assert run.record("ping.summary")["received"] >= 1


def test_a_late_pong_is_shown_and_counted_as_lost(peers: Peers) -> None:
    late = peers.aiohttp(pong_delay_ms=600)
    run = peers.wsdiag("ping", late.url, "-c", "3", "-W", "200ms", "-i", "1s", "-o", "json")
    assert any(reply["late"] for reply in run.of("ping.reply")), run
    assert run.record("ping.summary")["lost"] == 3
    assert run.code == 1


def test_a_connection_lost_in_mid_run(peers: Peers) -> None:
    server = peers.websockets()
    running = peers.start_wsdiag("ping", server.url, *FAST)
    running.wait_record("ping.reply")
    server.stop()
    run = running.wait(30)
    assert run.code == 1
    assert run.record("ping.closed")["drop"]["how"] in ("close", "fin", "rst")
    assert run.record("ping.summary")["received"] >= 1


@pytest.mark.parametrize("command", ["connect", "ping"])
def test_refused(command: str, peers: Peers) -> None:
    url = f"ws://127.0.0.1:{free_port()}"
    run = peers.wsdiag(command, url, "-o", "json", ok=1)
    errors = [record.get("error") or record for record in run.records]
    assert any(error.get("kind") == "refused" and error.get("hint") for error in errors), run


@pytest.mark.parametrize("command", ["connect", "ping"])
def test_a_name_that_does_not_exist(command: str, peers: Peers) -> None:
    run = peers.wsdiag(command, "ws://no-such-host.invalid/", "-o", "json", ok=1)
    errors = [record.get("error") or record for record in run.records]
    assert any(error.get("kind") == "dns" for error in errors), run


@pytest.mark.parametrize("command", ["connect", "ping"])
def test_an_endpoint_that_never_answers_is_given_up(command: str, peers: Peers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"ws://127.0.0.1:{mute.getsockname()[1]}"
        run = peers.wsdiag(command, url, "--connect-timeout", "500ms", "-o", "json", ok=1)
    errors = [record.get("error") or record for record in run.records]
    assert any(e.get("kind") == "timeout" and e.get("phase") == "upgrade" for e in errors), run


USAGE = {
    "no url": ("ping", "-c", "3"),
    "unknown option": ("ping", "ws://127.0.0.1:1", "--no-such-option"),
    "unknown command": ("pong",),
    "scheme": ("connect", "ftp://127.0.0.1/"),
    "port": ("connect", "ws://127.0.0.1:99999/"),
    "two paces": ("ping", "ws://127.0.0.1:1", "-f", "--adaptive"),
    "payload too small": ("ping", "ws://127.0.0.1:1", "-s", "7"),
    "payload too large": ("ping", "ws://127.0.0.1:1", "-s", "126"),
    "interval": ("ping", "ws://127.0.0.1:1", "-i", "0"),
    "duration": ("ping", "ws://127.0.0.1:1", "-W", "soon"),
    "negative": ("ping", "ws://127.0.0.1:1", "-c", "0"),
    "header": ("connect", "ws://127.0.0.1:1", "-H", "no colon"),
    "header break": ("connect", "ws://127.0.0.1:1", "-H", "A: b\r\nC: d"),
    "cacert": ("connect", "wss://127.0.0.1:1", "--cacert", "/no/such/file"),
    "format": ("connect", "ws://127.0.0.1:1", "-o", "yaml"),
    "save": ("connect", "ws://127.0.0.1:1", "--save", "picture.bmp"),
}


@pytest.mark.parametrize("mistake", USAGE)
def test_usage_errors(mistake: str, peers: Peers) -> None:
    run = peers.wsdiag(*USAGE[mistake], ok=2)
    assert run.err.strip(), "a usage error says what is wrong"
    assert "Traceback" not in run.err
    assert run.out == "", "nothing but data goes to stdout"


def test_serve_on_a_port_in_use_is_a_clear_error(peers: Peers) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = peers.wsdiag("serve", "--port", str(port), ok=1)
    assert str(port) in run.err
    assert "in use" in run.err.lower()
    assert "Traceback" not in run.err


@pytest.mark.parametrize(
    ("mistake", "usage", "said"),
    [
        (["ping", "-c", "many", "x"], "ping [OPTION]... URL...", "'--count'"),
        (["ping", "-c", "0", "x"], "ping [OPTION]... URL...", "'--count'"),
        (["connect", "-o", "csv", "x"], "connect [OPTION]... URL", "'csv' is not one of"),
        (["serve", "--drop", "fin"], "serve [OPTION]...", "--drop needs --idle-timeout"),
        (["conect"], "COMMAND [OPTION]...", "did you mean wsdiag connect?"),
        (["idle", "ws://127.0.0.1:1"], "COMMAND [OPTION]...", "did you mean wsdiag idle-probe?"),
        (["ws://127.0.0.1:1"], "COMMAND [OPTION]...", "wsdiag connect ws://127.0.0.1:1"),
        (["-o", "json", "ping"], "COMMAND [OPTION]...", "options follow the command"),
        (["help", "pign"], "help [OPTION]... [COMMAND]", "did you mean ping?"),
        (["ping", "x", "--json"], "ping [OPTION]... URL...", "did you mean -o json?"),
        (["ping", "x", "--compresion"], "ping [OPTION]... URL...", "did you mean --compression?"),
        (["ping", "-o", "jsno", "x"], "ping [OPTION]... URL...", "did you mean json?"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
def test_usage_errors_look_like_any_other_and_say_what_was_meant(
    mistake: list[str], usage: str, said: str, peers: Peers
) -> None:
    run = peers.wsdiag(*mistake, env={"NO_COLOR": "1"})
    assert run.code == 2
    assert run.err.startswith("error: ")
    assert "\nhint: " in run.err
    assert f"usage: wsdiag {usage} (wsdiag" in run.err
    assert said in run.err
    assert "Value error" not in run.err
    assert "Input should" not in run.err
