"""docs/ci.md says only what works: its snippets are taken from it and run.

Replaced are waiting times, and the addresses of endpoints that exist nowhere.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from junitparser import JUnitXml

from tests.peers.certs import Authority
from tests.peers.command import ROOT
from tests.peers.peers import Peers
from tests.peers.ports import free_port
from tests.peers.tools import require_tool
from wsdiag.cli.check.file import read_check_file

pytestmark = pytest.mark.minutes

DOCS = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
FENCED = re.compile(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SNIPPETS = {heading: (language, text) for heading, language, text in FENCED.findall(DOCS)}
TOKEN = "correct-horse"  # of programs/chat_app.py


def snippet(heading: str, language: str) -> str:
    found, text = SNIPPETS[heading]
    assert found == language
    return text


def replaced(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text, f"docs/ci.md no longer says {old!r}"
        text = text.replace(old, new)
    return text


def test_every_snippet_is_run_here() -> None:
    assert {heading: language for heading, (language, _) in SNIPPETS.items()} == {
        "The file": "toml",
        "An endpoint that wants a first message": "toml",
        "GitHub Actions": "yaml",
        "GitLab CI": "yaml",
        "Makefile": "make",
        "Kubernetes: startup and liveness": "yaml",
        "Before a deploy, in a shell": "sh",
    }
    assert DOCS.count("```") == 2 * len(SNIPPETS)


def test_the_hello_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "wsdiag.toml"
    path.write_text(snippet("An endpoint that wants a first message", "toml"))
    environment = {"WS_HOST": "chat.example", "GRAPH_TOKEN": "t0ken"}
    (endpoint,) = read_check_file(path, environment).endpoints
    assert endpoint.url == "wss://chat.example/graphql"
    assert endpoint.dial.dialect == "graphql-transport-ws"
    assert endpoint.dial.hello == ('{"type":"connection_init","payload":{"token":"t0ken"}}',)


class Shell:
    """Runs commands in a folder, with `wsdiag` on the PATH."""

    def __init__(self, folder: Path, ca: Path) -> None:
        self.folder = folder
        tools = folder / "bin"
        tools.mkdir()
        script = tools / "wsdiag"
        script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m wsdiag "$@"\n')
        script.chmod(0o755)
        self._env = {
            **os.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "SSL_CERT_FILE": str(ca),
        }

    def run(self, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=90,
            cwd=self.folder,
            env={**self._env, **env},
            check=False,
        )


@pytest.fixture
def shell(tmp_path: Path, ca: Authority) -> Shell:
    return Shell(tmp_path, ca.pem)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The page's wsdiag.toml, with shorter waits."""
    path = tmp_path / "wsdiag.toml"
    path.write_text(
        replaced(
            snippet("The file", "toml"),
            ("require-idle = 90", "require-idle = 1"),
            ("require-keepalive = 20", "require-keepalive = 0.3"),
            ("250ms", "30s"),
            ('retry-delay = "3s"', 'retry-delay = "50ms"'),
            ("retry = 10", "retry = 1"),
            ("cert-days = 21", "cert-days = 0"),
        )
    )
    return path


@pytest.fixture
def chat(peers: Peers) -> dict[str, str]:
    """The environment that the page's file wants."""
    peer = peers.chat_app(tls=True)
    return {"WS_HOST": f"{peer.host}:{peer.port}", "CHAT_TOKEN": TOKEN}


COMMAND = re.compile(r"^::(error|warning|notice) title=([^:,]*)::(.*)$")


def annotations(text: str) -> list[tuple[str, str, str]]:
    """(kind, title, message) of workflow commands, by the runner's rules of escaping."""
    found = []
    for line in text.splitlines():
        match = COMMAND.match(line)
        assert match is not None, line
        found.append((match[1], unescape(match[2], ":,"), unescape(match[3], "")))
    return found


def unescape(text: str, properties: str) -> str:
    for char in "\r\n" + properties:
        text = text.replace(f"%{ord(char):02X}", char)
    return text.replace("%25", "%")


def github_steps() -> list[dict[str, Any]]:
    jobs = yaml.safe_load(snippet("GitHub Actions", "yaml"))["jobs"]
    steps: list[dict[str, Any]] = jobs["check"]["steps"]
    return steps


