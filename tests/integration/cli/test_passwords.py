"""Passwords asked for on a real terminal; and never where nobody could answer."""

import re
import select
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest
import trustme
from cryptography.hazmat.primitives import serialization as ser
from websockets.sync.server import ServerConnection, serve

from tests.peers.command import ROOT, WSDIAG
from tests.peers.peers import Peers
from tests.peers.process import clean_environment

BOUND_S = 60
PASSWORD = "correct horse battery"


class Mutual:
    """A server that wants a client's certificate, and one with an encrypted key."""

    def __init__(self, folder: Path) -> None:
        ca = trustme.CA()
        ca.cert_pem.write_to_path(str(folder / "ca.pem"))
        mine = ca.issue_cert("me.test")
        mine.cert_chain_pems[0].write_to_path(str(folder / "me.pem"))
        key = ser.load_pem_private_key(mine.private_key_pem.bytes(), None)
        hidden = ser.BestAvailableEncryption(PASSWORD.encode())
        (folder / "me.key").write_bytes(
            key.private_bytes(ser.Encoding.PEM, ser.PrivateFormat.PKCS8, hidden)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert("127.0.0.1").configure_cert(context)
        ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        self.server = serve(_echo, "127.0.0.1", 0, ssl=context)
        self.url = f"wss://127.0.0.1:{self.server.socket.getsockname()[1]}/"
        self.options = ["--cacert", str(folder / "ca.pem"), "--cert", str(folder / "me.pem")]
        self.options += ["--key", str(folder / "me.key"), "-x", ""]


def _echo(ws: ServerConnection) -> None:
    for message in ws:
        ws.send(message)


@pytest.fixture
def mutual(tmp_path: Path) -> Iterator[Mutual]:
    made = Mutual(tmp_path)
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join(BOUND_S)


def at_terminal(*args: str) -> "pexpect.spawn[str]":
    environment = clean_environment({"TERM": "xterm", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)})
    return pexpect.spawn(
        WSDIAG[0],
        [*WSDIAG[1:], *args],
        env=environment,
        timeout=BOUND_S,
        dimensions=(40, 200),
        encoding="utf-8",
    )


def ended(child: "pexpect.spawn[str]") -> tuple[int, str]:
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus is not None, f"killed by {child.signalstatus}"
    return child.exitstatus, child.before or ""


def answer(child: "pexpect.spawn[str]", typed: str) -> None:
    child.expect(r"Password of \S+: ")
    child.waitnoecho()
    child.sendline(typed)


def test_a_keys_password_is_asked_for_unseen(mutual: Mutual) -> None:
    child = at_terminal("connect", mutual.url, *mutual.options)
    answer(child, PASSWORD)
    code, shown = ended(child)
    assert (code, "connected" in shown) == (0, True), shown
    assert PASSWORD not in shown


def test_many_connections_ask_once(mutual: Mutual) -> None:
    child = at_terminal("ping", "-c", "1", "--no-chart", mutual.url, mutual.url, *mutual.options)
    answer(child, PASSWORD)
    code, shown = ended(child)
    assert (code, "Password" in shown) == (0, False), shown


def test_endpoints_of_a_file_that_share_a_key_ask_once(mutual: Mutual, tmp_path: Path) -> None:
    cacert, cert, key = mutual.options[1], mutual.options[3], mutual.options[5]
    keys = {"url": mutual.url, "cacert": cacert, "cert": cert, "key": key, "proxy": ""}
    lines = "".join(f'{name} = "{value}"\n' for name, value in keys.items())
    (tmp_path / "check.toml").write_text(
        f'[[endpoint]]\nname = "one"\n{lines}\n[[endpoint]]\nname = "two"\n{lines}'
    )
    child = at_terminal("check", "-f", str(tmp_path / "check.toml"))
    answer(child, PASSWORD)
    code, shown = ended(child)
    assert (code, "Password" in shown) == (0, False), shown


