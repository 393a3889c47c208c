"""What scripts rely on of options: which commands take them, and what `-m` and files do."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from tests.peers.certs import Authority
from tests.peers.peers import Peers
from wsdiag.cli.app import app
from wsdiag.cli.reference.model import describe

DIALLING = ("connect", "ping", "idle-probe", "stream", "path", "check")
CONNECTION = """
-H --header --subprotocol --origin -u --user -b --cookie -A --user-agent -k --insecure --cacert
--cert --key -x --proxy --noproxy --resolve --unix-socket -4 -6 -L --location --max-redirs
--connect-timeout -n --netrc -m --max-time --user-env --header-env --mask --show-secrets --hello
--hello-expect --hello-wait --dialect --http1.1 --http2 --http3 --no-http2-look --compression
--no-compression -o --output -q --quiet -v --verbose --color --save --log -h --help
"""
OWN = {
    "connect": "--send --listen",
    "ping": """-c -i -W -w -s --mode -D -f --adaptive --reconnect --load --max-p50 --max-p95
        --max-p99
        --max-loss --window --y-max --log-scale --no-chart --max-drops --min-availability --download
        --read-rate --retry-max-wait --no-http2-ping""",
    "idle-probe": """--from --to --step --keepalive --trials --push --send --pong-timeout --repeat
        --refine --max-connections --require --lifetime --locate --no-locate --one-connection""",
    "stream": """--by --show --field --seq --time -i -c -w --reconnect --max-silence --max-gap
        --max-lag
        --min-rate""",
    "path": "-c -i --names",
    "check": "-f --junit",
    "explain": "--only --keylog --log-format --require-clean --show",
    "exporter": "-f --listen --cert --key --client-ca --textfile",
    "serve": """--host --port --tls --ca-out --cert --key --subprotocol --max-connections --upstream
        --idle-timeout --drop --list""",
}


LINE = describe(typer.main.get_command(app))


@pytest.mark.parametrize("command", OWN)
def test_every_option_that_scripts_rely_on(command: str) -> None:
    (found,) = [each for each in LINE.commands if each.name == command]
    names = {name for flag in found.flags for name in flag.names}
    wanted = OWN.get(command, "") + (CONNECTION if command in DIALLING else "")
    assert not set(wanted.split()) - names


def test_no_look_at_http2_leaves_its_rules_out(peers: Peers, ca: Authority) -> None:
    made = ca.cert()
    url, _ = peers.serve("--http2", "--cert", str(made.cert), "--key", str(made.key))
    line = ("check", "-o", "json", "-k", f"{url}/echo")
    ids = {one["id"] for one in peers.wsdiag(*line, ok=0).of("check.result")}
    left = {one["id"] for one in peers.wsdiag(*line, "--no-http2-look", ok=0).of("check.result")}
    assert ids - left == {"h2-advertised", "h2-opens", "h2-no-key-needed", "h1-and-h2-agree"}
    peers.wsdiag(*line, "--no-http2-look", "--expect-http2", ok=2)
    for command in ("ping", "stream"):
        peers.wsdiag(command, "-k", "--no-http2-look", "-c", "1", f"{url}/push/0.05", ok=0)


@pytest.mark.parametrize("command", ["ping", "idle-probe", "stream", "path", "check"])
def test_the_end_of_max_time_is_told(peers: Peers, command: str) -> None:
    url = f"{peers.serve()[0]}/hang/upgrade"
    run = peers.wsdiag(command, "-m", "1.5", url, ok=1)
    told = "not done within 1.5 s (--max-time): waiting for the answer to the upgrade"
    assert told in run.err
    assert "nterrupted" not in run.out + run.err


@pytest.mark.parametrize(
    ("command", "path", "awaited"),
    [("ping", "/echo", "as many replies as -c asks for"), ("stream", "/push/0.05", "messages")],
)
def test_what_max_time_left_of_a_count_is_told(
    peers: Peers, command: str, path: str, awaited: str
) -> None:
    url = peers.serve()[0] + path
    run = peers.wsdiag(command, "-m", "2", "-c", "100000", url, ok=0)
    assert f"not done within 2 s (--max-time): waiting for {awaited}\n" in run.err
    assert "not done" not in peers.wsdiag(command, "-m", "2", url, ok=0).err


def test_two_options_do_not_write_one_file(peers: Peers, tmp_path: Path) -> None:
    log, trace = tmp_path / "run.ndjson", tmp_path / "link"
    trace.symlink_to(log)
    run = peers.wsdiag("ping", "--log", str(log), "--trace", str(trace), "ws://localhost", ok=2)
    assert "is written by --save or --log already" in run.err


def test_what_max_time_waited_for_is_told_of_checks(peers: Peers) -> None:
    url = f"{peers.serve()[0]}/hang/close"
    run = peers.wsdiag("check", "-m", "3", url, ok=1)
    assert "not done within 3 s (--max-time): waiting for the check close" in run.err
    (close,) = [line for line in run.out.splitlines() if " close " in line]
    assert "not done within --max-time" in close


@pytest.mark.parametrize(
    ("command", "record"),
    [
        (("ping", "-m", "2"), "ping.summary"),
        (("idle-probe", "-m", "3", "--from", "0.5", "--to", "60", "--step", "10"), "idle.verdict"),
    ],
)
def test_what_was_measured_is_told_where_no_close_is_answered(
    peers: Peers, command: tuple[str, ...], record: str
) -> None:
    run = peers.wsdiag(*command, "-o", "json", f"{peers.serve()[0]}/hang/close", ok=0)
    told = run.record(record)
    if record == "idle.verdict":
        assert told["partial"]
        assert any("--max-time ended the probe" in sentence for sentence in told["explanation"])
    else:
        assert told["received"] >= 1


def test_the_limit_that_was_reached_is_named(peers: Peers) -> None:
    url = f"{peers.serve()[0]}/hang/upgrade"
    run = peers.wsdiag("connect", "-o", "json", "-m", "0.3", url, ok=1)
    hint = run.record("connect.result")["error"]["hint"]
    assert "--max-time waits longer" in hint
    assert "--connect-timeout" not in hint


def test_a_file_masks_and_bounds_the_run(peers: Peers, tmp_path: Path) -> None:
    file = tmp_path / "wsdiag.toml"
    endpoint = (
        f'[[endpoint]]\nurl = "{peers.serve()[0]}/status/403"\nheader = "X-Id: one-two-three"\n'
    )
    file.write_text('[defaults]\nmask = ["X-Id"]\n' + endpoint)
    run = peers.wsdiag("check", "-v", "-f", str(file), ok=1)
    assert "X-Id: ***" in run.err
    file.write_text("[defaults]\nmax-time = 0.3\n" + endpoint.replace("status/403", "hang/upgrade"))
    run = peers.wsdiag("check", "-f", str(file), ok=1)
    assert "not begun: --max-time ended while" in run.out