def test_github_passes_and_annotates(shell: Shell, file: Path, chat: dict[str, str]) -> None:
    step = github_steps()[-1]
    assert set(re.findall(r"\$\{(\w+)\}", file.read_text())) == set(step["env"]) == set(chat)
    summary = shell.folder / "summary.md"
    run = shell.run("bash", "-e", "-c", step["run"], **chat, GITHUB_STEP_SUMMARY=str(summary))
    assert run.returncode == 0, run.stdout + run.stderr
    assert [(kind, title) for kind, title, _ in annotations(run.stdout)] == [
        ("notice", "wsdiag check")
    ]
    assert "chat refuses strangers" in summary.read_text()
    chat["CHAT_TOKEN"] = "wrong, 100%: token"
    run = shell.run("bash", "-e", "-c", step["run"], **chat, GITHUB_STEP_SUMMARY=str(summary))
    assert run.returncode == 1
    kind, title, message = annotations(run.stdout)[0]
    assert (kind, title.partition(": ")[0]) == ("error", "upgrade")
    assert title.endswith(f"chat (wss://{chat['WS_HOST']}/chat)")
    assert "401" in message
    assert "\n" in message
    report = (shell.folder / "wsdiag.xml").read_text()
    assert chat["CHAT_TOKEN"] not in run.stdout + run.stderr + summary.read_text() + report


def test_gitlab_finds_the_report_where_it_looks(
    shell: Shell, file: Path, chat: dict[str, str]
) -> None:
    job = yaml.safe_load(snippet("GitLab CI", "yaml"))["websocket"]
    run = shell.run("sh", "-e", "-c", "\n".join(job["script"]), **chat)
    assert run.returncode == 0, run.stdout + run.stderr
    report = JUnitXml.fromfile(str(shell.folder / job["artifacts"]["reports"]["junit"]))
    assert [suite.name.partition(" (")[0] for suite in report] == ["chat", "chat refuses strangers"]
    assert all(suite.failures == suite.errors == 0 for suite in report)


def test_both_install_what_they_run() -> None:
    job = yaml.safe_load(snippet("GitLab CI", "yaml"))["websocket"]
    assert "pip install wsdiag" in job["before_script"]
    assert "pip install wsdiag" in [step.get("run") for step in github_steps()]
    assert job["artifacts"]["when"] == "always"  # a report of failures is what it is for


def test_the_makefile_line(shell: Shell, peers: Peers) -> None:
    make = require_tool("make")
    text = replaced(
        snippet("Makefile", "make"), ("--require-idle 60", "--require-idle 1"), ("250ms", "30s")
    )
    (shell.folder / "Makefile").write_text(text)
    good = shell.run(make, "check-ws", f"WS_URL={peers.chat_app().url}/socket")
    assert good.returncode == 0, good.stdout + good.stderr
    dead = shell.run(make, "check-ws", f"WS_URL=ws://127.0.0.1:{free_port()}")
    assert dead.returncode == 2  # make's own
    assert "Error 1" in dead.stderr


def probes() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(snippet("Kubernetes: startup and liveness", "yaml"))
    return found


@pytest.mark.parametrize("name", ["startupProbe", "livenessProbe"])
def test_kubernetes_probes(shell: Shell, peers: Peers, name: str) -> None:
    probe = probes()[name]
    *command, url = probe["exec"]["command"]
    assert url == "ws://127.0.0.1:8080/socket"
    assert shell.run(*command, peers.chat_app().url + "/socket").returncode == 0
    assert shell.run(*command, f"ws://127.0.0.1:{free_port()}/socket").returncode == 1
    serve, _ = peers.serve()
    assert shell.run(*command, serve + "/status/403").returncode == 1
    assert shell.run(*command, serve + "/hang/upgrade").returncode == 1
    assert shell.run(*command, serve + "/no-pong").returncode == 3


def last_line(text: str) -> str:
    """Empty where nothing was said: what is waited for, say, is told only while it is."""
    return (text.splitlines() or [""])[-1]


@pytest.mark.parametrize("program", ["sh", "bash"])
def test_before_a_deploy(shell: Shell, peers: Peers, program: str) -> None:
    recipe = replaced(
        snippet("Before a deploy, in a shell", "sh"),
        ("--retry 20 --retry-delay 3s", "--retry 1 --retry-delay 50ms"),
    )

    def deploy(url: str, idle_s: int = 1) -> tuple[int, str, str]:
        script = replaced(recipe, ("--require-idle 60", f"--require-idle {idle_s}"))
        script = "switch_traffic() { echo switched; }\n" + script
        run = shell.run(program, "-c", script, NEW_URL=url)
        return run.returncode, last_line(run.stdout), last_line(run.stderr)

    code, out, _ = deploy(peers.chat_app().url + "/socket")
    assert (code, out) == (0, "switched")
    serve, _ = peers.serve("--idle-timeout", "0.3")
    code, out, err = deploy(serve, idle_s=20)  # which its end cuts short
    assert (code, err) == (1, "up, but not fit")
    assert out != "switched"
    code, _, err = deploy(f"ws://127.0.0.1:{free_port()}")
    assert (code, err) == (1, "not reachable, or not measured")