def test_a_wrong_password_is_asked_for_again_and_three_are_enough(mutual: Mutual) -> None:
    child = at_terminal("connect", mutual.url, *mutual.options)
    answer(child, "wrong")
    child.expect("not its password")
    answer(child, PASSWORD)
    assert ended(child)[0] == 0
    child = at_terminal("connect", mutual.url, *mutual.options)
    for _ in range(3):
        answer(child, "wrong")
    code, shown = ended(child)
    words = re.sub(r"\x1b\[[0-9;]*m|[│\s]+", " ", shown)  # whatever width the frame has
    assert (code, "password is wrong" in words) == (2, True), shown


@pytest.mark.parametrize("typed", ["\r", "\x04"], ids=["Return", "Ctrl-D"])
def test_no_answer_is_an_error_that_names_the_option(typed: str, mutual: Mutual) -> None:
    child = at_terminal("connect", mutual.url, *mutual.options)
    child.expect(r"Password of \S+: ")
    child.waitnoecho()
    child.send(typed)
    code, shown = ended(child)
    assert (code, "--key-password-env" in shown) == (2, True), shown


def test_ctrl_c_at_the_prompt_leaves_quietly(mutual: Mutual) -> None:
    child = at_terminal("connect", mutual.url, *mutual.options)
    child.expect(r"Password of \S+: ")
    child.waitnoecho()
    child.sendintr()
    child.expect(pexpect.EOF)
    echoes = child.getecho()
    child.close()
    assert child.exitstatus == 130
    assert (child.before or "").strip() == "", "nothing is said, least of all a traceback"
    assert echoes, "the terminal is given back as it was"


def test_the_prompt_comes_before_the_dial_whose_time_is_limited(mutual: Mutual) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"wss://127.0.0.1:{listener.getsockname()[1]}/"
        child = at_terminal("connect", url, *mutual.options)
        child.expect(r"Password of \S+: ")
        child.waitnoecho()
        assert select.select([listener], [], [], 0)[0] == [], "it has connected already"
        child.sendline(PASSWORD)
        assert select.select([listener], [], [], BOUND_S)[0], "it never connected"
        child.close(force=True)


def test_a_users_password_is_asked_for_as_curl_does(peers: Peers) -> None:
    child = at_terminal("connect", peers.websockets().url, "-u", "ann", "-v", "--show-secrets")
    child.expect(r"Password of user ann: ")
    child.waitnoecho()
    child.sendline("sesame")
    code, shown = ended(child)
    assert (code, "Basic YW5uOnNlc2FtZQ==" in shown) == (0, True), shown


def test_nothing_is_asked_in_a_pipeline(mutual: Mutual, peers: Peers) -> None:
    run = peers.wsdiag("connect", mutual.url, *mutual.options, ok=2)
    assert "the key is encrypted (--key-password-env NAME" in " ".join(run.out.split())
    good = peers.wsdiag(
        "connect",
        mutual.url,
        *mutual.options,
        "--key-password-env",
        "KEYPW",
        env={"KEYPW": PASSWORD},
        ok=0,
    )
    assert PASSWORD not in good.out + good.err


def test_a_terminal_without_stdin_is_not_asked(mutual: Mutual) -> None:
    """`wsdiag … < /dev/null` from a terminal: nobody can be meant to answer."""
    script = (
        "import os, subprocess, sys; "
        "sys.exit(subprocess.run(sys.argv[1:], stdin=subprocess.DEVNULL).returncode)"
    )
    environment = clean_environment({"TERM": "xterm", "LC_ALL": "C.UTF-8", "PYTHONPATH": str(ROOT)})
    child = pexpect.spawn(
        sys.executable,
        ["-c", script, *WSDIAG, "connect", mutual.url, *mutual.options],
        env=environment,
        timeout=BOUND_S,
        dimensions=(40, 200),
        encoding="utf-8",
    )
    code, shown = ended(child)
    assert (code, "Password of" in shown) == (2, False), shown
