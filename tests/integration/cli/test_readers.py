"""Who reads what `serve` and `exporter` print: slowly, no longer, or quietly."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.peers.command import ROOT, WSDIAG
from tests.peers.process import clean_environment

COMMANDS = ("serve", "exporter")
LEAST_PIPE = 4096


def line_of(command: str, place: Path) -> list[str]:
    """Its command line, on a free port."""
    if command == "serve":
        return [*WSDIAG, "serve", "--port", "0", "-o", "json"]
    config = place / "t.toml"
    config.write_text('[[endpoint]]\nurl = "ws://127.0.0.1:1/"\n')
    return [*WSDIAG, "exporter", "-f", str(config), "--listen", "127.0.0.1:0", "-o", "json"]


@contextmanager
def started(line: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], str, BinaryIO]]:
    """The process, its http:// URL, and the reading end of a pipe that holds little."""
    reading, writing = os.pipe()
    if sys.platform == "linux":
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, LEAST_PIPE)
    env = clean_environment({"PYTHONPATH": str(ROOT)})
    process = subprocess.Popen(line, stdout=writing, stderr=subprocess.PIPE, env=env)
    os.close(writing)
    with open(reading, "rb", buffering=0) as reader:
        try:
            url = json.loads(reader.readline())["url"]
            yield process, url.replace("ws://", "http://"), reader
        finally:
            process.kill()
            process.communicate()


def ask(url: str) -> int:
    """The status of an answer; each leaves an event."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.parametrize("command", COMMANDS)
def test_a_pipe_that_nobody_reads_holds_up_nothing(command: str, tmp_path: Path) -> None:
    with started(line_of(command, tmp_path)) as (_, url, _):
        for number in range(60):
            assert ask(f"{url}/nothing-here/{number}/{'x' * 200}") == 404


@pytest.mark.parametrize("command", COMMANDS)
def test_a_reader_that_leaves_ends_it_quietly(command: str, tmp_path: Path) -> None:
    with started(line_of(command, tmp_path)) as (process, url, reader):
        reader.close()
        with suppress(OSError):  # it may be gone before it answers
            ask(f"{url}/nothing-here")
        _, said = process.communicate(timeout=30)
        assert (process.returncode, said) == (0, b"")


@pytest.mark.parametrize("command", COMMANDS)
def test_quiet_prints_where_it_listens_and_no_event(command: str, tmp_path: Path) -> None:
    with started([*line_of(command, tmp_path), "-q"]) as (process, url, reader):
        assert ask(f"{url}/nothing-here") == 404
        process.terminate()
        _, said = process.communicate(timeout=30)
        assert reader.read() == said == b""
