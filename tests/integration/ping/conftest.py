"""Servers with a flaw, each in a process of its own, ended with the test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("moody_server.py")
Moody = Callable[..., str]


@pytest.fixture
def moody() -> Iterator[Moody]:
    """`moody("--slow", …)` starts a server with that flaw and gives its URL."""
    running: list[subprocess.Popen[str]] = []

    def start(*args: str) -> str:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout is not None
        port = int(process.stdout.readline())
        return f"ws://127.0.0.1:{port}/"

    yield start
    for process in running:
        process.kill()
        process.communicate()
