"""More connections than open files: the limit is raised as far as it goes, else said at once."""

from __future__ import annotations

import json
import shlex
import subprocess

import pytest

from tests.peers.command import WSDIAG, parse_record
from tests.peers.peers import Peers
from tests.peers.process import clean_environment


def limited(limits: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """`wsdiag` under a shell's `ulimit`."""
    command = f"ulimit {limits} && exec {shlex.join([*WSDIAG, *argv])}"
    return subprocess.run(
        ["sh", "-c", command], capture_output=True, text=True, timeout=60, env=clean_environment()
    )


def test_the_soft_limit_is_raised(peers: Peers) -> None:
    base = peers.websockets().url
    urls = [f"{base}?n={number}" for number in range(70)]
    run = limited("-S -n 64", "ping", "-c", "1", "-o", "json", *urls)
    assert run.returncode == 0, run.stderr
    kinds = [json.loads(line)["type"] for line in run.stdout.splitlines()]
    assert kinds.count("ping.reply") == len(urls)


@pytest.mark.parametrize("command", ["ping", "idle-probe"])
def test_the_hard_limit_is_told_before_anything_is_dialed(command: str) -> None:
    urls = [f"ws://127.0.0.1:9/{number}" for number in range(60)]
    run = limited("-n 64", command, "-o", "json", *urls)
    assert run.returncode == 2, run.stderr
    record = parse_record(run.stdout)
    assert (record["type"], record["kind"]) == ("error", "usage")
    assert "may open 64 files only" in record["message"]
    assert "ulimit -n" in record["hint"]
    assert "ulimit -n" in run.stderr


def test_few_connections_run_under_a_low_limit(peers: Peers) -> None:
    run = limited("-n 64", "ping", "-c", "1", peers.websockets().url)
    assert run.returncode == 0, run.stderr
